//! `tofu.outputs`: what L3 and L4 need to know of each machine, in
//! `.build/tofu/ENV-NODE/outputs.json`. It is read from the state file itself, so
//! that it can be had again after `hl clean`, without tofu and without the node.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::workspace::{Target, built, module};
use crate::action;
use crate::action::{About, Action, Done, StepContext};
use crate::base::count;
use crate::diag::StepError;
use crate::diag::{Advice, Exit, hl, say};
use crate::handoff::{Gives, Handoff, Machines, Stage, VmInfo};
use crate::lab::{self, Lab};
use crate::tofu::state::State;
use crate::{pve, pve::GuestKind, site};

/// What `outputs.json` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outputs {
    /// The environment.
    pub env: String,
    /// The node it was made on.
    pub node: String,
    /// The machines by name.
    pub vms: BTreeMap<String, Machine>,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its id.
    pub vmid: u32,
    /// What it is.
    #[serde(default, skip_serializing_if = "GuestKind::is_vm")]
    pub kind: GuestKind,
    /// Where it is.
    pub node: String,
    /// Where it is reached: its fixed address, else the first it reported.
    pub address: String,
    /// All IPv4 addresses that it reported, loopback left out.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// MAC addresses.
    #[serde(default)]
    pub macs: Vec<String>,
    /// Groups in the inventory.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Tags on the node.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The user that cloud-init made, or root of a container.
    pub user: String,
}

impl Machine {
    /// `` `web-1` (VM 5101 on `pve`) ``
    pub(in crate::action) fn words(&self, name: &str) -> String {
        let Self {
            kind, vmid, node, ..
        } = self;
        format!("`{name}` ({kind} {vmid} on `{node}`)")
    }
}

/// `.build/tofu/KEY/outputs.json`
pub fn file(lab: &Lab, key: &str) -> Utf8PathBuf {
    built(&lab.paths).join(key).join("outputs.json")
}

/// Reads an `outputs.json`.
pub fn read(path: &Utf8Path) -> Result<Outputs, StepError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| StepError::io("read", path, &error))?;
    serde_json::from_str(&text).map_err(|error| {
        StepError::new(format!("`{path}` is invalid: {error}"))
            .help("remove it: it is read again from the state")
    })
}

/// The machines that were handed on last, where that file is there and whole.
pub(super) fn last(lab: &Lab, key: &str) -> BTreeMap<String, Machine> {
    read(&file(lab, key))
        .map(|outputs| outputs.vms)
        .unwrap_or_default()
}

/// Hands them on.
pub(super) fn write(lab: &Lab, key: &str, outputs: &Outputs) -> Result<Utf8PathBuf, StepError> {
    let path = file(lab, key);
    let text = serde_json::to_string_pretty(outputs)
        .map_err(|error| StepError::new(error.to_string()).exit(Exit::Bug))?;
    lab::write(&path, format!("{text}\n"), 0o600)?;
    Ok(path)
}

/// `tofu.outputs`
#[derive(Debug, Clone, Copy)]
pub struct ReadOutputs;

#[derive(Deserialize, JsonSchema)]
struct Inputs {
    #[serde(flatten)]
    target: Target,
    /// What the machines tell now, as `vm.wait` publishes it: addresses by
    /// name. It stands for what the state remembers.
    #[serde(default)]
    addresses: BTreeMap<String, Vec<String>>,
}

impl Action for ReadOutputs {
    fn about(&self) -> About {
        About::of::<Inputs>("tofu.outputs")
            .doc("reads addresses, groups and users of an environment's machines from its state")
            .hands_on(Handoff::part(Stage::Terraform).giving(Gives::Machines))
            .never("it reads the state of now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let Inputs { target, addresses } = ctx.inputs()?;
        let key = target.key()?;
        let state = State::read(&ctx.lab.paths.tofu_state(&key).join("terraform.tfstate"))?;
        if state.vms.is_empty() {
            let reason = format!("`{key}` has no machines yet, which L2 would make");
            return Ok(Done::not_planned(reason));
        }
        let outputs = collect(&target, &state, &addresses, &last(ctx.lab, &key))
            .map_err(|incomplete| incomplete.into_error(ctx, &target.env))?;
        let mut done =
            Done::new(count(outputs.vms.len(), "machine")).output("vms", names(&outputs));
        let path = file(ctx.lab, &key);
        if path.is_file() {
            done = done.output("outputs_json", path.as_str());
        }
        Ok(done)
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let Inputs { target, addresses } = ctx.inputs()?;
        let key = target.key()?;
        let state_file = ctx.lab.paths.tofu_state(&key).join("terraform.tfstate");
        let state = State::read(&state_file)?;
        if state.vms.is_empty() && wants_machines(ctx.lab, &target) {
            let Target { env, node, .. } = &target;
            return Err(
                StepError::new(format!("`{env}` has no machines on `{node}` yet"))
                    .exit(Exit::Unknown)
                    .help(hl(format!("l2-apply {env}")).say(" makes them")),
            );
        }
        let outputs = collect(&target, &state, &addresses, &last(ctx.lab, &key))
            .map_err(|incomplete| incomplete.into_error(ctx, &target.env))?;
        let path = write(ctx.lab, &key, &outputs)?;
        // Layers without a module only use them.
        if module(ctx).is_some_and(|module| module.is_dir()) {
            let width = outputs.vms.keys().map(String::len).max().unwrap_or(0);
            for (name, vm) in &outputs.vms {
                ctx.note(format!(
                    "{name:width$}  {}  {}  {}",
                    vm.vmid, vm.node, vm.address
                ));
            }
        }
        let mut done = Done::new(count(outputs.vms.len(), "machine"))
            .changed(false)
            .output("vms", names(&outputs))
            .publish(&Machines {
                key: Some(key),
                state: Some(state_file.to_string()),
                outputs_json: Some(path.to_string()),
                machines: machines(&outputs),
            });
        if target.key.is_none() {
            done.warnings = not_applied(ctx.lab, &outputs);
        }
        Ok(done)
    }
}

/// Whether an environment without machines is one that nobody applied yet.
pub(super) fn wants_machines(lab: &Lab, target: &Target) -> bool {
    target.key.is_none()
        && site::machines(&action::site::tree(lab), &target.env)
            .is_ok_and(|env| !env.vms.is_empty())
}

/// Why the outputs cannot be handed on.
#[derive(Debug)]
pub(super) enum IncompleteOutputs {
    /// Machines without an address, with their names.
    Silent(Vec<(String, Machine)>),
    /// Machines of the state that the outputs do not know: the apply that made
    /// them did not come to its end.
    Unfinished(Vec<String>),
}

impl IncompleteOutputs {
    /// Names each machine; silent ones with the agent's own words for why.
    pub(super) fn into_error(self, ctx: &StepContext<'_>, env: &str) -> StepError {
        let quoted = |names: Vec<&str>| format!("`{}`", names.join("`, `"));
        let again = hl(format!("l2-apply {env}"));
        match self {
            Self::Unfinished(names) => {
                let names = quoted(names.iter().map(String::as_str).collect());
                StepError::new(format!(
                    "the apply that made {names} did not come to its end"
                ))
                .help(again.say(" plans what is left"))
            }
            Self::Silent(vms) => {
                let client = ctx.lasting_pve();
                let names = quoted(vms.iter().map(|(name, ..)| name.as_str()).collect());
                let mut error = StepError::new(format!("no address is known of {names}"))
                    .exit(Exit::Runway)
                    .help(again.say(
                        " starts what is stopped; once its guest agent or its node tells them, it reads the addresses",
                    ));
                for (name, vm) in &vms {
                    let why = match &client {
                        Ok(client) => silence(client, vm),
                        Err(error) => error.to_string(),
                    };
                    error.tail.push(format!("{}: {why}", vm.words(name)));
                }
                error
            }
        }
    }
}

/// Why a machine told no address.
fn silence(client: &pve::Client, vm: &Machine) -> String {
    let Machine {
        vmid, node, kind, ..
    } = vm;
    if client
        .guest_status(*kind, node, *vmid)
        .is_ok_and(|vm| vm.status == "stopped")
    {
        return "it is stopped".to_owned();
    }
    if *kind == GuestKind::Ct {
        return "its node told none: does it get one from its network?".to_owned();
    }
    let path = format!("nodes/{node}/qemu/{vmid}/agent/network-get-interfaces");
    match client.get::<Value>(&path, &[]) {
        Ok(_) => "its guest agent answers now, but did not when the machine was made".to_owned(),
        Err(pve::Error::Forbidden { message, .. }) => {
            format!("the token may not ask its guest agent: {message}")
        }
        Err(error) => format!("its guest agent does not answer: {error}"),
    }
}

/// The machines of the state. An address that a machine told now stands for
/// what the state remembers; of a machine that tells none any more, as it is
/// stopped, the one that was handed on `before` is kept.
pub(super) fn collect(
    target: &Target,
    state: &State,
    told: &BTreeMap<String, Vec<String>>,
    before: &BTreeMap<String, Machine>,
) -> Result<Outputs, IncompleteOutputs> {
    // The module's output `vms`; there an address has its prefix, or is `dhcp`.
    let vms = state.outputs.get("vms").cloned().unwrap_or_default();
    let mut vms: BTreeMap<String, Machine> = serde_json::from_value(vms).unwrap_or_default();
    let unknown = state.vms.keys().filter(|name| !vms.contains_key(*name));
    let unfinished: Vec<String> = unknown.cloned().collect();
    if !unfinished.is_empty() {
        return Err(IncompleteOutputs::Unfinished(unfinished));
    }
    let mut silent = Vec::new();
    for (name, vm) in &mut vms {
        if let Some(now) = told.get(name).filter(|now| !now.is_empty()) {
            vm.addresses.clone_from(now);
        } else if vm.addresses.is_empty()
            && let Some(old) = before.get(name).filter(|old| old.vmid == vm.vmid)
        {
            vm.addresses.clone_from(&old.addresses);
        }
        // Behind an exit code of 0 there may be no address at all: the agent
        // did not answer in time, or may not be asked (measured).
        match (vm.address.split_once('/'), vm.addresses.first()) {
            (_, None) => silent.push((name.clone(), vm.clone())),
            (Some((fixed, _)), _) => vm.address = fixed.to_owned(),
            (None, Some(first)) => vm.address.clone_from(first),
        }
    }
    if !silent.is_empty() {
        return Err(IncompleteOutputs::Silent(silent));
    }
    Ok(Outputs {
        env: target.env.clone(),
        node: target.node.clone(),
        vms,
    })
}

/// Machines of the environment's file that no apply has made yet.
fn not_applied(lab: &Lab, outputs: &Outputs) -> Vec<Advice> {
    let Ok(env) = site::machines(&action::site::tree(lab), &outputs.env) else {
        return Vec::new();
    };
    let missing = env
        .vms
        .iter()
        .filter(|vm| !outputs.vms.contains_key(&vm.name));
    missing
        .map(|vm| {
            let (name, env) = (&vm.name, &outputs.env);
            say(format!("`{name}` of `{env}` is not made yet: ")).hl(format!("l2-apply {env}"))
        })
        .collect()
}

fn names(outputs: &Outputs) -> Vec<String> {
    outputs.vms.keys().cloned().collect()
}

/// What a snapshot of the lab says of each machine.
fn machines(outputs: &Outputs) -> BTreeMap<String, VmInfo> {
    let machines = outputs.vms.iter().map(|(name, vm)| {
        let machine = VmInfo {
            vmid: vm.vmid,
            node: vm.node.clone(),
            address: vm.address.clone(),
        };
        (name.clone(), machine)
    });
    machines.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tofu::summary::Vm;

    fn target() -> Target {
        Target {
            env: "dev".to_owned(),
            node: "pve".to_owned(),
            dir: None,
            key: None,
        }
    }

    fn state(addresses: &[&str], address: &str) -> State {
        let mut state = State::default();
        state.outputs.insert(
            "vms".to_owned(),
            json!({"web-1": {"vmid": 5101, "node": "pve", "address": address, "addresses": addresses,
                "groups": ["web"], "tags": ["hl"], "user": "ops"}}),
        );
        state
    }

    fn new() -> BTreeMap<String, Machine> {
        BTreeMap::new()
    }

    fn none() -> BTreeMap<String, Vec<String>> {
        BTreeMap::new()
    }

    #[test]
    fn what_a_machine_tells_now_stands_for_what_the_state_remembers() {
        let told = [("web-1".to_owned(), vec!["10.0.0.8".to_owned()])].into();
        for remembered in [["10.0.0.9"].as_slice(), &[]] {
            let outputs = collect(&target(), &state(remembered, "dhcp"), &told, &new()).unwrap();
            assert_eq!(outputs.vms["web-1"].address, "10.0.0.8");
        }
    }

    #[test]
    fn a_fixed_address_wins_and_dhcp_takes_the_first() {
        let fixed = collect(
            &target(),
            &state(&["10.0.0.9", "10.0.0.5"], "10.0.0.5/24"),
            &none(),
            &new(),
        )
        .unwrap();
        assert_eq!(fixed.vms["web-1"].address, "10.0.0.5");
        let dhcp = collect(&target(), &state(&["10.0.0.9"], "dhcp"), &none(), &new()).unwrap();
        assert_eq!(dhcp.vms["web-1"].address, "10.0.0.9");
        let text = serde_json::to_string(&dhcp).unwrap();
        assert_eq!(serde_json::from_str::<Outputs>(&text).unwrap(), dhcp);
    }

    #[test]
    fn no_address_is_an_error_even_for_a_fixed_one() {
        let incomplete =
            collect(&target(), &state(&[], "10.0.0.5/24"), &none(), &new()).unwrap_err();
        let IncompleteOutputs::Silent(silent) = incomplete else {
            panic!("{incomplete:?}")
        };
        let [(name, vm)] = silent.as_slice() else {
            panic!("{silent:?}")
        };
        assert_eq!(vm.words(name), "`web-1` (VM 5101 on `pve`)");
    }

    #[test]
    fn of_a_stopped_machine_the_last_address_is_kept_and_of_another_of_its_name_not() {
        let before = collect(&target(), &state(&["10.0.0.9"], "dhcp"), &none(), &new()).unwrap();
        let silent = state(&[], "dhcp");
        let kept = collect(&target(), &silent, &none(), &before.vms).unwrap();
        assert_eq!(kept, before);
        // What the state remembers is newer.
        let moved = state(&["10.0.0.7"], "dhcp");
        let now = collect(&target(), &moved, &none(), &before.vms).unwrap();
        assert_eq!(now.vms["web-1"].address, "10.0.0.7");
        let mut other = before.vms;
        other.get_mut("web-1").unwrap().vmid = 5199;
        assert!(collect(&target(), &silent, &none(), &other).is_err());
    }

    #[test]
    fn a_machine_that_the_outputs_do_not_know_is_told() {
        let mut state = state(&["10.0.0.5"], "10.0.0.5/24");
        state.vms.insert("app-1".to_owned(), Vm::default());
        let incomplete = collect(&target(), &state, &none(), &new()).unwrap_err();
        let IncompleteOutputs::Unfinished(names) = incomplete else {
            panic!("{incomplete:?}")
        };
        assert_eq!(names, ["app-1"]);
    }
}
