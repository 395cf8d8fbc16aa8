//! `platform.script`: one script of a bootstrap.

use std::fs;
use std::time::Duration;

use camino::Utf8PathBuf;

use super::found::{fill_in, keep_secrets};
use super::inputs::Inputs;
use super::told::{OUTPUT, context, told, variables};
use crate::action::{About, Action, Basis, ChildSpec, Done, Reads, StepContext};
use crate::base::{count, if_there, ticked};
use crate::diag::{Exit, StepError};
use crate::lab::create_dir;

/// How long a script may take to tidy up after SIGINT, and again after SIGTERM: five
/// seconds after its timeout nothing of it is left.
const GRACE: Duration = Duration::from_secs(2);

/// `platform.script`
#[derive(Debug, Clone, Copy)]
pub struct RunScript;

impl Action for RunScript {
    fn about(&self) -> About {
        About::of::<Inputs>("platform.script")
            .doc("run a script of a platform: secrets by variables, the rest as JSON in `HL_PLATFORM_CONTEXT`")
            .repeatable()
    }

    fn basis(&self, ctx: &StepContext<'_>) -> Result<Basis, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        Ok(if inputs.reads {
            Basis::Never("it reads and checks")
        } else {
            Basis::On(Reads::default())
        })
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let told = told(ctx, &inputs)?;
        if !told.missing.is_empty() {
            let names = ticked(&told.missing);
            return Ok(Done::not_planned(format!(
                "needs {names}, which the bootstrap makes"
            )));
        }
        let mut line = format!("would run `{}`", inputs.file);
        if !told.given.is_empty() {
            let names: Vec<&str> = told.given.keys().map(String::as_str).collect();
            line = format!("{line} with {}", names.join(", "));
        }
        Ok(Done::new(line))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let told = told(ctx, &inputs)?;
        told.whole()?;
        let context = context(ctx, &inputs, &told)?;
        let output = inputs
            .dir
            .join("output")
            .join(format!("{}.{}", inputs.adapter, inputs.name));
        // What an earlier attempt found is found again; a secret that it made may be in
        // use, and stays.
        let values = output.join("values");
        if_there(fs::remove_dir_all(&values))
            .map_err(|error| StepError::io("remove", &values, &error))?;
        for part in ["secrets", "values"] {
            create_dir(&output.join(part))?;
        }
        let program = inputs.dir.join("scripts").join(&inputs.file);
        if !program.is_file() {
            let message = format!("there is no script `{}`", inputs.file);
            return Err(StepError::new(message).exit(Exit::Definition));
        }
        let mut child = ChildSpec::new(program.as_str(), [""; 0])
            .grace(GRACE)
            .reads(inputs.reads);
        child.env.extend(told.given.clone());
        child.secrets = told.given.keys().cloned().collect();
        child.makes = (!inputs.makes.is_empty()).then(|| output.join("secrets"));
        child.mark = Some(OUTPUT.to_owned());
        child.env_remove.clone_from(&told.taken);
        child
            .env
            .extend(variables(ctx, &inputs, &context, &output)?);
        let outcome = ctx.exec.run(&child, &mut |_| {})?;
        outcome.check(&format!("{}/{}", inputs.adapter, inputs.name))?;
        let kept = keep_secrets(ctx, &inputs, &told, &output)?;
        let written = fill_in(ctx, &inputs, &told, &kept, &output)?;
        let mut done = Done::new(summary(&kept, &written));
        if !written.is_empty() {
            let paths: Vec<&str> = written.iter().map(|path| path.as_str()).collect();
            done = done.output("live", paths);
        }
        Ok(done)
    }
}

fn summary(kept: &[String], written: &[Utf8PathBuf]) -> String {
    let mut parts = Vec::new();
    if !kept.is_empty() {
        parts.push(format!("{} made", count(kept.len(), "secret")));
    }
    if !written.is_empty() {
        parts.push(format!("{} filled in", count(written.len(), "file")));
    }
    if parts.is_empty() {
        return "done".to_owned();
    }
    parts.join(", ")
}
