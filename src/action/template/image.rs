//! `template.image`: the image that a template is made of is on the node.

use std::time::Duration;

use super::call::{self, Named};
use crate::action::{About, Action, Done, StepContext};
use crate::diag::StepError;
use crate::diag::say;
use crate::handoff::{Gives, Handoff, Stage};
use crate::pve::{Client, Download, Error, Upid};
use crate::templates::ImageSpec;
use crate::templates::Pin;
use crate::templates::TemplateStore;
use crate::templates::Web;
use crate::templates::{pin_in_use, stable_iso};

/// `template.image`
#[derive(Debug, Clone, Copy)]
pub struct TemplateImage;

/// A download longer than this is none; the step's own timeout comes first.
const DOWNLOAD: Duration = Duration::from_hours(6);

impl Action for TemplateImage {
    fn about(&self) -> About {
        About::of::<Named>("template.image")
            .doc(
                "bring a template's image to the node, its checksum verified there; \
                 publishes `volid` and `checksum`",
            )
            .hands_on(Handoff::part(Stage::Templates).giving(Gives::Images))
            .never("it looks first, and fetches only what is missing")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        bring(ctx, false)
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        bring(ctx, true)
    }
}

fn bring(ctx: &StepContext<'_>, write: bool) -> Result<Done, StepError> {
    let inputs: Named = ctx.inputs()?;
    let template = call::template(ctx, &inputs.name)?;
    let Some(image) = &template.spec.image else {
        let iso = template.spec.iso.map(|iso| iso.name);
        return installer(ctx, &inputs.node, &iso.unwrap_or_default());
    };
    let store = TemplateStore::new(ctx.lab.paths.template(&inputs.name));
    let kept = Pin::read(store.dir())?;
    let pin = match pin_in_use(&ctx.lab.paths, &template, kept.as_ref())? {
        Some(pin) => pin,
        None if write => Pin::fetch(&image.url, &image.sums, &Web::new()?)?,
        None => {
            return Ok(Done::not_planned(format!(
                "would look {} up in {} and let the node download it",
                image.url, image.sums
            )));
        }
    };
    if write && kept.as_ref() != Some(&pin) {
        pin.write(store.dir())?;
        ctx.note(format!("pinned {} ({})", pin.url, pin.checksum()));
    }
    let place = Place::of(ctx, &inputs.node, image, &pin);
    let client = ctx.pve()?;
    if place.is_there(&client)? {
        let summary = format!("`{}` is there", place.volid);
        return Ok(place.done(summary, &pin).changed(false));
    }
    let summary = if write {
        let file = Download {
            url: &pin.url,
            content: "import",
            filename: &place.file,
            checksum: pin.for_node(),
        };
        let renew = format!("l1-template {} --update-image", inputs.name);
        download(ctx, &client, &inputs.node, &place.storage, file, &renew)?;
        if pin.is_simulated() {
            ctx.note("rehearsal: the simulator takes the download as done; nothing was fetched or verified");
            format!("`{}`: download simulated", place.volid)
        } else {
            format!("`{}` downloaded and verified", place.volid)
        }
    } else {
        format!("would let the node download {}", pin.url)
    };
    Ok(place.done(summary, &pin).changed(true))
}

/// Where an image is, or will be.
struct Place {
    node: String,
    storage: String,
    file: String,
    volid: String,
}

impl Place {
    fn of(ctx: &StepContext<'_>, node: &str, image: &ImageSpec, pin: &Pin) -> Self {
        let storage = call::setting(ctx, "PVE_STORAGE_IMPORT", "local");
        let file = pin.stored_as(&image.stored_as);
        Self {
            node: node.to_owned(),
            volid: format!("{storage}:import/{file}"),
            storage,
            file,
        }
    }

    fn is_there(&self, client: &Client) -> Result<bool, Error> {
        is_there(client, &self.node, &self.storage, "import", &self.volid)
    }

    fn done(&self, summary: String, pin: &Pin) -> Done {
        Done::new(summary)
            .output("volid", self.volid.as_str())
            .output("checksum", pin.checksum())
    }
}

/// Whether a volume is on the node, and holds something.
pub(super) fn is_there(
    client: &Client,
    node: &str,
    storage: &str,
    content: &str,
    volid: &str,
) -> Result<bool, Error> {
    let volumes = client.storage_content(node, storage, Some(content))?;
    Ok(volumes.iter().any(|v| v.volid == volid && v.size > 0))
}

/// Lets the node fetch a file. A stop ends the download there too.
pub(super) fn download(
    ctx: &StepContext<'_>,
    client: &Client,
    node: &str,
    storage: &str,
    file: Download<'_>,
    renew: &str,
) -> Result<(), StepError> {
    ctx.progress(format!("downloading {}", file.url));
    let task = client.download_url(node, storage, file)?;
    match watch(ctx, client, &task) {
        Ok(()) => Ok(()),
        Err(error @ Error::Cancelled) => {
            stop(ctx, &task);
            Err(error.into())
        }
        Err(error) => Err(explain(error, file.url, renew)),
    }
}

fn watch(ctx: &StepContext<'_>, client: &Client, task: &Upid) -> Result<(), Error> {
    let mut on_line = |line: &str| {
        ctx.output(line);
        // wget's dots: ` 51200K ........ 12% 10.5M 1m3s`
        if let Some(percent) = line.split_whitespace().find(|word| word.ends_with('%')) {
            ctx.progress(format!("downloading, {percent}"));
        }
    };
    let end = client.watch_task(task, ctx.cancel, DOWNLOAD, &mut on_line)?;
    if let Some(warnings) = end.warnings {
        ctx.warn(format!(
            "the node's task ended with {warnings}; what it said is in this step's log"
        ));
    }
    Ok(())
}

/// Ends a task on the node; it is not worth an error when that fails.
fn stop(ctx: &StepContext<'_>, task: &Upid) {
    let path = format!(
        "nodes/{}/tasks/{}",
        crate::pve::percent_encode(task.node()),
        crate::pve::percent_encode(&task.0)
    );
    let stopped = ctx
        .lasting_pve()
        .and_then(|client| client.delete::<serde_json::Value>(&path, &[]));
    if stopped.is_err() {
        ctx.warn(format!(
            "the node continues the download; to end it, on `{}`: `pvenode task stop {task}`",
            task.node()
        ));
    }
}

/// A pinned image whose vendor has moved on looks like an attack, or is gone.
fn explain(error: Error, url: &str, renew: &str) -> StepError {
    let telling = if let Error::Task { status, log, .. } = &error {
        format!("{status}\n{}", log.join("\n"))
    } else {
        error.to_string()
    };
    let step = StepError::from(error);
    let text = telling.to_ascii_lowercase();
    if text.contains("checksum") {
        return step
            .help(format!(
                "the vendor replaced {url}, or it was tampered with"
            ))
            .help(say("to take the vendor's newest image: ").hl(renew));
    }
    if text.contains("404") || text.contains("not found") {
        let gone = say("the vendor removed the pinned image: ");
        return step.help(gone.hl(renew).say(" takes the newest"));
    }
    step.help(format!(
        "can the node reach it? on the node: `curl -I {url}`"
    ))
}

/// For a template from an installer: the stable ISO is on the node.
fn installer(ctx: &StepContext<'_>, node: &str, name: &str) -> Result<Done, StepError> {
    let bring = say("bring it to the node first: ").hl(format!("l1-iso {name}"));
    let missing = || StepError::new(format!("there is no stable ISO `{name}`"));
    let Some(iso) = stable_iso(&ctx.lab.paths, name)? else {
        if ctx.dry_run {
            return Ok(Done::not_planned(
                ctx.text(say("needs ").hl(format!("l1-iso {name}"))),
            ));
        }
        return Err(missing().help(bring));
    };
    let client = ctx.pve()?;
    if iso.node != node || !is_there(&client, node, &iso.storage, "iso", &iso.volid)? {
        return Err(StepError::new(format!("`{}` is not on `{node}`", iso.volid)).help(bring));
    }
    Ok(Done::new(format!("`{}` is there", iso.volid))
        .output("volid", iso.volid.as_str())
        .output("checksum", iso.image.checksum())
        .changed(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Advice;

    fn failed(status: &str) -> Error {
        Error::Task {
            upid: "UPID:pve:1:2:3:download:x:u@pve!t:".to_owned(),
            kind: "download".to_owned(),
            node: "pve".to_owned(),
            status: status.to_owned(),
            log: vec![],
        }
    }

    #[test]
    fn a_moved_image_is_told_from_a_broken_line() {
        let help = |status: &str| {
            let error = explain(
                failed(status),
                "https://x/y",
                "l1-template x --update-image",
            );
            Advice::joined(error.help, "\n")
        };
        assert!(help("checksum mismatch: got 'a' != expect 'b'").contains("tampered"));
        assert!(help("checksum mismatch: got 'a' != expect 'b'").contains("--update-image"));
        assert!(help("download failed: 404 Not Found").contains("--update-image"));
        assert!(!help("Connection timed out").contains("--update-image"));
    }
}
