//! A bootstrap in a rehearsal: real guests over SSH, the real sops and age.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::stage::{SOPS, holders, platform};
use crate::e2e::ready;
use crate::support::{Hl, TestLab};

const PATIENCE: Duration = Duration::from_mins(3);

const MACHINES: &str = "\
vms:
  - name: web-1
    image: debian-13
    vmid: 5101
    cores: 1
    memory: 1024
    disk: 10
    ip: 192.168.1.51/24
    gateway: 192.168.1.1
";

const PROXMOX: &str = "  proxmox:
    machines:
      - {name: web-1, ip: 192.168.1.51, vmid: 5101, role: controlplane}
";

/// Puts the public half on the machine, which has to be there by then.
const GREET: &str = r#"#!/bin/sh
set -eu
address=$(jq -er .address "$HL_PLATFORM_CONTEXT")
grep -q '^ *age: age1' "$HL_PLATFORM_LIVE/.sops.yaml"
set -- -o BatchMode=yes -o StrictHostKeyChecking=accept-new \
  -o UserKnownHostsFile="$HL_PLATFORM_KNOWN_HOSTS" ${HL_PLATFORM_SSH_KEY:+-i "$HL_PLATFORM_SSH_KEY"}
ssh "$@" "ops@$address" 'cat >greeted' <"$HL_PLATFORM_LIVE/.sops.yaml"
"#;

/// Where the run is killed. A test takes the first two, `scripts/proof platform-kills`
/// all of them.
const CUTS: [(&str, &str); 10] = [
    ("step_finished", "sops.age-key"),
    ("step_started", "greet.greet"),
    ("step_finished", "extract"),
    ("step_started", "proxmox.published"),
    ("step_finished", "proxmox.published"),
    ("step_started", "sops.age-key"),
    ("step_started", "sops.public-key"),
    ("step_finished", "sops.public-key"),
    ("step_finished", "greet.greet"),
    ("step_started", "sops.round-trip"),
];

struct Stage {
    lab: TestLab,
    home: TempDir,
}

impl Stage {
    /// The shipped lab with one machine, made in its rehearsal.
    fn new() -> Self {
        let lab = TestLab::shipped();
        let templates = "layers/l1-templates/layer.toml";
        let lines = lab.read(templates);
        let lines = lines.lines();
        let one: Vec<&str> = lines
            .filter(|line| !line.contains("l1-ensure ubuntu-24.04"))
            .collect();
        lab.write(templates, &one.join("\n"));
        lab.write("site/envs/dev.yaml", MACHINES);
        let dir = "platform/adapters/greet";
        lab.write(
            &format!("{dir}/adapter.toml"),
            "[adapter]\nname = \"greet\"\nversion = \"1.0.0\"\nphase = \"test\"\n\
             [[requires]]\ncapability = \"cloud-infrastructure\"\nversion = \"1.0\"\n\
             [[requires]]\ncapability = \"secrets-management\"\nversion = \"1.0\"\n\
             [[script]]\nname = \"greet\"\nstage = \"post-work\"\nfile = \"scripts/greet.sh\"\n\
             doc = \"greets\"\ntimeout = \"60s\"\ntools = [\"jq\", \"ssh\"]\n\
             context = { address = \"{{ capabilities['cloud-infrastructure'].server_ids | list | first }}\" }\n",
        );
        lab.write(&format!("{dir}/scripts/greet.sh"), GREET);
        lab.write(
            "platform/platform.yaml",
            &platform(&["  greet: {}\n", PROXMOX, SOPS]),
        );
        let stage = Self {
            lab,
            home: TempDir::new().unwrap(),
        };
        stage.hl("rehearse up --to l2").exits(0);
        stage.hl("platform render").exits(0);
        stage
    }

    fn hl(&self, words: &str) -> Hl {
        let home = self.home.path().display().to_string();
        self.lab.hl(words).env("HOME", home)
    }

    fn out(&self, below: &str) -> PathBuf {
        self.lab.path("state/rehearsal").join(below)
    }

    fn key(&self) -> String {
        let text = fs::read_to_string(self.out("state/secrets.env")).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("SOPS_AGE_KEY="));
        line.unwrap_or_default().to_owned()
    }

    /// Removes what bootstraps made: the next one has all of it to make again.
    fn forget(&self) {
        fs::remove_file(self.out("state/secrets.env")).ok();
        fs::remove_dir_all(self.out("platform/live")).ok();
        fs::remove_file(self.out("platform/live.json")).ok();
        assert_eq!(self.key(), "");
    }

    /// Starts a bootstrap and kills the `hl` inside when a step has begun, or has
    /// ended; whether it came to that.
    fn cut(&self, event: &str, step: &str) -> bool {
        let before = newest(&self.out("state/runs"));
        let mut outer = self.hl("rehearse platform bootstrap").spawn();
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < PATIENCE, "{step}: it never came to that");
            if outer.try_wait().unwrap().is_some() {
                return false;
            }
            let newest = newest(&self.out("state/runs")).filter(|now| Some(now) != before.as_ref());
            let text = newest.and_then(|path| fs::read_to_string(path).ok());
            let has = |line: &str| {
                line.contains(&format!("\"event\":\"{event}\""))
                    && line.contains(&format!("\"step\":\"platform-bootstrap/{step}\""))
            };
            if text.is_some_and(|text| text.lines().any(has))
                && let Some(inner) = inner(self.lab.root())
            {
                kill_process(inner, Signal::KILL).ok();
                return !outer.wait().unwrap().success();
            }
            sleep(Duration::from_millis(2));
        }
    }
}

/// The file of the newest run.
fn newest(dir: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(dir).ok()?;
    let files = files.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .max()
}

/// The `hl` inside the rehearsal of this lab that bootstraps.
fn inner(root: &Path) -> Option<Pid> {
    let lab = format!("HL_LAB={}", root.display());
    let of = |pid: u32| -> Option<Pid> {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let mut variables = environ.split(|byte| *byte == 0);
        let is_hl = words.first().is_some_and(|word| word.ends_with(b"/hl"));
        let ours = is_hl
            && words.contains(&b"bootstrap".as_slice())
            && !words.contains(&b"rehearse".as_slice())
            && variables.any(|variable| variable == lab.as_bytes());
        ours.then(|| Pid::from_raw(i32::try_from(pid).ok()?))?
    };
    let pids = fs::read_dir("/proc").ok()?.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?.parse::<u32>().ok()
    });
    pids.into_iter().find_map(of)
}

#[test]
fn a_platform_is_bootstrapped_killed_and_resumed_on_guests() {
    let programs = [
        "packer",
        "tofu",
        "unshare",
        "ssh-keygen",
        "sops",
        "age-keygen",
        "jq",
    ];
    if !ready(true, &programs) {
        return;
    }
    let stage = Stage::new();
    stage.hl("rehearse platform bootstrap").exits(0);
    let live = stage.out("platform/live/.sops.yaml");
    let first = fs::read_to_string(&live).unwrap();
    assert!(first.contains("age: age1"), "{first}");
    let first_key = stage.key();
    assert!(first_key.contains("AGE-SECRET-KEY-1"));
    assert!(first.contains(&format!("age: {}", public_half(&first_key))));
    assert_eq!(
        holders(stage.lab.root(), "AGE-SECRET-KEY-1"),
        ["state/rehearsal/state/secrets.env"]
    );
    stage.hl("rehearse platform validate").exits(0);
    stage.hl("platform validate").exits(0);
    // The live lab has none of it.
    assert!(!stage.lab.path("platform/live").exists());
    assert!(!stage.lab.path("state/secrets.env").exists());
    let every = std::env::var_os("HL_TEST_EVERY").is_some();
    let cuts = &CUTS[..if every { CUTS.len() } else { 2 }];
    for (event, step) in cuts {
        // A bootstrap that is quicker than the signal is followed by another one.
        let landed = (0..3).any(|_| {
            stage.forget();
            stage.cut(event, step)
        });
        assert!(landed, "{event} {step}: it was over each time");
        let cut = stage.key();
        stage.hl("rehearse resume").exits(0);
        let key = stage.key();
        assert_ne!(key, first_key, "{event} {step}: nothing was forgotten");
        // A key that was kept before the cut may be in use.
        assert!(cut.is_empty() || key == cut, "{event} {step}");
        let live = fs::read_to_string(&live).unwrap();
        let public = format!("age: {}", public_half(&key));
        assert!(live.contains(&public), "{event} {step}: {public}\n{live}");
        assert_eq!(
            holders(stage.lab.root(), "AGE-SECRET-KEY-1"),
            ["state/rehearsal/state/secrets.env"],
            "{event} {step}"
        );
        let left = fs::read_dir(stage.out("state/platform")).unwrap().count();
        assert_eq!(left, 0, "{event} {step}");
    }
}

/// The public half of a key, by age itself.
fn public_half(key: &str) -> String {
    let mut age = Command::new("age-keygen")
        .arg("-y")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let key = key
        .trim_start_matches("SOPS_AGE_KEY=")
        .trim_matches(['"', '\'']);
    let mut stdin = age.stdin.take().unwrap();
    stdin.write_all(format!("{key}\n").as_bytes()).unwrap();
    drop(stdin);
    let output = age.wait_with_output().unwrap();
    let public = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    assert!(public.starts_with("age1"), "{public}");
    public
}
