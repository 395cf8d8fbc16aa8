//! The real `hl` from end to end, with real packer, tofu and ansible.

mod clean;
mod fresh;
mod lock;
mod manifest_faults;
mod manifests;
mod nodes;
mod rehearsal;
mod trace;
mod tree;
mod unsealed;

use std::process::Command;

/// Whether these programs are there, and root where it is wanted. Where all has
/// to be there, what is missing is a failure; elsewhere it is said.
#[expect(clippy::print_stderr, reason = "a skip is said")]
pub(crate) fn ready(root: bool, programs: &[&str]) -> bool {
    let missing = programs.iter().find(|name| which::which(name).is_err());
    let missing = match missing {
        Some(name) => format!("{name} is not on PATH: eval \"$(scripts/tools --print-env)\""),
        None if root && !rustix::process::geteuid().is_root() => "this needs root".to_owned(),
        None => return true,
    };
    assert!(
        std::env::var_os("HL_TESTS_NEED_ALL").is_none() && std::env::var_os("CI").is_none(),
        "{missing}"
    );
    eprintln!("skipped: {missing}");
    false
}

/// What a program prints; it has to succeed.
#[track_caller]
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
