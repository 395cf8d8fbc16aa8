//! `tofu.plan`: a saved plan, what it would do in words, and whether that can
//! go well.

use std::collections::VecDeque;

use camino::Utf8Path;
use schemars::JsonSchema;
use serde::Deserialize;

use super::guard;
use super::tool::Tool;
use super::workspace::{self, Target, Workspace};
use crate::action::mark;
use crate::action::{About, Action, ChildExit, Done, StepContext};
use crate::base::ticked;
use crate::diag::StepError;
use crate::diag::{Exit, did_you_mean, hl};
use crate::handoff::{Handoff, LastStep, Stage};
use crate::lab;
use crate::plan::Step;
use crate::plan::Stream;
use crate::tofu::files;
use crate::tofu::state::State;
use crate::tofu::{summary::CT_TYPE, summary::Kind, summary::Summary, summary::VM_TYPE};

/// How much of what went wrong is repeated when a plan fails.
const ERROR_LINES: usize = 20;

/// `tofu.plan`
#[derive(Debug, Clone, Copy)]
pub struct MakePlan;

#[derive(Deserialize, JsonSchema)]
struct Inputs {
    #[serde(flatten)]
    target: Target,
    /// JSON file of variables, e.g. what `site.tfvars` published.
    vars_file: String,
    /// Machines to destroy and create again: names, separated by commas.
    #[serde(default)]
    replace: String,
    /// Plan to destroy everything that the state holds.
    #[serde(default)]
    destroy: bool,
    /// Machines stay: a plan that would destroy or replace one is refused.
    #[serde(default)]
    keep: bool,
}

impl Inputs {
    fn replaced(&self) -> impl Iterator<Item = &str> {
        self.replace
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
    }

    fn args(&self, plan_file: &Utf8Path, dry_run: bool, state: &State) -> Vec<String> {
        let mut args: Vec<String> = ["plan", "-input=false", "-no-color", "-detailed-exitcode"]
            .map(str::to_owned)
            .to_vec();
        args.push(format!("-out={plan_file}"));
        args.push(format!("-var-file={}", self.vars_file));
        // A dry run leaves no lock behind, and does not wait for one.
        let lock = if dry_run {
            "-lock=false"
        } else {
            "-lock-timeout=60s"
        };
        args.push(lock.to_owned());
        if self.destroy {
            args.push("-destroy".to_owned());
        }
        args.extend(self.replaced().map(|name| {
            let container = state.vms.get(name).is_some_and(|vm| vm.container);
            if container {
                format!("-replace={CT_TYPE}.ct[\"{name}\"]")
            } else {
                format!("-replace={VM_TYPE}.vm[\"{name}\"]")
            }
        }));
        args
    }
}

impl Action for MakePlan {
    fn about(&self) -> About {
        About::of::<Inputs>("tofu.plan")
            .repeatable()
            .stale()
            .doc("saves a plan of what would change, and checks that it can go well")
            .undoes_nothing()
            .never("a plan is made from what is there now, and applied once")
    }

    fn handoff(&self, step: &Step, _: bool) -> Handoff {
        Handoff {
            destroys: step.is_set("destroy"),
            ..Handoff::part(Stage::Terraform).making(LastStep::TerraformPlan)
        }
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let result = plan(ctx);
        // The working copy of a dry run is for this dry run alone.
        let inputs: Inputs = ctx.inputs()?;
        files::remove_dir(&Workspace::of(ctx, &inputs.target)?.build)?;
        let (space, summary) = result?;
        let file = ctx
            .lab
            .paths
            .logs(ctx.run_id)
            .join(format!("tofu-{}-plan.txt", workspace::flat(&space.key)));
        lab::write(&file, format!("{}\n", summary.lines().join("\n")), 0o600)?;
        let done = done(&summary, &space)
            .changed(!summary.is_empty())
            .output("plan_summary", file.as_str());
        // With nothing to apply, the step that would apply it is known too.
        Ok(if summary.is_empty() {
            done.output("plan_file", "")
        } else {
            done
        })
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let (space, summary) = plan(ctx)?;
        let file = space.plan_file(ctx.run_id);
        // Nothing has changed yet; the apply says what did.
        Ok(done(&summary, &space)
            .changed(false)
            .output("plan_file", file.as_str())
            .temporary(file))
    }
}

/// Plans, reads the plan, and checks it.
fn plan(ctx: &StepContext<'_>) -> Result<(Workspace, Summary), StepError> {
    let inputs: Inputs = ctx.inputs()?;
    let space = Workspace::of(ctx, &inputs.target)?;
    space.expect_prepared()?;
    let state = State::read(&space.state)?;
    for name in inputs.replaced() {
        if !state.vms.contains_key(name) {
            return Err(StepError::new(format!(
                "`{name}` cannot be replaced: `{}` has no such machine",
                space.key
            ))
            .exit(Exit::Unknown)
            .helps(did_you_mean(name, state.vms.keys().map(String::as_str))));
        }
    }
    let tool = Tool::find(ctx)?;
    let file = space.plan_file(ctx.run_id);
    drop_old_plans(&space)?;
    files::reserve(&file)?;
    let unused = files::RemoveOnDrop(file.clone());
    ctx.progress(workspace::asking(&tool, "plan", state.vms.len()));
    let child = space.calling_child(ctx, &tool, inputs.args(&file, ctx.dry_run, &state))?;
    let mut errors = VecDeque::with_capacity(ERROR_LINES);
    let mut outcome = ctx.exec.run(&child, &mut |line| {
        if line.stream == Stream::Stderr {
            if errors.len() == ERROR_LINES {
                errors.pop_front();
            }
            errors.push_back(line.text.to_owned());
        }
    })?;
    // What it would have changed is no part of why it cannot be planned.
    if !errors.is_empty() {
        outcome.tail = errors.into();
    }
    // 2: there is something to do.
    if outcome.stopped.is_some() || outcome.exit != ChildExit::Code(2) {
        outcome
            .check(&format!("{} plan", tool.program))
            .map_err(|error| explain(error, &space, ctx))?;
    }
    let summary = read(ctx, &space, &tool, &file)?;
    for line in summary.lines() {
        ctx.note(line);
    }
    // What this very run left half-made may be made anew.
    let lost = mark::lost(&summary, ctx.run_id, &space.key);
    if inputs.keep && !lost.is_empty() {
        let lost = ticked(lost);
        let message = format!("this would destroy {lost}, with all that is on it");
        return Err(StepError::new(message)
            .exit(Exit::NotApproved)
            .help(hl("destroy").say(" first, or change it back in the manifest")));
    }
    guard::check(ctx, &summary, &space.key, &state)?;
    unused.keep();
    Ok((space, summary))
}

/// What a plan file holds.
pub(super) fn read(
    ctx: &StepContext<'_>,
    space: &Workspace,
    tool: &Tool,
    file: &Utf8Path,
) -> Result<Summary, StepError> {
    let args = ["show", "-no-color", "-json", file.as_str()];
    let printed = ctx.exec.capture(&space.child(ctx, tool, args))?;
    if printed.code != 0 {
        let tail = printed.stderr.lines().map(str::to_owned).collect();
        let shown = ctx.lab.paths.show(file);
        return Err(StepError::new(format!("the plan `{shown}` cannot be read")).tail(tail));
    }
    Summary::parse(&printed.stdout)
}

/// Plans of runs that never came to apply theirs.
fn drop_old_plans(space: &Workspace) -> Result<(), StepError> {
    let entries = space.build.read_dir_utf8().into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().ends_with(".tfplan")) {
        files::remove(entry.path())?;
    }
    Ok(())
}

fn explain(error: StepError, space: &Workspace, ctx: &StepContext<'_>) -> StepError {
    let said = error.tail.join("\n");
    if said.contains("acquiring the state lock") {
        let state = ctx.lab.paths.show(&space.state);
        return error.help(format!(
            "another tofu works with `{state}`: wait for it to end"
        ));
    }
    if said.contains("401") || said.contains("403") || said.contains("certificate") {
        return error.help(hl("l0-runway").say(" checks endpoint, token and rights"));
    }
    error
}

fn done(summary: &Summary, space: &Workspace) -> Done {
    Done::new(summary.counts())
        .output("empty", summary.is_empty())
        .output("added", summary.names(Kind::Add))
        .output("changed", summary.names(Kind::Change))
        .output("replaced", summary.names(Kind::Replace))
        .output("destroyed", summary.names(Kind::Destroy))
        .output("state", space.state.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_say_what_is_replaced_and_where_the_plan_goes() {
        let inputs: Inputs = serde_json::from_value(serde_json::json!({
            "env": "dev", "node": "pve", "vars_file": "/v.json", "replace": "web-1, app-1,",
        }))
        .unwrap();
        let args = inputs.args(Utf8Path::new("/p"), false, &State::default());
        assert!(
            args.contains(&"-out=/p".to_owned()) && args.contains(&"-var-file=/v.json".to_owned())
        );
        let replaced: Vec<_> = args
            .iter()
            .filter(|arg| arg.starts_with("-replace="))
            .collect();
        assert_eq!(replaced.len(), 2);
        assert_eq!(
            replaced[0],
            "-replace=proxmox_virtual_environment_vm.vm[\"web-1\"]"
        );
        assert!(!args.contains(&"-destroy".to_owned()));
        assert!(
            inputs
                .args(Utf8Path::new("/p"), true, &State::default())
                .contains(&"-lock=false".to_owned())
        );
    }
}
