//! proxmoxer by a script, and the collection community.proxmox by a playbook.

use std::collections::BTreeMap;

use super::flows;
use super::tools::{Ran, run, with};
use crate::sim::faults::faults;
use crate::sim::support::{Lab, Setup, TOKEN, lab, seed};

/// A script that knows nothing of a simulator.
const SCRIPT: &str = r#"
import os
from proxmoxer import ProxmoxAPI, ResourceException
from proxmoxer.tools import Tasks

api = ProxmoxAPI(
    os.environ["PROXMOX_HOST"],
    port=int(os.environ["PROXMOX_PORT"]),
    user=os.environ["PROXMOX_USER"],
    token_name=os.environ["PROXMOX_TOKEN_NAME"],
    token_value=os.environ["PROXMOX_TOKEN_VALUE"],
    timeout=60,
)

def done(upid):
    ended = Tasks.blocking_status(api, upid, timeout=60, polling_interval=0.05)
    assert ended["exitstatus"] == "OK", ended

print("nodes", [(node["node"], node["status"]) for node in api.nodes.get()])
node = api.nodes("pve")
done(node.qemu.post(
    vmid=100, name="first", memory=512, agent=1, scsi0="local-lvm:1", net0="virtio,bridge=vmbr0",
))
vmid = api.cluster.nextid.get()
done(node.qemu(100).clone.post(newid=vmid, name="second", full=1))
vm = node.qemu(vmid)

done(vm.snapshot.post(snapname="before", description="a good day"))
vm.config.put(memory=1024)
print("snapshots", [one["name"] for one in vm.snapshot.get()])
done(vm.snapshot("before").rollback.post())
print("memory", vm.config.get()["memory"])
done(vm.snapshot("before").delete())

done(vm.status.start.post())
print("status", vm.status.current.get()["status"])
vm.agent.ping.post()
print("host", vm.agent("get-host-name").get()["result"]["host-name"])
print("cards", [card["name"] for card in vm.agent("network-get-interfaces").get()["result"]])
try:
    vm.agent.exec.post(command=["uname", "-s"])
except ResourceException as error:
    print("exec", error.status_code, error.content)
try:
    vm.delete()
except ResourceException as error:
    print("refused", error.status_code, error.content)
done(vm.status.stop.post())
for machine in (vm, node.qemu(100)):
    done(machine.delete(purge=1))
print("left", api.cluster.resources.get(type="vm"))
"#;

/// One call, or two, and how it went.
const ASKS: &str = r#"
import os, sys
from proxmoxer import ProxmoxAPI
from proxmoxer.tools import Tasks

def api():
    return ProxmoxAPI(
        os.environ["PROXMOX_HOST"],
        port=int(os.environ["PROXMOX_PORT"]),
        user=os.environ["PROXMOX_USER"],
        token_name=os.environ["PROXMOX_TOKEN_NAME"],
        token_value=os.environ["PROXMOX_TOKEN_VALUE"],
        timeout=2,
    )

def ended(upid):
    return Tasks.blocking_status(api(), upid, polling_interval=0.05)["exitstatus"]

try:
    print("got", eval(sys.argv[1]))
except Exception as error:
    print(type(error).__name__, getattr(error, "status_code", ""), error)
"#;

/// What proxmoxer makes of each fault that is no other client's: it takes pages and
/// pieces for answers, and does not wait.
#[test]
fn faults_reach_a_script_as_they_are() {
    let Some(mut env) = with("proxmoxer-python") else {
        return;
    };
    let version = "api().version.get()";
    let create = "ended(api().nodes('pve').qemu.post(vmid=100, scsi0='local-lvm:1'))";
    for (rules, ask, said) in [
        ("GET /version status=401", version, "ResourceException 401"),
        ("GET /version status=501", version, "ResourceException 501"),
        (
            "GET /version body=\"<p>a proxy</p>\"",
            version,
            "got {'errors': b'<p>a proxy</p>'}",
        ),
        (
            "GET /version body='{\"data\":{'",
            version,
            "got {'errors': b'{\"data\":{'}",
        ),
        ("GET /version lost", version, "ConnectionError"),
        ("GET /version hang", version, "ReadTimeout"),
        ("GET /version slow=4s", version, "ReadTimeout"),
        (
            "world=node-offline node=pve",
            "api().nodes('pve').status.get()",
            "ResourceException 595",
        ),
        ("world=certificate-not-yet-valid", version, "SSLError"),
        (
            "world=storage-full storage=local-lvm",
            create,
            "free space in thin pool",
        ),
        (
            "world=storage-offline storage=local-lvm",
            create,
            "is not online",
        ),
        (
            "task=create exit=\"WARNINGS: 1\" at=after",
            create,
            "got WARNINGS: 1",
        ),
        (
            "GET /cluster/nextid at=after world=vmid-taken",
            "api().nodes('pve').qemu.post(vmid=api().cluster.nextid.get())",
            "already exists",
        ),
        (
            "GET /version at=after world=vm-locked vmid=100",
            "(ended(api().nodes('pve').qemu.post(vmid=100)), api().version.get(), api().nodes('pve').qemu(100).delete())",
            "VM is locked (backup)",
        ),
    ] {
        let lab = Setup {
            faults: faults(&[rules]),
            ..Setup::default()
        }
        .start();
        let folder = tempfile::tempdir().unwrap();
        login(&lab, &mut env, folder.path());
        std::fs::write(folder.path().join("ask.py"), ASKS).unwrap();
        let argv = ["proxmoxer-python", "ask.py", ask];
        let ran = run(&env, lab.server(), folder.path(), &argv);
        assert_eq!(ran.code, 0, "{}", ran.text);
        assert!(ran.text.contains(said), "{rules}: {}", ran.text);
    }
}

/// What `hl sim export` prints for both.
fn login(lab: &Lab, env: &mut BTreeMap<String, String>, folder: &std::path::Path) {
    let (user, rest) = TOKEN.split_once('!').unwrap();
    let (name, secret) = rest.split_once('=').unwrap();
    let addr = lab.server().addr();
    let ca = folder.join("ca.pem").display().to_string();
    for (key, value) in [
        ("PROXMOX_HOST", addr.ip().to_string().as_str()),
        ("PROXMOX_PORT", &addr.port().to_string()),
        ("PROXMOX_USER", user),
        ("PROXMOX_TOKEN_NAME", name),
        ("PROXMOX_TOKEN_VALUE", secret),
        ("PROXMOX_TOKEN_ID", name),
        ("PROXMOX_TOKEN_SECRET", secret),
        ("PROXMOX_VALIDATE_CERTS", "true"),
        ("REQUESTS_CA_BUNDLE", &ca),
    ] {
        env.insert(key.to_owned(), value.to_owned());
    }
}

#[test]
fn a_script_over_proxmoxer_lives_through_it_all() {
    let Some(mut env) = with("proxmoxer-python") else {
        return;
    };
    let lab = lab(&seed());
    let folder = tempfile::tempdir().unwrap();
    login(&lab, &mut env, folder.path());
    std::fs::write(folder.path().join("life.py"), SCRIPT).unwrap();
    let argv = ["proxmoxer-python", "life.py"];
    let ran = run(&env, lab.server(), folder.path(), &argv);
    assert_eq!(ran.code, 0, "{}", ran.text);
    for line in [
        "nodes [('pve', 'online')]",
        "snapshots ['before', 'current']",
        "memory 512",
        "status running",
        "host second",
        "cards ['lo', 'eth0']",
        "exec 500 Agent error: nobody is at home in this guest",
        "refused 500 VM 101 is running - destroy failed",
        "left []",
    ] {
        assert!(
            ran.text.lines().any(|own| own == line),
            "{line}: {}",
            ran.text
        );
    }
    let world = lab.server().world();
    assert!(world.vms.is_empty() && world.volumes.is_empty());
    flows::passed(flows::LIFE, &ran.requests);
}

const PLAYBOOK: &str = r#"
- hosts: localhost
  gather_facts: false
  tasks:
    - community.proxmox.proxmox_pool:
        poolid: lab
        comment: by a playbook
    - community.proxmox.proxmox_kvm:
        vmid: 100
        node: pve
        name: first
        memory: 512
        cores: 2
        agent: "1"
        pool: lab
        scsi: { scsi0: "local-lvm:1" }
        net: { net0: "virtio,bridge=vmbr0" }
    - community.proxmox.proxmox_kvm:
        clone: first
        name: second
        node: pve
        newid: 101
    - community.proxmox.proxmox_kvm:
        vmid: 101
        state: started
    - community.proxmox.proxmox_disk:
        vmid: 101
        disk: scsi0
        target_storage: local
        format: qcow2
        delete_moved: true
        state: moved
    - community.proxmox.proxmox_snap:
        vmid: 101
        snapname: before
    - community.proxmox.proxmox_vm_info:
        node: pve
        vmid: 101
        config: current
      register: found
    - ansible.builtin.assert:
        that:
          - found.proxmox_vms[0].status == "running"
          - found.proxmox_vms[0].config.memory == "512"
"#;

const END: &str = r#"
- hosts: localhost
  gather_facts: false
  tasks:
    - community.proxmox.proxmox_kvm:
        vmid: 101
        state: stopped
        force: true
    - community.proxmox.proxmox_snap:
        vmid: 101
        snapname: before
        state: rollback
      when: first_time is defined
    - community.proxmox.proxmox_snap:
        vmid: 101
        snapname: before
        state: absent
    - community.proxmox.proxmox_kvm:
        vmid: "{{ item }}"
        state: absent
      loop: [101, 100]
    - community.proxmox.proxmox_pool:
        poolid: lab
        state: absent
"#;

/// Playbooks of the collection, against a lab.
pub(super) struct Plays<'a> {
    lab: &'a Lab,
    env: BTreeMap<String, String>,
    folder: tempfile::TempDir,
}

impl<'a> Plays<'a> {
    /// None where the collection or Ansible is not installed.
    pub(super) fn new(lab: &'a Lab) -> Option<Self> {
        let (mut env, _) = (with("proxmoxer-python")?, with("ansible-playbook")?);
        let folder = tempfile::tempdir().unwrap();
        let script = "import sysconfig; print(sysconfig.get_path('purelib'))";
        let argv = ["proxmoxer-python", "-c", script];
        let packages = run(&env, lab.server(), folder.path(), &argv);
        assert_eq!(packages.code, 0, "{}", packages.text);
        login(lab, &mut env, folder.path());
        for (key, value) in [
            ("HOME", folder.path().to_str().unwrap()),
            ("LANG", "C.UTF-8"),
            ("ANSIBLE_COLLECTIONS_PATH", packages.text.trim()),
            ("ANSIBLE_LOCALHOST_WARNING", "false"),
            ("ANSIBLE_INVENTORY_UNPARSED_WARNING", "false"),
            ("ANSIBLE_NOCOLOR", "1"),
        ] {
            env.insert(key.to_owned(), value.to_owned());
        }
        Some(Self { lab, env, folder })
    }

    /// One that ends well, with more variables.
    pub(super) fn play(&self, text: &str, more: &str) -> Ran {
        std::fs::write(self.folder.path().join("play.yml"), text).unwrap();
        let argv = [
            "ansible-playbook",
            "-e",
            "ansible_python_interpreter=proxmoxer-python",
            "-e",
            more,
            "play.yml",
        ];
        let ran = run(&self.env, self.lab.server(), self.folder.path(), &argv);
        assert_eq!(ran.code, 0, "{}", ran.text);
        ran
    }
}

#[test]
fn a_playbook_of_the_collection_lives_through_it_all_and_changes_nothing_twice() {
    let mut seed = seed();
    seed.storages[0].content.push("images".to_owned());
    let lab = lab(&seed);
    let Some(plays) = Plays::new(&lab) else {
        return;
    };
    let mut requests = Vec::new();
    let mut play = |text: &str, more: &str| {
        let ran = plays.play(text, more);
        requests.extend(ran.requests.iter().cloned());
        ran
    };
    let made = play(PLAYBOOK, "{}");
    assert!(made.text.contains("changed=6"), "{}", made.text);
    let again = play(PLAYBOOK, "{}");
    assert!(again.text.contains("changed=0"), "{}", again.text);
    let world = lab.server().world();
    assert_eq!(world.pools["lab"].members.len(), 1);
    assert!(world.vms[&101].run.is_some() && world.vms[&101].snapshots.contains_key("before"));
    let disk = &world.vms[&101].config["scsi0"];
    assert!(disk.starts_with("local:101/vm-101-disk-0.qcow2,"), "{disk}");
    let ended = play(END, "first_time=1");
    assert!(!ended.text.contains("changed=0"), "{}", ended.text);
    let world = lab.server().world();
    assert!(world.vms.is_empty() && world.volumes.is_empty() && world.pools.is_empty());
    flows::passed(flows::PLAYBOOK, &requests);
}
