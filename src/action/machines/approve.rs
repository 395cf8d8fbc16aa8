//! `manifest.approve`: what a manifest would make or destroy, all of it, before any of
//! it begins. It chooses the ids that the manifest leaves open.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::empty::nothing_stands;
use super::given::{Given, OnHost, Verb};
use super::known::Known;
use crate::action::mark;
use crate::action::tofu::{NodeMachine, choosing, fill};
use crate::action::{About, Action, Approval, Done, StepContext};
use crate::base::{count, ticked};
use crate::diag::{Exit, StepError};
use crate::site::Env;
use crate::tofu::state::State;
use crate::tofu::summary;

/// `manifest.approve`
#[derive(Debug, Clone, Copy)]
pub struct Approve;

#[derive(Debug, Deserialize, JsonSchema)]
struct Inputs {
    /// What is done.
    verb: Verb,
    #[serde(flatten)]
    on: OnHost,
}

impl Action for Approve {
    fn about(&self) -> About {
        About::of::<Inputs>("manifest.approve")
            .doc("shows every machine of a manifest, and chooses the ids that it leaves open")
            .undoes_nothing()
            .never("it looks at what there is now")
    }

    fn approval(&self, ctx: &StepContext<'_>) -> Result<Option<Approval>, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let look = Look::new(ctx, &inputs)?;
        look.stands_in_the_way(ctx)?;
        Ok(look.approval())
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let look = Look::new(ctx, &inputs)?;
        if inputs.verb == Verb::Test {
            nothing_stands(ctx, &inputs.on, &look.known, Some(&ctx.pve()?))?;
        }
        for line in look.lines() {
            ctx.note(line);
        }
        Ok(look.done())
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let look = Look::new(ctx, &inputs)?;
        look.stands_in_the_way(ctx)?;
        for line in look.lines() {
            ctx.note(line);
        }
        Ok(look.done())
    }
}

/// What is asked for, and what there is.
struct Look<'i> {
    inputs: &'i Inputs,
    known: Known,
    /// The id of each machine on the host.
    vmids: BTreeMap<String, u32>,
    /// The run that looks.
    run: String,
}

impl<'i> Look<'i> {
    fn new(ctx: &StepContext<'_>, inputs: &'i Inputs) -> Result<Self, StepError> {
        let known = Known::read(ctx, &inputs.on)?;
        let vmids = if inputs.verb == Verb::Destroy {
            let held = known.states.iter();
            held.filter(|(name, _)| inputs.on.names(name))
                .flat_map(|(_, state)| &state.vms)
                .filter_map(|(name, vm)| Some((name.clone(), vm.vmid?)))
                .collect()
        } else {
            chosen(ctx, inputs, &known)?
        };
        Ok(Self {
            inputs,
            known,
            vmids,
            run: ctx.run_id.to_owned(),
        })
    }

    /// What may not be there, or cannot be made yet. No approval answers that.
    fn stands_in_the_way(&self, ctx: &StepContext<'_>) -> Result<(), StepError> {
        let on = &self.inputs.on;
        if self.inputs.verb == Verb::Destroy {
            return Ok(());
        }
        let inside = on.machines.iter().filter(|given| given.parent.is_some());
        let inside: Vec<&str> = inside.map(|given| given.machine.name.as_str()).collect();
        if let Some(first) = on.machines.iter().find_map(|given| given.parent.as_ref()) {
            let message = format!(
                "{} cannot be made yet: inside of `{first}`, a `pve`",
                ticked(inside)
            );
            return Err(StepError::new(message)
                .exit(Exit::Definition)
                .help("this version makes the machines on the host itself; `--dry-run` shows all of them")
                .help("leave the nodes with a `parent` out"));
        }
        if self.inputs.verb == Verb::Test {
            nothing_stands(ctx, on, &self.known, Some(&ctx.pve()?))?;
        }
        Ok(())
    }

    /// Whether a machine was made before this run, of which this may be a later part:
    /// what was approved once is told in the same words.
    fn is_older(&self, given: &Given) -> bool {
        let name = &given.machine.name;
        let key = self.inputs.on.key(name);
        let made = self.known.made(name);
        made.is_some_and(|vm| !mark::has(vm.description.as_deref(), &self.run, &key))
    }

    fn approval(&self) -> Option<Approval> {
        let on = &self.inputs.on;
        let OnHost { manifest, node, .. } = on;
        let (question, word) = match self.inputs.verb {
            Verb::Destroy => {
                if self.vmids.is_empty() {
                    return None;
                }
                let machines = count(self.vmids.len(), "machine");
                let question = format!(
                    "this destroys {machines} of `{manifest}` on `{node}`, with all that is on them"
                );
                (question, Some(manifest.clone()))
            }
            Verb::Create | Verb::Test => {
                let new = on.own().filter(|given| !self.is_older(given));
                let new = new.count();
                if new == 0 {
                    return None;
                }
                let machines = count(new, "machine");
                let then = match self.inputs.verb {
                    Verb::Test => ", and destroy them again",
                    Verb::Create | Verb::Destroy => "",
                };
                (
                    format!("make {machines} of `{manifest}` on `{node}`{then}?"),
                    None,
                )
            }
        };
        let verb = format!("{:?}", self.inputs.verb);
        let machines = on.machines.iter().map(exact);
        Some(Approval {
            summary: self.lines(),
            question,
            type_word: word,
            in_person: false,
            exact: json!([
                verb,
                manifest,
                node,
                machines.collect::<Vec<_>>(),
                self.vmids
            ]),
        })
    }

    /// Every machine, a line each.
    fn lines(&self) -> Vec<String> {
        let on = &self.inputs.on;
        if self.inputs.verb == Verb::Destroy {
            let states = self.known.states.iter();
            let vms = states.flat_map(|(name, state)| state.vms.values().map(move |vm| (name, vm)));
            return vms
                .map(|(name, vm)| {
                    let line = format!("{name}  {} on {}", vm.id(), vm.node);
                    if on.names(name) {
                        format!("- {line}")
                    } else {
                        format!("= {line} stays: the manifest does not name it")
                    }
                })
                .collect();
        }
        let line = |given: &Given| {
            let machine = &given.machine;
            let name = &machine.name;
            if let Some(made) = self.known.made(name).filter(|_| self.is_older(given)) {
                let mut line = format!("= {name}  {} on {}, made before", made.id(), made.node);
                let differs = differs(machine, made);
                if !differs.is_empty() {
                    line += &format!("; the manifest says {}", differs.join(", "));
                }
                return line;
            }
            let id = match self.vmids.get(name).copied().or(machine.vmid) {
                Some(vmid) => format!("{} {vmid}", machine.kind_word()),
                None => format!("a {} whose id the cluster chooses", machine.kind_word()),
            };
            let place = given.parent.as_ref().unwrap_or(&on.node);
            format!(
                "+ {name}  {id} on {place}, {}, from {}",
                machine.size(),
                machine.image
            )
        };
        on.machines.iter().map(line).collect()
    }

    fn done(&self) -> Done {
        let on = &self.inputs.on;
        let summary = match self.inputs.verb {
            Verb::Destroy => match self.vmids.len() {
                0 => "nothing of it is here".to_owned(),
                machines => count(machines, "machine"),
            },
            Verb::Create | Verb::Test => {
                let made = on.own().filter(|given| self.is_older(given));
                let (all, made) = (on.machines.len(), made.count());
                match made {
                    0 => count(all, "machine"),
                    made => format!("{}, {made} of them made before", count(all, "machine")),
                }
            }
        };
        let mut done = Done::new(summary)
            .changed(false)
            .output("vmids", json!(self.vmids));
        if self.inputs.verb == Verb::Destroy {
            for given in on.own() {
                let name = &given.machine.name;
                done = done.output(&format!("{name}_there"), self.known.holds(name));
            }
        }
        done
    }
}

/// What the manifest says of a machine that is not so: `cores 1 -> 4`.
fn differs(wanted: &NodeMachine, made: &summary::Vm) -> Vec<String> {
    let numbers = [
        ("vmid", made.vmid.map(u64::from), wanted.vmid.map(u64::from)),
        (
            "cores",
            made.cores.map(u64::from),
            Some(u64::from(wanted.cores)),
        ),
        ("memory", made.memory.map(u64::from), Some(wanted.memory)),
        ("disk", made.disk, Some(wanted.disk)),
    ];
    let mut differs = Vec::new();
    if made.container != (wanted.kind == "ct") {
        let is = if made.container { "CT" } else { "VM" };
        differs.push(format!("{is} -> {}", wanted.kind_word()));
    }
    for (what, is, wanted) in numbers {
        if let (Some(is), Some(wanted)) = (is, wanted)
            && is != wanted
        {
            differs.push(format!("{what} {is} -> {wanted}"));
        }
    }
    differs
}

fn exact(given: &Given) -> Value {
    let machine = &given.machine;
    json!([
        machine.name,
        machine.kind,
        machine.image,
        machine.vmid,
        machine.cores,
        machine.memory,
        machine.disk,
        given.parent
    ])
}

/// The ids of the machines on the host: those of the manifest, else those that they
/// have, else those that were recorded, else free ones.
fn chosen(
    ctx: &StepContext<'_>,
    inputs: &Inputs,
    known: &Known,
) -> Result<BTreeMap<String, u32>, StepError> {
    let on = &inputs.on;
    let mut vms = Vec::new();
    for given in on.own() {
        let mut vm = given.machine.machine(&BTreeMap::new())?;
        let recorded = || known.recorded.get(&vm.name).copied();
        let made = known.made(&vm.name).and_then(|made| made.vmid);
        vm.vmid = vm.vmid.or(made).or_else(recorded);
        vms.push(vm);
    }
    let mut env = Env {
        name: on.manifest.clone(),
        vms,
    };
    let _choosing = choosing();
    let key = format!("{}/{}", on.manifest, on.node);
    fill(ctx, &mut env, &State::default(), &key)?;
    let ids = env.vms.into_iter();
    Ok(ids.filter_map(|vm| Some((vm.name, vm.vmid?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tofu::summary::VM_TYPE;

    #[test]
    fn what_differs_from_a_machine_that_stands_is_told() {
        let made = |cores: u32| {
            let values = json!({
                "vm_id": 9101, "node_name": "pve", "name": "edge",
                "cpu": [{"cores": cores}], "memory": [{"dedicated": 2048}],
                "disk": [{"interface": "scsi0", "size": 10}],
            });
            summary::Vm::of(VM_TYPE, &values).unwrap()
        };
        let wanted = |vmid: Option<u32>, kind: &str| -> NodeMachine {
            let text = json!({
                "name": "edge", "type": kind, "image": "i", "vmid": vmid,
                "cores": 4, "memory": 2048, "disk": 40,
            });
            serde_json::from_value(text).unwrap()
        };
        assert_eq!(
            differs(&wanted(Some(9105), "vm"), &made(1)),
            ["vmid 9101 -> 9105", "cores 1 -> 4", "disk 10 -> 40"]
        );
        assert_eq!(
            differs(&wanted(None, "ct"), &made(4)),
            ["VM -> CT", "disk 10 -> 40"]
        );
    }
}
