//! The file in which a service writes its main process.

use std::fs;
use std::path::{Path, PathBuf};

use super::children;
use super::unit::Unit;

/// Where a unit says that its main process is written.
pub(super) fn pid_file(unit: &Unit) -> Option<PathBuf> {
    unit.last("Service", "PIDFile")
        .map(|f| Path::new("/run").join(unit.specifiers(f)))
}

/// The living process that a PID file names.
pub(super) fn read_pid(file: &Path) -> Option<i32> {
    let pid = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    children::alive(pid).then_some(pid)
}
