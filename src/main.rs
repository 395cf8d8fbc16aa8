//! The `hl` binary: parse, run, exit code.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    // What `hl` calls itself by, PID 1 of a rehearsal's guests among it.
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    if hl::keeper::is_keeper(&args) {
        return hl::keeper::keep();
    }
    hl::rehearse::internal_verb(&args).unwrap_or_else(|| hl::cli::main(hl::serve::run))
}
