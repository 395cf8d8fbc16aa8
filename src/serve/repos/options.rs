//! What was asked for on the command line.

use camino::Utf8PathBuf;

use super::memory::Memory;
use crate::base::Cancel;

/// What is served beside the lab.
#[derive(Debug, Clone, Default)]
pub(in crate::serve) struct Options {
    /// Where the repositories with known names lie.
    pub(in crate::serve) repos_dir: Option<Utf8PathBuf>,
    /// Names that are not served.
    pub(in crate::serve) exclude: Vec<String>,
    /// What was served and looked through before: a reload does what is new.
    pub(in crate::serve) memory: Memory,
    /// Told when the daemon ends.
    pub(in crate::serve) stop: Cancel,
}

/// Dropping it ends what is being prepared: git is ended, and what was made is removed.
#[derive(Debug)]
pub(in crate::serve) struct Ending(Cancel);

impl Options {
    /// For the end of the daemon.
    pub(in crate::serve) fn ending(&self) -> Ending {
        Ending(self.stop.clone())
    }

    /// Whether it ends.
    pub(super) fn stop(&self) -> &Cancel {
        &self.stop
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
