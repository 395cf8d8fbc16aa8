//! The state of a lab on a disk that is full to the last blocks: what was there
//! can be read afterwards, and nothing is half written.

use std::process::Command;

use super::lab;

/// Runs with so many KiB left, on a file system of this namespace's own.
const SCRIPT: &str = r#"
cd "$LAB"
mkdir state
mount -t tmpfs -o size=1m none state
"$HL" hush --quiet
ls state/runs/*.yaml > first
for left in 0 4 8 12 16 20 24 32 48 64; do
  avail=$(df -k --output=avail state | tail -n 1)
  head -c $(( (avail - left) * 1024 )) /dev/zero > state/ballast
  code=0
  "$HL" hush --quiet 2> said || code=$?
  echo "code $left $code"
  # While it is still full.
  "$HL" runs --all --json > list
  "$HL" status > status
  rm state/ballast
  cp -r state "kept-$left"
  cp list "kept-$left/list"
  cp status "kept-$left/status"
  cp said "kept-$left/said"
done
"$HL" hush --quiet
"#;

#[test]
fn on_a_full_disk_a_run_ends_with_73_and_all_state_can_be_read() {
    let namespace = ["--user", "--map-root-user", "--mount"];
    let may = Command::new("unshare").args(namespace).arg("true").status();
    if !may.is_ok_and(|status| status.success()) {
        assert!(
            std::env::var_os("HL_TESTS_NEED_ALL").is_none(),
            "namespaces are not allowed here"
        );
        println!("skipped: namespaces are not allowed here");
        return;
    }
    // What the steps themselves write is not the state: they write nothing.
    let lab = lab();
    let layer = lab.read("layers/l2-things/layer.toml");
    let hush = r#"
[[recipe]]
name = "hush"
doc = "Say nothing"

[[recipe.step]]
id = "first"
use = "command"
with = { argv = ["true"] }

[[recipe.step]]
id = "second"
use = "command"
with = { argv = ["true"] }
"#;
    lab.write("layers/l2-things/layer.toml", &format!("{layer}{hush}"));
    let mut command = Command::new("unshare");
    command.args(namespace).args(["sh", "-euc", SCRIPT]);
    command.env_clear();
    for (name, value) in lab.hl("").command().get_envs() {
        command.env(name, value.unwrap());
    }
    let output = command
        .env("HL", env!("CARGO_BIN_EXE_hl"))
        .env("LAB", lab.root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let first = lab.read("first");
    let first = first
        .trim()
        .rsplit('/')
        .next()
        .unwrap()
        .trim_end_matches(".yaml");
    let mut full = 0;
    for line in said.lines() {
        let mut words = line.split(' ').skip(1);
        let left = words.next().unwrap();
        let code = words.next().unwrap();
        let kept = format!("kept-{left}");
        assert!(
            code == "0" || code == "73",
            "{line}: {}",
            lab.read(&format!("{kept}/said"))
        );
        full += usize::from(code == "73");
        let list: serde_json::Value =
            serde_json::from_str(&lab.read(&format!("{kept}/list"))).unwrap();
        assert_eq!(
            list["unreadable"],
            serde_json::json!([]),
            "with {left} KiB left"
        );
        let runs = list["runs"].as_array().unwrap();
        let old = runs.iter().find(|run| run["id"] == first).unwrap();
        assert_eq!(old["outcome"], "succeeded");
        // No temporary file, and the snapshot is a whole one.
        for dir in [kept.clone(), format!("{kept}/runs")] {
            for entry in std::fs::read_dir(lab.path(&dir)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                assert_eq!(name.strip_suffix(".tmp"), None, "{dir}");
            }
        }
        for name in ["runtime.yaml", "runs/latest.env"] {
            let path = format!("{kept}/{name}");
            if lab.path(&path).exists() {
                let text = lab.read(&path);
                assert!(
                    text.ends_with('\n') && text.contains("20"),
                    "{path}: {text}"
                );
            }
        }
        let status = lab.read(&format!("{kept}/status"));
        assert!(!status.contains("Warning"), "{status}");
    }
    assert!(full >= 1, "the disk was never full: {said}");
    assert!(said.contains("code 0 73"), "{said}");
}
