//! `tofu.state-rm`: the state forgets the machines that are gone from the node,
//! and only those: tofu compares it with the node and drops what it does not
//! find there. Nothing on the node is changed, and no state is removed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::outputs;
use super::records::{Records, records};
use super::tool::Tool;
use super::workspace::{self, Target, Workspace};
use crate::action::reconcile::{Fate, fates};
use crate::action::{About, Action, Approval, Done, StepContext, known_hosts};
use crate::base::count;
use crate::diag::StepError;
use crate::diag::{Exit, hl};
use crate::handoff::{Handoff, Stage};
use crate::tofu::files;
use crate::tofu::state::State;

/// `tofu.state-rm`
#[derive(Debug, Clone, Copy)]
pub struct Forget;

#[derive(Deserialize, JsonSchema)]
struct Inputs {
    #[serde(flatten)]
    target: Target,
    /// JSON file of variables, e.g. what `site.tfvars` published.
    vars_file: String,
}

/// A machine that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Gone {
    name: String,
    words: String,
    hosts: Vec<String>,
}

impl Action for Forget {
    fn about(&self) -> About {
        About::of::<Inputs>("tofu.state-rm")
            .repeatable()
            .doc("lets the state forget the machines that are gone from the node")
            .hands_on(Handoff::part(Stage::Terraform))
    }

    fn approval(&self, ctx: &StepContext<'_>) -> Result<Option<Approval>, StepError> {
        let Inputs { target, .. } = ctx.inputs()?;
        let gone = gone(ctx, &target)?;
        if gone.is_empty() {
            return Ok(None);
        }
        let Target { env, node, .. } = &target;
        Ok(Some(Approval {
            summary: gone
                .iter()
                .map(|gone| format!("forget {}: it is not on the node", gone.words))
                .collect(),
            question: format!(
                "let the state of `{env}` on `{node}` forget {}?",
                count(gone.len(), "machine")
            ),
            ..Approval::default()
        }))
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let Inputs { target, .. } = ctx.inputs()?;
        let gone = gone(ctx, &target)?;
        for gone in &gone {
            ctx.note(format!("would forget {}", gone.words));
        }
        Ok(done(&gone, "would forget"))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let Inputs { target, vars_file } = ctx.inputs()?;
        let space = Workspace::of(ctx, &target)?;
        let gone = gone(ctx, &target)?;
        if gone.is_empty() {
            return Ok(done(&gone, "forgot"));
        }
        space.expect_prepared()?;
        // The state is about to lose the addresses of machines that do not run.
        let before = match records(ctx, &target.env, &target.node)? {
            Records::Known { machines, .. } => machines,
            Records::None | Records::Unwanted => BTreeMap::new(),
        };
        let tool = Tool::find(ctx)?;
        let vars = format!("-var-file={vars_file}");
        let args = [
            "apply",
            "-refresh-only",
            "-auto-approve",
            "-input=false",
            "-no-color",
            "-lock-timeout=60s",
            &vars,
        ];
        let machines = State::read(&space.state)?.vms.len();
        ctx.progress(workspace::asking(&tool, "apply -refresh-only", machines));
        let child = space.calling_child(ctx, &tool, args)?;
        let outcome = ctx.exec.run(&child, &mut |_| {});
        space.protect_state()?;
        outcome?.check(&format!("{} apply -refresh-only", tool.program))?;
        let after = State::read(&space.state)?;
        let kept: Vec<&str> = gone
            .iter()
            .map(|gone| gone.name.as_str())
            .filter(|name| after.vms.contains_key(*name))
            .collect();
        if !kept.is_empty() {
            return Err(
                StepError::new(format!("the state still holds `{}`", kept.join("`, `")))
                    .help("tofu found them on the node: run it again"),
            );
        }
        match outputs::collect(&target, &after, &BTreeMap::new(), &before) {
            Ok(outputs) => drop(outputs::write(ctx.lab, &space.key, &outputs)?),
            // L3 says what is missing.
            Err(_) => files::remove(&outputs::file(ctx.lab, &space.key))?,
        }
        let hosts: Vec<&str> = gone
            .iter()
            .flat_map(|gone| gone.hosts.iter().map(String::as_str))
            .collect();
        known_hosts::forget(&ctx.lab.paths.known_hosts(), &hosts)?;
        for gone in &gone {
            ctx.note(format!("forgot {}", gone.words));
        }
        Ok(done(&gone, "forgot")
            .changed(true)
            .output("state", space.state.as_str()))
    }
}

/// The machines of the state that are gone.
///
/// # Errors
/// The status of a machine is unknown (69): nothing is forgotten then.
fn gone(ctx: &StepContext<'_>, target: &Target) -> Result<Vec<Gone>, StepError> {
    let machines = match records(ctx, &target.env, &target.node)? {
        Records::None | Records::Unwanted => return Ok(Vec::new()),
        Records::Known { machines, .. } => machines,
    };
    let all: BTreeMap<&str, &outputs::Machine> = machines
        .iter()
        .map(|(name, machine)| (name.as_str(), machine))
        .collect();
    let mut gone = Vec::new();
    for (name, fate) in fates(ctx, &all)? {
        let Some(machine) = all.get(name) else {
            continue;
        };
        let words = machine.words(name);
        match fate {
            Fate::Gone => {
                let mut hosts = machine.addresses.clone();
                hosts.extend([machine.address.clone(), name.to_owned()]);
                gone.push(Gone {
                    name: name.to_owned(),
                    words,
                    hosts,
                });
            }
            Fate::Unknown(why) => {
                return Err(
                    StepError::new(format!("the status of {words} is unknown: {why}"))
                        .exit(Exit::Runway)
                        .help(hl("l0-runway").say(" checks endpoint, token and rights")),
                );
            }
            Fate::Stopped | Fate::Booting | Fate::Running => {}
        }
    }
    Ok(gone)
}

fn done(gone: &[Gone], verb: &str) -> Done {
    if gone.is_empty() {
        return Done::skipped("nothing is gone").changed(false);
    }
    Done::new(format!("{verb} {}", count(gone.len(), "machine")))
        .changed(true)
        .output(
            "forgotten",
            gone.iter()
                .map(|gone| gone.name.clone())
                .collect::<Vec<_>>(),
        )
}
