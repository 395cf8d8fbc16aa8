//! Doubles of tofu, ssh and ansible-playbook. They do what the real ones do to the
//! simulated node and to their files.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hl::action::{Captured, ChildExit, ChildOutcome, ChildSpec, Exec, Line};
use hl::base::Cancel;
use hl::diag::StepError;
use hl::plan::Stream;
use hl::pve::{Client, GuestKind, Upid};
use hl::tofu::summary::{CT_TYPE, VM_TYPE};
use hl_sim::Volume;
use serde_json::{Value, json};

use crate::l2::stage::Stage;

thread_local! {
    /// The programs of this thread's step are cut off in what they do.
    static CUT_OFF: Cell<bool> = const { Cell::new(false) };
}

/// Ends it.
pub(super) struct CutOff;

/// From now on programs of this thread are cut off in what they do.
pub(super) fn cut_off() -> CutOff {
    CUT_OFF.set(true);
    CutOff
}

impl Drop for CutOff {
    fn drop(&mut self) {
        CUT_OFF.set(false);
    }
}

pub(super) struct Doubles {
    stage: Arc<Stage>,
    client: Client,
    /// What a machine that asks for its spec says that it applied.
    digest: Mutex<String>,
    /// Machines that a playbook converged.
    converged: Mutex<BTreeSet<String>>,
}

/// A machine that a plan makes.
struct Planned {
    name: String,
    vm: Value,
    kind: GuestKind,
}

/// A program that ended.
fn ended(code: i32) -> ChildOutcome {
    ChildOutcome {
        exit: ChildExit::Code(code),
        stopped: None,
        killed: false,
        taken: false,
        tail: Vec::new(),
    }
}

fn printed(code: i32, text: impl Into<Vec<u8>>) -> Captured {
    Captured {
        code,
        stdout: text.into(),
        stderr: String::new(),
    }
}

fn name(child: &ChildSpec) -> &str {
    child.program.rsplit('/').next().unwrap()
}

fn value<'c>(child: &'c ChildSpec, flag: &str) -> Option<&'c str> {
    child.args.iter().find_map(|arg| arg.strip_prefix(flag))
}

fn read(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// `.states/KEY/terraform.tfstate`, beside the data directory.
fn state_file(child: &ChildSpec) -> PathBuf {
    Path::new(&child.env["TF_DATA_DIR"]).with_file_name("terraform.tfstate")
}

fn write(path: &Path, value: &Value) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, value.to_string()).unwrap();
}

impl Doubles {
    pub(super) fn new(stage: &Arc<Stage>) -> Self {
        Self {
            stage: Arc::clone(stage),
            client: stage.client(),
            digest: Mutex::default(),
            converged: Mutex::default(),
        }
    }

    /// The machines that were converged since this was asked last.
    pub(super) fn converged(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.converged.lock().unwrap())
    }

    /// The machine that asks for its spec applies what has this digest.
    pub(super) fn applies(&self, digest: &str) {
        digest.clone_into(&mut self.digest.lock().unwrap());
    }

    fn tofu(&self, child: &ChildSpec, on_line: &mut dyn FnMut(Line<'_>)) -> ChildOutcome {
        match child.args[0].as_str() {
            "init" if CUT_OFF.get() => ended(1),
            "init" => ended(0),
            "plan" => {
                let file = Path::new(value(child, "-out=").unwrap());
                let vars = read(Path::new(value(child, "-var-file=").unwrap()));
                let destroy = child.args.iter().any(|arg| arg == "-destroy");
                let state = state_file(child);
                let plan = json!({ "vars": vars, "destroy": destroy, "state": state });
                write(file, &plan);
                if CUT_OFF.get() {
                    return ended(1);
                }
                ended(if changes(&plan).is_empty() { 0 } else { 2 })
            }
            "apply" => {
                let plan = read(Path::new(child.args.last().unwrap()));
                self.apply(&plan, on_line)
            }
            other => panic!("tofu {other}"),
        }
    }

    fn wait(&self, task: &Upid) {
        let patience = Duration::from_mins(1);
        self.client
            .wait_task(task, &Cancel::default(), patience)
            .unwrap();
    }

    /// Makes the machine of a plan and writes the state, or only the former.
    fn apply(&self, plan: &Value, on_line: &mut dyn FnMut(Line<'_>)) -> ChildOutcome {
        for planned in changes(plan) {
            let id = u32::try_from(planned.vm["vmid"].as_u64().unwrap()).unwrap();
            let address = format!("ip=10.77.{}.{}/16", id / 256, id % 256);
            match planned.kind {
                GuestKind::Vm => self.clone_template(&planned, id),
                GuestKind::Ct => self.unpack(&planned, id, &address),
            }
            if CUT_OFF.get() {
                return ended(1);
            }
            if planned.kind == GuestKind::Vm {
                let disk = format!("{}G", planned.vm["disk"]);
                if let Some(task) = self.client.resize_disk("pve", id, "scsi0", &disk).unwrap() {
                    self.wait(&task);
                }
                let vendor = planned.vm["vendor_data"].as_str();
                let custom = vendor.map(|volid| format!("vendor={volid}"));
                let mut keys = vec![("ipconfig0", address.as_str()), ("agent", "1")];
                keys.extend(custom.as_deref().map(|custom| ("cicustom", custom)));
                self.client.set_vm_config("pve", id, &keys).unwrap();
            }
            let task = self.client.start_guest(planned.kind, "pve", id).unwrap();
            self.wait(&task);
            let name = &planned.name;
            let line = json!({
                "type": "apply_complete",
                "hook": {"resource": {"addr": format!("vm[{name:?}]"), "resource_key": name}, "action": "create"},
            });
            let line = line.to_string();
            on_line(Line {
                stream: Stream::Stdout,
                text: &line,
            });
            write(Path::new(plan["state"].as_str().unwrap()), &state(&planned));
        }
        ended(0)
    }

    fn clone_template(&self, planned: &Planned, id: u32) {
        let id = id.to_string();
        let form = [
            ("newid", id.as_str()),
            ("name", planned.name.as_str()),
            ("full", "1"),
            ("storage", "local-lvm"),
            ("description", planned.vm["description"].as_str().unwrap()),
        ];
        let path = format!("nodes/pve/qemu/{}/clone", planned.vm["template_vmid"]);
        let task: Upid = self.client.post(&path, &form).unwrap();
        self.wait(&task);
    }

    fn unpack(&self, planned: &Planned, id: u32, address: &str) {
        let id = id.to_string();
        let root = format!("local-lvm:{}", planned.vm["disk"]);
        let card = format!("name=eth0,bridge=vmbr0,{address}");
        let memory = planned.vm["memory"].to_string();
        let form = [
            ("vmid", id.as_str()),
            ("hostname", planned.name.as_str()),
            ("ostemplate", planned.vm["template"].as_str().unwrap()),
            ("rootfs", root.as_str()),
            ("memory", memory.as_str()),
            ("net0", card.as_str()),
            ("unprivileged", "1"),
            ("description", planned.vm["description"].as_str().unwrap()),
        ];
        let task: Upid = self.client.post("nodes/pve/lxc", &form).unwrap();
        self.wait(&task);
    }

    /// A snippet is written to the node, or a volume removed from it.
    fn volume(&self, child: &ChildSpec, is_there: bool) -> ChildOutcome {
        if CUT_OFF.get() {
            return ended(255);
        }
        let words = child.args.last().unwrap();
        let (_, rest) = words.split_once("local:").unwrap();
        let plain = |c: &char| c.is_ascii_alphanumeric() || "-_./".contains(*c);
        let name: String = rest.chars().take_while(plain).collect();
        let volid = format!("local:{name}");
        self.stage.sim.change(|world| {
            world.volumes.retain(|volume| volume.volid != volid);
            if is_there {
                world.volumes.push(Volume {
                    volid,
                    node: "pve".to_owned(),
                    content: "snippets".to_owned(),
                    format: "snippet".to_owned(),
                    size: 1,
                    text: Some("#cloud-config\n{}\n".to_owned()),
                    ..Volume::default()
                });
            }
        });
        ended(0)
    }
}

/// The machines that a plan makes.
fn changes(plan: &Value) -> Vec<Planned> {
    let state = read(Path::new(plan["state"].as_str().unwrap()));
    let is_made = state["resources"]
        .as_array()
        .is_some_and(|all| !all.is_empty());
    if is_made {
        return Vec::new();
    }
    let kinds = [("vms", GuestKind::Vm), ("containers", GuestKind::Ct)];
    let of_kind = kinds.into_iter().flat_map(|(key, kind)| {
        let machines = plan["vars"][key].as_object().unwrap().iter();
        machines.map(move |(name, vm)| Planned {
            name: name.clone(),
            vm: vm.clone(),
            kind,
        })
    });
    of_kind.collect()
}

impl Planned {
    fn resource_type(&self) -> &'static str {
        match self.kind {
            GuestKind::Vm => VM_TYPE,
            GuestKind::Ct => CT_TYPE,
        }
    }

    fn attributes(&self) -> Value {
        let Self { name, vm, kind } = self;
        let network = json!([{"ipv4": [{"address": "dhcp"}]}]);
        match kind {
            GuestKind::Vm => json!({
                "name": name, "vm_id": vm["vmid"], "node_name": "pve", "description": vm["description"],
                "clone": [{"vm_id": vm["template_vmid"], "node_name": "pve"}],
                "disk": [{"interface": "scsi0", "size": vm["disk"]}],
                "initialization": [{"ip_config": network}],
            }),
            GuestKind::Ct => json!({
                "vm_id": vm["vmid"], "node_name": "pve", "description": vm["description"],
                "operating_system": [{"template_file_id": vm["template"]}],
                "disk": [{"size": vm["disk"]}],
                "initialization": [{"hostname": name, "ip_config": network}],
            }),
        }
    }
}

fn state(planned: &Planned) -> Value {
    let instance = json!({ "index_key": planned.name, "attributes": planned.attributes() });
    json!({
        "version": 4, "serial": 1, "lineage": "double", "outputs": {},
        "resources": [{
            "mode": "managed", "type": planned.resource_type(), "name": "vm", "instances": [instance],
        }],
    })
}

/// What `tofu show -json` prints of a plan.
fn show(plan: &Value) -> Value {
    let change = |planned: &Planned| {
        let (kind, name) = (planned.resource_type(), &planned.name);
        json!({
            "address": format!("{kind}.vm[{name:?}]"), "mode": "managed", "type": kind,
            "name": "vm", "index": name,
            "change": {"actions": ["create"], "before": null, "after": planned.attributes()},
        })
    };
    let changes: Vec<Value> = changes(plan).iter().map(change).collect();
    json!({
        "format_version": "1.2", "resource_changes": changes,
        "variables": {
            "vms": {"value": plan["vars"]["vms"]},
            "containers": {"value": plan["vars"]["containers"]},
        },
    })
}

impl Exec for Doubles {
    fn run(
        &self,
        child: &ChildSpec,
        on_line: &mut dyn FnMut(Line<'_>),
    ) -> Result<ChildOutcome, StepError> {
        Ok(match name(child) {
            "tofu" => self.tofu(child, on_line),
            // A shell that gives a file to `ssh`, and `ssh` alone.
            "sh" => self.volume(child, true),
            "ssh" => self.volume(child, false),
            "ansible-playbook" if CUT_OFF.get() => ended(4),
            "ansible-playbook" => {
                let inventory = child.args.iter().position(|arg| arg == "-i").unwrap();
                let inventory = read(Path::new(&child.args[inventory + 1]));
                let hosts = inventory["all"]["hosts"].as_object().unwrap();
                self.converged.lock().unwrap().extend(hosts.keys().cloned());
                let counts = json!({"ok": 1, "changed": 0, "unreachable": 0, "failures": 0, "skipped": 0, "rescued": 0, "ignored": 0});
                let stats: Value = hosts
                    .keys()
                    .map(|host| (host.clone(), counts.clone()))
                    .collect();
                let event = json!({ "event": "stats", "hosts": stats });
                std::fs::write(&child.env["HL_ANSIBLE_EVENTS"], format!("{event}\n")).unwrap();
                ended(0)
            }
            other => panic!("`{other}` is not doubled"),
        })
    }

    fn capture(&self, child: &ChildSpec) -> Result<Captured, StepError> {
        Ok(match name(child) {
            "tofu" if child.args[0] == "version" => printed(0, "OpenTofu v1.8.0\n"),
            "tofu" if child.args[0] == "show" => {
                let plan = read(Path::new(child.args.last().unwrap()));
                printed(0, show(&plan).to_string())
            }
            "ssh-keyscan" => {
                let host = child.args.last().unwrap();
                printed(
                    0,
                    format!("{host} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey\n"),
                )
            }
            "ssh" if child.args.last().unwrap().contains("/applied") => {
                let digest = self.digest.lock().unwrap();
                printed(0, json!({ "digest": *digest }).to_string())
            }
            "ssh" => printed(0, ""),
            other => panic!("`{other}` is not doubled"),
        })
    }
}
