//! `image.remove`: an image is on a node's storage no longer.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::action::{About, Action, Done, StepContext};
use crate::diag::{Exit, StepError};
use crate::pve::{Client, Upid, percent_encode};

/// `image.remove`
#[derive(Debug, Clone, Copy)]
pub struct ImageRemove;

/// How long a node may take to remove a file.
const REMOVING: Duration = Duration::from_mins(10);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Proxmox node.
    #[schemars(length(max = 100))]
    node: String,
    /// The volume, e.g. `local:iso/debian-12.img`.
    volume: String,
}

impl Action for ImageRemove {
    fn about(&self) -> About {
        About::of::<Inputs>("image.remove")
            .doc("remove an image from a node's storage")
            .repeatable()
            .never("it looks at what the node has now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        act(ctx, false)
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        act(ctx, true)
    }
}

fn act(ctx: &StepContext<'_>, write: bool) -> Result<Done, StepError> {
    let inputs: Inputs = ctx.inputs()?;
    let volume = &inputs.volume;
    let Some((storage, content)) = volume.split_once(':') else {
        return Err(StepError::new(format!(
            "`{volume}` is no volume, expected e.g. `local:iso/debian-12.img`"
        ))
        .exit(Exit::Definition));
    };
    // Nothing but images: never the disk of a machine.
    let kind = content.split('/').next().unwrap_or_default();
    if !["iso", "import"].contains(&kind) {
        let message = format!("`{volume}` is no image: only `iso` and `import` are removed");
        return Err(StepError::new(message).exit(Exit::Definition));
    }
    let client = ctx.pve()?;
    let there = client.storage_content(&inputs.node, storage, Some(kind))?;
    if there.iter().all(|one| one.volid != *volume) {
        return Ok(Done::new(format!("`{volume}` is not there")).changed(false));
    }
    if !write {
        return Ok(Done::new(format!("would remove `{volume}`")).changed(true));
    }
    remove(ctx, &client, &inputs.node, storage, volume)?;
    Ok(Done::new(format!("`{volume}` removed")).changed(true))
}

/// Removes a volume, and waits until it is gone.
fn remove(
    ctx: &StepContext<'_>,
    client: &Client,
    node: &str,
    storage: &str,
    volume: &str,
) -> Result<(), StepError> {
    let path = format!(
        "nodes/{}/storage/{}/content/{}",
        percent_encode(node),
        percent_encode(storage),
        percent_encode(volume)
    );
    let task: Option<Upid> = client.delete(&path, &[])?;
    if let Some(task) = task {
        client.watch_task(&task, ctx.cancel, REMOVING, &mut |line| ctx.output(line))?;
    }
    Ok(())
}
