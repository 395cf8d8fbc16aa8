//! `pve.check`: one check of the node, or of what the lab says about it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{address, connection, environment, host, key, rights, storage};
use crate::action::{About, Action, Done, StepContext, site};
use crate::diag::Exit;
use crate::diag::StepError;
use crate::handoff::{Gives, Handoff, LastStep, Stage};
use crate::site::Kind;

/// One check of the node, by name.
#[derive(Debug, Clone, Copy, Default)]
pub struct PveCheck;

/// The inputs of `pve.check`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// What is checked.
    check: Check,
    /// The environment whose machines will be made.
    #[serde(default)]
    #[schemars(length(max = 100))]
    env: String,
    /// With `endpoint`: the machine whose API is meant, as a file of `site/nodes` is called;
    /// without such a file nobody knows its API, and there is nothing to check. Whether it
    /// is known is published as `known`.
    #[serde(default)]
    #[schemars(length(max = 300))]
    of: Option<String>,
}

/// What can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Check {
    /// Every variable that is needed is set, and those that are set can be used.
    Environment,
    /// The environment is there, and its machines can be made as described.
    Site,
    /// Somebody listens at `PVE_ACCESS_HOST`.
    Endpoint,
    /// The certificate is trusted, by `hl` and by its tools.
    Tls,
    /// The token is accepted, and the version is one that the layers know.
    Token,
    /// The token may do all that L1 and L2 do.
    Rights,
    /// `PVE_NODE` exists and is online.
    Node,
    /// `PVE_STORAGE_VM` can take disks, and has room.
    VmStorage,
    /// `PVE_STORAGE_ISO` can take ISO images, and has room.
    IsoStorage,
    /// `PVE_STORAGE_IMPORT` can take cloud images, and has room.
    ImportStorage,
    /// `PVE_BRIDGE` and the bridges of the environment exist and are active.
    Bridge,
    /// `PVE_BUILD_ADDRESS` is set, and nobody has it.
    BuildAddress,
    /// There is an SSH key for new machines, and one to log in with.
    SshKey,
}

impl Action for PveCheck {
    fn about(&self) -> About {
        About::of::<Inputs>("pve.check")
            .doc("Checks one thing that the later layers need of the node; changes nothing")
            .hands_on(
                Handoff::part(Stage::Access)
                    .making(LastStep::ProxmoxAccess)
                    .giving(Gives::Findings),
            )
            .checks()
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let done = match inputs.check {
            Check::Environment => environment::check(ctx),
            Check::Site => environment::site(ctx, &inputs.env),
            Check::Endpoint => endpoint(ctx, inputs.of.as_deref()),
            Check::Tls => connection::tls(ctx),
            Check::Token => connection::token(ctx),
            Check::Rights => rights::check(ctx, &inputs.env),
            Check::Node => host::node(ctx),
            Check::VmStorage => storage::vm(ctx),
            Check::IsoStorage => storage::iso(ctx),
            Check::ImportStorage => storage::import(ctx),
            Check::Bridge => host::bridges(ctx, &inputs.env),
            Check::BuildAddress => address::check(ctx),
            Check::SshKey => key::check(ctx),
        };
        // Whatever stands in the way stands in the way of the runway.
        done.map(|done| done.changed(false))
            .map_err(|error| error.exit(Exit::Runway))
    }
}

/// The API of a machine, if it is known; that of the variables when none is named.
fn endpoint(ctx: &StepContext<'_>, of: Option<&str>) -> Result<Done, StepError> {
    let Some(name) = of else {
        return connection::endpoint(ctx);
    };
    let tree = site::tree(ctx.lab);
    if name.is_empty() || tree.names(Kind::Node)?.iter().any(|known| known == name) {
        return connection::endpoint(ctx).map(|done| done.output("known", true));
    }
    let nodes = format!("{}/nodes", tree.shown_root());
    Ok(Done::skipped(format!(
        "no file of `{nodes}` is called `{name}`: what its API is, is not known"
    ))
    .output("known", false))
}
