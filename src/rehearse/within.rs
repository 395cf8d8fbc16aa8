//! Whether this process is part of a rehearsal.

use std::fs;

/// Whether process 1 is that of the local side of a rehearsal, `hl __local`.
///
/// Who owns the lab was looked at before it was sealed, and the user's own files
/// are out of sight inside. A variable does not prove it: anybody can set one.
pub fn is_within() -> bool {
    let words = fs::read("/proc/1/cmdline").unwrap_or_default();
    words.split(|byte| *byte == 0).nth(1) == Some(b"__local")
}
