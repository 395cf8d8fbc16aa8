//! The parent of a child is small: counted in instructions, which are the same on a
//! busy machine. `benches/engine` has the other costs.

use std::process::Command;

use crate::e2e::ready;

/// From `main` to the end of the tool, in a build that is not optimised.
const MOST: u64 = 400_000;

#[test]
fn it_loads_nothing() {
    if !ready(false, &["valgrind"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // What it is given is counted too.
    let output = Command::new(which::which("valgrind").unwrap())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=main")
        .arg(env!("CARGO_BIN_EXE_hl"))
        .arg(hl::keeper::VERB)
        .arg(dir.path().join("work.1"))
        .arg("/bin/true")
        // Each variable is handed on, and counts.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env(hl::keeper::SAYS, "a child")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(dir.path().join("work.1.exit").exists(), "{said}");
    let counted = said
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse::<u64>().ok());
    let counted = counted.unwrap_or_else(|| panic!("{said}"));
    assert!((10_000..MOST).contains(&counted), "{counted} instructions");
}
