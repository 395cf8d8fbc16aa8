//! The API client against the simulator.

mod faults;
mod wire;

use std::time::Duration;

use camino::Utf8Path;
use hl::base::Cancel;
use hl::lab::{Environment, Paths, Provenance, Var};
use hl::pve::{Client, Download, Error, Upid};
use hl_sim::{Downloads, Faults, Grant, Running, Seed, SeedToken, Server, ServerConfig, World};

const TOKEN_ID: &str = "hl@pve!hl";
pub(crate) const SECRET: &str = "11111111-2222-3333-4444-555555555555";
const LONG: Duration = Duration::from_secs(30);

pub(crate) struct Node {
    pub(crate) sim: Running,
    client: Client,
    dir: tempfile::TempDir,
}

pub(crate) fn node(grants: Vec<Grant>, slow: &[(&str, Duration)]) -> Node {
    let faults = slow
        .iter()
        .fold(Faults::default(), |all, (kind, time)| all.slow(kind, *time));
    node_with(grants, faults)
}

fn node_with(grants: Vec<Grant>, faults: Faults) -> Node {
    let seed = Seed {
        tokens: vec![SeedToken {
            id: TOKEN_ID.to_owned(),
            secret: SECRET.to_owned(),
            privsep: true,
            grants,
        }],
        downloads: Downloads::taken(),
        ..Seed::default()
    };
    let sim = Server::start(ServerConfig {
        faults,
        ..ServerConfig::new(World::seeded(&seed))
    })
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.pem"), sim.ca_pem()).unwrap();
    let client = client(&sim, dir.path(), SECRET);
    Node { sim, client, dir }
}

pub(crate) fn everything() -> Vec<Grant> {
    vec![Grant::role("/", "Administrator")]
}

/// The variables of a lab that has the node's authority in `ca.pem`.
pub(crate) fn env(sim: &Running, secret: &str) -> Environment {
    let mut env = Environment::default();
    for (name, value) in [
        ("PVE_ACCESS_HOST", sim.addr().to_string()),
        ("PM_TOKEN_ID", TOKEN_ID.to_owned()),
        ("PM_TOKEN_SECRET", secret.to_owned()),
        ("PVE_CA_FILE", "ca.pem".to_owned()),
    ] {
        let var = Var {
            value,
            from: Provenance::Process,
            secret: false,
        };
        env.set(name, var);
    }
    env
}

fn client(sim: &Running, root: &std::path::Path, secret: &str) -> Client {
    let root = Utf8Path::from_path(root).unwrap();
    Client::new(&env(sim, secret), &Paths::live(root)).unwrap()
}

impl Node {
    fn done(&self, upid: &Upid) {
        let end = self.client.wait_task(upid, &Cancel::default(), LONG);
        assert_eq!(end.unwrap().warnings, None);
    }

    /// A call that gives a task, where it does; `path` stands below the node's VMs.
    fn post(&self, path: &str, keys: &[(&str, &str)]) {
        let path = format!("nodes/pve/qemu/{path}");
        let task: Option<Upid> = self.client.post(&path, keys).unwrap();
        if let Some(task) = task {
            self.done(&task);
        }
    }

    /// A stopped VM with a disk.
    fn vm(&self, vmid: u32) {
        let keys = [
            ("name", "base"),
            ("memory", "1024"),
            ("scsi0", "local-lvm:2"),
            ("net0", "virtio,bridge=vmbr0"),
        ];
        self.done(&self.client.create_vm("pve", vmid, &keys).unwrap());
    }
}

#[test]
fn the_life_of_a_machine() {
    let node = node(everything(), &[]);
    let api = &node.client;
    let vmid = api.next_id().unwrap();
    node.vm(vmid);

    let config = api.vm_config("pve", vmid).unwrap();
    assert_eq!(config.text("name").as_deref(), Some("base"));
    assert_eq!(config.text("memory").as_deref(), Some("1024"));
    api.set_vm_config("pve", vmid, &[("description", "a note")])
        .unwrap();
    node.post(&format!("{vmid}/config"), &[("cores", "2")]);
    if let Some(task) = api.resize_disk("pve", vmid, "scsi0", "+1G").unwrap() {
        node.done(&task);
    }
    let config = api.vm_config("pve", vmid).unwrap();
    assert_eq!(config.text("description").as_deref(), Some("a note"));
    assert_eq!(config.text("cores").as_deref(), Some("2"));
    assert!(config.text("scsi0").unwrap().contains("size=3G"));

    node.done(&api.start_vm("pve", vmid).unwrap());
    assert_eq!(api.vm_status("pve", vmid).unwrap().status, "running");
    node.post(
        &format!("{vmid}/status/shutdown"),
        &[("forceStop", "1"), ("timeout", "5")],
    );
    node.done(&api.start_vm("pve", vmid).unwrap());
    node.done(&api.stop_vm("pve", vmid).unwrap());
    assert_eq!(api.vm_status("pve", vmid).unwrap().status, "stopped");

    node.post(&format!("{vmid}/template"), &[]);
    assert!(api.vm_config("pve", vmid).unwrap().is_template());
    let newid = (vmid + 1).to_string();
    let keys = [("newid", newid.as_str()), ("name", "copy"), ("full", "1")];
    node.post(&format!("{vmid}/clone"), &keys);
    let vms = api.cluster_resources_vms().unwrap();
    let templates: Vec<_> = vms.iter().map(|vm| (vm.vmid, vm.template)).collect();
    assert_eq!(templates, [(vmid, true), (vmid + 1, false)]);
    assert!(!api.tasks("pve", Some(vmid)).unwrap().is_empty());

    for id in [vmid + 1, vmid] {
        node.done(&api.delete_vm("pve", id).unwrap());
        assert!(api.vm_config("pve", id).unwrap_err().is_not_found());
    }
}

#[test]
fn a_task_that_fails_says_why() {
    let node = node(everything(), &[]);
    node.vm(100);
    node.post("100/template", &[]);
    let upid = node.client.start_vm("pve", 100).unwrap();
    let mut told = Vec::new();
    let error = node
        .client
        .watch_task(&upid, &Cancel::default(), LONG, &mut |line| {
            told.push(line.to_owned());
        })
        .unwrap_err();
    let Error::Task {
        kind, status, log, ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(kind, "qmstart");
    assert!(status.contains("template"), "{status}");
    assert!(log.last().unwrap().starts_with("TASK ERROR"), "{log:?}");
    assert_eq!(told, log);
}

#[test]
fn waiting_ends_when_it_is_told_to_and_when_time_is_up() {
    let node = node(everything(), &[("create", Duration::from_hours(1))]);
    let upid = node.client.create_vm("pve", 100, &[]).unwrap();
    let limit = Duration::from_millis(300);
    let error = node
        .client
        .wait_task(&upid, &Cancel::default(), limit)
        .unwrap_err();
    assert!(matches!(error, Error::TaskTimeout { .. }), "{error}");

    let cancel = Cancel::default();
    let asked = node.sim.request_count();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // In the middle of the wait.
            while node.sim.request_count() == asked {
                std::thread::sleep(Duration::from_millis(10));
            }
            cancel.cancel();
        });
        let error = node.client.wait_task(&upid, &cancel, LONG).unwrap_err();
        assert_eq!(error, Error::Cancelled);
    });
    node.sim.hurry();
    node.done(&upid);
}

#[test]
fn files_come_and_go() {
    let node = node(everything(), &[]);
    let api = &node.client;
    let path = node.dir.path().join("tiny.iso");
    std::fs::write(&path, vec![7; 300_000]).unwrap();
    let path = Utf8Path::from_path(&path).unwrap();
    node.done(&api.upload("pve", "local", "iso", path, None).unwrap());
    let volumes = api.storage_content("pve", "local", Some("iso")).unwrap();
    assert_eq!(volumes.len(), 1, "{volumes:?}");
    assert_eq!(
        (volumes[0].volid.as_str(), volumes[0].size),
        ("local:iso/tiny.iso", 300_000)
    );
    let path = "nodes/pve/storage/local/content/local%3Aiso%2Ftiny.iso";
    node.done(&api.delete::<Upid>(path, &[]).unwrap());
    let volumes = api.storage_content("pve", "local", Some("iso")).unwrap();
    assert!(volumes.is_empty(), "{volumes:?}");

    let digest = "0".repeat(64);
    let image = Download {
        url: "https://images.example/debian-13.qcow2",
        content: "import",
        filename: "debian-13.qcow2",
        checksum: Some(("sha256", &digest)),
    };
    node.done(&api.download_url("pve", "local", image).unwrap());
    let volumes = api.storage_content("pve", "local", Some("import")).unwrap();
    assert_eq!(volumes[0].volid, "local:import/debian-13.qcow2");

    let absent = Utf8Path::new("/nowhere/x.iso");
    let error = api.upload("pve", "local", "iso", absent, None).unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
}

#[test]
fn refusals_are_told_apart() {
    let audit = vec![Grant::privileges("/", &["VM.Audit", "Datastore.Audit"])];
    let node = node(audit, &[]);
    let error = node.client.create_vm("pve", 100, &[]).unwrap_err();
    let Error::Forbidden {
        path, privileges, ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(path.as_deref(), Some("/vms/100"));
    assert_eq!(privileges, &["VM.Allocate"]);

    let wrong = client(&node.sim, node.dir.path(), "wrong");
    let error = wrong.version().unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }), "{error}");

    let node = self::node(everything(), &[]);
    let error = node
        .client
        .create_vm("pve", 100, &[("cores", "many")])
        .unwrap_err();
    let Error::Api { status, errors, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(*status, 400);
    assert!(errors.contains_key("cores"), "{error}");
    assert!(error.to_string().contains("`cores`: "), "{error}");
}
