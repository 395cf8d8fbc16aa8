//! The `hl` binary: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    hl::cli::main()
}
