//! Looks at a path: what of it may be removed, what stays and why. Changes nothing.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};

use super::reason::Reason;
use super::tfstate::held;
use super::{Mounts, Tracked, protected};
use crate::diag::{Exit, Failure};

/// What a survey found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Paths relative to the lab that may be removed as a whole, with the
    /// bytes they take on disk.
    pub remove: Vec<(Utf8PathBuf, u64)>,
    /// Paths that stay. What git tracks stays too, and is not named.
    pub keep: Vec<(Utf8PathBuf, Reason)>,
}

/// What has to be known to judge a path.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The lab, absolute and without symbolic links.
    pub root: Utf8PathBuf,
    /// What git tracks.
    pub tracked: Tracked,
    /// What is mounted.
    pub mounts: Mounts,
    /// What stays this time, and why: paths relative to the lab.
    pub kept: BTreeMap<PathBuf, &'static str>,
}

impl Surroundings {
    /// Why a path stays, whatever it holds.
    fn keeps(&self, path: &Path) -> Option<Reason> {
        let kept = || self.kept.get(path).copied();
        protected(path).or_else(kept).map(Reason::Protected)
    }

    /// Looks around the lab at `root`.
    pub fn look(root: &Utf8Path) -> Result<Self, Failure> {
        let cannot = |what: &str, error: &io::Error| {
            Failure::message(Exit::CannotWrite, format!("cannot read {what}: {error}"))
        };
        let real = root
            .canonicalize_utf8()
            .map_err(|error| cannot(&format!("`{root}`"), &error))?;
        Ok(Self {
            tracked: Tracked::ask(&real)?,
            mounts: Mounts::read().map_err(|error| cannot("the mount points", &error))?,
            root: real,
            kept: BTreeMap::new(),
        })
    }
}

/// What may go of one path, given relative to the lab without `..`. A path
/// that does not exist gives nothing; a symbolic link goes itself, unfollowed.
pub fn survey(path: &Utf8Path, around: &Surroundings) -> Found {
    let mut found = Found::default();
    for above in path.ancestors().skip(1).filter(|p| !p.as_str().is_empty()) {
        if around.root.join(above).is_symlink() {
            if fs::symlink_metadata(around.root.join(path)).is_ok() {
                found.keep.push((path.to_owned(), Reason::Link));
            }
            return found;
        }
        if let Some(why) = around.keeps(above.as_std_path()) {
            found.keep.push((path.to_owned(), why));
            return found;
        }
    }
    let absolute = around.root.join(path);
    let Ok(meta) = fs::symlink_metadata(&absolute) else {
        return found;
    };
    let mut walk = Walk {
        around,
        keep: Vec::new(),
    };
    let verdict = walk.entry(path.as_std_path(), &meta);
    found.remove = match verdict {
        Verdict::Whole(size) => vec![(path.to_owned(), size)],
        Verdict::Parts(parts) => parts
            .into_iter()
            .filter_map(|(path, size)| match Utf8PathBuf::from_path_buf(path) {
                Ok(path) => Some((path, size)),
                Err(path) => {
                    walk.keep.push((path, Reason::Name));
                    None
                }
            })
            .collect(),
    };
    found.keep = walk
        .keep
        .into_iter()
        .map(|(path, why)| (Utf8PathBuf::from(path.to_string_lossy().into_owned()), why))
        .collect();
    found
}

enum Verdict {
    /// All of it may go.
    Whole(u64),
    /// Only these may.
    Parts(Vec<(PathBuf, u64)>),
}

struct Walk<'a> {
    around: &'a Surroundings,
    keep: Vec<(PathBuf, Reason)>,
}

impl Walk<'_> {
    fn entry(&mut self, path: &Path, meta: &Metadata) -> Verdict {
        let nothing = Verdict::Parts(Vec::new());
        if self.around.tracked.is(path) {
            return nothing;
        }
        let absolute = self.around.root.as_std_path().join(path);
        let reason = self
            .around
            .keeps(path)
            .or_else(|| live_state(path, &absolute, meta));
        if let Some(reason) = reason {
            self.keep.push((path.to_owned(), reason));
            return nothing;
        }
        if meta.is_dir() {
            if let Some(point) = self.around.mounts.below(&absolute) {
                self.keep
                    .push((path.to_owned(), Reason::Mounted(point.to_owned())));
                return nothing;
            }
            return self.directory(path, &absolute, meta);
        }
        Verdict::Whole(meta.blocks() * 512)
    }

    fn directory(&mut self, path: &Path, absolute: &Path, meta: &Metadata) -> Verdict {
        // One that cannot be read goes as a whole: what must stay is known by
        // its path, and nothing of that is below.
        let entries = fs::read_dir(absolute)
            .map(|entries| entries.filter_map(Result::ok).collect::<Vec<_>>())
            .unwrap_or_default();
        let mut names: Vec<_> = entries.iter().map(fs::DirEntry::file_name).collect();
        names.sort();
        let mut size = meta.blocks() * 512;
        let mut whole = !self.around.tracked.below(path);
        let mut parts = Vec::new();
        for name in names {
            let child = path.join(&name);
            let Ok(meta) = fs::symlink_metadata(absolute.join(&name)) else {
                continue;
            };
            match self.entry(&child, &meta) {
                Verdict::Whole(bytes) => {
                    size += bytes;
                    parts.push((child, bytes));
                }
                Verdict::Parts(some) => {
                    whole = false;
                    parts.extend(some);
                }
            }
        }
        if whole {
            Verdict::Whole(size)
        } else {
            Verdict::Parts(parts)
        }
    }
}

/// A tofu state of a live run that stays. What a rehearsal made is not real.
fn live_state(path: &Path, absolute: &Path, meta: &Metadata) -> Option<Reason> {
    let live = !path.starts_with("state/rehearsal");
    (live && meta.is_file()).then(|| held(absolute)).flatten()
}
