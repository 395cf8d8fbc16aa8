//! What the actions of this room share: inputs, the client, the settings.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::action::StepContext;
use crate::diag::StepError;
use crate::diag::{Exit, say};
use crate::pve::BuildAddress;
use crate::templates::Template;

/// Inputs of most actions here.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::action) struct Named {
    /// Name of the template: a folder of `layers/l1-templates`.
    #[schemars(length(max = 100))]
    pub(in crate::action) name: String,
    /// Proxmox node.
    #[schemars(length(max = 100))]
    pub(in crate::action) node: String,
}

/// The template's definition.
pub(in crate::action) fn template(
    ctx: &StepContext<'_>,
    name: &str,
) -> Result<Template, StepError> {
    Ok(Template::read(&ctx.lab.paths, name)?)
}

/// A variable, or its default.
pub(in crate::action) fn setting(ctx: &StepContext<'_>, name: &str, default: &str) -> String {
    ctx.env.get(name).unwrap_or(default).to_owned()
}

/// `PVE_STORAGE_VM`
pub(in crate::action) fn storage_vm(ctx: &StepContext<'_>) -> Result<String, StepError> {
    ctx.env
        .get("PVE_STORAGE_VM")
        .map(str::to_owned)
        .ok_or_else(|| unset("PVE_STORAGE_VM"))
}

/// `PVE_BUILD_ADDRESS`
pub(in crate::action) fn build_address(ctx: &StepContext<'_>) -> Result<BuildAddress, StepError> {
    let text = ctx
        .env
        .get("PVE_BUILD_ADDRESS")
        .ok_or_else(|| unset("PVE_BUILD_ADDRESS"))?;
    BuildAddress::parse(text).map_err(|why| {
        StepError::new(format!("`PVE_BUILD_ADDRESS` cannot be used: {why}"))
            .exit(Exit::Runway)
            .help("a free address in the bridge's network: `PVE_BUILD_ADDRESS=192.168.1.99/24,gw=192.168.1.1`")
    })
}

/// Whether what is built is promoted: `UPDATE_STABLE` is unset or `yes`.
pub(in crate::action) fn update_stable(ctx: &StepContext<'_>) -> bool {
    let var = ctx.env.var("UPDATE_STABLE");
    var.is_none_or(|var| var.value == "yes")
}

fn unset(name: &str) -> StepError {
    StepError::new(format!("`{name}` is not set"))
        .exit(Exit::Runway)
        .help(
            say(format!("add `{name}=...` to `.env`; "))
                .hl("l0-runway")
                .say(" checks it"),
        )
}
