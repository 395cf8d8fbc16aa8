//! A lab, a simulated node with two templates, and the sealed network.

use std::collections::BTreeMap;
use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hl::lab::{Environment, Paths, Provenance, Var};
use hl::pve::rights::Objects;
use hl::templates::{Manifest, Notes, Stamp, TemplateStore};
use hl_sim::{Faults, Guests, NoGuests, Running, Seed, SeedVm, Server, ServerConfig, Tls, World};

use crate::support::{Hl, Ran, TestLab};

const SEALED: &str = "HL_TEST_SEALED";
pub(crate) const TOKEN_ID: &str = "hl@pve!hl";
/// Looked for in everything that is written.
pub(crate) const CANARY: &str = "c0ffee00-dead-4bee-8bad-0123456789ab";

/// What is missing is a failure where everything has to be there.
#[expect(clippy::print_stderr, reason = "whoever runs the tests has to know")]
fn skip(what: &str) {
    assert!(
        env::var_os("HL_TESTS_NEED_ALL").is_none() && env::var_os("CI").is_none(),
        "{what}"
    );
    eprintln!("skipped: {what}");
}

/// Runs the calling test again in a network namespace with nothing but
/// loopback; `true` inside it, when `program` is there.
#[track_caller]
pub(crate) fn sealed(test: &str, program: &str) -> bool {
    is_sealed(&format!("l2::{test}"), program)
}

/// As [`sealed`], for a test of any module: its whole name.
#[track_caller]
pub(crate) fn is_sealed(test: &str, program: &str) -> bool {
    if env::var_os(SEALED).is_some() {
        return true;
    }
    if !has(program) {
        skip(&format!("{program} not installed"));
        return false;
    }
    let namespace = ["--user", "--map-root-user", "--net"];
    let may = Command::new("unshare").args(namespace).arg("true").status();
    if !may.is_ok_and(|status| status.success()) {
        skip("namespaces are not allowed here");
        return false;
    }
    let script = "ip link set lo up && exec \"$@\"";
    let output = Command::new("unshare")
        .args(namespace)
        .args(["sh", "-euc", script, "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(SEALED, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    false
}

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
            .filter(|(name, _)| ["PATH", "TF_CLI_CONFIG_FILE", "CHECKPOINT_DISABLE"].contains(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    })
}

fn has(program: &str) -> bool {
    let path = tools().get("PATH").map(String::as_str).unwrap_or_default();
    env::split_paths(path).any(|dir| dir.join(program).is_file())
}

/// A lab with templates, and the node it works on.
pub(crate) struct Stage {
    pub(crate) lab: TestLab,
    pub(crate) sim: Running,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(Faults::default(), Arc::new(NoGuests))
    }

    /// A node on which a clone takes its time.
    pub(crate) fn slow(clone: Duration) -> Self {
        Self::with(Faults::default().slow("clone", clone), Arc::new(NoGuests))
    }

    pub(crate) fn with(faults: Faults, guests: Arc<dyn Guests>) -> Self {
        let tls = Tls::Authority(vec!["127.0.0.1".to_owned()]);
        Self::over(tls, faults, guests)
    }

    /// A node that signed its certificate itself, as freshly installed ones do.
    pub(crate) fn self_signed() -> Self {
        let tls = Tls::SelfSigned(vec!["127.0.0.1".to_owned()]);
        Self::over(tls, Faults::default(), Arc::new(NoGuests))
    }

    fn over(tls: Tls, faults: Faults, guests: Arc<dyn Guests>) -> Self {
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        // The token has exactly the rights that L0 checks.
        let mut seed = hl::rehearse::seed(&Objects::default(), TOKEN_ID, CANARY);
        seed.vms.extend([
            template(9000, "debian-13", 3),
            template(9001, "ubuntu-24.04", 3),
        ]);
        let sim = Server::start(ServerConfig {
            tls,
            guests,
            faults,
            ..ServerConfig::new(World::seeded(&seed))
        })
        .unwrap();
        let lab = TestLab::shipped();
        lab.write("ca.pem", sim.ca_pem());
        lab.write(".ssh/id_ed25519.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFG7YvXM6cXkAyOfyLKgJ2tQ8Ll9UqtRz2Pss2V1n4Yb me@desk\n");
        let stage = Self { lab, sim };
        stage
            .promote("debian-13", 9000)
            .promote("ubuntu-24.04", 9001);
        stage
    }

    /// Makes a VM the stable template of a name, as L1 does.
    pub(crate) fn promote(&self, name: &str, vmid: u32) -> &Self {
        let manifest = manifest(name, vmid);
        let root = camino::Utf8Path::from_path(self.lab.root()).unwrap();
        let records = TemplateStore::new(root.join("templates").join(name));
        records.write(&manifest).unwrap();
        records.point::<Manifest>(&manifest.stamp).unwrap();
        self
    }

    pub(crate) fn add_template(&self, vmid: u32, name: &str) {
        let seed = Seed {
            vms: vec![template(vmid, name, 3)],
            ..Seed::default()
        };
        let mut world = World::seeded(&seed);
        self.sim.change(|now| {
            now.vms.append(&mut world.vms);
            now.volumes.extend(world.volumes);
        });
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
            .env("PVE_STORAGE_VM", "local-lvm");
        for (name, value) in tools() {
            hl = hl.env(name, value);
        }
        hl
    }

    /// The API as the lab's token sees it.
    pub(crate) fn client(&self) -> hl::pve::Client {
        let mut env = Environment::default();
        let ca = self.lab.path("ca.pem").display().to_string();
        for (name, value) in [
            ("PVE_ACCESS_HOST", format!("https://{}", self.sim.addr())),
            ("PVE_CA_FILE", ca),
            ("PM_TOKEN_ID", TOKEN_ID.to_owned()),
            ("PM_TOKEN_SECRET", CANARY.to_owned()),
        ] {
            let var = Var {
                value,
                from: Provenance::Process,
                secret: false,
            };
            env.set(name, var);
        }
        let root = camino::Utf8Path::from_path(self.lab.root()).unwrap();
        hl::pve::Client::new(&env, &Paths::live(root)).unwrap()
    }

    /// The environment, made with `--yes`.
    #[track_caller]
    pub(crate) fn applied(&self) -> Ran {
        self.hl("l2-apply dev --yes").exits(0)
    }

    /// Names of the machines on the node that are no templates, by id.
    pub(crate) fn vms(&self) -> BTreeMap<u32, String> {
        let world = self.sim.world();
        let vms = world.vms.iter().filter(|(_, vm)| !vm.is_template());
        vms.map(|(id, vm)| (*id, vm.name().to_owned())).collect()
    }

    /// Waits until the node has begun a task of this kind (`qmclone`).
    #[track_caller]
    pub(crate) fn waits_for(&self, call: &str) {
        let until = Instant::now() + Duration::from_mins(1);
        while !self
            .sim
            .requests()
            .iter()
            .any(|line| format!("{line:?}").contains(call))
        {
            assert!(
                Instant::now() < until,
                "no `{call}`: {:#?}",
                self.sim.requests()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// All files below the lab, links not followed.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut dirs = vec![self.lab.root().to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    dirs.push(entry.path());
                } else {
                    found.push(entry.path());
                }
            }
        }
        found.sort();
        found
    }

    /// What may never be, whatever was run.
    #[track_caller]
    pub(crate) fn is_clean(&self) {
        let states = self.lab.path(".states");
        for path in self.files() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(
                !name.contains(".tfstate") || path.starts_with(&states),
                "a state outside .states: {}",
                path.display()
            );
            assert!(
                !name.ends_with(".tfplan"),
                "a plan is left: {}",
                path.display()
            );
            let bytes = std::fs::read(&path).unwrap_or_default();
            let found = bytes
                .windows(CANARY.len())
                .any(|window| window == CANARY.as_bytes());
            assert!(!found, "the token's secret is in {}", path.display());
        }
        let state = states.join("dev-pve/terraform.tfstate");
        if state.exists() {
            assert_eq!(mode(&state), 0o600);
            assert_eq!(mode(&states), 0o700);
        }
        let checkout = self.lab.path("layers/l2-instantiate/tofu/vms");
        let names: Vec<_> = std::fs::read_dir(checkout)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(
            names
                .iter()
                .all(|name| name.to_string_lossy().ends_with(".tf")),
            "{names:?}"
        );
    }
}

pub(crate) fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Sends a signal to a process that this test started.
pub(crate) fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}

fn manifest(name: &str, vmid: u32) -> Manifest {
    Manifest {
        version: 1,
        name: name.to_owned(),
        stamp: Stamp::parse(&format!("20260101-{:06}", vmid % 60)).unwrap(),
        node: "pve".to_owned(),
        vmid,
        vm_name: name.to_owned(),
        storage: "local-lvm".to_owned(),
        created_at: "2026-01-01T00:00:00Z".to_owned(),
        description: "a template".to_owned(),
        inputs_digest: "0".to_owned(),
        image: None,
    }
}

fn template(vmid: u32, name: &str, gib: u32) -> SeedVm {
    let pairs = [
        ("name", name.to_owned()),
        (
            "description",
            Notes::of(&manifest(name, vmid), true).render(),
        ),
        ("template", "1".to_owned()),
        ("scsi0", format!("local-lvm:base-{vmid}-disk-0,size={gib}G")),
        ("scsihw", "virtio-scsi-single".to_owned()),
        ("ide2", format!("local-lvm:vm-{vmid}-cloudinit,media=cdrom")),
        ("net0", "virtio=BC:24:11:00:00:01,bridge=vmbr0".to_owned()),
        ("boot", "order=scsi0".to_owned()),
        ("agent", "1".to_owned()),
        ("memory", "1024".to_owned()),
    ];
    SeedVm {
        vmid,
        config: pairs.map(|(key, value)| (key.to_owned(), value)).into(),
        ..SeedVm::default()
    }
}
