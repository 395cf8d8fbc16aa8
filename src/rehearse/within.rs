//! Whether this process is part of a rehearsal.

use std::fs;
use std::path::Path;

use crate::lab::parent;

/// Ancestors that are looked at.
const FAR: usize = 64;

/// Whether the holder of a rehearsal (`hl __inside`, of this very program)
/// started this process, itself or through others.
///
/// Who owns the lab was looked at before it was sealed, and the user's own files
/// may be out of sight inside. A variable does not prove it: anybody can set one.
pub fn is_within() -> bool {
    let Ok(own) = fs::read_link("/proc/self/exe") else {
        return false;
    };
    let above = std::iter::successors(parent(std::process::id()), |pid| parent(*pid));
    above.take(FAR).any(|pid| is_holder(pid, &own))
}

fn is_holder(pid: u32, own: &Path) -> bool {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let verb = words.split(|byte| *byte == 0).nth(1);
    verb == Some(b"__inside")
        && fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == own)
}
