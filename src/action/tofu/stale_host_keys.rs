//! Machines that an apply destroys or makes have other host keys afterwards
//! than were known. Whose keys have to go is written down before the apply
//! begins: when `hl` is killed and tofu goes on without it, the next apply
//! finds the list.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::workspace::Workspace;
use crate::action::{StepContext, known_hosts};
use crate::diag::Exit;
use crate::diag::StepError;
use crate::lab;
use crate::tofu::files;
use crate::tofu::state::State;
use crate::tofu::{summary::Kind, summary::Summary};

/// `.build/tofu/KEY/strangers.json`, while an apply is at work.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StaleHostKeys {
    /// Names of machines.
    names: BTreeSet<String>,
    /// Addresses that they had before.
    addresses: BTreeSet<String>,
}

impl StaleHostKeys {
    /// Those of a plan, written down.
    pub(super) fn begin(
        space: &Workspace,
        summary: &Summary,
        before: &State,
    ) -> Result<(), StepError> {
        let kinds = [Kind::Add, Kind::Replace, Kind::Destroy];
        let names = kinds.into_iter().flat_map(|kind| summary.names(kind));
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        let stale = Self {
            addresses: addresses(&names, before),
            names,
        };
        let text = serde_json::to_string(&stale)
            .map_err(|error| StepError::new(error.to_string()).exit(Exit::Bug))?;
        Ok(lab::write(&file(space), text + "\n", 0o600)?)
    }

    /// Forgets the keys of those that an apply changed that nobody saw end.
    pub(super) fn settle(ctx: &StepContext<'_>, space: &Workspace) -> Result<(), StepError> {
        let Ok(text) = std::fs::read(file(space)) else {
            return Ok(());
        };
        let left: Self = serde_json::from_slice(&text).unwrap_or_default();
        let now = State::read(&space.state).unwrap_or_default();
        forget(ctx, &left.names, &[&now], left.addresses)?;
        Self::end(space)
    }

    /// The apply is over, and what it changed is known.
    pub(super) fn end(space: &Workspace) -> Result<(), StepError> {
        files::remove(&file(space))
    }
}

/// Forgets the keys of these machines, under their names and addresses.
pub(in crate::action) fn forget(
    ctx: &StepContext<'_>,
    names: &BTreeSet<String>,
    states: &[&State],
    mut hosts: BTreeSet<String>,
) -> Result<(), StepError> {
    hosts.extend(names.iter().cloned());
    for state in states {
        hosts.extend(addresses(names, state));
    }
    if hosts.is_empty() {
        return Ok(());
    }
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    known_hosts::forget(&ctx.lab.paths.known_hosts(), &hosts).map(drop)
}

/// Fixed and reported addresses of these machines in a state.
fn addresses(names: &BTreeSet<String>, state: &State) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for name in names {
        let vm = state.vms.get(name);
        let fixed = vm.and_then(|vm| vm.address.as_deref()?.split('/').next());
        found.extend(fixed.filter(|a| *a != "dhcp").map(str::to_owned));
        let reported = state
            .outputs
            .get("vms")
            .and_then(|vms| vms.get(name)?.get("addresses")?.as_array());
        let reported = reported.into_iter().flatten();
        found.extend(reported.filter_map(|address| Some(address.as_str()?.to_owned())));
    }
    found
}

fn file(space: &Workspace) -> Utf8PathBuf {
    space.build.join("strangers.json")
}
