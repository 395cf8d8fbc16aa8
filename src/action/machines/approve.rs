//! `manifest.approve`: what a manifest would make or destroy, all of it, before any of
//! it begins. It chooses the ids that the manifest leaves open.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::given::{Given, OnHost, Verb};
use super::known::{Known, OnNode, ids};
use crate::action::mark;
use crate::action::tofu::{choosing, fill, is_free};
use crate::action::{About, Action, Approval, Done, StepContext};
use crate::base::{count, ticked};
use crate::diag::{Exit, StepError, say};
use crate::site::Env;
use crate::tofu::state::State;

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
            self.must_be_empty(ctx)?;
        }
        Ok(())
    }

    /// A test destroys what it made, and so it makes all of it.
    fn must_be_empty(&self, ctx: &StepContext<'_>) -> Result<(), StepError> {
        let on = &self.inputs.on;
        let client = ctx.pve()?;
        let on_node = client.cluster_resources_vms()?;
        let mut standing = Vec::new();
        for given in on.own() {
            let name = &given.machine.name;
            let key = on.key(name);
            let held = self.known.made(name);
            let is_ours = |text: Option<&str>| mark::has(text, ctx.run_id, &key);
            if let Some(vm) = held
                && !is_ours(vm.description.as_deref())
            {
                standing.push(format!("`{name}` ({}), in its state", vm.id()));
                continue;
            }
            let ids = ids(ctx, &key, &self.known, name);
            let wanted = given.machine.vmid.into_iter().chain(ids);
            let wanted: Vec<u32> = wanted.collect();
            for vm in on_node.iter().filter(|vm| wanted.contains(&vm.vmid)) {
                let found = OnNode {
                    client: &client,
                    vm,
                };
                if !found.is_of(ctx.run_id, &key)? {
                    standing.push(format!("`{name}`: {} is on `{}`", found.words(), vm.node));
                    break;
                }
            }
            // What the token may not see is not listed.
            if let Some(vmid) = given.machine.vmid
                && !on_node.iter().any(|vm| vm.vmid == vmid)
                && !is_free(&client, vmid)?
            {
                standing.push(format!(
                    "`{name}`: {vmid} is held by something that the token may not see"
                ));
            }
        }
        let states = self.known.states.iter();
        let others = states.filter(|(name, state)| state.resources > 0 && !on.names(name));
        standing.extend(others.map(|(name, _)| format!("`{name}`, in a state")));
        if standing.is_empty() {
            return Ok(());
        }
        let OnHost { manifest, node, .. } = on;
        let mut error = StepError::new(format!(
            "a test of `{manifest}` begins where nothing of it is on `{node}`, and {} there",
            match standing.len() {
                1 => "1 machine is".to_owned(),
                count => format!("{count} machines are"),
            }
        ))
        .exit(Exit::NotApproved)
        .help(say("destroy what there is: ").hl(format!("destroy -M {manifest} -H {node}")))
        .says_all();
        error.tail = standing;
        Err(error)
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
            let id = match self.vmids.get(name).copied().or(machine.vmid) {
                Some(vmid) => format!("{} {vmid}", machine.kind_word()),
                None => format!("a {} whose id the cluster chooses", machine.kind_word()),
            };
            let place = given.parent.as_ref().unwrap_or(&on.node);
            if self.is_older(given) {
                return format!("= {name}  {id} on {place}, made before");
            }
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
