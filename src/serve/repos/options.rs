//! What was asked for on the command line.

use camino::Utf8PathBuf;

use super::memory::Memory;

/// What is served beside the lab.
#[derive(Debug, Clone, Default)]
pub(in crate::serve) struct Options {
    /// Where the repositories with known names lie.
    pub(in crate::serve) repos_dir: Option<Utf8PathBuf>,
    /// Names that are not served.
    pub(in crate::serve) exclude: Vec<String>,
    /// What was served and looked through before: a reload does what is new.
    pub(in crate::serve) memory: Memory,
}
