//! `template.promote` and `template.rollback`: which build is stable, here and
//! in the node's notes.

use schemars::JsonSchema;
use serde::Deserialize;

use super::catalog;
use crate::action::{About, Action, Done, StepContext};
use crate::diag::StepError;
use crate::diag::{Advice, Exit, did_you_mean, hl, say};
use crate::handoff::{Gives, Handoff, Stage};
use crate::pve::Client;
use crate::templates::TemplateStore;
use crate::templates::notes::Notes;
use crate::templates::{Entry, TemplateInventory};
use crate::templates::{Manifest, Stamp};
use crate::templates::{node, node::Found};

/// Chooses the stable build of a template.
#[derive(Debug, Clone, Copy)]
pub enum Choose {
    /// `template.promote`
    Promote,
    /// `template.rollback`
    Rollback,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PromoteInputs {
    /// Name of the template.
    #[schemars(length(max = 100))]
    name: String,
    /// Which build: `YYYYMMDD-HHMMSS`.
    stamp: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RollbackInputs {
    /// Name of the template.
    #[schemars(length(max = 100))]
    name: String,
}

impl Action for Choose {
    fn about(&self) -> About {
        let about = match self {
            Self::Promote => About::of::<PromoteInputs>("template.promote")
                .doc("make one build of a template the stable one"),
            Self::Rollback => About::of::<RollbackInputs>("template.rollback")
                .doc("make the build that was stable before the stable one again"),
        };
        about.hands_on(Handoff::part(Stage::Templates).giving(Gives::Images))
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        self.apply(ctx, false)
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        self.apply(ctx, true)
    }
}

impl Choose {
    fn apply(self, ctx: &StepContext<'_>, write: bool) -> Result<Done, StepError> {
        match self {
            Self::Promote => Self::named(ctx, write),
            Self::Rollback => Self::back(ctx, write),
        }
    }

    fn named(ctx: &StepContext<'_>, write: bool) -> Result<Done, StepError> {
        let inputs: PromoteInputs = ctx.inputs()?;
        choose(ctx, &inputs.name, (write, false), |known| {
            let stamps = known.entries.iter().map(|e| e.manifest.stamp.as_str());
            known
                .entries
                .iter()
                .find(|e| e.manifest.stamp.as_str() == inputs.stamp)
                .ok_or_else(|| {
                    let meant = did_you_mean(&inputs.stamp, stamps).map(Advice::from);
                    let help = meant.unwrap_or_else(|| {
                        say("build it first: ").hl(format!("l1-template {}", inputs.name))
                    });
                    StepError::new(format!(
                        "there is no build `{}` of template `{}`",
                        inputs.stamp, inputs.name
                    ))
                    .exit(Exit::Unknown)
                    .help(help)
                })
        })
    }

    fn back(ctx: &StepContext<'_>, write: bool) -> Result<Done, StepError> {
        let inputs: RollbackInputs = ctx.inputs()?;
        choose(ctx, &inputs.name, (write, true), |known| {
            known.before_stable().ok_or_else(|| {
                let name = &inputs.name;
                StepError::new(format!(
                    "there is nothing to roll `{name}` back to: no other build on the node is known to have been stable"
                ))
                .exit(Exit::Unknown)
                .help(
                    hl(format!("templates show {name}"))
                        .say(" lists its builds, ")
                        .hl(format!("templates promote {name} STAMP"))
                        .say(" makes one stable"),
                )
            })
        })
    }
}

/// `back`: the present one is left, and leaves the history.
fn choose(
    ctx: &StepContext<'_>,
    name: &str,
    (write, back): (bool, bool),
    pick: impl Fn(&TemplateInventory) -> Result<&Entry, StepError>,
) -> Result<Done, StepError> {
    let client = ctx.pve()?;
    let found = node::templates(&client)?;
    let mut known = TemplateInventory::read(&ctx.lab.paths, name, &found)?;
    if write {
        known.restore()?;
    }
    let chosen = pick(&known)?;
    let manifest = chosen.manifest.clone();
    let stamp = manifest.stamp.clone();
    if chosen.vm.is_none() {
        return Err(StepError::new(format!(
            "build `{stamp}` of `{name}` cannot be stable: its VM {} is gone from `{}`",
            manifest.vmid, manifest.node
        ))
        .exit(Exit::Unknown)
        .help(hl(format!("templates show {name}")).say(" lists what is there")));
    }
    let before = known.stable.clone();
    if before.as_ref() == Some(&stamp) && !known.pointer_lost {
        return Ok(done(
            Done::new(format!("`{name}` {stamp} is stable already")),
            &manifest,
            &stamp,
        )
        .changed(false));
    }
    let was = before.map_or_else(String::new, |before| format!(", was {before}"));
    if write {
        let left = known.promoted().filter(|_| back);
        promote(
            ctx,
            &client,
            &manifest,
            left.map(|entry| &entry.manifest.stamp),
        )?;
        catalog::refresh(ctx)?;
    }
    let verb = if write { "is now" } else { "would be" };
    Ok(done(
        Done::new(format!(
            "`{name}` {stamp} (VM {}) {verb} stable{was}",
            manifest.vmid
        )),
        &manifest,
        &stamp,
    )
    .changed(true))
}

fn done(done: Done, manifest: &Manifest, stamp: &Stamp) -> Done {
    done.output("name", manifest.name.as_str())
        .output("stamp", stamp.as_str())
        .output("vmid", manifest.vmid)
}

/// Marks the manifest's VM as stable in its notes, moves the pointers, takes the
/// mark from the others on its node. Stopped in between, the pointer decides, and without
/// it the newest mark. `left` is rolled back from: it leaves the history of stable.
pub(super) fn promote(
    ctx: &StepContext<'_>,
    client: &Client,
    manifest: &Manifest,
    left: Option<&Stamp>,
) -> Result<(), StepError> {
    let found = node::templates(client)?;
    let others = others(&found, manifest, left);
    let mut history = History::of(&found, manifest);
    // Those that were marked before there was a history get their place in it
    // first.
    let others: Vec<(Manifest, Option<u32>)> = others
        .into_iter()
        .map(|(other, promotion)| {
            let promotion = match left {
                Some(left) if *left == other.stamp => None,
                _ => Some(promotion.unwrap_or_else(|| history.next())),
            };
            (other, promotion)
        })
        .collect();
    mark(client, manifest, true, Some(history.next()))?;
    let store = TemplateStore::new(ctx.lab.paths.template(&manifest.name));
    store.point_on::<Manifest>(&manifest.node, &manifest.stamp)?;
    store.point::<Manifest>(&manifest.stamp)?;
    for (other, promotion) in others {
        if let Err(error) = mark(client, &other, false, promotion) {
            ctx.warn(format!(
                "the notes of VM {} still say `stable=yes`: {error}; change them to `stable=no`, or promote again",
                other.vmid
            ));
        }
    }
    Ok(())
}

/// The number of the newest promotion of a template on a node.
struct History(u32);

impl History {
    fn of(found: &[Found], manifest: &Manifest) -> Self {
        let numbers = builds(found, manifest).filter_map(|(notes, _)| notes.promotion);
        Self(numbers.max().unwrap_or(0))
    }

    fn next(&mut self) -> u32 {
        self.0 = self.0.saturating_add(1);
        self.0
    }
}

/// All builds of that template on its node.
fn builds<'a>(
    found: &'a [Found],
    manifest: &'a Manifest,
) -> impl Iterator<Item = (&'a Notes, Manifest)> {
    found
        .iter()
        .filter_map(|vm| Some((vm.notes.as_ref()?, vm.manifest()?)))
        .filter(|(_, other)| other.name == manifest.name && other.node == manifest.node)
}

/// The other builds that are marked or left, the oldest first, and the number
/// of the promotion that marked each.
fn others(
    found: &[Found],
    manifest: &Manifest,
    left: Option<&Stamp>,
) -> Vec<(Manifest, Option<u32>)> {
    let mut others: Vec<_> = builds(found, manifest)
        .filter(|(_, other)| other.stamp != manifest.stamp)
        .filter(|(notes, other)| notes.stable || left == Some(&other.stamp))
        .map(|(notes, other)| (other, notes.promotion))
        .collect();
    others.sort_by(|(a, _), (b, _)| a.stamp.cmp(&b.stamp));
    others
}

/// Sets or takes the mark; lines that people added stay.
fn mark(
    client: &Client,
    manifest: &Manifest,
    stable: bool,
    promotion: Option<u32>,
) -> Result<(), StepError> {
    let (node, vmid) = (manifest.node.as_str(), manifest.vmid);
    let old = client
        .vm_config(node, vmid)?
        .text("description")
        .unwrap_or_default();
    let notes = Notes {
        promotion,
        ..Notes::of(manifest, stable)
    };
    let new = notes.over(&old);
    if new.trim() != old.trim() {
        client.set_vm_config(node, vmid, &[("description", &new)])?;
    }
    Ok(())
}
