//! `iso.fetch`: an installer image on the node, its checksum verified there,
//! with a manifest and a stable pointer as templates have them.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use camino::Utf8Path;
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256, Sha512};

use super::call;
use super::catalog;
use super::image::{download, is_there};
use crate::action::{About, Action, Done, StepContext};
use crate::base::hex;
use crate::diag::Exit;
use crate::diag::StepError;
use crate::handoff::{Gives, Handoff, LastStep, Stage};
use crate::pve::{Client, Download};
use crate::templates::Iso;
use crate::templates::Web;
use crate::templates::{IsoManifest, Record, Stamp, VERSION};
use crate::templates::{Pin, pin};
use crate::templates::{TemplateStore, built};

/// `iso.fetch`
#[derive(Debug, Clone, Copy)]
pub struct IsoFetch;

/// How long the node may take to put an uploaded file in its place.
const PLACING: Duration = Duration::from_mins(30);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Name of the ISO: a file of `layers/l1-templates/isos`.
    #[schemars(length(max = 100))]
    name: String,
    /// Proxmox node.
    #[schemars(length(max = 100))]
    node: String,
    /// Take the vendor's newest image.
    #[serde(default)]
    update_image: bool,
}

impl Action for IsoFetch {
    fn about(&self) -> About {
        About::of::<Inputs>("iso.fetch")
            .doc("bring an installer image to the node, verified; publishes `volid`")
            .hands_on(
                Handoff::part(Stage::Templates)
                    .making(LastStep::Templates)
                    .giving(Gives::Images),
            )
            .never("it looks first, and fetches only what is missing")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let iso = Iso::read(&ctx.lab.paths, &inputs.name)?;
        let store = TemplateStore::new(ctx.lab.paths.template(&inputs.name));
        let pin = match &iso.spec.file {
            Some(file) => Some(local(ctx, &iso, file)?),
            None => kept(ctx, &iso, &store)?,
        };
        let Some(pin) = pin else {
            let sums = iso.spec.sums.unwrap_or_default();
            return Ok(Done::not_planned(format!("would look it up in {sums}")));
        };
        let (storage, volid) = place(ctx, &iso, &pin);
        let there = is_there(&ctx.pve()?, &inputs.node, &storage, "iso", &volid)?;
        let summary = match (there, &iso.spec.file) {
            (true, _) => format!("`{volid}` is there"),
            (false, Some(file)) => format!("would upload {file} as `{volid}`"),
            (false, None) => format!("would let the node download {} as `{volid}`", pin.url),
        };
        Ok(Done::new(summary).changed(!there).output("volid", volid))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let iso = Iso::read(&ctx.lab.paths, &inputs.name)?;
        let store = TemplateStore::new(ctx.lab.paths.template(&inputs.name));
        let pin = choose(ctx, &iso, &store, inputs.update_image)?;
        let (storage, volid) = place(ctx, &iso, &pin);
        let client = ctx.pve()?;
        let there = is_there(&client, &inputs.node, &storage, "iso", &volid)?;
        if !there {
            let file = volid.rsplit('/').next().unwrap_or_default();
            if let Some(local) = &iso.spec.file {
                upload(ctx, &client, &inputs.node, &storage, local, file, &pin)?;
            } else {
                let file = Download {
                    url: &pin.url,
                    content: "iso",
                    filename: file,
                    checksum: pin.for_node(),
                };
                let renew = format!("l1-iso {} --update-image", inputs.name);
                download(ctx, &client, &inputs.node, &storage, file, &renew)?;
            }
        }
        let (manifest, new) = record(&store, &iso, &inputs.node, &storage, &volid, pin)?;
        let stable = call::update_stable(ctx);
        let moved = stable && store.stable::<IsoManifest>()?.as_ref() != Some(&manifest.stamp);
        if moved {
            store.point::<IsoManifest>(&manifest.stamp)?;
        }
        catalog::refresh(ctx)?;
        let how = match (there, manifest.image.is_simulated()) {
            (true, _) => "is there",
            (false, true) => "brought, simulated: nothing was fetched or verified",
            (false, false) => "brought and verified",
        };
        let promoted = match (stable, moved) {
            (_, true) => ", now stable",
            (true, false) => "",
            (false, _) => ", stable stays: `UPDATE_STABLE` is not `yes`",
        };
        Ok(Done::new(format!("`{volid}` {how}{promoted}"))
            .changed(!there || new || moved)
            .output("volid", volid)
            .output("stamp", manifest.stamp.as_str()))
    }
}

/// The pin of this run, kept for the next ones.
fn choose(
    ctx: &StepContext<'_>,
    iso: &Iso,
    store: &TemplateStore,
    update: bool,
) -> Result<Pin, StepError> {
    if let Some(file) = &iso.spec.file {
        return local(ctx, iso, file);
    }
    let kept = kept(ctx, iso, store)?;
    let pin = match (kept, &iso.spec.url, &iso.spec.sums) {
        (Some(pin), ..) if !update || pin.is_simulated() => pin,
        (_, Some(url), Some(sums)) => Pin::fetch(url, sums, &Web::new()?)?,
        (kept, ..) => kept.ok_or_else(|| StepError::new("no `url` and no `file`"))?,
    };
    if Pin::read(store.dir())?.as_ref() != Some(&pin) {
        pin.write(store.dir())?;
        ctx.note(format!("pinned {} ({})", pin.url, pin.checksum()));
    }
    Ok(pin)
}

/// The pin that is kept, while the definition still means it.
fn kept(ctx: &StepContext<'_>, iso: &Iso, store: &TemplateStore) -> Result<Option<Pin>, StepError> {
    let url = iso.spec.url.clone().unwrap_or_default();
    let pin = Pin::read(store.dir())?.filter(|pin| pin.fits(&url));
    Ok(match pin {
        None if ctx.lab.paths.is_rehearsal() => Some(Pin::simulated(&url)),
        pin => pin,
    })
}

/// The checksum of a local file, which must be the one the definition names.
fn local(ctx: &StepContext<'_>, iso: &Iso, file: &str) -> Result<Pin, StepError> {
    let path = ctx.lab.paths.root().join(file);
    ctx.progress(format!("reading {file}"));
    let expected = iso.spec.checksum.as_deref().unwrap_or("sha256:");
    let (algorithm, wanted) = expected.split_once(':').unwrap_or((expected, ""));
    let hash = match algorithm {
        "sha256" => digest::<Sha256>(&path),
        "sha512" => digest::<Sha512>(&path),
        other => {
            return Err(StepError::new(format!(
                "`checksum` cannot be of `{other}`, expected `sha256:...` or `sha512:...`"
            ))
            .exit(Exit::Definition));
        }
    };
    let hash = hash.map_err(|error| {
        StepError::io("read", ctx.lab.paths.show(&path), &error).help(format!(
            "put the image there, or change `file` of ISO `{}`",
            iso.name
        ))
    })?;
    if !wanted.is_empty() && !wanted.eq_ignore_ascii_case(&hash) {
        return Err(StepError::new(format!(
            "`{file}` is not what ISO `{}` expects: its {algorithm} is {hash}, expected {wanted}",
            iso.name
        ))
        .help("fetch it again, or correct `checksum`"));
    }
    Ok(Pin {
        url: format!("file:{file}"),
        algorithm: algorithm.to_owned(),
        hash,
        fetched_at: pin::now(),
    })
}

fn digest<D: Digest + Default>(path: &Utf8Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = D::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            n => hash.update(buffer.get(..n).unwrap_or_default()),
        }
    }
}

/// Storage and volume.
fn place(ctx: &StepContext<'_>, iso: &Iso, pin: &Pin) -> (String, String) {
    let storage = call::setting(ctx, "PVE_STORAGE_ISO", "local");
    let volid = format!("{storage}:iso/{}", pin.stored_as(&iso.spec.stored_as));
    (storage, volid)
}

/// Sends a local file. The node takes its name from the file's own, so it is
/// given one by a link.
fn upload(
    ctx: &StepContext<'_>,
    client: &Client,
    node: &str,
    storage: &str,
    local: &str,
    name: &str,
    pin: &Pin,
) -> Result<(), StepError> {
    let path = ctx.lab.paths.root().join(local);
    let real = path
        .canonicalize_utf8()
        .map_err(|error| StepError::io("read", &path, &error))?;
    let dir = built(&ctx.lab.paths);
    crate::lab::create_dir(&dir)?;
    let dir = tempfile::Builder::new()
        .prefix("upload-")
        .tempdir_in(&dir)
        .map_err(|error| StepError::io("write in", &dir, &error))?;
    let link = Utf8Path::from_path(dir.path())
        .map(|dir| dir.join(name))
        .ok_or_else(|| StepError::new("the lab's path is not UTF-8"))?;
    std::os::unix::fs::symlink(&real, &link)
        .map_err(|error| StepError::io("write", &link, &error))?;
    ctx.progress(format!("uploading {local}"));
    let task = client.upload(node, storage, "iso", &link, pin.for_node())?;
    client.watch_task(&task, ctx.cancel, PLACING, &mut |line| ctx.output(line))?;
    Ok(())
}

/// The manifest of that very volume: the one there is, or a new one.
fn record(
    store: &TemplateStore,
    iso: &Iso,
    node: &str,
    storage: &str,
    volid: &str,
    pin: Pin,
) -> Result<(IsoManifest, bool), StepError> {
    let records = store.records::<IsoManifest>()?;
    let same = |record: &IsoManifest| {
        record.node == node && record.volid == volid && record.image.checksum() == pin.checksum()
    };
    if let Some(record) = records.iter().rev().find(|record| same(record)) {
        return Ok((record.clone(), false));
    }
    let manifest = IsoManifest {
        version: VERSION,
        name: iso.name.clone(),
        stamp: Stamp::free(records.iter().map(Record::stamp)),
        node: node.to_owned(),
        storage: storage.to_owned(),
        volid: volid.to_owned(),
        created_at: pin::now(),
        description: iso.spec.description.clone(),
        image: pin,
    };
    store.write(&manifest)?;
    Ok((manifest, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_hashed_in_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("x");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(
            digest::<Sha256>(&path).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest::<Sha512>(&path).unwrap().len(), 128);
        std::fs::write(&path, vec![0; (1 << 20) + 7]).unwrap();
        assert_eq!(
            digest::<Sha256>(&path).unwrap(),
            hex(&Sha256::digest(vec![0; (1 << 20) + 7]))
        );
    }

    #[test]
    fn the_same_volume_is_recorded_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = TemplateStore::new(Utf8Path::from_path(dir.path()).unwrap());
        let iso = Iso {
            name: "x".to_owned(),
            spec: crate::templates::IsoSpec {
                description: "x".to_owned(),
                url: None,
                sums: None,
                file: None,
                checksum: None,
                stored_as: "x.iso".to_owned(),
            },
        };
        let write = |pin| record(&store, &iso, "pve", "local", "local:iso/x.iso", pin).unwrap();
        let (first, new) = write(Pin::simulated("u"));
        assert!(new);
        assert_eq!(write(Pin::simulated("u")), (first.clone(), false));
        let other = Pin::from_checksum("u", &format!("sha256:{}", "a".repeat(64)), "t").unwrap();
        let (second, new) = write(other);
        assert!(new && second.stamp > first.stamp);
    }
}
