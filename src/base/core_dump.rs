//! A core dump of `hl` would hold every secret it knows.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// This process writes no core dump, neither as a file (the limit, which what
/// it starts inherits and may raise again) nor to a program of the system
/// (which asks no limit). Other processes of the user cannot read its memory
/// either; what it starts can be traced as ever, for that is lost on `exec`.
pub fn forbid_core_dumps() {
    let limit = Rlimit {
        current: Some(0),
        ..getrlimit(Resource::Core)
    };
    // Lowering the limit and setting the flag are allowed to everybody.
    setrlimit(Resource::Core, limit).unwrap_or_default();
    set_dumpable_behavior(DumpableBehavior::NotDumpable).unwrap_or_default();
}
