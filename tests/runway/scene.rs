//! A shipped lab whose `.env` names a running simulator.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hl::pve::rights::{self, Objects};
use hl_sim::{
    FaultRule, Faults, Grant, Running, Seed, SeedToken, Server, ServerConfig, Tls, World,
};
use serde_json::Value;

use crate::support::{Hl, TestLab};

pub(super) const TOKEN_ID: &str = "hl@pve!hl";
pub(super) const SECRET: &str = "11111111-2222-3333-4444-555555555555";

/// A public key: nobody has the private one.
pub(super) const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFG7YvXM6cXkAyOfyLKgJ2tQ8Ll9UqtRz2Pss2V1n4Yb me@desk";

/// A lab and the node that its `.env` names.
pub(super) struct Scene {
    pub(super) lab: TestLab,
    pub(super) sim: Running,
}

/// The default node, and a token with exactly the rights that L0 checks.
pub(super) fn seed() -> Seed {
    Seed {
        tokens: vec![SeedToken {
            id: TOKEN_ID.to_owned(),
            secret: SECRET.to_owned(),
            privsep: true,
            grants: grants(9),
        }],
        ..Seed::default()
    }
}

/// The rights that L0 checks, as grants.
pub(super) fn grants(major: u32) -> Vec<Grant> {
    rights::required(&Objects::default(), major)
        .into_iter()
        .map(|(path, privileges)| {
            let privileges: Vec<_> = privileges.into_iter().collect();
            Grant::privileges(&path, &privileges)
        })
        .collect()
}

/// A certificate of an authority that `PVE_CA_FILE` names.
pub(super) fn scene(seed: &Seed) -> Scene {
    faulty(seed, &[])
}

/// The same on a node where rules say what goes wrong.
pub(super) fn faulty(seed: &Seed, rules: &[&str]) -> Scene {
    let rules: Vec<FaultRule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    let tls = Tls::Authority(vec!["127.0.0.1".to_owned()]);
    let scene = start(seed, tls, Faults::new(&rules).unwrap());
    scene.lab.write("ca.pem", scene.sim.ca_pem());
    scene.set("PVE_CA_FILE", "ca.pem");
    scene
}

/// A certificate that nobody but itself signed, and nobody trusts yet.
pub(super) fn self_signed(names: &[&str]) -> Scene {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    start(&seed(), Tls::SelfSigned(names), Faults::default())
}

fn start(seed: &Seed, tls: Tls, faults: Faults) -> Scene {
    let sim = Server::start(ServerConfig {
        tls,
        faults,
        ..ServerConfig::new(World::seeded(seed))
    })
    .unwrap();
    let lab = TestLab::empty();
    let layer = Path::new(env!("CARGO_MANIFEST_DIR")).join("layers/l0-runway/layer.toml");
    lab.write(
        "layers/l0-runway/layer.toml",
        &fs::read_to_string(layer).unwrap(),
    );
    lab.write(".ssh/id_ed25519", "");
    lab.write(".ssh/id_ed25519.pub", &format!("{KEY}\n"));
    let scene = Scene { lab, sim };
    scene.only_versions();
    for (name, value) in [
        ("PVE_ACCESS_HOST", scene.sim.addr().to_string()),
        ("PM_TOKEN_ID", TOKEN_ID.to_owned()),
        ("PM_TOKEN_SECRET", SECRET.to_owned()),
        ("PVE_NODE", "pve".to_owned()),
        ("PVE_STORAGE_VM", "local-lvm".to_owned()),
        (
            "PVE_BUILD_ADDRESS",
            "127.77.9.9/24,gw=127.77.9.1".to_owned(),
        ),
    ] {
        scene.set(name, &value);
    }
    scene
}

impl Scene {
    /// Appends a variable to `.env`; the last one counts.
    pub(super) fn set(&self, name: &str, value: &str) {
        let path = self.lab.path(".env");
        let old = fs::read_to_string(&path).unwrap_or_default();
        let assigned = format!("{name}=");
        let mut lines: Vec<&str> = old
            .lines()
            .filter(|line| !line.starts_with(&assigned))
            .collect();
        let new = format!("{name}='{value}'\n");
        lines.push(&new);
        fs::write(path, lines.join("\n")).unwrap();
    }

    /// Programs that say a version and can do nothing else.
    fn only_versions(&self) {
        for (name, says) in [
            ("tofu", "OpenTofu v1.12.6"),
            ("packer", "Packer v1.15.0"),
            ("ansible-playbook", "ansible-playbook [core 2.19.14]"),
            ("ssh", "OpenSSH_9.2p1 Debian-2+deb12u7"),
            ("ssh-keygen", ""),
            ("ssh-keyscan", ""),
        ] {
            self.program(name, says);
        }
    }

    /// A program that says this and ends.
    pub(super) fn program(&self, name: &str, says: &str) {
        let path = format!("bin/{name}");
        self.lab
            .write(&path, &format!("#!/bin/sh\necho '{says}'\n"));
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.lab.path(&path), mode).unwrap();
    }

    /// `hl l0-runway` with those programs alone.
    pub(super) fn runway(&self) -> Hl {
        let bin = self.lab.path("bin").display().to_string();
        self.lab.hl("l0-runway").env("PATH", bin)
    }

    /// Runs it and expects that the runway is not cleared, and nothing written.
    #[track_caller]
    pub(super) fn not_cleared(&self) -> Report {
        let ran = self.runway().cmd("--json").exits(69);
        self.nothing_was_written();
        let report = Report(ran.json());
        assert_eq!(report.0["runway"], "not cleared", "{:#}", report.0);
        report
    }

    /// Runs it and expects that it is cleared, in these words.
    #[track_caller]
    pub(super) fn cleared(&self, words: &str) -> Report {
        let ran = self.runway().cmd("--json").exits(0);
        self.nothing_was_written();
        let report = Report(ran.json());
        assert_eq!(report.0["runway"], words, "{:#}", report.0);
        report
    }

    /// Only GET was sent, and the lab holds no file that it did not hold.
    #[track_caller]
    pub(super) fn nothing_was_written(&self) {
        assert_eq!(self.sim.write_count(), 0, "{:?}", self.sim.requests());
        let mut names: Vec<_> = fs::read_dir(self.lab.root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "ca.pem")
            .collect();
        names.sort();
        assert_eq!(names, [".env", ".ssh", "bin", "hl.toml", "layers"]);
    }
}

/// The JSON document of a run.
pub(super) struct Report(pub(super) Value);

impl Report {
    fn steps(&self) -> impl Iterator<Item = &Value> {
        self.0["phases"].as_array().unwrap().iter()
    }

    #[track_caller]
    pub(super) fn step(&self, id: &str) -> &Value {
        let name = format!("l0-runway/{id}");
        let step = self.steps().find(|step| step["name"] == name.as_str());
        step.unwrap_or_else(|| panic!("no step `{id}` in {:#}", self.0))
    }

    #[track_caller]
    pub(super) fn status(&self, id: &str) -> &str {
        self.step(id)["status"].as_str().unwrap()
    }

    /// Names of the steps with that status, sorted.
    pub(super) fn with_status(&self, status: &str) -> Vec<&str> {
        let mut names: Vec<_> = self
            .steps()
            .filter(|step| step["status"] == status)
            .map(|step| step["name"].as_str().unwrap())
            .map(|name| name.trim_start_matches("l0-runway/"))
            .collect();
        names.sort_unstable();
        names
    }

    /// Exactly this step failed, with this in its message and its help.
    #[track_caller]
    pub(super) fn only(&self, id: &str, message: &[&str], help: &[&str]) {
        assert_eq!(self.with_status("failed"), [id], "{:#}", self.0);
        self.fails(id, message, help);
    }

    /// This step failed, with this in its message and its help.
    #[track_caller]
    pub(super) fn fails(&self, id: &str, message: &[&str], help: &[&str]) {
        let step = self.step(id);
        assert_eq!(step["status"], "failed", "{step:#}");
        let said = step["message"].as_str().unwrap();
        for part in message {
            assert!(
                said.contains(part),
                "`{part}` is not in the message of {step:#}"
            );
        }
        let helps: Vec<_> = step["help"].as_array().unwrap().iter().collect();
        assert!(!helps.is_empty(), "no remedy in {step:#}");
        for part in help {
            let found = helps
                .iter()
                .any(|help| help.as_str().unwrap().contains(part));
            assert!(found, "`{part}` is not in the help of {step:#}");
        }
    }
}
