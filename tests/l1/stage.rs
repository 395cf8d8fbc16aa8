//! A lab with a small template, and the node it is built on.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use hl_sim::{Downloads, Faults, Running, Seed, SeedToken, Server, ServerConfig, World};
use serde_json::Value;

use crate::support::{Hl, TestLab};

pub(crate) const TOKEN_ID: &str = "hl@pve!hl";
/// Looked for in everything that is written.
pub(crate) const CANARY: &str = "cafebabe-dead-4bee-8bad-0123456789ab";

const TEMPLATE: &str = r#"
description = "a small one"
guest_user = "ops"
[image]
url = "https://images.example/small.qcow2"
sums = "https://images.example/SHA256SUMS"
stored_as = "small.qcow2"
[machine]
cores = 1
memory = 512
disk = "6G"
"#;

const PACKER: &str = r#"
packer {
  required_plugins {
    proxmox = {
      source  = "github.com/hashicorp/proxmox"
      version = ">= 1.0.4"
    }
  }
}
variable "node" { type = string }
variable "base_name" { type = string }
variable "build_name" { type = string }
variable "template_name" { type = string }
variable "build_description" { type = string }
variable "manifest" { type = string }
source "proxmox-clone" "small" {
  node                 = var.node
  clone_vm             = var.base_name
  full_clone           = true
  task_timeout         = "20m"
  vm_name              = var.build_name
  template_name        = var.template_name
  template_description = var.build_description
  communicator         = "none"
  ssh_username         = "ops"
  qemu_agent           = true
  network_adapters {
    bridge = "vmbr0"
    model  = "virtio"
  }
}
build {
  sources = ["source.proxmox-clone.small"]
  post-processor "manifest" { output = var.manifest }
}
"#;

/// More recipes, as a user would add them.
const RECIPES: &str = r#"
[layer]
id = "l9"
name = "Mine"
doc = "what the test needs"

[[recipe]]
name = "link"
[[recipe.step]]
id = "s"
use = "command"
with = { argv = ["sh", "link.sh"] }
"#;

/// What `scripts/tools --print-env` sets.
pub(crate) fn tools() -> &'static BTreeMap<String, String> {
    static FOUND: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let script = "eval \"$(bash scripts/tools --print-env)\"; env -0";
        let output = Command::new("bash")
            .args(["-c", script])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(name, _)| {
                [
                    "PATH",
                    "PACKER_PLUGIN_PATH",
                    "CHECKPOINT_DISABLE",
                    "HL_GUEST_APT",
                ]
                .contains(name)
            })
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    })
}

/// Whether the real packer is there. A missing one fails in CI, and is said
/// elsewhere.
#[expect(clippy::print_stderr, reason = "a skip is said")]
pub(crate) fn has_packer() -> bool {
    let path = tools().get("PATH").map(String::as_str).unwrap_or_default();
    let found = env::split_paths(path).any(|dir| dir.join("packer").is_file());
    if !found {
        assert!(
            env::var_os("HL_TESTS_NEED_ALL").is_none() && env::var_os("CI").is_none(),
            "packer is not installed"
        );
        eprintln!("skipped: packer not installed");
    }
    found
}

/// A lab and its node.
pub(crate) struct Stage {
    pub(crate) lab: TestLab,
    pub(crate) sim: Running,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(Faults::default())
    }

    pub(crate) fn with(faults: Faults) -> Self {
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let mut seed = Seed {
            downloads: Downloads::taken(),
            ..Seed::default()
        };
        seed.tokens.push(SeedToken::administrator(TOKEN_ID, CANARY));
        let sim = Server::start(ServerConfig {
            faults,
            ..ServerConfig::new(World::seeded(&seed))
        })
        .unwrap();
        let lab = TestLab::shipped();
        lab.write("ca.pem", sim.ca_pem())
            .write("layers/l1-templates/small/template.toml", TEMPLATE)
            .write("layers/l1-templates/small/build.pkr.hcl", PACKER)
            .write("layers/l9-mine/layer.toml", RECIPES);
        let stage = Self { lab, sim };
        stage.pin();
        stage
    }

    /// What fetching the vendor's list over HTTPS would have written.
    pub(crate) fn pin(&self) {
        let hash = "0123456789abcdef".repeat(4);
        self.lab.write(
            "templates/small/image.lock",
            &format!(
                "url = \"https://images.example/small.qcow2\"\nalgorithm = \"sha256\"\nhash = \"{hash}\"\nfetched_at = \"2026-01-01T00:00:00Z\"\n"
            ),
        );
    }

    /// Puts a program in packer's place. It gets what packer gets.
    pub(crate) fn packer_is(&self, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        self.lab
            .write("fake-packer", &format!("#!/bin/sh\n{script}"));
        let path = self.lab.path("fake-packer");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let config = self.lab.read("hl.toml").replace(
            "[tools]\n",
            &format!("[tools]\npacker = \"{}\"\n", path.display()),
        );
        self.lab.write("hl.toml", &config);
    }

    pub(crate) fn hl(&self, words: &str) -> Hl {
        let mut hl = self
            .lab
            .hl(words)
            .env("PVE_ACCESS_HOST", format!("https://{}", self.sim.addr()))
            .env("PVE_CA_FILE", self.lab.path("ca.pem").display().to_string())
            .env("PM_TOKEN_ID", TOKEN_ID)
            .env("PM_TOKEN_SECRET", CANARY)
            .env("PVE_NODE", "pve")
            .env("PVE_STORAGE_VM", "local-lvm")
            .env("PVE_BUILD_ADDRESS", "127.77.9.9/24,gw=127.77.9.1");
        for (name, value) in tools() {
            hl = hl.env(name, value);
        }
        hl
    }

    /// Stamps of the builds that are recorded, oldest first.
    pub(crate) fn stamps(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.lab.path("templates/small/artifacts")) else {
            return Vec::new();
        };
        let mut stamps: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .map(|name| name.replace("vm-template-", "").replace(".json", ""))
            .collect();
        stamps.sort();
        stamps
    }

    /// The stamp that the pointer names.
    pub(crate) fn stable(&self) -> Option<String> {
        let pointer = self
            .lab
            .path("templates/small/spec/vm-template-stable.json");
        let target = std::fs::read_link(pointer).ok()?;
        let target = target.to_string_lossy();
        let stamp = target.strip_prefix("../artifacts/vm-template-")?;
        Some(stamp.strip_suffix(".json")?.to_owned())
    }

    /// The promoted manifest, as L2 reads it.
    #[track_caller]
    pub(crate) fn manifest(&self) -> Value {
        let text = self
            .lab
            .read("templates/small/spec/vm-template-stable.json");
        serde_json::from_str(&text).unwrap()
    }

    /// Names of the machines on the node, by number.
    pub(crate) fn vms(&self) -> BTreeMap<u32, String> {
        let world = self.sim.world();
        let vms = world.vms.iter();
        vms.map(|(id, vm)| (*id, vm.name().to_owned())).collect()
    }

    /// A key of a machine's configuration.
    pub(crate) fn config(&self, vmid: u64, key: &str) -> Option<String> {
        let world = self.sim.world();
        let vm = world.vms.get(&u32::try_from(vmid).unwrap())?;
        vm.config.get(key).map(ToString::to_string)
    }

    /// Waits until the node was called so.
    #[track_caller]
    pub(crate) fn waits_for(&self, call: &str) {
        let until = Instant::now() + Duration::from_mins(1);
        let called = || {
            let requests = self.sim.requests();
            requests
                .iter()
                .any(|line| format!("{line:?}").contains(call))
        };
        while !called() {
            assert!(Instant::now() < until, "no `{call}`");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Every file below a directory of the lab with its content.
    pub(crate) fn files(&self, below: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut dirs = vec![self.lab.path(below)];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    dirs.push(entry.path());
                } else {
                    found.insert(
                        entry.path(),
                        std::fs::read(entry.path()).unwrap_or_default(),
                    );
                }
            }
        }
        found
    }

    /// The token's secret is in no file.
    #[track_caller]
    pub(crate) fn is_clean(&self) {
        for (path, bytes) in self.files(".") {
            let mut windows = bytes.windows(CANARY.len());
            let found = windows.any(|window| window == CANARY.as_bytes());
            assert!(!found, "the token's secret is in {}", path.display());
        }
    }
}

/// Sends a signal to a process that this test started.
pub(crate) fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}
