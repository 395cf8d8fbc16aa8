//! `template.prune`: removes old builds, on the node and here. Never the
//! stable one, never one that linked clones live on.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::catalog;
use crate::action::{About, Action, Approval, Done, StepContext};
use crate::base::count;
use crate::diag::StepError;
use crate::diag::{Advice, Exit, hl, say};
use crate::handoff::{Gives, Handoff, Stage};
use crate::pve::{Client, Error};
use crate::templates::Manifest;
use crate::templates::{Entry, TemplateInventory};
use crate::templates::{clones, node};

/// `template.prune`
#[derive(Debug, Clone, Copy)]
pub struct TemplatePrune;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Name of the template.
    #[schemars(length(max = 100))]
    name: String,
    /// How many of the newest builds stay, besides the stable one.
    keep: u32,
}

impl Action for TemplatePrune {
    fn about(&self) -> About {
        About::of::<Inputs>("template.prune")
            .doc("remove old builds of a template from the node; never the stable one")
            .hands_on(Handoff::part(Stage::Templates).giving(Gives::Images))
    }

    fn approval(&self, ctx: &StepContext<'_>) -> Result<Option<Approval>, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let look = look(ctx, &inputs)?;
        let summary: Vec<String> = look
            .going
            .iter()
            .map(|going| format!("remove {going}"))
            .collect();
        if summary.is_empty() {
            return Ok(None);
        }
        let builds = count(summary.len(), "build");
        Ok(Some(Approval {
            question: format!("remove {builds} of `{}`?", inputs.name),
            summary,
            ..Approval::default()
        }))
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let look = look(ctx, &ctx.inputs()?)?;
        Ok(look.done("would remove"))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let mut look = look(ctx, &ctx.inputs()?)?;
        look.known.restore()?;
        let client = ctx.pve()?;
        for Going { manifest, there } in &look.going {
            if *there {
                ctx.progress(format!("removing VM {}", manifest.vmid));
                node::remove(&client, &manifest.node, manifest.vmid)?;
            }
            look.known.store.remove::<Manifest>(&manifest.stamp)?;
        }
        catalog::refresh(ctx)?;
        Ok(look.done("removed"))
    }
}

/// What would go, and what stays that might have gone.
struct Look {
    known: TemplateInventory,
    going: Vec<Going>,
    warnings: Vec<Advice>,
}

struct Going {
    manifest: Manifest,
    /// Its VM is on the node.
    there: bool,
}

impl std::fmt::Display for Going {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let gone = if self.there { "" } else { ", gone before" };
        let Manifest { stamp, vmid, .. } = &self.manifest;
        write!(f, "{stamp} (VM {vmid}{gone})")
    }
}

impl Look {
    fn done(self, verb: &str) -> Done {
        let going: Vec<String> = self.going.iter().map(ToString::to_string).collect();
        let summary = if going.is_empty() {
            "nothing to remove".to_owned()
        } else {
            format!("{verb} {}", going.join(", "))
        };
        let mut done = Done::new(summary)
            .changed(!going.is_empty())
            .output("removed", going);
        done.warnings = self.warnings;
        done
    }
}

fn look(ctx: &StepContext<'_>, inputs: &Inputs) -> Result<Look, StepError> {
    let client = ctx.pve()?;
    let found = node::templates(&client)?;
    let mut known = TemplateInventory::read(&ctx.lab.paths, &inputs.name, &found)?;
    // Records of nodes that this API does not know are not its to judge.
    let nodes = client.nodes()?;
    known
        .entries
        .retain(|entry| nodes.iter().any(|node| node.node == entry.manifest.node));
    if known.entries.is_empty() {
        return Err(
            StepError::new(format!("there is no build of `{}`", inputs.name))
                .exit(Exit::Unknown)
                .help(hl("templates").say(" lists what there is")),
        );
    }
    let mut warnings = Vec::new();
    if known.stable.is_none() {
        warnings.push(
            say(format!(
                "no build of `{}` is stable: only the newest are kept; ",
                inputs.name
            ))
            .hl("templates promote")
            .say(" protects one"),
        );
    }
    let mut going = Vec::new();
    for entry in surplus(&known, usize::try_from(inputs.keep).unwrap_or(usize::MAX)) {
        match held_by(&client, entry)? {
            Some(why) => warnings.push(say(format!("build {} stays: {why}", entry.manifest.stamp))),
            None => going.push(Going {
                manifest: entry.manifest.clone(),
                there: entry.vm.is_some(),
            }),
        }
    }
    Ok(Look {
        known,
        going,
        warnings,
    })
}

/// Why a build cannot go; nothing when it can.
fn held_by(client: &Client, entry: &Entry) -> Result<Option<String>, Error> {
    let (manifest, Some(vm)) = (&entry.manifest, &entry.vm) else {
        return Ok(None);
    };
    let clones = clones(client, manifest)?;
    if !clones.is_empty() {
        let clones: Vec<String> = clones.iter().map(|vmid| format!("VM {vmid}")).collect();
        return Ok(Some(format!(
            "its disk is the base of {}; clone that fully, or remove it first",
            clones.join(", ")
        )));
    }
    let protected = vm.config.text("protection").as_deref() == Some("1");
    Ok(protected.then(|| format!("VM {} is protected on the node", manifest.vmid)))
}

/// What may go: all but the stable ones and, of each node, the newest `keep`
/// that are there.
/// Records of VMs that are gone are of no use to anyone.
fn surplus(known: &TemplateInventory, keep: usize) -> Vec<&Entry> {
    let mut kept: BTreeMap<&str, usize> = BTreeMap::new();
    let mut surplus: Vec<&Entry> = known
        .entries
        .iter()
        .rev()
        .filter(|entry| {
            let node = entry.manifest.node.as_str();
            let of_node = known.marked_on(node).map(|e| &e.manifest.stamp);
            let stable = [known.stable.as_ref(), of_node];
            if stable.contains(&Some(&entry.manifest.stamp)) {
                return false;
            }
            let kept = kept.entry(node).or_default();
            if entry.vm.is_some() && *kept < keep {
                *kept += 1;
                return false;
            }
            true
        })
        .collect();
    surplus.reverse();
    surplus
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::TemplateStore;
    use crate::templates::node::Found;
    use crate::templates::{Stamp, sample};
    use serde_json::json;

    fn known(present: &[bool], stable: Option<&str>) -> TemplateInventory {
        let entries = present
            .iter()
            .enumerate()
            .map(|(i, there)| {
                let manifest = sample(
                    &format!("2026010{}-120000", i + 1),
                    100 + u32::try_from(i).unwrap(),
                );
                let vm = there.then(|| Found {
                    vm: serde_json::from_value(json!({"vmid": manifest.vmid, "node": "pve"}))
                        .unwrap(),
                    config: crate::pve::VmConfig::default(),
                    notes: None,
                });
                Entry {
                    manifest,
                    vm,
                    only_on_node: false,
                }
            })
            .collect();
        TemplateInventory {
            name: "debian-13".to_owned(),
            store: TemplateStore::new("/nowhere"),
            entries,
            stable: stable.and_then(Stamp::parse),
            pointer_lost: false,
            pin: None,
            pin_lost: false,
        }
    }

    #[test]
    fn the_stable_and_the_newest_stay() {
        let numbers = |known: &TemplateInventory, keep| -> Vec<u32> {
            surplus(known, keep)
                .iter()
                .map(|e| e.manifest.vmid)
                .collect()
        };
        let all = known(&[true, true, true, true], Some("20260101-120000"));
        assert_eq!(numbers(&all, 1), [101, 102]);
        assert_eq!(numbers(&all, 0), [101, 102, 103]);
        assert_eq!(numbers(&all, 9), Vec::<u32>::new());
        // One that is gone does not count as kept, and its record goes.
        let gone = known(&[true, true, false], None);
        assert_eq!(numbers(&gone, 1), [100, 102]);
        // Not even the stable one's record, when its VM is gone.
        let lost = known(&[false, true], Some("20260101-120000"));
        assert_eq!(numbers(&lost, 1), Vec::<u32>::new());
    }
}
