//! A disk without room for a child to be started: room is made, and the run goes on.

use std::env;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use crate::support::TestLab;

/// In a mount namespace: `$1` is where the small disk goes, `$2` a lab, `$3` the file
/// that the step writes to; then `hl`. Prints, for each amount of room, how the run
/// and its resume ended, and how often the step had run after each.
const SCRIPT: &str = r#"
disk=$1 lab=$2 ran=$3 hl=$4
lines() { wc -l < "$ran"; }
for room in 0 4 8 12 16 20 24 28 32 40 64; do
  mount -t tmpfs -o size=1m hl-test "$disk"
  cp -a "$lab" "$disk/lab"; cd "$disk/lab"; : > "$ran"
  dd if=/dev/zero of="$disk/full" bs=4k 2>/dev/null || :
  truncate -s -$((room * 1024)) "$disk/full"
  code=0; "$hl" job >/dev/null 2>&1 || code=$?
  first=$(lines)
  rm "$disk/full"
  again=0; "$hl" resume >/dev/null 2>&1 || again=$?
  echo "$room $code $first $again $(lines)"
  cd /; umount "$disk"
done
"#;

#[test]
fn a_child_that_had_no_room_to_be_started_is_started_by_the_resume() {
    let namespace = ["--user", "--map-root-user", "--mount"];
    let may = Command::new("unshare").args(namespace).arg("true").status();
    if !may.is_ok_and(|status| status.success()) {
        assert!(
            env::var_os("HL_TESTS_NEED_ALL").is_none(),
            "namespaces are not allowed here"
        );
        return;
    }
    let lab = TestLab::empty();
    let elsewhere = tempfile::tempdir().unwrap();
    let ran = elsewhere.path().join("ran");
    let disk = elsewhere.path().join("disk");
    fs::create_dir(&disk).unwrap();
    lab.write(
        "layers/l1-t/layer.toml",
        &format!(
            "[layer]\nid = \"l1\"\nname = \"T\"\ndoc = \"t\"\n[[recipe]]\nname = \"job\"\ndoc = \"d\"\n\
             [[recipe.step]]\nid = \"s\"\nuse = \"command\"\nwith = {{ argv = [\"sh\", \"-c\", \"echo >> {}\"] }}\n",
            ran.display()
        ),
    );
    let hl = lab.hl("job").command();
    let envs = hl
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    let output = Command::new("unshare")
        .args(namespace)
        .args(["--", "sh", "-euc", SCRIPT, "sh"])
        .args([&disk, lab.root(), &ran])
        .arg(hl.get_program())
        .env_clear()
        .envs(envs)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.into_raw(), 0, "{told}{said}");
    let rows: Vec<Vec<u32>> = told
        .lines()
        .map(|line| line.split(' ').map(|word| word.parse().unwrap()).collect())
        .collect();
    // Some had no room at all, and some had enough.
    assert_eq!(rows.first().map(|row| row[1]), Some(73), "{told}");
    assert_eq!(rows.last().map(|row| row[1]), Some(0), "{told}");
    let mut began = 0;
    for row in &rows {
        let [_, code, first, again, all] = row[..] else {
            panic!("{told}");
        };
        assert_eq!((again, all <= 1), (0, true), "{row:?} of\n{told}");
        began += u32::from((code, first, all) == (73, 0, 1));
    }
    // What the resume went on with had come as far as its step.
    assert!(began > 0, "{told}");
}
