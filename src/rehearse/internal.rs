//! Verbs that `hl` calls itself by. They are not part of the command line that
//! people see, and their arguments may change with every version.

use std::ffi::OsString;
use std::process::ExitCode;

use super::{guest, inside, local};

/// Runs an internal verb when the arguments (without the program's name) begin with
/// one; `None` for everything that people type. To be asked before anything else
/// of the command line: PID 1 of a guest must not read any configuration.
pub fn internal_verb(args: &[OsString]) -> Option<ExitCode> {
    let (verb, rest) = args.split_first()?;
    let verb = verb.to_str()?;
    if ["__inside", "__local", "__guest"].contains(&verb) {
        // What a shell left open beside these three, a terminal it may be, is not
        // for steps and guests.
        close_fds::set_fds_cloexec(3, &[]);
    }
    match verb {
        "__inside" => Some(inside::main()),
        "__local" => Some(local::main()),
        "__guest" => Some(guest::sandbox_main(rest)),
        "__guest-init" => Some(guest::init_main()),
        "__node" => Some(guest::node_main(rest)),
        "__node-world" => Some(guest::wish_main()),
        "__systemctl" => Some(guest::systemctl_main(rest)),
        _ => None,
    }
}
