//! The shipped lab from empty, again, with new templates: one world for all,
//! because a rehearsal takes its time.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

use super::trace::{Trace, traced};
use super::{clean, ready, tree};
use crate::support::{Hl, Ran, TestLab};

/// Secrets as people have them in `.env`, by name, and one in a file of secrets.
const CANARIES: &[(&str, &str)] = &[
    ("PM_TOKEN_SECRET", "7b1e6a52-c0ff-4eed-8e1f-cana0ry00001"),
    ("FOO_TOKEN", "ghp_Canary0002xyzzy"),
    ("BAR_SECRET", "canary-0003/with+and=&<>%"),
    ("X_PASSWORD", "canary 0004 \"quoted\" $HOME #x"),
    ("DOPPLER_TOKEN", "dp.st.dev.Canary0005"),
    ("ODDLY_NAMED", "canary-0006-oddly"),
];
/// The two files that hold them.
const HOLDERS: &[&str] = &[".env", "state/secrets.env"];

/// A lab in which everything live is there already, so that a rehearsal could
/// damage it, and a home outside of it.
pub(super) struct Rehearsed {
    pub(super) lab: TestLab,
    home: TempDir,
}

impl Rehearsed {
    fn new() -> Self {
        let lab = TestLab::shipped();
        let dotenv: Vec<String> = CANARIES[..5]
            .iter()
            .map(|(name, value)| format!("{name}='{value}'"))
            .collect();
        lab.write(".env", &dotenv.join("\n"))
            .write(
                "state/secrets.env",
                &format!("ODDLY_NAMED={}\n", CANARIES[5].1),
            )
            .write("state/known_hosts", "192.168.1.51 ssh-ed25519 AAAA\n")
            .write("state/runs/20260101-000000-aaaa.yaml", "live\n")
            .write(
                ".states/dev-pve/terraform.tfstate",
                "{\"version\": 4, \"resources\": [\"live\"]}",
            )
            .write(".build/tofu/dev-pve/outputs.json", "live")
            .write("reports/20260101-000000.passed.json", "live")
            .write(
                "templates/debian-13/artifacts/vm-template-20260101-000000.json",
                "live",
            );
        let spec = lab.path("templates/debian-13/spec");
        std::fs::create_dir_all(&spec).unwrap();
        let stable = spec.join("vm-template-stable.json");
        std::os::unix::fs::symlink("../artifacts/vm-template-20260101-000000.json", stable)
            .unwrap();
        for file in HOLDERS {
            std::fs::set_permissions(lab.path(file), Permissions::from_mode(0o600)).unwrap();
        }
        let home = TempDir::new().unwrap();
        Self { lab, home }
    }

    fn hl(&self, words: &str) -> Hl {
        let home = self.home.path().display().to_string();
        self.lab.hl(words).env("HOME", home)
    }

    /// `state/rehearsal`, where all that a rehearsal writes is.
    pub(super) fn out(&self, below: &str) -> PathBuf {
        self.lab.path("state/rehearsal").join(below)
    }

    /// Where the stable pointer of a template leads in the rehearsal.
    fn stable(&self, template: &str) -> String {
        let pointer = format!("templates/{template}/spec/vm-template-stable.json");
        let to = std::fs::read_link(self.out(&pointer)).unwrap();
        to.file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// No secret, nor the token of the simulated node, is anywhere but where its
    /// owner put it: in no file, no output, no process's arguments.
    #[track_caller]
    fn keeps_secrets(&self, ran: &Ran, trace: Option<&Trace>) {
        let keys = std::fs::read_to_string(self.out("world/keys.json")).unwrap();
        let keys: Value = serde_json::from_str(&keys).unwrap();
        let invented = forms(keys["secret"].as_str().unwrap());
        let canaries: Vec<String> = CANARIES
            .iter()
            .flat_map(|(_, secret)| forms(secret))
            .collect();
        tree::holds_none(self.lab.root(), HOLDERS, &canaries);
        // Nor is the user's home written to.
        assert_eq!(tree::files(self.home.path(), &[]), [] as [PathBuf; 0]);
        // The world is the node itself, which knows its own token.
        let without = [
            "state/rehearsal/world/keys.json",
            "state/rehearsal/world/world.json",
        ];
        tree::holds_none(self.lab.root(), &without, &invented);
        for secret in canaries.iter().chain(&invented) {
            for text in [&ran.stdout, &ran.stderr] {
                assert!(
                    !text.contains(secret.as_str()),
                    "`{secret}` is said:\n{text}"
                );
            }
            for argv in trace.iter().flat_map(|trace| &trace.argv) {
                let argv = String::from_utf8_lossy(argv);
                assert!(!argv.contains(secret.as_str()), "`{secret}` is in {argv}");
            }
        }
    }
}

/// A secret as it is, and as tools write it.
fn forms(secret: &str) -> Vec<String> {
    let json = serde_json::to_string(secret).unwrap();
    let url = percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC);
    let mut forms = vec![
        secret.to_owned(),
        json.trim_matches('"').to_owned(),
        url.to_string(),
        STANDARD.encode(secret),
    ];
    forms.dedup();
    forms
}

#[track_caller]
fn phase<'a>(document: &'a Value, name: &str) -> &'a Value {
    let phases = document["phases"].as_array().unwrap();
    let found = phases.iter().find(|phase| phase["name"] == name);
    found.unwrap_or_else(|| panic!("no `{name}` in {document:#}"))
}

#[test]
fn the_shipped_lab_goes_all_the_way() {
    let programs = [
        "packer",
        "tofu",
        "ansible-playbook",
        "unshare",
        "ssh-keygen",
        "git",
    ];
    if !ready(true, &programs) {
        return;
    }
    let rehearsed = Rehearsed::new();
    from_empty(&rehearsed);
    again(&rehearsed);
    new_templates(&rehearsed);
    careless(&rehearsed);
    clean::live(&rehearsed);
}

/// All five layers with the real tools, and nothing live is touched.
fn from_empty(rehearsed: &Rehearsed) {
    let before = tree::hashes(rehearsed.lab.root(), &["state/rehearsal"]);
    let (ran, trace) = traced(&rehearsed.hl("rehearse"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        before,
        tree::hashes(rehearsed.lab.root(), &["state/rehearsal"])
    );
    trace.is_over(rehearsed.lab.root());
    rehearsed.keeps_secrets(&ran, Some(&trace));

    let summary = ran.stderr.split("────").last().unwrap();
    for layer in [
        "L0 cleared ",
        "L1 changed ",
        "L2 changed ",
        "L3 changed ",
        "L4 changed ",
    ] {
        assert!(summary.contains(layer), "no `{layer}` in {summary}");
    }
    ran.says(&["Rehearsed `up`", "run this machine's userland"]);
    for (log, tool) in [
        (
            "l1-ensure-debian-13-",
            "hl.proxmox-clone.template: Provisioning with shell script",
        ),
        (
            "l1-ensure-ubuntu-24.04-",
            "Builds finished. The artifacts of successful builds are",
        ),
        (
            "l2-apply-apply",
            "Apply complete! Resources: 2 added, 0 changed, 0 destroyed.",
        ),
        ("l3-converge-converge", "PLAY RECAP"),
    ] {
        let text = rehearsed.logs(log);
        assert!(
            text.contains(tool),
            "no `{tool}` in the logs of {log}:\n{text}"
        );
    }
    // nginx answered at the machine's address: the second task is about its header.
    let site = rehearsed.logs("l4-converge-converge");
    for task in [
        "TASK [The site answers]",
        "TASK [It is nginx with the lab's content]",
    ] {
        let told = site
            .split(task)
            .nth(1)
            .unwrap()
            .split("TASK [")
            .next()
            .unwrap();
        assert!(told.contains("ok: [web-1"), "{task}: {told}");
    }
    let playbook = rehearsed
        .lab
        .read("layers/l4-workloads/ansible/workloads.yml");
    assert!(playbook.contains("server"), "{playbook}");
}

impl Rehearsed {
    /// All logs of steps whose name begins so, of all rehearsals.
    fn logs(&self, step: &str) -> String {
        let logs = tree::files(&self.out("state/logs"), &[]).into_iter();
        let named = |path: &Path| {
            path.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with(step))
        };
        let found: Vec<_> = logs.filter(|path| named(path)).collect();
        assert!(!found.is_empty(), "no log of {step}");
        found
            .iter()
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect()
    }
}

/// A new process finds everything done.
fn again(rehearsed: &Rehearsed) {
    let (ran, trace) = traced(&rehearsed.hl("rehearse --json"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    trace.is_over(rehearsed.lab.root());
    rehearsed.keeps_secrets(&ran, Some(&trace));
    let document = ran.json();
    assert_eq!(document["success"], true);
    for name in ["debian-13", "ubuntu-24.04"] {
        let step = |step: &str| phase(&document, &format!("l1-ensure({name})/{step}"));
        // It asked the node, and skipped the rest.
        let message = step("check")["message"].as_str().unwrap();
        assert!(message.starts_with("up to date: VM "), "{message}");
        assert_eq!(step("check")["status"], "succeeded");
        for skipped in ["validate", "image", "build", "publish"] {
            assert_eq!(step(skipped)["status"], "skipped", "{skipped}");
        }
    }
    assert_eq!(phase(&document, "l2-apply/plan")["message"], "no changes");
    assert_eq!(phase(&document, "l2-apply/apply")["status"], "skipped");
    for layer in ["l3", "l4"] {
        let converge = phase(&document, &format!("{layer}-converge/converge"));
        let message = converge["message"].as_str().unwrap();
        assert!(message.ends_with(" changed=0"), "{layer}: {message}");
    }
    let changed: Vec<_> = document["phases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| p["changed"] == true)
        .collect();
    assert!(changed.is_empty(), "{changed:#?}");
}

/// A template is built and not promoted, then one that is; machines that are
/// there stay as they are.
fn new_templates(rehearsed: &Rehearsed) {
    let manifests = || {
        let dir = rehearsed.out("templates/debian-13/artifacts");
        std::fs::read_dir(dir).unwrap().count()
    };
    let first = rehearsed.stable("debian-13");
    let hl = rehearsed.hl("rehearse l1-template debian-13");
    // Also set to nothing, as by a CI variable that nobody filled in.
    hl.clone().env("UPDATE_STABLE", "").exits(0);
    assert_eq!(
        (rehearsed.stable("debian-13"), manifests()),
        (first.clone(), 2)
    );
    hl.exits(0);
    let second = rehearsed.stable("debian-13");
    assert_ne!(second, first);
    assert_eq!(manifests(), 3);
    rehearsed
        .hl("rehearse l2-apply dev --dry-run")
        .exits(0)
        .says(&["no changes"]);
    let run = rehearsed.hl("rehearse l2-apply dev --yes").exits(0);
    run.says(&["no changes"]);
    rehearsed.keeps_secrets(&run, None);
}

/// Secrets that a recipe prints are masked wherever it prints them.
fn careless(rehearsed: &Rehearsed) {
    let print = "env; printf '%s\\n' \"$X_PASSWORD\"; printf %s \"$BAR_SECRET\" | base64 -w0; \
             echo; echo \"error: $FOO_TOKEN $ODDLY_NAMED\" >&2; \
             echo \"the password is $(printf %s \"$X_PASSWORD\" | wc -c) long\"";
    rehearsed.lab.write("layers/l9-mine/print.sh", print).write(
        "layers/l9-mine/layer.toml",
        "[layer]\nid = \"l9\"\nname = \"Mine\"\ndoc = \"d\"\n[[recipe]]\nname = \"careless\"\ndoc = \"d\"\n\
         [[recipe.step]]\nid = \"print\"\nuse = \"command\"\nwith = { argv = [\"sh\", \"layers/l9-mine/print.sh\"] }\n",
    );
    for words in [
        "careless --verbose",
        "rehearse careless --verbose",
        "careless --events json",
    ] {
        let ran = rehearsed.hl(words).exits(0);
        // The tool had the real ones, and its words were shown.
        let length = format!("the password is {} long", CANARIES[3].1.len());
        ran.says(&[&length, "(secret) (secret)"]);
        assert!(!ran.stderr.contains("(secret)Q"), "{}", ran.stderr);
        rehearsed.keeps_secrets(&ran, None);
    }
}
