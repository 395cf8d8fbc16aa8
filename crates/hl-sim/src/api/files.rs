//! Files and volumes that come to a storage, and go.

use serde_json::json;

use super::storage::volid;
use crate::backup;
use crate::call::{Answer, Call};
use crate::disks;
use crate::downloads::Source;
use crate::error::{ApiError, bail};
use crate::fetch::{self, Fetched};
use crate::kind::Kind::{Bool, Enum, Int, Short, Text, Vmid};
use crate::machine::{Sim, TaskLog};
use crate::params::{Param, opt, req};
use crate::route::{Route, on_node, on_storage};
use crate::size;
use crate::snippets;
use crate::storage::NewDisk;
use crate::upload;
use crate::volume::{self, Volume};
use crate::world::World;

/// The size that a download from another machine is said to have: that of a
/// cloud image.
const DOWNLOAD: u64 = 400 << 20;

const ALGORITHMS: &[&str] = &["md5", "sha1", "sha224", "sha256", "sha384", "sha512"];

const DOWNLOAD_URL: &[Param] = &[
    req("url", Text),
    req("content", Enum(&["iso", "vztmpl", "import"])),
    req("filename", Short(255)),
    opt("checksum", Text),
    opt("checksum-algorithm", Enum(ALGORITHMS)),
    opt("compression", Text),
    opt("verify-certificates", Bool),
];

const UPLOAD: &[Param] = &[
    req("content", Enum(&["iso", "vztmpl", "import"])),
    req("filename", Text),
    opt("checksum", Text),
    opt("checksum-algorithm", Enum(ALGORITHMS)),
    opt("tmpfilename", Text),
    req(upload::SIZE, Int(0, i64::MAX)),
    opt(upload::TEXT, Text),
    opt("sha224", Text),
    opt("sha256", Text),
    opt("sha384", Text),
    opt("sha512", Text),
];

const ALLOCATE: &[Param] = &[
    req("vmid", Vmid),
    req("filename", Text),
    req("size", Text),
    opt("format", Enum(&["raw", "qcow2", "subvol", "vmdk"])),
];
const REMOVE: &[Param] = &[opt("delay", Int(1, 30))];
const METADATA: &[Param] = &[req("url", Text), opt("verify-certificates", Bool)];

pub(super) const ROUTES: &[Route] = &[
    on_storage("POST", "content", ALLOCATE, allocate),
    on_storage("DELETE", "content/{volume*}", REMOVE, remove),
    on_storage("POST", "upload", UPLOAD, upload_file),
    on_storage("POST", "download-url", DOWNLOAD_URL, download),
    on_node("GET", "query-url-metadata", METADATA, metadata),
];

fn allocate(call: &Call<'_>) -> Answer {
    let id = call.part("storage");
    let vmid = call.params.vmid("vmid")?;
    let name = call.params.must("filename")?;
    let text = call.params.must("size")?;
    // Without a unit it is KiB.
    let bytes = match text.parse::<u64>() {
        Ok(kib) => kib.checked_mul(1024),
        Err(_) => size::parse(text),
    };
    let Some(bytes) = bytes else {
        return Err(ApiError::param(
            "size",
            "value does not match the regex pattern",
        ));
    };
    call.need_storage(&call.sim.world(), id, "Datastore.AllocateSpace")?;
    let volid = call.sim.change(|world| {
        let storage = world.storage_for(id, call.node(), "images")?;
        let wanted = if storage.has_paths() {
            format!("{id}:{vmid}/{name}")
        } else {
            format!("{id}:{name}")
        };
        if !name.starts_with(&format!("vm-{vmid}-")) {
            bail!("illegal name '{name}' - should be 'vm-{vmid}-*'");
        }
        if world.volume(&wanted).is_some() {
            bail!("disk image '{wanted}' already exists");
        }
        let made = world.allocate(&NewDisk {
            node: call.node(),
            storage: id,
            vmid,
            size: bytes,
            used: 0,
            format: call.params.text("format"),
            parent: None,
        })?;
        if let Some(volume) = world.volume_mut(&made) {
            volume.volid.clone_from(&wanted);
        }
        Ok(wanted)
    })?;
    if let Err(text) = call.sim.guests.create_disk(&volid, None) {
        call.sim.change(|world| world.drop_volume(&volid));
        return Err(ApiError::die(text));
    }
    Ok(json!(volid))
}

fn remove(call: &Call<'_>) -> Answer {
    let id = call.part("storage").to_owned();
    let volid = volid(call)?;
    {
        let world = call.sim.world();
        let backup = world
            .volume(&volid)
            .filter(|volume| volume.content == "backup");
        match backup.and_then(|volume| volume.vmid) {
            // Who makes the backups of a guest may remove them.
            Some(vmid) if !call.has(&world, &format!("/storage/{id}"), "Datastore.Allocate") => {
                call.need_storage(&world, &id, "Datastore.AllocateSpace")?;
                call.need(&world, &format!("/vms/{vmid}"), "VM.Backup")?;
            }
            _ => call.need_storage(&world, &id, "Datastore.Allocate")?,
        }
        world.storage_on(&id, call.node())?;
        if let Some(child) = disks::child_of(&world, &volid) {
            bail!("base volume '{volid}' is still in use by linked cloned '{child}'");
        }
    }
    let owner = call
        .sim
        .world()
        .volume(&volid)
        .and_then(|volume| volume.vmid);
    let task_id = owner.map_or(id.clone(), |vmid| format!("{vmid}@{id}"));
    call.task("imgdel", task_id, Vec::new(), move |sim, log| {
        let content = sim
            .world()
            .volume(&volid)
            .map(|volume| volume.content.clone());
        match content.as_deref() {
            None => return Err(format!("volume '{volid}' does not exist")),
            Some("images" | "rootdir") => disks::free(sim, std::slice::from_ref(&volid))?,
            Some("backup") => backup::remove(sim, &volid)?,
            Some("snippets") => snippets::remove(sim, &volid)?,
            Some(_) => sim.change(|world| world.drop_volume(&volid)),
        }
        log.line(format!("Removed volume '{volid}'"));
        Ok(())
    })
}

fn upload_file(call: &Call<'_>) -> Answer {
    let id = call.part("storage").to_owned();
    let params = &call.params;
    let content = params.must("content")?.to_owned();
    let name = file_name(params.must("filename")?, &content)?;
    {
        let world = call.sim.world();
        call.need_storage(&world, &id, "Datastore.AllocateTemplate")?;
        takes_files(&world, &id, call.node(), &content)?;
    }
    let bytes = params.number(upload::SIZE).unwrap_or(0);
    let declared = params.text("checksum").map(str::to_lowercase);
    let algorithm = params
        .text("checksum-algorithm")
        .unwrap_or("sha256")
        .to_owned();
    let found = params.text(&algorithm).map(str::to_owned);
    let sum = params.text("sha256").map(|sum| format!("sha256:{sum}"));
    let text = params.text(upload::TEXT).map(str::to_owned);
    let (node, volid) = (call.node().to_owned(), format!("{id}:{content}/{name}"));
    call.task("imgcopy", String::new(), Vec::new(), move |sim, log| {
        log.line(format!("target file: {volid}, {bytes} bytes"));
        if let Some(declared) = declared {
            verified(log, &algorithm, found.as_deref(), &declared)?;
        }
        sim.change(|world| -> Result<(), String> {
            world.fits(&id, bytes)?;
            let mut file = file(world, &node, &volid, &content, bytes);
            file.checksum = sum;
            file.text = text;
            world.put_file(file);
            Ok(())
        })
    })
}

fn download(call: &Call<'_>) -> Answer {
    let id = call.part("storage").to_owned();
    let params = &call.params;
    let url = params.must("url")?.to_owned();
    let content = params.must("content")?.to_owned();
    let name = file_name(params.must("filename")?, &content)?;
    let checksum = match (params.text("checksum"), params.text("checksum-algorithm")) {
        (None, None) => None,
        (Some(sum), Some(algorithm)) => Some((algorithm.to_owned(), sum.to_lowercase())),
        (Some(_), None) => {
            return Err(ApiError::param(
                "checksum",
                "missing property - 'checksum-algorithm' requires this property",
            ));
        }
        (None, Some(_)) => {
            return Err(ApiError::param(
                "checksum-algorithm",
                "missing property - 'checksum' requires this property",
            ));
        }
    };
    {
        let world = call.sim.world();
        call.need_storage(&world, &id, "Datastore.AllocateTemplate")?;
        may_fetch(call, &world)?;
        takes_files(&world, &id, call.node(), &content)?;
    }
    check_url(&url)?;
    let wanted = Wanted {
        volid: format!("{id}:{content}/{name}"),
        node: call.node().to_owned(),
        verify: params.flag("verify-certificates").unwrap_or(true),
        storage: id,
        content,
        url,
        checksum,
    };
    call.task("download", name, Vec::new(), move |sim, log| {
        take(sim, log, &wanted)
    })
}

/// The work of a download.
pub(super) fn take(sim: &Sim, log: &TaskLog<'_>, wanted: &Wanted) -> Result<(), String> {
    let path = sim.world().path_of(&wanted.volid);
    log.line(format!("downloading {} to {path}", wanted.url));
    if kept(&sim.world(), wanted, &path)? {
        log.line(
            "calculating checksum of existing file...OK, got correct file already, no \
             need to download",
        );
        return Ok(());
    }
    let come = come(sim, log, wanted)?;
    sim.change(|world| -> Result<(), String> {
        world.fits(&wanted.storage, come.bytes)?;
        let (node, volid) = (&wanted.node, &wanted.volid);
        let mut file = file(world, node, volid, &wanted.content, come.bytes);
        file.disk = come.disk;
        let sum = come.checksum;
        file.checksum = sum.map(|(algorithm, sum)| format!("{algorithm}:{sum}"));
        world.put_file(file);
        Ok(())
    })?;
    log.line(format!("download of '{}' to '{path}' finished", wanted.url));
    Ok(())
}

/// A download that was asked for.
pub(super) struct Wanted {
    pub(super) volid: String,
    pub(super) node: String,
    pub(super) storage: String,
    pub(super) content: String,
    pub(super) url: String,
    pub(super) verify: bool,
    /// Algorithm and sum.
    pub(super) checksum: Option<(String, String)>,
}

/// Whether the file is there already, and the right one.
fn kept(world: &World, wanted: &Wanted, path: &str) -> Result<bool, String> {
    let Some(old) = world.volume(&wanted.volid) else {
        return Ok(false);
    };
    let known = old.checksum.as_deref().and_then(|sum| sum.split_once(':'));
    match (&wanted.checksum, known) {
        (Some((algorithm, sum)), Some((own, got))) if algorithm == own => {
            if sum != got {
                return Err(format!(
                    "checksum mismatch: got '{got}' != expect '{sum}', aborting"
                ));
            }
            Ok(true)
        }
        _ => Err(format!("refusing to override existing file '{path}'")),
    }
}

/// What came.
struct Come {
    bytes: u64,
    /// Size of the disk inside; 0: the default.
    disk: u64,
    /// Algorithm and sum that are noted.
    checksum: Option<(String, String)>,
}

/// Fetches what was asked for, or takes what stands for it.
fn come(sim: &Sim, log: &TaskLog<'_>, wanted: &Wanted) -> Result<Come, String> {
    let (most, downloads) = {
        let world = sim.world();
        let total = world.storages.get(&wanted.storage).map_or(0, |s| s.total);
        let most = total.saturating_sub(world.used(&wanted.storage));
        (most, world.downloads.clone())
    };
    let got = match downloads.source(&wanted.url) {
        Source::File(path) => fetch::copy(&wanted.url, path, most)?,
        Source::Taken | Source::Nowhere if fetch::is_local(&wanted.url) => {
            fetch::fetch(&wanted.url, wanted.verify, most)?
        }
        Source::Taken => return Ok(taken(log, wanted)),
        Source::Nowhere => return Err(fetch::nowhere(&wanted.url)),
    };
    Ok(Come {
        bytes: got.size,
        disk: got.disk,
        checksum: checked(log, wanted, &got)?,
    })
}

fn taken(log: &TaskLog<'_>, wanted: &Wanted) -> Come {
    log.line("simulated: taken as downloaded");
    if let Some((algorithm, sum)) = &wanted.checksum {
        log.line(format!(
            "simulated: checksum {algorithm}:{sum} recorded, not verified"
        ));
    }
    Come {
        bytes: DOWNLOAD,
        disk: 0,
        checksum: wanted.checksum.clone(),
    }
}

/// The checksum that is noted of a file: that which was asked for, or SHA-256.
fn checked(
    log: &TaskLog<'_>,
    wanted: &Wanted,
    got: &Fetched,
) -> Result<Option<(String, String)>, String> {
    let sum_of = |algorithm: &str| {
        let sums = upload::SUMS.iter().zip(&got.sums);
        let mut sums = sums.filter(|(name, _)| **name == algorithm);
        sums.next().map(|(_, sum)| sum.clone())
    };
    let Some((algorithm, expected)) = &wanted.checksum else {
        let sum = sum_of("sha256").map(|sum| ("sha256".to_owned(), sum));
        return Ok(sum);
    };
    verified(log, algorithm, sum_of(algorithm).as_deref(), expected)?;
    Ok(wanted.checksum.clone())
}

/// Compares the sum of a file with the one that was expected.
fn verified(
    log: &TaskLog<'_>,
    algorithm: &str,
    found: Option<&str>,
    expected: &str,
) -> Result<(), String> {
    match found {
        None => Err(format!(
            "the simulator cannot compute {algorithm}: use sha256 or sha512"
        )),
        Some(found) if found != expected => Err(format!(
            "checksum mismatch: got '{found}' != expect '{expected}'"
        )),
        Some(_) => {
            log.line("calculating checksum...OK, checksum verified");
            Ok(())
        }
    }
}

fn metadata(call: &Call<'_>) -> Answer {
    may_fetch(call, &call.sim.world())?;
    let url = call.params.must("url")?;
    check_url(url)?;
    let verify = call.params.flag("verify-certificates").unwrap_or(true);
    let downloads = call.sim.world().downloads.clone();
    let found = match downloads.source(url) {
        Source::File(path) => {
            let size = std::fs::metadata(path).map(|meta| meta.len());
            let size =
                size.map_err(|_| ApiError::die("invalid server response: '404 Not Found'"))?;
            guessed(url, size)
        }
        Source::Taken if !fetch::is_local(url) => guessed(url, DOWNLOAD),
        Source::Nowhere if !fetch::is_local(url) => {
            return Err(ApiError::die(fetch::unconnected(
                url,
                "Name or service not known",
            )));
        }
        Source::Taken | Source::Nowhere => fetch::metadata(url, verify).map_err(ApiError::die)?,
    };
    let mut fields = json!({});
    if let Some(name) = found.filename {
        fields["filename"] = json!(name);
    }
    if let Some(size) = found.size {
        fields["size"] = json!(size);
    }
    if let Some(kind) = found.mimetype {
        fields["mimetype"] = json!(kind);
    }
    Ok(fields)
}

/// The metadata of a file that no server described.
fn guessed(url: &str, size: u64) -> fetch::Metadata {
    let filename = fetch::last_part(url);
    let mimetype = match filename.as_deref().and_then(|name| name.rsplit('.').next()) {
        Some("iso") => "application/x-iso9660-image",
        _ => "application/octet-stream",
    };
    fetch::Metadata {
        filename,
        size: Some(size),
        mimetype: Some(mimetype.to_owned()),
    }
}

/// A right to reach the network from the node, by either of two ways.
fn may_fetch(call: &Call<'_>, world: &World) -> Result<(), ApiError> {
    let by_root = call.has(world, "/", "Sys.Audit") && call.has(world, "/", "Sys.Modify");
    let path = format!("/nodes/{}", call.node());
    if by_root || call.has(world, &path, "Sys.AccessNetwork") {
        return Ok(());
    }
    Err(ApiError::denied_bare())
}

fn check_url(url: &str) -> Result<(), ApiError> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') => Ok(()),
        _ => Err(ApiError::param(
            "url",
            "value does not match the regex pattern",
        )),
    }
}

fn takes_files(world: &World, id: &str, node: &str, content: &str) -> Result<(), ApiError> {
    let storage = world.storage_on(id, node)?;
    if !storage.has_paths() {
        return Err(ApiError::param(
            "storage",
            format!(
                "can't upload to storage type '{}', not a file based storage!",
                storage.kind
            ),
        ));
    }
    if !storage.content.iter().any(|kind| kind == content) {
        bail!("storage '{id}' not configured for content type '{content}'");
    }
    if !storage.active {
        bail!("storage '{id}' is not online");
    }
    Ok(())
}

/// A name as a storage keeps it, if its end fits its content.
fn file_name(given: &str, content: &str) -> Result<String, ApiError> {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    let ends: &[&str] = match content {
        "iso" => &[".iso", ".img"],
        "vztmpl" => &[".tar.gz", ".tar.xz", ".tar.zst"],
        _ => &[".qcow2", ".raw", ".vmdk", ".ova"],
    };
    let lower = name.to_lowercase();
    if ends.iter().any(|end| lower.ends_with(end)) {
        Ok(name)
    } else {
        Err(ApiError::param("filename", "wrong file extension"))
    }
}

fn file(world: &World, node: &str, volid: &str, content: &str, bytes: u64) -> Volume {
    Volume {
        volid: volid.to_owned(),
        node: node.to_owned(),
        content: content.to_owned(),
        format: volume::format_of(volid).to_owned(),
        size: bytes,
        used: bytes,
        ctime: world.now(),
        ..Volume::default()
    }
}
