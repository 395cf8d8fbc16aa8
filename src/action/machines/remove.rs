//! `machine.remove`: the machine that this very run made is deleted, and what is kept of
//! it. One without this run's mark is left, and named.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Deserialize;

use super::given::OnHost;
use super::known::{Known, OnNode, ids};
use crate::action::container::remove_downloads;
use crate::action::mark;
use crate::action::pull::remove_snippet;
use crate::action::tofu::{built, forget_host_keys};
use crate::action::{About, Action, Done, StepContext};
use crate::diag::{StepError, say};
use crate::handoff::{Execution, Gives, Handoff, Removed, Stage};
use crate::pve::{Client, Vm};
use crate::tofu::files;

/// How long the node may be at work on a machine that is just being made.
const BUSY: Duration = Duration::from_mins(30);
/// Between two looks at it.
const PAUSE: Duration = Duration::from_secs(1);

/// `machine.remove`
#[derive(Debug, Clone, Copy)]
pub struct Remove;

/// Inputs of the actions about one machine of a manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct One {
    /// The manifest's name.
    #[schemars(length(max = 100))]
    pub(super) manifest: String,
    /// The host.
    #[schemars(length(max = 100))]
    pub(super) node: String,
    /// The machine.
    #[schemars(length(max = 100))]
    pub(super) name: String,
    /// It asks for its spec itself: a snippet of it may be on the node.
    #[serde(default)]
    pub(super) pulls: bool,
}

impl One {
    pub(super) fn on(&self) -> OnHost {
        OnHost {
            manifest: self.manifest.clone(),
            node: self.node.clone(),
            machines: Vec::new(),
        }
    }

    pub(super) fn removed(&self, summary: impl Into<String>) -> Done {
        Done::new(summary).publish(&Removed {
            key: self.on().key(&self.name),
            removed: true,
        })
    }
}

impl Action for Remove {
    fn about(&self) -> About {
        About::of::<One>("machine.remove")
            .doc("deletes the machine that this run made, and no other one")
            .repeatable()
            .hands_on(Handoff::part(Stage::Terraform).giving(Gives::Removed))
            .never("it looks at what there is now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let one: One = ctx.inputs()?;
        let name = &one.name;
        Ok(Done::not_planned(format!(
            "would delete `{name}`, once this run has made it"
        )))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let one: One = ctx.inputs()?;
        let key = one.on().key(&one.name);
        let known = Known::of_node(ctx, &one.on(), &one.name)?;
        let found = delete_own(ctx, &known, &one, &key);
        // Also where the machine stays: what this run wrote may hold a token.
        let snippet = if one.pulls {
            remove_snippet(ctx, &one.node, &key, &one.name)
        } else {
            Ok(0)
        };
        let (deleted, mut left) = found?;
        snippet?;
        let downloads = remove_downloads(ctx, &one.node, &key)?.into_iter();
        // The node may hide a machine from the token, or have lost it: the state of an
        // earlier run is kept all the same.
        if left.is_empty() {
            left.extend(known.of_earlier_runs(&one.name, ctx.run_id, &key));
        }
        if !left.is_empty() {
            let left = left.join(", ");
            let done = Done::new(format!("left as it is: {left} has no mark of this run"));
            let done = done.changed(!deleted.is_empty()).warn(format!(
                "{left} was not made by this run, and stays; look at it if you expected it to go"
            ));
            return Ok(downloads.fold(done, Done::warn));
        }
        let state = known.states.get(&one.name);
        if let Some(state) = state {
            let names = state.vms.keys().cloned().collect();
            forget_host_keys(ctx, &names, &[state], recorded_address(ctx, &one))?;
        }
        forget_files(ctx, &key)?;
        let summary = match deleted.as_slice() {
            [] => "nothing was made".to_owned(),
            deleted => format!("deleted {}", deleted.join(", ")),
        };
        let done = one.removed(summary).changed(!deleted.is_empty());
        Ok(downloads.fold(done, Done::warn))
    }
}

/// Deletes what carries this run's mark: what was deleted, and what has another one or
/// none.
pub(super) fn delete_own(
    ctx: &StepContext<'_>,
    known: &Known,
    one: &One,
    key: &str,
) -> Result<(Vec<String>, Vec<String>), StepError> {
    let ids = ids(ctx, key, known, &one.name);
    let client = ctx.lasting_pve()?;
    let on_node = client.cluster_resources_vms()?;
    let (mut deleted, mut left) = (Vec::new(), Vec::new());
    for vm in on_node.iter().filter(|vm| ids.contains(&vm.vmid)) {
        let found = OnNode {
            client: &client,
            vm,
        };
        let words = format!("{} on `{}`", found.words(), vm.node);
        if is_ours(ctx, &client, vm, key)? {
            found
                .delete(ctx, key)
                .map_err(|error| still_there(error, &words))?;
            deleted.push(found.words());
        } else {
            left.push(words);
        }
    }
    Ok((deleted, left))
}

/// Its address, of the record: the state may not have come to know it.
fn recorded_address(ctx: &StepContext<'_>, one: &One) -> BTreeSet<String> {
    let paths = &ctx.lab.paths;
    let execution = Execution::read(paths, &one.manifest, &one.node);
    let execution = execution.ok().flatten().unwrap_or_default();
    let node = execution.nodes.get(&one.name);
    node.and_then(|node| node.ip.clone()).into_iter().collect()
}

/// Whether it carries this run's mark. While the node is at work on it nothing is
/// known: a clone gets its description when its disks are there.
fn is_ours(ctx: &StepContext<'_>, client: &Client, vm: &Vm, key: &str) -> Result<bool, StepError> {
    let found = OnNode { client, vm };
    let begun = Instant::now();
    loop {
        let Some(config) = found.config()? else {
            return Ok(false);
        };
        let Some(lock) = config.text("lock") else {
            let description = config.text("description");
            return Ok(mark::has(description.as_deref(), ctx.run_id, key));
        };
        if begun.elapsed() > BUSY {
            let words = found.words();
            return Err(StepError::new(format!(
                "{words} on `{}` is locked ({lock}): whose it is cannot be known",
                vm.node
            ))
            .help(
                say("when the node is done with it, look at it: ")
                    .on_node(&vm.node, format!("qm config {}", vm.vmid)),
            ));
        }
        ctx.progress(format!(
            "waiting for the node, which is at work on {} ({lock})",
            found.words()
        ));
        ctx.cancel.sleep(PAUSE)?;
    }
}

fn still_there(error: StepError, words: &str) -> StepError {
    let message = format!("{words} is left behind: {}", error.message);
    StepError { message, ..error }
}

/// Removes what is kept of a machine that is gone: its state, and what was made for
/// tofu and ansible.
pub(super) fn forget_files(ctx: &StepContext<'_>, key: &str) -> Result<(), StepError> {
    let paths = &ctx.lab.paths;
    for dir in [
        paths.tofu_state(key),
        built(paths).join(key),
        paths.build().join("ansible").join(key),
    ] {
        files::remove_dir(&dir)?;
    }
    Ok(())
}
