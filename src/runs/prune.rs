//! Which runs may go, and their going: the file, the logs and the spools.
//!
//! Kept whatever was asked for: the runs that run, the run that `hl resume` goes
//! on with when none is named (see [`super::open`]), the newest
//! that did (`hl status` names it), those whose children still run, and files
//! that cannot be read.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::{Ending, Newest, file_of, open, page, survivors};
use crate::base::{if_there, no_links, remedy};
use crate::diag::{Exit, Failure, hl, say};
use crate::lab::{Lab, Paths};
use crate::plan::Outcome;

/// A run that may go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Old {
    /// Its id.
    pub id: String,
    /// Bytes of its file, logs and spools.
    pub bytes: u64,
}

/// A run that stays though it is older than those to keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stays {
    /// Its id.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// What pruning would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pruning {
    /// What goes, oldest first.
    pub remove: Vec<Old>,
    /// What stays beyond the newest, oldest first.
    pub stay: Vec<Stays>,
}

/// What goes when the newest `keep` runs stay.
pub fn pruning(lab: &Lab, keep: usize) -> Pruning {
    let with_children: BTreeSet<String> = survivors(lab).into_iter().map(|left| left.run).collect();
    let mut pruning = Pruning::default();
    let goes_on = match open(&lab.paths) {
        Ok(Newest::Open(entry)) => Some(entry.id),
        Ok(Newest::Done(_) | Newest::None) | Err(_) => None,
    };
    let mut success = false;
    for (index, entry) in page(&lab.paths, None).entries.into_iter().enumerate() {
        let reason = match &entry.summary {
            Err(_) => Some(say("it cannot be read")),
            Ok(summary) => {
                let live = !summary.header.dry_run && !summary.header.is_legacy();
                match summary.ending {
                    Ending::Running => Some(say("it runs")),
                    Ending::Finished {
                        outcome: Outcome::Succeeded,
                        ..
                    } => {
                        (live && first(&mut success)).then(|| say("it is the last that succeeded"))
                    }
                    Ending::Finished { .. } | Ending::Interrupted => {
                        (goes_on.as_ref() == Some(&entry.id)).then(|| hl("resume").say(" needs it"))
                    }
                }
            }
        };
        let left = with_children.contains(&entry.id);
        let reason = reason.or(left.then(|| say("what it started still runs")));
        if index < keep {
            continue;
        }
        match reason {
            Some(reason) => pruning.stay.push(Stays {
                id: entry.id,
                reason: reason.text(lab.paths.commands()),
            }),
            None => pruning.remove.push(Old {
                bytes: size(&entry.path) + size(&lab.paths.logs(&entry.id)),
                id: entry.id,
            }),
        }
    }
    pruning.remove.reverse();
    pruning.stay.reverse();
    pruning
}

/// Whether this is the first time.
fn first(seen: &mut bool) -> bool {
    !std::mem::replace(seen, true)
}

/// Removes a run: its logs and spools, then its file, so that a removal that
/// was cut short can be done again. Call it with the lab locked.
pub fn remove(paths: &Paths, id: &str) -> Result<(), Failure> {
    let logs = paths.logs(id);
    let file = file_of(paths, id);
    for dir in [&logs, &file].into_iter().filter_map(|path| path.parent()) {
        gone(no_links(dir), paths, &dir.to_owned())?;
    }
    gone(fs::remove_dir_all(&logs), paths, &logs)?;
    gone(fs::remove_file(&file), paths, &file)
}

fn gone(result: io::Result<()>, paths: &Paths, path: &Utf8PathBuf) -> Result<(), Failure> {
    if_there(result).map(drop).map_err(|error| {
        let message = format!("cannot remove `{}`: {error}", paths.show(path));
        Failure::message(Exit::CannotWrite, message).helps(remedy(&error))
    })
}

/// Bytes of a file, or of all files of a directory; links are not followed.
fn size(path: &Utf8Path) -> u64 {
    let Ok(meta) = path.symlink_metadata() else {
        return 0;
    };
    if !meta.is_dir() {
        return meta.len();
    }
    let Ok(entries) = path.read_dir_utf8() else {
        return 0;
    };
    entries.flatten().map(|entry| size(entry.path())).sum()
}
