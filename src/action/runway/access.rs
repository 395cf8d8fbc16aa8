//! `pve.access`: keeps how the node is reached, in `state/proxmox.env`. The
//! secret comes from the environment and goes nowhere else.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::action::{About, Action, Done, StepContext};
use crate::diag::Exit;
use crate::diag::StepError;
use crate::handoff::{Handoff, LastStep, Stage};
use crate::lab::environment::{ALIASES, assignment, read_assignments};
use crate::lab::{self, Provenance};
use crate::pve::Endpoint;

/// Variables that are kept too when they were given for this run alone: access
/// would not work without them.
const TRUST: [&str; 2] = ["PVE_CA_FILE", "PVE_FINGERPRINT"];

/// Keeps endpoint, token, node and storage.
#[derive(Debug, Clone, Copy, Default)]
pub struct PveAccess;

/// It has no inputs: what it keeps are variables.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {}

impl Action for PveAccess {
    fn about(&self) -> About {
        About::of::<Inputs>("pve.access")
            .doc("write `state/proxmox.env` from the variables that say how the node is reached")
            .hands_on(Handoff::part(Stage::Access).making(LastStep::ProxmoxAccess))
            .never("it keeps what it is given")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let Inputs {} = ctx.inputs()?;
        let kept = kept(ctx)?;
        let path = ctx.lab.paths.show(&ctx.lab.paths.proxmox_env());
        let changed = before(ctx)? != kept;
        Ok(Done::new(format!("would write {path}")).changed(changed))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let Inputs {} = ctx.inputs()?;
        let kept = kept(ctx)?;
        let changed = before(ctx)? != kept;
        let path = ctx.lab.paths.proxmox_env();
        let mut text =
            String::from("# How the node is reached, written by `hl access`. It holds a secret.\n");
        for (name, value) in &kept {
            text.push_str(&assignment(name, value));
            text.push('\n');
        }
        lab::write(&path, text, 0o600)?;
        let shown = ctx.lab.paths.show(&path);
        Ok(Done::new(format!("wrote {shown}")).changed(changed))
    }
}

/// What the file has so far.
fn before(ctx: &StepContext<'_>) -> Result<BTreeMap<String, String>, StepError> {
    let path = ctx.lab.paths.proxmox_env();
    Ok(read_assignments(&path, &ctx.lab.paths.show(&path))?)
}

/// What the file will have: the access, under the names of the format, and all
/// else that is in it.
fn kept(ctx: &StepContext<'_>) -> Result<BTreeMap<String, String>, StepError> {
    let mut kept = before(ctx)?;
    for (alias, name) in ALIASES {
        let value = ctx.env.get(name).ok_or_else(|| {
            StepError::new(format!("`{name}` is not set"))
                .exit(Exit::Runway)
                .help(format!("`{name}=... hl access`, or answer its question"))
        })?;
        let value = if alias == "PROXMOX_API_URL" {
            let endpoint = Endpoint::parse(value).map_err(|why| {
                StepError::new(format!("`{name}` cannot be used: {why}")).exit(Exit::Runway)
            })?;
            endpoint.url()
        } else {
            value.to_owned()
        };
        // The same variable under its other name would be a second truth.
        kept.remove(name);
        kept.insert(alias.to_owned(), value);
    }
    for name in TRUST {
        let given = ctx.env.var(name);
        let given = given.filter(|var| matches!(var.from, Provenance::Flag | Provenance::Process));
        if let Some(var) = given.filter(|var| !var.value.is_empty()) {
            kept.insert(name.to_owned(), var.value.clone());
        }
    }
    Ok(kept)
}
