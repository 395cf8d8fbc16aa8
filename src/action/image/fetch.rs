//! `image.fetch`: images that another machine built, in the lab, each with the
//! checksum that it has there.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::built::Built;
use super::partial::file_hash;
use super::places::images;
use crate::action::remote::{Machine, Ssh, Where};
use crate::action::{About, Action, Done, StepContext};
use crate::base::{count, if_there};
use crate::diag::StepError;
use crate::lab;

/// `image.fetch`
#[derive(Debug, Clone, Copy)]
pub struct ImageFetch;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// What `image.build` published.
    images: Vec<Built>,
    /// The machine that built them: a file of `site/nodes` or `site/hosts`.
    #[serde(default)]
    host: String,
    /// Its address, `[USER@]ADDRESS`.
    #[serde(default)]
    remote: String,
}

impl Action for ImageFetch {
    fn about(&self) -> About {
        About::of::<Inputs>("image.fetch")
            .doc("fetch images that another machine built, verified; publishes `images`")
            .repeatable()
            .never("it looks first, and fetches only what differs")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let all = count(inputs.images.len(), "image");
        Ok(Done::not_planned(format!("would fetch {all}")))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let named = Where {
            host: &inputs.host,
            remote: &inputs.remote,
            local: false,
        };
        let Machine::There(ssh) = Machine::of(ctx, named)? else {
            return Ok(Done::new("the images were built here")
                .changed(false)
                .output("images", json!(inputs.images)));
        };
        let mut fetched = Vec::new();
        let mut new = 0;
        for image in &inputs.images {
            let file = place(ctx, &image.name);
            if is_same(&file, &image.sha256)? {
                ctx.note(format!("`{}` is here already", image.name));
            } else {
                get(ctx, &ssh, image, &file)?;
                new += 1;
            }
            fetched.push(Built {
                file: ctx.lab.paths.show(&file).into_string(),
                ..image.clone()
            });
        }
        let all = count(fetched.len(), "image");
        Ok(
            Done::new(format!("{new} of {all} fetched from `{}`", ssh.address))
                .changed(new > 0)
                .output("images", json!(fetched)),
        )
    }
}

/// Where an image is in the lab.
fn place(ctx: &StepContext<'_>, name: &str) -> Utf8PathBuf {
    images(&ctx.lab.paths)
        .join(name)
        .join(format!("{name}.qcow2"))
}

fn is_same(file: &Utf8Path, sha256: &str) -> Result<bool, StepError> {
    let hash = if_there(file_hash(file)).map_err(|error| StepError::io("read", file, &error))?;
    Ok(hash.as_deref() == Some(sha256))
}

/// Beside its place until it is whole.
fn get(ctx: &StepContext<'_>, ssh: &Ssh, image: &Built, file: &Utf8Path) -> Result<(), StepError> {
    let dir = file.parent().unwrap_or(file);
    lab::create_dir(dir)?;
    let part = dir.join(format!(".{}.part", image.name));
    lab::create_dir(&ctx.work)?;
    let batch = ctx.work.join("sftp");
    // `reget` goes on where an earlier try was cut.
    let verb = if part.exists() { "reget" } else { "get" };
    let text = format!("{verb} \"{}\" \"{part}\"\n", image.file);
    lab::write(&batch, text, 0o600)?;
    ctx.progress(format!("fetching `{}` from `{}`", image.name, ssh.address));
    let outcome = ctx.exec.run(&ssh.batch(&batch), &mut |_| {})?;
    outcome.check("sftp")?;
    fs::remove_dir_all(&ctx.work).map_err(|error| StepError::io("remove", &ctx.work, &error))?;
    if !is_same(&part, &image.sha256)? {
        if_there(fs::remove_file(&part)).map_err(|error| StepError::io("remove", &part, &error))?;
        let message = format!(
            "`{}` is not what `{}` built: its checksum is another one",
            image.name, ssh.address
        );
        return Err(StepError::new(message)
            .help("it was built again meanwhile, or a disk or the line is bad: run it again"));
    }
    fs::rename(&part, file).map_err(|error| StepError::io("write", file, &error))
}
