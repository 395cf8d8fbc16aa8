//! `tofu.init` and `tofu.validate`: a working copy that is ready and valid.

use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use super::tool::Tool;
use super::traps;
use super::workspace::{LOCK, Target, Workspace};
use crate::action::{About, Action, Done, StepContext};
use crate::diag::StepError;
use crate::diag::{Advice, Exit};
use crate::handoff::{self, Gives, Handoff, Stage};
use crate::tofu::files;

/// `tofu.init`
#[derive(Debug, Clone, Copy)]
pub struct Init;

/// `tofu.validate`
#[derive(Debug, Clone, Copy)]
pub struct Validate;

impl Action for Init {
    fn about(&self) -> About {
        About::of::<Target>("tofu.init")
            .repeatable()
            .doc("copies a tofu module to .build and makes it ready: providers and state")
            .hands_on(Handoff::part(Stage::Terraform).giving(Gives::Workspace))
            .undoes_nothing()
            .never("it makes ready what the steps behind it work in")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let space = Workspace::of(ctx, &ctx.inputs()?)?;
        let tool = Tool::find(ctx)?;
        space.prepare(ctx, &tool)?;
        traps::stray_state(ctx, &space)?;
        ctx.progress(format!("{} init", tool.program));
        let first = init(ctx, &space, &tool);
        let result = match first {
            Err(error)
                if traps::is_stale_lock(&error)
                    && traps::drop_lock(&space.source, &space.module.join(LOCK))? =>
            {
                ctx.note(
                    "the module asks for another version of a provider than last time: chosen again",
                );
                init(ctx, &space, &tool)
            }
            other => other,
        };
        if let Err(error) = result {
            if ctx.dry_run {
                files::remove_dir(&space.build)?;
            }
            return Err(explain(error, &space, ctx));
        }
        let (major, minor) = tool.version;
        let done = Done::new(format!("{} {major}.{minor}", tool.flavor.name())).publish(
            &handoff::Workspace {
                key: space.key.clone(),
                workdir: Some(space.module.to_string()),
                state: Some(space.state.to_string()),
            },
        );
        // The working copy of a dry run is for this dry run alone, also when
        // there is nothing to plan.
        Ok(if ctx.dry_run {
            done.temporary(space.build)
        } else {
            done
        })
    }
}

/// Nodes of a manifest are made ready at once, and the cache of providers that they
/// share is not made for that.
static ONE_FETCHES: Mutex<()> = Mutex::new(());

fn init(ctx: &StepContext<'_>, space: &Workspace, tool: &Tool) -> Result<(), StepError> {
    // It guards no data that a panic could have left half-made.
    let _alone = ONE_FETCHES.lock().unwrap_or_else(PoisonError::into_inner);
    let backend = format!("-backend-config=path={}", space.state);
    let args = [
        "init",
        "-input=false",
        "-no-color",
        "-reconfigure",
        &backend,
    ];
    let child = space.child(ctx, tool, args);
    let outcome = ctx.exec.run(&child, &mut |_| {})?;
    outcome.check(&format!("{} init", tool.program))
}

/// What to do about the ways in which an init fails most.
fn explain(error: StepError, space: &Workspace, ctx: &StepContext<'_>) -> StepError {
    let said = error.tail.join("\n");
    let shows = |text: &str| said.contains(text);
    if traps::is_stale_lock(&error) {
        return error.help(traps::renew(&ctx.lab.paths.show(&space.source)));
    }
    if shows("checksum") {
        let lock = ctx.lab.paths.show(&space.module.join(LOCK));
        return error.help(format!(
            "the provider is not the one of last time; remove `{lock}` if that is right"
        ));
    }
    if shows("provider packages") || shows("registry") {
        return error
            .help("the first init fetches the provider and needs network")
            .help("or use the local mirror: `scripts/tools`, then `eval \"$(scripts/tools --print-env)\"`");
    }
    error
}

#[derive(Deserialize)]
struct Validity {
    valid: bool,
    #[serde(default)]
    diagnostics: Vec<Finding>,
}

#[derive(Deserialize)]
struct Finding {
    severity: String,
    summary: String,
    #[serde(default)]
    detail: String,
    range: Option<Range>,
}

#[derive(Deserialize)]
struct Range {
    filename: String,
    start: Position,
}

#[derive(Deserialize)]
struct Position {
    line: u32,
    column: u32,
}

impl Finding {
    fn words(&self) -> String {
        let place = self.range.as_ref().map_or_else(String::new, |range| {
            format!(
                "{}:{}:{}: ",
                range.filename, range.start.line, range.start.column
            )
        });
        let detail: Vec<&str> = self.detail.split_whitespace().collect();
        format!("{place}{}: {}", self.summary, detail.join(" "))
    }
}

impl Action for Validate {
    fn about(&self) -> About {
        About::of::<Target>("tofu.validate")
            .doc("checks a module that tofu.init made ready, without contacting anything")
            .hands_on(Handoff::part(Stage::Terraform))
            .undoes_nothing()
            .never("it checks what is there now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let target: Target = ctx.inputs()?;
        let space = Workspace::of(ctx, &target)?;
        let tool = Tool::find(ctx)?;
        let args = ["validate", "-no-color", "-json"];
        let printed = ctx.exec.capture(&space.child(ctx, &tool, args))?;
        let validity: Validity = serde_json::from_slice(&printed.stdout).map_err(|_| {
            let tail = printed.stderr.lines().map(str::to_owned).collect();
            StepError::new(format!(
                "`{} validate` gave no readable output",
                tool.program
            ))
            .tail(tail)
        })?;
        let findings = |severity: &str| -> Vec<String> {
            let of = validity
                .diagnostics
                .iter()
                .filter(|finding| finding.severity == severity);
            of.map(Finding::words).collect()
        };
        if validity.valid {
            let mut done = Done::new("valid");
            done.warnings = findings("warning").iter().map(Advice::from).collect();
            return Ok(done);
        }
        Err(StepError::new("the tofu module is not valid")
            .exit(Exit::Definition)
            .tail(findings("error")))
    }
}
