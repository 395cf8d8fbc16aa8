//! `platform/live/`: rendered files whose placeholders are filled in, each under the
//! path that it has in `platform/generated/`, and a record of what they were made from.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::mark;
use crate::base::{hex, if_there};
use crate::diag::{Exit, Failure};
use crate::lab::write;

/// The record's name, beside the directory: no rendered file can have it.
pub const RECORD: &str = "live.json";

/// What `platform/live/` was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveRecord {
    /// By path in `platform/live/`.
    pub files: BTreeMap<Utf8PathBuf, Filled>,
}

/// One file that was filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filled {
    /// SHA-256 of the rendered file that it was made from.
    pub template: String,
    /// The values that stand in it, by placeholder.
    pub values: BTreeMap<String, String>,
    /// The run that filled it in last.
    pub run: String,
}

impl LiveRecord {
    /// The record beside `live`; an empty one where there is none.
    ///
    /// # Errors
    /// It cannot be read (65).
    pub fn read(live: &Utf8Path) -> Result<Self, Failure> {
        let path = record(live);
        let cannot = |error: &dyn std::fmt::Display| {
            let message = format!("cannot read `{path}`: {error}");
            Failure::message(Exit::Definition, message)
                .help("remove it and `platform/live`; the next bootstrap makes both anew")
        };
        let text = if_there(fs::read_to_string(&path)).map_err(|e| cannot(&e))?;
        match text {
            Some(text) => serde_json::from_str(&text).map_err(|e| cannot(&e)),
            None => Ok(Self::default()),
        }
    }

    fn write(&self, live: &Utf8Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).map_err(|error| {
            Failure::message(Exit::Bug, format!("cannot write `{RECORD}`: {error}"))
        })?;
        write(&record(live), text + "\n", 0o644)
    }

    /// Whether a file of `live` was made from the rendered file that there is now.
    pub(super) fn is_current(&self, generated: &Utf8Path, file: &Utf8Path) -> bool {
        let made = self.files.get(file);
        made.zip(fs::read(generated.join(file)).ok())
            .is_some_and(|(made, data)| made.template == template_hash(&data))
    }
}

fn record(live: &Utf8Path) -> Utf8PathBuf {
    live.parent().unwrap_or(live).join(RECORD)
}

/// SHA-256 of a rendered file, as the record has it.
pub fn template_hash(data: &[u8]) -> String {
    hex(&Sha256::digest(data))
}

/// Fills values into every rendered file that has a mark of theirs. What was filled
/// in before, by another script, stays. Gives the files that were written, as paths
/// in `live`.
///
/// # Errors
/// A file cannot be read (65) or written (73).
pub(super) fn fill(
    generated: &Utf8Path,
    live: &Utf8Path,
    files: &[Utf8PathBuf],
    values: &BTreeMap<String, String>,
    run: &str,
) -> Result<Vec<Utf8PathBuf>, Failure> {
    let mut record_of = LiveRecord::read(live)?;
    let mut written = Vec::new();
    for file in files {
        let from = generated.join(file);
        let read = fs::read_to_string(&from).and_then(|text| {
            let mode = fs::metadata(&from)?.permissions().mode() & 0o777;
            Ok((text, mode))
        });
        let (text, mode) = read.map_err(|error| {
            let message = format!("cannot read `{from}`: {error}");
            Failure::message(Exit::Definition, message)
        })?;
        let wanted = mark::names(&text);
        if !values.keys().any(|name| wanted.contains(name.as_str())) {
            continue;
        }
        let before = record_of.files.get(file);
        let mut all = before.map_or_else(BTreeMap::new, |filled| filled.values.clone());
        all.retain(|name, _| wanted.contains(name.as_str()));
        let own = values.iter();
        let own = own.filter(|(name, _)| wanted.contains(name.as_str()));
        all.extend(own.map(|(name, value)| (name.clone(), value.clone())));
        write(&live.join(file), mark::fill(&text, &all), mode)?;
        let filled = Filled {
            template: template_hash(text.as_bytes()),
            values: all,
            run: run.to_owned(),
        };
        record_of.files.insert(file.clone(), filled);
        written.push(file.clone());
    }
    if !written.is_empty() {
        record_of.write(live)?;
    }
    Ok(written)
}

/// Forgets what no rendered file waits for any more: the file is gone, or has no
/// placeholder. Gives the files of `live` that went.
///
/// # Errors
/// A file cannot be read (65), removed or written (73).
pub(super) fn prune(generated: &Utf8Path, live: &Utf8Path) -> Result<Vec<Utf8PathBuf>, Failure> {
    let mut record_of = LiveRecord::read(live)?;
    let mut gone = Vec::new();
    for file in record_of.files.keys() {
        let from = generated.join(file);
        let text = if_there(fs::read_to_string(&from)).map_err(|error| {
            let message = format!("cannot read `{from}`: {error}");
            Failure::message(Exit::Definition, message)
        })?;
        if text.is_none_or(|text| mark::names(&text).is_empty()) {
            gone.push(file.clone());
        }
    }
    // The record is the last: what it names is looked at again after a kill.
    for file in &gone {
        let path = live.join(file);
        if_there(fs::remove_file(&path)).map_err(|error| {
            let message = format!("cannot remove `{path}`: {error}");
            Failure::message(Exit::CannotWrite, message)
        })?;
        let above = path.ancestors().skip(1).take_while(|above| *above != live);
        for dir in above {
            if fs::remove_dir(dir).is_err() {
                // There are others in it.
                break;
            }
        }
        record_of.files.remove(file);
    }
    if !gone.is_empty() {
        record_of.write(live)?;
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_script_filled_in_another_one_leaves() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let (generated, live) = (root.join("generated"), root.join("live"));
        let text = format!("{} {}\n", mark::mark("a"), mark::mark("b"));
        write(&generated.join("x/y.yaml"), &text, 0o644).unwrap();
        write(&generated.join("z"), "none\n", 0o644).unwrap();
        let files = [Utf8PathBuf::from("x/y.yaml"), "z".into()];
        let values = |name: &str| [(name.to_owned(), name.to_uppercase())].into();
        let fill = |name: &str| fill(&generated, &live, &files, &values(name), "r1").unwrap();
        assert_eq!(fill("c"), [""; 0]);
        assert!(!live.exists());
        assert_eq!(fill("a"), ["x/y.yaml"]);
        assert_eq!(fill("b"), ["x/y.yaml"]);
        let filled = fs::read_to_string(live.join("x/y.yaml")).unwrap();
        assert_eq!(filled, "A B\n");
        let record = LiveRecord::read(&live).unwrap();
        let of = record.files.get(&files[0]).unwrap();
        assert_eq!(of.template, template_hash(text.as_bytes()));
        assert_eq!(of.values.len(), 2);
        // The rendered file is as it was.
        assert_eq!(
            fs::read_to_string(generated.join("x/y.yaml")).unwrap(),
            text
        );
        assert!(record.is_current(&generated, &files[0]));
        assert!(!record.is_current(&generated, &files[1]));
        // It waits for something else now: it stays, and is not handed out.
        assert_eq!(prune(&generated, &live).unwrap(), [""; 0]);
        write(&generated.join("x/y.yaml"), mark::mark("c"), 0o644).unwrap();
        assert_eq!(prune(&generated, &live).unwrap(), [""; 0]);
        assert!(!record.is_current(&generated, &files[0]));
        // It waits for nothing, or is gone.
        fill("c");
        write(&generated.join("x/y.yaml"), "none\n", 0o644).unwrap();
        assert_eq!(prune(&generated, &live).unwrap(), ["x/y.yaml"]);
        assert!(live.exists() && !live.join("x").exists());
        assert_eq!(LiveRecord::read(&live).unwrap(), LiveRecord::default());
    }
}
