//! Two environments on two nodes, made in one run.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::{ready, tree};
use crate::support::{Hl, TestLab};

/// What a user writes for it.
const MINE: &str = r#"
[layer]
id = "l9"
name = "Mine"

[[recipe]]
name = "both-templates"
deps = ["l1-ensure debian-13 --node=n1", "l1-ensure debian-13 --node=n2"]

[[recipe]]
name = "one"
params = [{ name = "env" }, { name = "node", option = true }]
deps = [
  "l2-apply {{ env }} --node={{ node }}",
  "l3-converge {{ env }} --node={{ node }}",
  "l4-converge {{ env }} --node={{ node }}",
]

[[recipe]]
name = "both"
deps = ["one a --node=n1", "one b --node=n2"]
parallel = true
"#;

const FILES: &[(&str, &str)] = &[
    ("layers/l9-mine/layer.toml", MINE),
    (
        "site/site.yaml",
        "defaults:\n  timezone: Europe/Lisbon\n  gateway: 192.168.1.1\n  packages: [unattended-upgrades]\n  spec_server: https://spec.example:44443\n",
    ),
    (
        "site/nodes/n1.yaml",
        "node: pve-one\napi_endpoint: https://192.168.1.11:8006\ndatastore: tank\n",
    ),
    (
        "site/nodes/n2.yaml",
        "api_endpoint: https://192.168.1.12:8006\ndatastore: pool\n",
    ),
    (
        "site/secrets.yaml",
        "api_tokens:\n  n1: root@pam!one=c0ffee11-real-token\n  n2: root@pam!two=c0ffee12-real-token\npasswords:\n  vm_root: \"$6$saltsalt$c0ffee13rootpassword\"\nauth:\n  node_tokens:\n    b-web: c0ffee14-of-the-machine\n",
    ),
    (
        "site/postures/lab.yaml",
        "ssh_permit_root_login: prohibit-password\nsudo_nopasswd: false\n",
    ),
    ("site/v2/postures/lab.yaml", "auth: {method: node_token}\n"),
    (
        "site/vms/web.yaml",
        "image: debian-13\npreset: small\ngroups: [web]\n",
    ),
    (
        "site/envs/a.yaml",
        "vms:\n  - {name: a-web, template: web, vmid: 6101, ip: 192.168.1.61/24}\n",
    ),
    (
        "site/envs/b.yaml",
        "posture: lab\nvms:\n  - {name: b-web, template: web, ip: 192.168.1.62/24}\n",
    ),
];

struct Two {
    lab: TestLab,
    home: TempDir,
}

impl Two {
    fn new() -> Self {
        let lab = TestLab::shipped();
        for (path, text) in FILES {
            lab.write(path, text);
        }
        let secrets = lab.path("site/secrets.yaml");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(secrets, mode).unwrap();
        let home = TempDir::new().unwrap();
        Self { lab, home }
    }

    fn hl(&self, words: &str) -> Hl {
        let home = self.home.path().display().to_string();
        self.lab.hl(words).env("HOME", home)
    }

    fn json(&self, path: &str) -> Value {
        let text = self.lab.read(&format!("state/rehearsal/{path}"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// What a file of that name holds on any disk of a guest.
    fn on_guests(&self, name: &str) -> Vec<String> {
        let disks = self.lab.path("state/rehearsal/world/disks");
        let named = |path: &PathBuf| path.file_name().is_some_and(|file| file == name);
        tree::files(&disks, &[])
            .into_iter()
            .filter(named)
            .map(|path| std::fs::read_to_string(path).unwrap_or_default())
            .collect()
    }
}

#[test]
fn two_environments_on_two_nodes_in_one_run() {
    let programs = [
        "packer",
        "tofu",
        "ansible-playbook",
        "unshare",
        "ssh-keygen",
    ];
    if !ready(true, &programs) {
        return;
    }
    let two = Two::new();
    two.hl("rehearse both-templates").exits(0);
    let ran = two.hl("rehearse both --jobs 2 --events json").exits(0);
    at_once(&ran.stdout);
    // Two states, each with its own machine on its own node and storage.
    for (key, name, node, storage) in [
        ("a-n1", "a-web", "pve-one", "tank"),
        ("b-n2", "b-web", "n2", "pool"),
    ] {
        let text = two.json(&format!(".states/{key}/terraform.tfstate"));
        let machines = text["resources"][0]["instances"].as_array().unwrap();
        assert_eq!(machines.len(), 1, "{key}");
        let machine = &machines[0]["attributes"];
        assert_eq!(machine["name"], name);
        assert_eq!(machine["node_name"], node);
        assert_eq!(machine["disk"][0]["datastore_id"], storage);
        let inventory = two.json(&format!(".build/ansible/{key}/inventory.json"));
        let hosts = inventory["all"]["hosts"].as_object().unwrap();
        assert_eq!(hosts.keys().collect::<Vec<_>>(), [name]);
        let vars = &inventory["all"]["vars"];
        assert_eq!(vars["timezone"], "Europe/Lisbon");
        assert_eq!(vars["env_name"], key.split('-').next().unwrap());
    }
    let of_b = &two.json(".build/ansible/b-n2/inventory.json")["all"]["vars"];
    assert_eq!(of_b["posture_name"], "lab");
    assert_eq!(of_b["sudo_nopasswd"], false);
    // The posture is what the machines have.
    let doors = two.on_guests("10-hl.conf");
    let with = |text: &str| doors.iter().filter(|door| door.contains(text)).count();
    assert_eq!(with("PermitRootLogin prohibit-password"), 1, "{doors:?}");
    assert_eq!(with("PermitRootLogin no"), 1, "{doors:?}");
    let told = two.on_guests("homestak.sh");
    assert_eq!(told.len(), 2);
    let tokens = told.iter().filter(|text| text.contains("c0ffee14"));
    assert_eq!(tokens.count(), 1, "{told:?}");
    // Nothing of the site's secrets is anywhere else.
    let texts = ["c0ffee11", "c0ffee12", "c0ffee13", "c0ffee14"].map(str::to_owned);
    let holders = ["site/secrets.yaml", "state/rehearsal/world/disks"];
    tree::holds_none(two.lab.root(), &holders, &texts);
    for text in [&ran.stdout, &ran.stderr] {
        assert!(texts.iter().all(|secret| !text.contains(secret)), "{text}");
    }
    // Again: nothing is left to do.
    let again = two.hl("rehearse both --jobs 2").exits(0);
    again.says(&["no changes", "1 host, changed=0"]);
    assert!(!again.stderr.contains("changed=1"), "{}", again.stderr);
    assert!(
        Path::new(
            &two.lab
                .path("state/rehearsal/templates/debian-13/spec/vm-template-stable-on-n2.json")
        )
        .exists()
    );
}

/// Both environments were worked on at the same time.
fn at_once(events: &str) {
    let events: Vec<Value> = events
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let place = |kind: &str, part: &str, step: &str| {
        let found = events.iter().position(|event| {
            let text = event.to_string();
            text.contains(kind) && text.contains(&format!("({part}")) && text.contains(step)
        });
        found.unwrap_or_else(|| panic!("no {kind} of {part} {step}"))
    };
    assert!(place("step_started", "b", "/plan") < place("step_finished", "a", "/apply"));
    assert!(place("step_started", "a", "/plan") < place("step_finished", "b", "/apply"));
}
