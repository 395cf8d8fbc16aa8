//! Where a world's downloads come from. The simulator reaches no other machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a node finds behind URLs, besides those of this machine (loopback), which are
/// fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Downloads {
    /// URLs, and the file of this machine that stands for each.
    #[serde(default)]
    pub files: BTreeMap<String, PathBuf>,
    /// Whether any other URL counts as downloaded, with the checksum that was asked for.
    #[serde(default)]
    pub taken: bool,
}

/// What stands for a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source<'d> {
    /// A file of this machine.
    File(&'d Path),
    /// Nothing, and it counts as downloaded.
    Taken,
    /// Nothing.
    Nowhere,
}

impl Downloads {
    /// Every URL counts as downloaded: as worlds have it that were kept before there
    /// was a choice.
    pub fn taken() -> Self {
        Self {
            files: BTreeMap::new(),
            taken: true,
        }
    }

    /// What stands for a URL of another machine.
    pub(super) fn source(&self, url: &str) -> Source<'_> {
        match self.files.get(url) {
            Some(path) => Source::File(path),
            None if self.taken => Source::Taken,
            None => Source::Nowhere,
        }
    }
}
