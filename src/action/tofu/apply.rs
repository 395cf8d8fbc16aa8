//! `tofu.apply`: applies the very plan that was shown, once.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::guard;
use super::orphans;
use super::outputs;
use super::plan;
use super::stale_host_keys::{StaleHostKeys, forget};
use super::tool::Tool;
use super::workspace::{Target, Workspace};
use crate::action;
use crate::action::mark;
use crate::action::{About, Action, Approval, Basis, Done, Reads, StepContext};
use crate::diag::{Advice, hl, say};
use crate::diag::{Cause, StepError};
use crate::handoff::{Applied, Gives, Handoff, LastStep, Provisioned, Stage};
use crate::lab::spool::Tail;
use crate::plan::EventKind;
use crate::plan::Step;
use crate::site;
use crate::tofu::events::Events;
use crate::tofu::state::State;
use crate::tofu::summary::{Kind, Summary};
use crate::tofu::{files, files::RemoveOnDrop};

/// `tofu.apply`
#[derive(Debug, Clone, Copy)]
pub struct Apply;

#[derive(Deserialize, JsonSchema)]
struct Inputs {
    #[serde(flatten)]
    target: Target,
    /// The plan that `tofu.plan` saved.
    #[serde(default)]
    plan_file: String,
    /// Machines that are made were approved before, all together: asked is about
    /// everything else.
    #[serde(default)]
    granted: bool,
}

/// Everything that an apply works with.
struct Job {
    target: Target,
    space: Workspace,
    tool: Tool,
    file: Utf8PathBuf,
    summary: Summary,
}

impl Job {
    fn of(ctx: &StepContext<'_>) -> Result<Self, StepError> {
        let Inputs {
            target, plan_file, ..
        } = ctx.inputs()?;
        let space = Workspace::of(ctx, &target)?;
        let file = Utf8PathBuf::from(plan_file);
        if !file.is_file() {
            let shown = ctx.lab.paths.show(&file);
            return Err(StepError::new(format!("the plan `{shown}` is gone"))
                .help(say("a plan is applied once; plan again: ").hl(ctx.step.recipe.as_str())));
        }
        let tool = Tool::find(ctx)?;
        let summary = plan::read(ctx, &space, &tool, &file)?;
        Ok(Self {
            target,
            space,
            tool,
            file,
            summary,
        })
    }
}

impl Action for Apply {
    fn about(&self) -> About {
        About::of::<Inputs>("tofu.apply")
            .repeatable()
            .undone_by("machine.remove")
            .doc("applies the saved plan that was shown, once")
    }

    fn handoff(&self, _: &Step, dry_run: bool) -> Handoff {
        let apply = Handoff::part(Stage::Terraform).giving(Gives::Applied);
        if dry_run {
            apply
        } else {
            apply.making(LastStep::TerraformApply)
        }
    }

    fn approval(&self, ctx: &StepContext<'_>) -> Result<Option<Approval>, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let job = Job::of(ctx)?;
        let makes = job.summary.changes.iter();
        let makes = makes
            .map(|change| change.kind)
            .all(|kind| matches!(kind, Kind::Add | Kind::Replace));
        let lost = mark::lost(&job.summary, ctx.run_id, &job.space.key);
        if inputs.granted && makes && lost.is_empty() {
            return Ok(None);
        }
        Ok(approval(&job.summary, &job.target))
    }

    /// The plan that it applies is made again, and says what is left to do.
    fn basis(&self, ctx: &StepContext<'_>) -> Result<Basis, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let space = Workspace::of(ctx, &inputs.target)?;
        let reads = Reads::paths([space.source.clone(), space.vars_file()]);
        Ok(Basis::On(reads.on_the_node()))
    }

    fn still_valid(
        &self,
        ctx: &StepContext<'_>,
        _: &BTreeMap<String, Value>,
    ) -> Result<(), String> {
        match Job::of(ctx) {
            Ok(job) if job.summary.is_empty() && !job.summary.outputs_changed => {
                let _once = RemoveOnDrop(job.file);
                Ok(())
            }
            Ok(_) => Err("the plan has changes".to_owned()),
            Err(error) => Err(error.message),
        }
    }

    /// Reached only when the plan is empty: any other is known when it was made.
    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let Inputs { target, .. } = ctx.inputs()?;
        let state = State::read(&Workspace::of(ctx, &target)?.state)?;
        Ok(unchanged(ctx, &target, &state))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let job = Job::of(ctx)?;
        let _once = RemoveOnDrop(job.file.clone());
        StaleHostKeys::settle(ctx, &job.space)?;
        if job.summary.is_empty() && !job.summary.outputs_changed {
            let state = State::read(&job.space.state)?;
            return Ok(unchanged(ctx, &job.target, &state));
        }
        let before = State::read(&job.space.state)?;
        // The question may have waited for hours.
        guard::check(ctx, &job.summary, &job.space.key, &before)?;
        files::remove(&outputs::file(ctx.lab, &job.space.key))?;
        StaleHostKeys::begin(&job.space, &job.summary, &before)?;
        let events = apply(ctx, &job);
        job.space.protect_state()?;
        let (events, result) = events?;
        let after = State::read(&job.space.state);
        let known = after.is_ok();
        let after = after.unwrap_or_default();
        let changed = events.destroyed.iter().chain(&events.created).cloned();
        forget(ctx, &changed.collect(), &[&before, &after], BTreeSet::new())?;
        StaleHostKeys::end(&job.space)?;
        match result {
            Ok(()) => {
                let mut done = Done::new(job.summary.applied()).changed(!job.summary.is_empty());
                done.warnings = events.warnings.iter().map(Advice::from).collect();
                Ok(provisioned(done, &after, &order(ctx, &job.target))
                    .output("state", job.space.state.as_str())
                    .output("workdir", job.space.module.as_str()))
            }
            Err(error) => {
                let mut error = lost(ctx, &job, explain(error, &events, ctx));
                if known {
                    error.outputs =
                        provisioned(Done::default(), &after, &order(ctx, &job.target)).outputs;
                }
                Err(error)
            }
        }
    }
}

fn unchanged(ctx: &StepContext<'_>, target: &Target, state: &State) -> Done {
    let done = Done::skipped("no changes").changed(false);
    provisioned(done, state, &order(ctx, target))
}

/// The machines as the environment's file names them, first to last. A module
/// of the lab's own may have none.
fn order(ctx: &StepContext<'_>, target: &Target) -> Vec<String> {
    let env = site::machines(&action::site::tree(ctx.lab), &target.env);
    env.map(|env| env.vms.into_iter().map(|vm| vm.name).collect())
        .unwrap_or_default()
}

/// The contract of the specification: `NAME_vm_id` for each machine, and
/// `provisioned_vms`, all of them in the environment's order; what it does not
/// name comes last.
fn provisioned(mut done: Done, state: &State, order: &[String]) -> Done {
    let place = |name: &str| {
        let found = order.iter().position(|other| other == name);
        found.unwrap_or(order.len())
    };
    let mut vms: Vec<_> = state.vms.iter().collect();
    vms.sort_by_key(|(name, _)| place(name));
    let mut all = Vec::new();
    for (name, vm) in vms {
        let Some(vmid) = vm.vmid else { continue };
        done = done.output(&format!("{name}_vm_id"), vmid);
        all.push(Provisioned {
            name: name.clone(),
            vmid,
            node: Some(vm.node.clone()),
            address: vm.address.clone(),
            kind: vm.container.then(|| "ct".to_owned()),
        });
    }
    done.publish(&Applied {
        provisioned_vms: Some(all),
    })
}

/// Runs it to its end: what it said, and how it ended.
fn apply(ctx: &StepContext<'_>, job: &Job) -> Result<(Events, Result<(), StepError>), StepError> {
    let tool = &job.tool;
    let mut args = vec!["apply", "-input=false", "-no-color", "-lock-timeout=60s"];
    let file = job.space.build.join("events.jsonl");
    let into = format!("-json-into={file}");
    let beside = tool.has_json_into();
    if beside {
        files::reserve(&file)?;
        args.push(&into);
    } else {
        args.push("-json");
    }
    args.push(job.file.as_str());
    let _events_file = beside.then(|| RemoveOnDrop(file.clone()));
    let child = job.space.calling_child(ctx, tool, args)?;
    let mut events = Events::default();
    let written = beside.then(|| Tail::open(&file)).transpose();
    let mut written = written.map_err(|error| StepError::io("read", &file, &error))?;
    let said = |events: &mut Events, line: &str| {
        if let Some(message) = events.line(line) {
            (ctx.emit)(EventKind::Progress {
                message,
                done: Some(events.done),
                total: (events.total > 0).then_some(events.total),
            });
        }
    };
    let outcome = ctx.exec.run(&child, &mut |line| {
        match &mut written {
            // It only drives a display.
            Some(written) => written
                .read(&mut |line| said(&mut events, line))
                .unwrap_or_default(),
            None => said(&mut events, line.text),
        }
    })?;
    if let Some(written) = &mut written {
        let read = written.finish(&mut |line| said(&mut events, line));
        read.unwrap_or_default();
    }
    let mut result = outcome.check(&format!("{} apply", tool.program));
    if outcome.killed
        && let Err(error) = &mut result
    {
        "tofu was killed and may have left its state behind".clone_into(&mut error.message);
    }
    Ok((events, result))
}

/// What to ask.
fn approval(summary: &Summary, target: &Target) -> Option<Approval> {
    if summary.is_empty() {
        return None;
    }
    let Target { env, node, .. } = target;
    let losses = summary.losses();
    let question = if losses.is_empty() {
        format!("apply to `{env}` on `{node}`: {}?", summary.counts())
    } else {
        format!(
            "this destroys {} of `{env}` on `{node}`, with all that is on it: {}",
            losses.join(", "),
            summary.counts()
        )
    };
    Some(Approval {
        summary: summary.lines(),
        question,
        type_word: (!losses.is_empty()).then(|| env.clone()),
        in_person: false,
        exact: json!([env, node, summary.exact]),
    })
}

/// The error with what tofu said, and what helps.
fn explain(mut error: StepError, events: &Events, ctx: &StepContext<'_>) -> StepError {
    if !events.errors.is_empty() {
        error.tail.clone_from(&events.errors);
    }
    let said = error.tail.join("\n");
    if said.contains("plan is stale") {
        return error
            .help(say("the state has changed since; plan again: ").hl(ctx.step.recipe.as_str()));
    }
    if said.contains("403") {
        error = error.help(hl("l0-runway").say(" names the rights that the token lacks"));
    }
    error.help(
        say("the state holds what was done; ")
            .hl(ctx.step.recipe.as_str())
            .say(" plans what is left and asks again"),
    )
}

/// Names every machine that this apply may have lost: as part of the error,
/// or, when the user stopped it and there is no error to show, as warnings.
fn lost(ctx: &StepContext<'_>, job: &Job, mut error: StepError) -> StepError {
    let findings: Vec<(String, Advice)> = match orphans::find(
        ctx,
        &job.space,
        &job.target.env,
        &job.summary,
    ) {
        Ok(found) => found
            .iter()
            .map(|orphan| (orphan.words(), orphan.help()))
            .collect(),
        Err(why) => {
            let ids = orphans::planned(&job.summary).map(|id| id.to_string());
            let ids: Vec<String> = ids.collect();
            if ids.is_empty() {
                return error;
            }
            let ids = ids.join(", ");
            vec![(
                format!("the node could not be compared with the state: {why}"),
                say(format!(
                    "look on the node for VMs {ids}: one that the state does not hold is lost to tofu"
                )),
            )]
        }
    };
    for (what, help) in findings {
        if error.cause == Cause::Cancelled {
            ctx.warn(say(format!("{what}; ")).and(help));
        } else {
            error.tail.push(what);
            error = error.help(help);
        }
    }
    error
}
