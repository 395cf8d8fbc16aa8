//! A core dump of `hl` would hold every secret it knows.

use std::io;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// This process writes no core dump, neither as a file (the limit, which what
/// it starts inherits and may raise again) nor to a program of the system
/// (which asks no limit). Other processes of the user cannot read its memory
/// either; what it starts can be traced as ever, for that is lost on `exec`.
///
/// # Errors
/// The kernel refuses, which it has no reason to.
pub fn forbid_core_dumps() -> io::Result<()> {
    let limit = Rlimit {
        current: Some(0),
        ..getrlimit(Resource::Core)
    };
    // Where a sandbox forbids it, the next one is enough.
    setrlimit(Resource::Core, limit).ok();
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
