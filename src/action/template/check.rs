//! `template.check`: is a template there, and is it what its files say? What
//! was lost here and is known to the node is written again.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call;
use super::catalog;
use crate::action::{About, Action, Done, StepContext};
use crate::diag::StepError;
use crate::diag::{Advice, say};
use crate::handoff::{Gives, Handoff, Images, LastStep, Stage};
use crate::pve::Vm;
use crate::templates::BuildInProgress;
use crate::templates::Pin;
use crate::templates::Template;
use crate::templates::TemplateInventory;
use crate::templates::Web;
use crate::templates::inputs_digest;
use crate::templates::node;
use crate::templates::pin_in_use;

/// `template.check`
#[derive(Debug, Clone, Copy)]
pub struct TemplateCheck;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Name of the template: a folder of `layers/l1-templates`.
    #[schemars(length(max = 100))]
    name: String,
    /// Proxmox node.
    #[schemars(length(max = 100))]
    node: String,
    /// It is to be built in any case.
    #[serde(default)]
    force: bool,
    /// Take the vendor's newest image.
    #[serde(default)]
    update_image: bool,
}

impl Action for TemplateCheck {
    fn about(&self) -> About {
        About::of::<Inputs>("template.check")
            .doc("find out whether a template has to be built; publishes `stale` and `reason`")
            .hands_on(
                Handoff::part(Stage::Templates)
                    .making(LastStep::Templates)
                    .giving(Gives::Images),
            )
            .never("it looks at the node and the files of now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        check(ctx, false)
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        check(ctx, true)
    }
}

fn check(ctx: &StepContext<'_>, write: bool) -> Result<Done, StepError> {
    let inputs: Inputs = ctx.inputs()?;
    let template = call::template(ctx, &inputs.name)?;
    let client = ctx.pve()?;
    let found = node::templates(&client)?;
    let mut known = TemplateInventory::read(&ctx.lab.paths, &inputs.name, &found)?;
    let mut restored = Vec::new();
    if write {
        restored = known.restore()?;
        if !restored.is_empty() {
            ctx.note(format!(
                "written again from the node's notes: {}",
                restored.join(", ")
            ));
        }
    }
    if inputs.update_image {
        renew(ctx, &template, &mut known, write)?;
    }
    if write {
        catalog::refresh(ctx)?;
    }
    let pin = pin_in_use(&ctx.lab.paths, &template, known.pin.as_ref())?;
    let digest = inputs_digest(&template, pin.as_ref())
        .map_err(|error| StepError::io("read the files of", &template.dir, &error))?;
    let reason = if inputs.force {
        Some("asked for".to_owned())
    } else {
        known.stale(&inputs.node, Some(&digest))
    };
    let mut done = match (&reason, known.newest(&inputs.node)) {
        (None, Some(newest)) => {
            let manifest = &newest.manifest;
            let promoted = known.stable.as_ref() == Some(&manifest.stamp);
            let promoted = if promoted { ", stable" } else { "" };
            Done::new(format!(
                "up to date: VM {} of {}{promoted}",
                manifest.vmid, manifest.stamp
            ))
            .output("vmid", manifest.vmid)
            .output("stamp", manifest.stamp.as_str())
        }
        (reason, _) => {
            let verb = if write { "to be built" } else { "would build" };
            Done::new(format!("{verb}: {}", reason.as_deref().unwrap_or_default()))
        }
    };
    done = done
        .changed(!restored.is_empty())
        .publish(&Images {
            stale: reason.is_some(),
        })
        .output("reason", reason.clone().unwrap_or_default());
    for warning in concerns(&known, &inputs.node, reason.is_some()) {
        done = done.warn(warning);
    }
    // The build sees to what the one before it left.
    let begun = BuildInProgress::read(&ctx.lab.paths, &inputs.name).filter(|_| reason.is_some());
    let is_begun = |vm: &Vm| {
        let name = vm.name.as_deref().zip(begun.as_ref());
        name.is_some_and(|(name, begun)| name.ends_with(begun.stamp.as_str()))
    };
    let leftovers = node::leftovers(&client, &inputs.node, &inputs.name)?;
    for vm in leftovers.into_iter().filter(|vm| !is_begun(vm)) {
        done = done.warn(format!(
            "VM {} is left of an interrupted build; remove it, on `{}`: `qm stop {}; qm destroy {} --purge`",
            vm.vmid, vm.node, vm.vmid, vm.vmid
        ));
    }
    Ok(done)
}

/// Looks the image up again and moves the pin when there is a newer one.
fn renew(
    ctx: &StepContext<'_>,
    template: &Template,
    known: &mut TemplateInventory,
    write: bool,
) -> Result<(), StepError> {
    let Some(image) = &template.spec.image else {
        ctx.note(
            say("made from an ISO: ")
                .hl("l1-iso NAME --update-image")
                .say(" brings a newer one"),
        );
        return Ok(());
    };
    if ctx.lab.paths.is_rehearsal() {
        ctx.note("a rehearsal fetches nothing: the image stays the simulated one");
        return Ok(());
    }
    if !write {
        ctx.note(format!("would look for a newer image in {}", image.sums));
        return Ok(());
    }
    let fresh = Pin::fetch(&image.url, &image.sums, &Web::new()?)?;
    let same = known
        .pin
        .as_ref()
        .is_some_and(|pin| pin.url == fresh.url && pin.checksum() == fresh.checksum());
    if same {
        ctx.note("the pinned image is the vendor's newest");
    } else {
        fresh.write(known.store.dir())?;
        ctx.note(format!("pinned {} ({})", fresh.url, fresh.checksum()));
        known.pin = Some(fresh);
    }
    Ok(())
}

/// What the user should know of a template that will not be promoted anew.
fn concerns(known: &TemplateInventory, node: &str, will_build: bool) -> Vec<Advice> {
    let name = &known.name;
    if will_build {
        return Vec::new();
    }
    match (known.promoted(), known.newest(node)) {
        (None, Some(newest)) => vec![say(format!("no stable `{name}` yet: ")).hl(format!(
            "templates promote {name} {}",
            newest.manifest.stamp
        ))],
        (Some(stable), Some(newest)) if stable.vm.is_none() => vec![
            say(format!(
                "the stable `{name}`, VM {}, is gone from `{}`: ",
                stable.manifest.vmid, stable.manifest.node
            ))
            .hl(format!(
                "templates promote {name} {}",
                newest.manifest.stamp
            )),
        ],
        _ => Vec::new(),
    }
}
