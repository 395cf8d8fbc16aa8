//! Writing where nothing can be written: a full disk and a read-only one, both
//! small and made in a mount namespace of the test's own.

use std::process::Command;
use std::{env, fs};

use camino::{Utf8Path, Utf8PathBuf};
use hl::diag::Exit;
use hl::lab::write;

const DISK: &str = "HL_TEST_DISK";
const SCRIPT: &str = r#"
mount -t tmpfs -o size=64k none "$HL_TEST_DISK"
"$0" --exact environment::full_disk::on_a_full_disk --ignored
mount -o remount,ro "$HL_TEST_DISK"
exec "$0" --exact environment::full_disk::on_a_read_only_disk --ignored
"#;

#[test]
fn what_cannot_be_written_ends_with_73_and_the_old_file_stays() {
    let namespace = ["--user", "--map-root-user", "--mount"];
    let may = Command::new("unshare").args(namespace).arg("true").status();
    if !may.is_ok_and(|status| status.success()) {
        assert!(
            env::var_os("HL_TESTS_NEED_ALL").is_none(),
            "namespaces are not allowed here"
        );
        eprintln!("skipped: namespaces are not allowed here");
        return;
    }
    let disk = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args(namespace)
        .args(["sh", "-euc", SCRIPT])
        .arg(env::current_exe().unwrap())
        .env(DISK, disk.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(said.matches("1 passed").count(), 2, "{said}");
}

fn disk() -> Utf8PathBuf {
    Utf8PathBuf::from(env::var(DISK).unwrap())
}

#[test]
#[ignore = "runs inside the test above"]
fn on_a_full_disk() {
    let file = disk().join("runtime.yaml");
    write(&file, "old", 0o600).unwrap();
    refused(&file, &vec![b'x'; 1 << 20], "no space");
    assert_eq!(
        fs::read_dir(disk()).unwrap().count(),
        1,
        "the temporary file is left"
    );
}

#[test]
#[ignore = "runs inside the test above"]
fn on_a_read_only_disk() {
    refused(&disk().join("runtime.yaml"), b"new", "read-only");
    let failure = write(&disk().join("new/file"), "", 0o600).unwrap_err();
    assert_eq!(failure.exit, Exit::CannotWrite);
}

fn refused(file: &Utf8Path, contents: &[u8], reason: &str) {
    let failure = write(file, contents, 0o600).unwrap_err();
    assert_eq!(failure.exit, Exit::CannotWrite);
    let said = failure.to_string();
    assert!(
        said.contains(file.as_str()) && said.contains(reason),
        "{said}"
    );
    assert_eq!(fs::read_to_string(file).unwrap(), "old");
}
