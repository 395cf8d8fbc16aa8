//! Doubles of tofu, ssh and ansible-playbook. They do what the real ones do to the
//! simulated node and to their files.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hl::action::{Captured, ChildExit, ChildOutcome, ChildSpec, Exec, Line};
use hl::base::Cancel;
use hl::diag::StepError;
use hl::plan::Stream;
use hl::pve::{Client, Upid};
use hl::tofu::summary::VM_TYPE;
use serde_json::{Value, json};

thread_local! {
    /// The programs of this thread's step are cut off in what they do.
    static CUT_OFF: Cell<bool> = const { Cell::new(false) };
}

/// Ends it.
pub(super) struct CutOff;

impl Drop for CutOff {
    fn drop(&mut self) {
        CUT_OFF.set(false);
    }
}

pub(super) struct Doubles {
    pub(super) client: Client,
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
    /// From now on programs of this thread are cut off in what they do.
    pub(super) fn cut_off(&self) -> CutOff {
        CUT_OFF.set(true);
        CutOff
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
        for (name, vm) in changes(plan) {
            let id = u32::try_from(vm["vmid"].as_u64().unwrap()).unwrap();
            let text = |key: &str| vm[key].as_str().unwrap_or_default().to_owned();
            let (newid, description) = (id.to_string(), text("description"));
            let path = format!("nodes/pve/qemu/{}/clone", vm["template_vmid"]);
            let form = [
                ("newid", newid.as_str()),
                ("name", name.as_str()),
                ("full", "1"),
                ("storage", "local-lvm"),
                ("description", description.as_str()),
            ];
            let task: Upid = self.client.post(&path, &form).unwrap();
            self.wait(&task);
            if CUT_OFF.get() {
                return ended(1);
            }
            let disk = format!("{}G", vm["disk"]);
            if let Some(task) = self.client.resize_disk("pve", id, "scsi0", &disk).unwrap() {
                self.wait(&task);
            }
            let network = "ip=10.77.0.1/16".replace("0.1/", &format!("{}.{}/", id / 256, id % 256));
            let keys = [("ipconfig0", network.as_str()), ("agent", "1")];
            self.client.set_vm_config("pve", id, &keys).unwrap();
            let task = self.client.start_vm("pve", id).unwrap();
            self.wait(&task);
            let line = json!({
                "type": "apply_complete",
                "hook": {"resource": {"addr": format!("vm[{name:?}]"), "resource_key": name}, "action": "create"},
            });
            let line = line.to_string();
            on_line(Line {
                stream: Stream::Stdout,
                text: &line,
            });
            write(
                Path::new(plan["state"].as_str().unwrap()),
                &state(&name, &vm),
            );
        }
        ended(0)
    }
}

/// The machines that a plan makes.
fn changes(plan: &Value) -> Vec<(String, Value)> {
    let state = read(Path::new(plan["state"].as_str().unwrap()));
    let is_made = state["resources"]
        .as_array()
        .is_some_and(|all| !all.is_empty());
    if is_made {
        return Vec::new();
    }
    let vms = plan["vars"]["vms"].as_object().unwrap().iter();
    vms.map(|(name, vm)| (name.clone(), vm.clone())).collect()
}

fn attributes(name: &str, vm: &Value) -> Value {
    json!({
        "name": name, "vm_id": vm["vmid"], "node_name": "pve", "description": vm["description"],
        "clone": [{"vm_id": vm["template_vmid"], "node_name": "pve"}],
        "disk": [{"interface": "scsi0", "size": vm["disk"]}],
        "initialization": [{"ip_config": [{"ipv4": [{"address": "dhcp"}]}]}],
    })
}

fn state(name: &str, vm: &Value) -> Value {
    let instance = json!({ "index_key": name, "attributes": attributes(name, vm) });
    json!({
        "version": 4, "serial": 1, "lineage": "double", "outputs": {},
        "resources": [{"mode": "managed", "type": VM_TYPE, "name": "vm", "instances": [instance]}],
    })
}

/// What `tofu show -json` prints of a plan.
fn show(plan: &Value) -> Value {
    let change = |(name, vm): &(String, Value)| {
        json!({
            "address": format!("{VM_TYPE}.vm[{name:?}]"), "mode": "managed", "type": VM_TYPE,
            "name": "vm", "index": name,
            "change": {"actions": ["create"], "before": null, "after": attributes(name, vm)},
        })
    };
    let changes: Vec<Value> = changes(plan).iter().map(change).collect();
    json!({
        "format_version": "1.2", "resource_changes": changes,
        "variables": {"vms": {"value": plan["vars"]["vms"]}},
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
            "ansible-playbook" if CUT_OFF.get() => ended(4),
            "ansible-playbook" => {
                let inventory = child.args.iter().position(|arg| arg == "-i").unwrap();
                let inventory = read(Path::new(&child.args[inventory + 1]));
                let hosts = inventory["all"]["hosts"].as_object().unwrap();
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
            "ssh" => printed(0, ""),
            other => panic!("`{other}` is not doubled"),
        })
    }
}
