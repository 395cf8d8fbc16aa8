//! The program that applies a spec, by its own tests.

use std::path::Path;
use std::process::Command;

use crate::e2e::ready;

#[test]
fn the_program_on_the_machine_passes_its_tests() {
    if !ready(false, &["python3"]) {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let made = hl_sim::certs::with_authority(&["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert"), folder.path().join("key"));
    std::fs::write(&cert, made.cert_pem).unwrap();
    std::fs::write(&key, made.key_pem).unwrap();
    let ran = Command::new("python3")
        .args(["-B", "-m", "unittest", "-v", "tests/pull/test_apply.py"])
        .current_dir(root)
        .env("APPLY", root.join("src/action/pull/apply.py"))
        .env("CERT", &cert)
        .env("KEY", &key)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    // A file without tests passes too.
    let count = said
        .lines()
        .filter(|line| line.starts_with("test_"))
        .count();
    assert!(count >= 15, "{said}");
}
