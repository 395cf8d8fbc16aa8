//! The console blocks of `docs/hosts.md` are what is said.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::TestLab;

#[test]
fn console_blocks_are_what_is_said() {
    let lab = TestLab::shipped();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/hosts.md")).unwrap();
    let mut count = 0;
    for block in page.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for part in block.split("$ ").skip(1) {
            let (command, expected) = part.split_once('\n').unwrap();
            let said = if let Some(words) = command.strip_prefix("hl ") {
                lab.hl(words).exits(0).stdout
            } else {
                // It asks for help, and changes nothing.
                assert_eq!(command, "sh scripts/install.sh --help");
                let output = Command::new("sh")
                    .args(["scripts/install.sh", "--help"])
                    .current_dir(root)
                    .output()
                    .unwrap();
                assert!(output.status.success());
                String::from_utf8(output.stdout).unwrap()
            };
            let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
            assert_eq!(lines, expected.lines().collect::<Vec<_>>(), "{command}");
            count += 1;
        }
    }
    assert!(count >= 2, "{count}");
}
