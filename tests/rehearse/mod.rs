//! Rehearsals: real guests, and the sealed network. Both need root.

mod agent;
mod containers;
mod cut;
mod faults;
mod guests;
mod hostile;
mod install;
mod local_scenarios;
mod preflight;
mod pve_guest;
mod sealed;
mod verbs;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

/// Set in the copy of the test that runs inside the namespaces.
const INSIDE: &str = "HL_TEST_INSIDE";

/// Whether namespaces can be made: only root may. Elsewhere than in CI it is said
/// that the test is skipped.
#[expect(clippy::print_stderr, reason = "a skip is said")]
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(
            std::env::var_os("HL_TESTS_NEED_ALL").is_none() && std::env::var_os("CI").is_none(),
            "this test needs root"
        );
        eprintln!("skipped: namespaces need root");
    }
    root
}

/// Runs the test `name` (with its module, `guests::x`) again, as `body`, in new network, mount and
/// process namespaces in which every address is local, and only what the test
/// started is seen.
fn in_namespaces(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        body();
        return;
    }
    if !is_root() {
        return;
    }
    let script = "ip link set lo up && ip route add local 0.0.0.0/0 dev lo && \"$@\"";
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--propagation", "private"])
        .args(["--pid", "--fork", "--mount-proc", "--kill-child", "--"])
        .args(["sh", "-ec", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("rehearse::{name}")])
        // One that only a proof runs is run here, too.
        .args(["--include-ignored", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed inside its namespaces");
}

/// The apt repository of `scripts/tools`.
fn apt_repo() -> PathBuf {
    let found = std::env::var_os("HL_GUEST_APT")
        .map(PathBuf::from)
        .or_else(|| {
            let cache = std::env::var_os("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
            Some(cache.join("hl/tools/apt"))
        });
    let repo = found.unwrap();
    assert!(
        repo.join("Packages").is_file(),
        "no guest packages in {}: run `scripts/tools guest-packages`",
        repo.display()
    );
    repo
}

fn run<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
