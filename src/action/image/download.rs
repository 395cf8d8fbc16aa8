//! `image.download`: an image of a release, in the lab.

use std::cell::Cell;
use std::time::Duration;

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::Deserialize;

use super::partial::Fetcher;
use super::places::images;
use super::release::{Downloaded, Wanted, download};
use crate::action::{About, Action, Done, StepContext, site};
use crate::base::count;
use crate::diag::{Exit, StepError};
use crate::lab;
use crate::plan::EventKind;
use crate::templates::Web;

/// `image.download`
#[derive(Debug, Clone, Copy)]
pub struct ImageDownload;

/// Where releases of images are.
const RELEASES: &str = "https://github.com/homestak-dev/packer/releases/download";
/// The tag of the newest release that has images. It is a tag as any other: the API's
/// own `latest` may be a release without any.
const LATEST: &str = "latest";

/// After how many bytes it is told how far it is.
const TELL: u64 = 8 << 20;

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Name of the file in the release, e.g. `debian-12-custom.qcow2`. Large ones may be
    /// there in parts: `.partaa`, `.partab` ...
    asset: String,
    /// Tag of the release; `packer_release` of `site.yaml` when empty, else `latest`.
    #[serde(default)]
    release: String,
    /// The directory of releases, an https URL.
    #[serde(default)]
    base: String,
    /// Its SHA-256. Without one that of the release counts, where it has one.
    #[serde(default)]
    sha256: String,
}

impl Action for ImageDownload {
    fn about(&self) -> About {
        About::of::<Inputs>("image.download")
            .doc("download an image of a release, verified where it has checksums; publishes `file` and `sha256`")
            .repeatable()
            .never("it looks first, and fetches only what is missing")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let release = release(ctx, &inputs)?;
        file(ctx, &inputs)?;
        Ok(Done::not_planned(format!(
            "would download `{}` from {release}",
            inputs.asset
        )))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let release = release(ctx, &inputs)?;
        let to = file(ctx, &inputs)?;
        if let Some(dir) = to.parent() {
            lab::create_dir(dir)?;
        }
        let last = Cell::new(0);
        let told = |there: u64, whole: Option<u64>| {
            if there < last.get() + TELL && Some(there) != whole {
                return;
            }
            last.set(there);
            (ctx.emit)(EventKind::Progress {
                message: format!("downloading `{}`", inputs.asset),
                done: Some(there),
                total: whole,
            });
        };
        let fetcher = Fetcher {
            client: Web::new()?.into_client(),
            cancel: ctx.cancel,
            progress: &told,
            pause: PAUSE,
        };
        let done = download(
            &fetcher,
            Wanted {
                release: &release,
                asset: &inputs.asset,
                sha256: Some(inputs.sha256.as_str()).filter(|hash| !hash.is_empty()),
                to: &to,
            },
        )?;
        let shown = ctx.lab.paths.show(&to);
        Ok(Done::new(summary(&inputs.asset, &done))
            .changed(!done.kept)
            .output("file", shown.as_str())
            .output("sha256", done.sha256))
    }
}

fn summary(asset: &str, done: &Downloaded) -> String {
    if done.kept {
        return format!("`{asset}` is there already, as the release has it");
    }
    let parts = match done.parts {
        0 => String::new(),
        parts => format!(" from {}", count(parts, "part")),
    };
    let verified = if done.verified {
        "verified"
    } else {
        "the release has no checksum of it"
    };
    format!("`{asset}` downloaded{parts}, {verified}")
}

/// The directory of the release: `--packer-release`, then `site.yaml`, then `latest`.
fn release(ctx: &StepContext<'_>, inputs: &Inputs) -> Result<String, StepError> {
    let given = Some(inputs.release.clone()).filter(|release| !release.is_empty());
    let tag = match given {
        Some(tag) => tag,
        None => site::tree(ctx.lab)
            .packer_release()?
            .filter(|tag| !tag.is_empty())
            .unwrap_or_else(|| LATEST.to_owned()),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    if tag.starts_with('.') || !tag.chars().all(plain) {
        let message = format!("`{tag}` is no tag of a release, expected e.g. `v1.4` or `latest`");
        return Err(StepError::new(message).exit(Exit::Definition));
    }
    let base = if inputs.base.is_empty() {
        RELEASES
    } else {
        inputs.base.trim_end_matches('/')
    };
    Ok(format!("{base}/{tag}"))
}

/// Where it is wanted: its name is no path.
fn file(ctx: &StepContext<'_>, inputs: &Inputs) -> Result<Utf8PathBuf, StepError> {
    let asset = &inputs.asset;
    if asset.is_empty() || asset.starts_with('.') || asset.contains('/') {
        let message = format!("`{asset}` is no file of a release");
        return Err(StepError::new(message).exit(Exit::Definition));
    }
    Ok(images(&ctx.lab.paths).join("releases").join(asset))
}
