//! Variables: set where needed, and of a form that can be used.

use std::collections::BTreeMap;

use super::address;
use crate::action;
use crate::action::{Done, StepContext};
use crate::base::count;
use crate::diag::Exit;
use crate::diag::StepError;
use crate::pve::rights::Objects;
use crate::pve::{self, Settings};
use crate::site;

/// Variables without which nothing can be asked; the settings' own are
/// checked by [`Settings::read`].
const OBJECTS: &[(&str, &str)] = &[
    (
        "PVE_NODE",
        "add `PVE_NODE=...` to `.env`: the node's name, as `hostname` prints it there, or that of its file in `site/nodes`",
    ),
    (
        "PVE_STORAGE_VM",
        "add `PVE_STORAGE_VM=...` to `.env` (or `datastore` to the node's file in `site/nodes`): the storage for disks, often `local-lvm` or `local-zfs`",
    ),
];

/// Free space on the ISO and import storages, in GiB.
pub(super) const MIN_FREE_GIB: (&str, u32) = ("L0_MIN_FREE_GIB_ISO", 4);
/// Free space on the VM storage, in percent of its size.
pub(super) const MIN_FREE_PERCENT: (&str, u32) = ("L0_MIN_FREE_PCT_VM", 10);

/// All that is missing or malformed, in one error.
pub(super) fn check(ctx: &StepContext<'_>) -> Result<Done, StepError> {
    let mut missing: Vec<String> = Vec::new();
    let mut malformed: Vec<String> = Vec::new();
    let mut help: Vec<String> = Vec::new();
    match Settings::read(ctx.env, &ctx.lab.paths) {
        Ok(_) => {}
        Err(pve::Error::Settings(bad)) => {
            for bad in bad {
                if ctx.env.get(&bad.name).is_none() {
                    missing.push(format!("`{}`", bad.name));
                } else {
                    malformed.push(format!("`{}` {}", bad.name, bad.problem));
                }
                help.push(bad.help);
            }
        }
        Err(error) => return Err(error.into()),
    }
    for (name, remedy) in OBJECTS {
        if ctx.env.get(name).is_none() {
            missing.push(format!("`{name}`"));
            help.push((*remedy).to_owned());
        }
    }
    for limit in [MIN_FREE_GIB, MIN_FREE_PERCENT] {
        if let Err(problem) = number(ctx, limit) {
            malformed.push(problem);
            help.push(format!("set `{}={}`, its default", limit.0, limit.1));
        }
    }
    let mut parts = Vec::new();
    if !missing.is_empty() {
        let are = if missing.len() == 1 { "is" } else { "are" };
        parts.push(format!("{} {are} not set", missing.join(", ")));
    }
    parts.extend(malformed);
    if parts.is_empty() {
        return Ok(Done::new(match ctx.env.get(address::NAME) {
            Some(_) => "all that is needed is set".to_owned(),
            None => format!(
                "all that reaches the node is set; not `{}`, which L1 builds on: see `build-address`",
                address::NAME
            ),
        }));
    }
    Err(StepError::new(parts.join("; ")).helps(help))
}

/// The environment's machines, and what they need of the node.
pub(super) fn site(ctx: &StepContext<'_>, env: &str) -> Result<Done, StepError> {
    if env.is_empty() {
        return Ok(Done::new("no environment is named"));
    }
    let tree = action::site::tree(ctx.lab);
    match site::machines(&tree, env) {
        Ok(found) => {
            let machines = count(found.vms.len(), "machine");
            Ok(Done::new(format!("`{env}` has {machines}")))
        }
        // The lab may be for templates alone.
        Err(failure) if failure.exit == Exit::Unknown && env == ctx.lab.config.lab.env => {
            let reason = format!("there is no environment `{env}` for L2 to make");
            Ok(Done::skipped(reason))
        }
        Err(failure) => Err(failure.into()),
    }
}

/// The bridges that are used, each with who wants it: `PVE_BRIDGE` for
/// templates, others for machines of the environment.
pub(super) fn bridges(ctx: &StepContext<'_>, env: &str) -> BTreeMap<String, String> {
    let own = Objects::from_env(ctx.env).bridge;
    let mut all = BTreeMap::from([(own, "`PVE_BRIDGE` names".to_owned())]);
    // What is wrong with the environment is told by its own check.
    let tree = action::site::tree(ctx.lab);
    let machines = (!env.is_empty()).then(|| site::machines(&tree, env));
    for vm in machines.into_iter().flatten().flat_map(|env| env.vms) {
        if let Some(bridge) = vm.bridge {
            all.entry(bridge)
                .or_insert_with(|| format!("`{}` of `{env}` wants", vm.name));
        }
    }
    all
}

/// A limit as the environment sets it, or its default.
pub(super) fn number(ctx: &StepContext<'_>, (name, default): (&str, u32)) -> Result<u32, String> {
    match ctx.env.get(name) {
        None => Ok(default),
        Some(text) => text.trim().parse().map_err(|_| {
            format!("`{name}` cannot be used: expected a whole number, found `{text}`")
        }),
    }
}
