//! `image.publish`: images as ISO content of a node's storage, where tofu finds them.
//! From this machine they go through the node's API; on the node itself they are
//! copied.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::built::Built;
use crate::action::remote::{Machine, Ssh, Where};
use crate::action::{About, Action, Done, StepContext};
use crate::base::{count, quoted};
use crate::diag::{StepError, say};
use crate::lab;

/// `image.publish`
#[derive(Debug, Clone, Copy)]
pub struct ImagePublish;

/// How long a node may take to put an uploaded file in its place.
const PLACING: Duration = Duration::from_mins(30);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// What `image.build` or `image.fetch` published.
    images: Vec<Built>,
    /// Proxmox node.
    #[schemars(length(max = 100))]
    node: String,
    /// Storage for ISO images.
    #[serde(default)]
    storage: String,
    /// The machine that has them, which is the node: a file of `site/nodes`.
    #[serde(default)]
    host: String,
    /// Its address, `[USER@]ADDRESS`.
    #[serde(default)]
    remote: String,
    /// They are on this machine.
    #[serde(default)]
    local: bool,
}

impl Action for ImagePublish {
    fn about(&self) -> About {
        About::of::<Inputs>("image.publish")
            .doc("publish images to a node's storage; publishes `volumes`")
            .repeatable()
            .never("it looks at what the node has now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let all = count(inputs.images.len(), "image");
        let summary = format!("would publish {all} to `{}`", storage(ctx, &inputs));
        Ok(Done::not_planned(summary))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let storage = storage(ctx, &inputs);
        let machine = Machine::of(
            ctx,
            Where {
                host: &inputs.host,
                remote: &inputs.remote,
                local: inputs.local,
            },
        )?;
        let mut volumes = Vec::new();
        for image in &inputs.images {
            let volume = format!("{storage}:iso/{}.img", image.name);
            match &machine {
                Machine::Here => upload(ctx, &inputs.node, &storage, image)?,
                Machine::There(ssh) => copy(ctx, ssh, &volume, image)?,
            }
            ctx.note(format!("`{volume}` is published"));
            volumes.push(volume);
        }
        let summary = format!("{} published to `{storage}`", count(volumes.len(), "image"));
        Ok(Done::new(summary)
            .changed(true)
            .output("volumes", json!(volumes)))
    }
}

fn storage(ctx: &StepContext<'_>, inputs: &Inputs) -> String {
    if !inputs.storage.is_empty() {
        return inputs.storage.clone();
    }
    ctx.env.get("PVE_STORAGE_ISO").unwrap_or("local").to_owned()
}

/// Sends it through the API, which verifies it and replaces one that is there. The node
/// takes its name from the file's own, so it is given one by a link.
fn upload(
    ctx: &StepContext<'_>,
    node: &str,
    storage: &str,
    image: &Built,
) -> Result<(), StepError> {
    let file = ctx.lab.paths.root().join(&image.file);
    let real = file.canonicalize_utf8().map_err(|error| {
        StepError::io("read", &image.file, &error)
            .help(say("build it first: ").hl("scenario packer-build"))
    })?;
    let client = ctx.pve()?;
    lab::create_dir(&ctx.work)?;
    let link: Utf8PathBuf = ctx.work.join(format!("{}.img", image.name));
    let done = linked(&real, &link, || {
        ctx.progress(format!("uploading `{}`", image.name));
        let checksum = Some(("sha256", image.sha256.as_str()));
        let task = client.upload(node, storage, "iso", &link, checksum)?;
        client.watch_task(&task, ctx.cancel, PLACING, &mut |line| ctx.output(line))?;
        Ok(())
    });
    std::fs::remove_dir_all(&ctx.work)
        .map_err(|error| StepError::io("remove", &ctx.work, &error))?;
    done
}

fn linked(
    real: &Utf8Path,
    link: &Utf8Path,
    work: impl FnOnce() -> Result<(), StepError>,
) -> Result<(), StepError> {
    std::os::unix::fs::symlink(real, link).map_err(|error| StepError::io("write", link, &error))?;
    work()
}

/// Copies it in its place on the node; a reader sees the old file or the new one.
fn copy(ctx: &StepContext<'_>, ssh: &Ssh, volume: &str, image: &Built) -> Result<(), StepError> {
    let script = format!(
        "set -eu\nto=$({sudo}pvesm path {volume})\n{sudo}mkdir -p \"${{to%/*}}\"\n{sudo}cp -- {file} \"$to.new\"\nif [ \"$(sha256sum <\"$to.new\" | cut -d ' ' -f 1)\" != {hash} ]; then {sudo}rm -f \"$to.new\"; echo 'the copy differs from what was built' >&2; exit 65; fi\n{sudo}mv -f \"$to.new\" \"$to\"\n",
        sudo = ssh.sudo(),
        volume = quoted(volume),
        file = quoted(&image.file),
        hash = quoted(&image.sha256),
    );
    let child = Machine::There(ssh.clone()).script(&script);
    let outcome = ctx.exec.run(&child, &mut |_| {})?;
    outcome.check("publishing")
}
