//! What an environment is made from, and what came of Doppler.

use std::collections::{BTreeMap, BTreeSet};

/// What an environment is made from, beside the lab's files.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// `--set KEY=VALUE`, in order; the last of a name wins.
    pub flags: Vec<(String, String)>,
    /// The process environment.
    pub process: BTreeMap<String, String>,
    /// Whether Doppler may be asked at all: commands that do not need the
    /// environment never wait for it.
    pub ask_doppler: bool,
    /// Names that are secret, whatever they are called: an `hl` that started
    /// this one knows where their values came from.
    pub secret_names: BTreeSet<String>,
}

/// What came of Doppler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DopplerUse {
    /// It is off, and why.
    Off(String),
    /// It is on, and was not asked because the caller did not want it.
    NotAsked,
    /// It answered.
    Asked,
    /// Its fallback file answered.
    Fallback,
}
