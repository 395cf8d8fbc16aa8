//! An asset of a release: whole, or in the parts `.partaa`, `.partab` ... that large
//! files are split into; verified where the release has checksums.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::partial::{Fetcher, Got, discard, file_hash};
use crate::base::if_there;
use crate::diag::{Exit, StepError};

/// The release's list of checksums, and what the one of a single file ends in.
const SUMS: &str = "SHA256SUMS";
const SUM: &str = ".sha256";

/// A list of checksums is not longer.
const MOST: u64 = 1 << 20;

/// What is to be downloaded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The directory of the release, without a slash at its end.
    pub(super) release: &'a str,
    /// Name of the file there.
    pub(super) asset: &'a str,
    /// Its SHA-256, where that is known already.
    pub(super) sha256: Option<&'a str>,
    /// Where it is wanted.
    pub(super) to: &'a Utf8Path,
}

/// What was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Downloaded {
    /// Its SHA-256.
    pub(super) sha256: String,
    /// How many parts it came in; 0 when it came as a whole.
    pub(super) parts: usize,
    /// It was compared with a checksum.
    pub(super) verified: bool,
    /// It was there already.
    pub(super) kept: bool,
}

/// SHA-256 by file name, as the release says.
type Sums = BTreeMap<String, String>;

/// Brings an asset to its place, where there is never anything but a whole file.
///
/// # Errors
/// The release does not have it, a part is missing or doubled, it is not what its
/// checksum says.
pub(super) fn download(fetcher: &Fetcher<'_>, wanted: Wanted<'_>) -> Result<Downloaded, StepError> {
    let sums = sums(fetcher, wanted)?;
    let listed = sums.get(wanted.asset).map(String::as_str);
    let expected = wanted.sha256.or(listed).map(str::to_ascii_lowercase);
    if let Some(expected) = &expected
        && hash_if_there(wanted.to)?.as_ref() == Some(expected)
    {
        return Ok(Downloaded {
            sha256: expected.clone(),
            parts: 0,
            verified: true,
            kept: true,
        });
    }
    let whole = beside(wanted.to, "part");
    let url = format!("{}/{}", wanted.release, wanted.asset);
    let (file, parts) = match fetcher.get(&url, &whole)? {
        Got::Whole => (whole, Vec::new()),
        Got::Absent => joined(fetcher, wanted, &sums)?,
    };
    let sha256 = file_hash(&file).map_err(|error| StepError::io("read", &file, &error))?;
    if let Some(expected) = &expected
        && *expected != sha256
    {
        // To go on with what is wrong would never end well.
        discard(&file)?;
        parts.iter().try_for_each(|part| discard(part))?;
        return Err(StepError::new(format!(
            "`{}` is not what the release says: its SHA-256 is {sha256}, expected {expected}",
            wanted.asset
        ))
        .help("it was replaced or damaged; what came was removed: run it again, or name another release"));
    }
    fs::rename(&file, wanted.to).map_err(|error| StepError::io("write", wanted.to, &error))?;
    discard(&file)?;
    parts.iter().try_for_each(|part| discard(part))?;
    Ok(Downloaded {
        sha256,
        parts: parts.len(),
        verified: expected.is_some(),
        kept: false,
    })
}

/// `.NAME.part` beside `NAME`.
fn beside(to: &Utf8Path, end: &str) -> Utf8PathBuf {
    let name = to.file_name().unwrap_or("image");
    to.with_file_name(format!(".{name}.{end}"))
}

fn hash_if_there(path: &Utf8Path) -> Result<Option<String>, StepError> {
    if_there(file_hash(path)).map_err(|error| StepError::io("read", path, &error))
}

/// The checksums of the release; none where it has no list.
fn sums(fetcher: &Fetcher<'_>, wanted: Wanted<'_>) -> Result<Sums, StepError> {
    let mut sums = Sums::new();
    for name in [SUMS.to_owned(), format!("{}{SUM}", wanted.asset)] {
        let file = beside(wanted.to, "sums");
        // A list of another release may have the same length.
        discard(&file)?;
        let url = format!("{}/{name}", wanted.release);
        if fetcher.get(&url, &file)? == Got::Absent {
            continue;
        }
        let text = read(&file, &url)?;
        discard(&file)?;
        add(&mut sums, &text, &url, wanted.asset)?;
    }
    Ok(sums)
}

fn read(file: &Utf8Path, url: &str) -> Result<String, StepError> {
    let meta = fs::metadata(file).map_err(|error| StepError::io("read", file, &error))?;
    if meta.len() > MOST {
        return Err(StepError::new(format!(
            "`{url}` is longer than 1 MiB, expected a list of checksums"
        )));
    }
    let bytes = fs::read(file).map_err(|error| StepError::io("read", file, &error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Lines as `sha256sum` writes them; a file for one asset may be its hash alone.
fn add(sums: &mut Sums, text: &str, url: &str, asset: &str) -> Result<(), StepError> {
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(hash) = words.next() else { continue };
        if hash.len() != 64 || !hash.chars().all(|c| c.is_ascii_hexdigit()) {
            continue;
        }
        let name = words
            .next()
            .map_or(asset, |name| name.trim_start_matches('*'));
        let name = Utf8Path::new(name).file_name().unwrap_or(name);
        let hash = hash.to_ascii_lowercase();
        let before = sums.insert(name.to_owned(), hash.clone());
        if before.is_some_and(|before| before != hash) {
            return Err(
                StepError::new(format!("`{url}` has two checksums of `{name}`"))
                    .help("the release is broken: name another one"),
            );
        }
    }
    Ok(())
}

/// The parts of an asset in order, joined beside the place.
fn joined(
    fetcher: &Fetcher<'_>,
    wanted: Wanted<'_>,
    sums: &Sums,
) -> Result<(Utf8PathBuf, Vec<Utf8PathBuf>), StepError> {
    let names = match listed(wanted.asset, sums)? {
        Some(names) => Names::Listed(names),
        None => Names::Asked,
    };
    let mut parts: Vec<(String, Utf8PathBuf)> = Vec::new();
    for (at, end) in ends().enumerate() {
        if let Names::Listed(names) = &names
            && at >= names.len()
        {
            break;
        }
        let name = format!("{}.part{end}", wanted.asset);
        let file = beside(wanted.to, &format!("part{end}"));
        let url = format!("{}/{name}", wanted.release);
        match (fetcher.get(&url, &file)?, &names) {
            (Got::Whole, _) => {}
            (Got::Absent, Names::Listed(_)) => return Err(missing(&name)),
            (Got::Absent, Names::Asked) => {
                no_gap(fetcher, wanted, at)?;
                break;
            }
        }
        let hash = file_hash(&file).map_err(|error| StepError::io("read", &file, &error))?;
        if let Some(expected) = sums.get(&name).filter(|expected| **expected != hash) {
            discard(&file)?;
            return Err(StepError::new(format!(
                "part `{name}` is not what the release says: its SHA-256 is {hash}, expected {expected}"
            ))
            .help("run it again: the other parts are kept"));
        }
        if let Some((other, _)) = parts.iter().find(|(known, _)| *known == hash) {
            return Err(doubled(&name, other));
        }
        parts.push((hash, file));
    }
    if parts.is_empty() {
        return Err(StepError::new(format!(
            "the release `{}` has no `{}`, whole or in parts",
            wanted.release, wanted.asset
        ))
        .exit(Exit::Unknown)
        .help("name another release: `--packer-release TAG`"));
    }
    let files: Vec<Utf8PathBuf> = parts.into_iter().map(|(_, file)| file).collect();
    let whole = beside(wanted.to, "join");
    join(&files, &whole).map_err(|error| StepError::io("write", &whole, &error))?;
    Ok((whole, files))
}

/// Where the names of parts come from.
enum Names {
    /// The list of checksums has them.
    Listed(Vec<String>),
    /// The server is asked for one after the other.
    Asked,
}

/// `aa`, `ab` ... `zz`
fn ends() -> impl Iterator<Item = String> {
    let letters = || 'a'..='z';
    letters().flat_map(move |first| letters().map(move |second| format!("{first}{second}")))
}

/// The parts that the list of checksums has: all from the first, none left out.
fn listed(asset: &str, sums: &Sums) -> Result<Option<Vec<String>>, StepError> {
    let prefix = format!("{asset}.part");
    let names: Vec<String> = sums
        .keys()
        .filter(|name| name.starts_with(&prefix))
        .cloned()
        .collect();
    if names.is_empty() {
        return Ok(None);
    }
    for (name, end) in names.iter().zip(ends()) {
        let expected = format!("{prefix}{end}");
        if *name != expected {
            return Err(missing(&expected));
        }
    }
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for name in &names {
        let hash = sums.get(name).map(String::as_str).unwrap_or_default();
        if let Some(other) = seen.insert(hash, name) {
            return Err(doubled(name, other));
        }
    }
    Ok(Some(names))
}

/// Behind the last part there is none.
fn no_gap(fetcher: &Fetcher<'_>, wanted: Wanted<'_>, at: usize) -> Result<(), StepError> {
    let mut after = ends().skip(at);
    let (Some(gap), Some(next)) = (after.next(), after.next()) else {
        return Ok(());
    };
    let file = beside(wanted.to, "gap");
    let url = format!("{}/{}.part{next}", wanted.release, wanted.asset);
    let found = fetcher.get(&url, &file)?;
    discard(&file)?;
    match found {
        Got::Absent => Ok(()),
        Got::Whole => Err(missing(&format!("{}.part{gap}", wanted.asset))),
    }
}

fn missing(name: &str) -> StepError {
    StepError::new(format!("part `{name}` is missing from the release"))
        .help("the release is broken: name another one, `--packer-release TAG`")
}

fn doubled(name: &str, other: &str) -> StepError {
    StepError::new(format!(
        "part `{name}` is doubled: it is the same as {other}"
    ))
    .help("the release is broken: name another one, `--packer-release TAG`")
}

fn join(parts: &[Utf8PathBuf], whole: &Utf8Path) -> io::Result<()> {
    let mut out = File::create(whole)?;
    for part in parts {
        io::copy(&mut File::open(part)?, &mut out)?;
    }
    out.sync_all()
}

#[cfg(test)]
#[path = "release_tests.rs"]
mod tests;
