//! `packer.validate`: `packer init` and `packer validate` of a template.

use std::collections::BTreeMap;

use super::variables::{Build, variables};
use super::workspace::Workspace;
use crate::action::template::call::{self, Named};
use crate::action::{About, Action, Done, StepContext};
use crate::diag::StepError;
use crate::handoff::{Handoff, Stage};
use crate::pve::BuildAddress;
use crate::templates::Template;

/// `packer.validate`
#[derive(Debug, Clone, Copy)]
pub struct PackerValidate;

/// Stands for an address that is not set yet (TEST-NET-1).
const SAMPLE_ADDRESS: &str = "192.0.2.2/24,192.0.2.1";

impl Action for PackerValidate {
    fn about(&self) -> About {
        About::of::<Named>("packer.validate")
            .doc("check a template's files with packer; nothing is built, no API is asked")
            .hands_on(Handoff::part(Stage::Templates))
            .never("it checks the files of now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        validate(ctx)
    }
}

fn validate(ctx: &StepContext<'_>) -> Result<Done, StepError> {
    let inputs: Named = ctx.inputs()?;
    let template = call::template(ctx, &inputs.name)?;
    let address = match ctx.env.get("PVE_BUILD_ADDRESS") {
        Some(_) => call::build_address(ctx)?,
        None => BuildAddress::parse(SAMPLE_ADDRESS).map_err(StepError::new)?,
    };
    let variables = variables(ctx, &template, &inputs.node, &address, &Build::SAMPLE)?;
    let workspace = Workspace::prepare(ctx, &template)?;
    let done = with_packer(ctx, &template, &workspace, &variables);
    if ctx.dry_run {
        workspace.discard();
    }
    done?;
    Ok(Done::new(format!("packer's files of `{}` are valid", inputs.name)).changed(false))
}

fn with_packer(
    ctx: &StepContext<'_>,
    template: &Template,
    workspace: &Workspace,
    variables: &BTreeMap<String, String>,
) -> Result<(), StepError> {
    let mut told = workspace.validate(ctx, variables, None)?;
    let text = format!("{}{}", String::from_utf8_lossy(&told.stdout), told.stderr);
    if told.code != 0 && wants_init(&text) {
        ctx.progress("packer init");
        // A dry run installs nothing for good.
        let scratch = ctx.lab.paths.logs(ctx.run_id).join("packer-plugins");
        let plugins = ctx.dry_run.then_some(&scratch);
        workspace.init(ctx, variables, plugins)?;
        told = workspace.validate(ctx, variables, plugins)?;
    }
    if told.code != 0 {
        let shown = ctx.lab.paths.show(&template.packer_dir());
        return Err(Workspace::failed("packer validate", &told)
            .help(format!("correct the files in `{shown}`")));
    }
    Ok(())
}

/// packer's words for a plugin that is not installed.
fn wants_init(text: &str) -> bool {
    text.contains("Missing plugins")
        || text.contains("packer init")
        || text.contains("Unknown source")
}
