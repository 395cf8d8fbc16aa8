//! The console blocks of `docs/scenarios.md` and `docs/preflight.md` are what `hl` says,
//! and the scenario that is written there is sound.

use std::fs;
use std::path::Path;

use super::lab::lab;

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(name);
    fs::read_to_string(path).unwrap()
}

#[test]
fn console_blocks_are_what_is_said() {
    let lab = lab();
    let mut count = 0;
    for name in ["scenarios.md", "preflight.md"] {
        let page = page(name);
        for block in page.split("```console\n").skip(1) {
            let block = block.split("```").next().unwrap();
            for part in block.split("$ ").skip(1) {
                let (command, expected) = part.split_once('\n').unwrap();
                let words = command.strip_prefix("hl ").unwrap();
                let ran = lab.hl(words).exits(0);
                let lines: Vec<&str> = ran.stdout.lines().map(str::trim_end).collect();
                assert_eq!(lines, expected.lines().collect::<Vec<_>>(), "{command}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 4);
}

#[test]
fn the_scenario_that_is_written_there_is_sound() {
    let page = page("scenarios.md");
    let (_, rest) = page
        .split_once("```toml\n# scenarios/cache-warm.toml\n")
        .unwrap();
    let text = rest.split("```").next().unwrap();
    let lab = lab();
    lab.write("scenarios/cache-warm.toml", text);
    let ran = lab.hl("scenario cache-warm --dry-run").exits(0);
    assert!(!ran.stderr.contains("verb_noun"), "{}", ran.stderr);
    assert!(ran.stderr.contains("/latest"), "{}", ran.stderr);
    // The release: the flag, then the site, then the literal tag.
    lab.write("site/site.yaml", "defaults: {packer_release: v1.4}\n");
    lab.hl("scenario cache-warm --dry-run")
        .exits(0)
        .says(&["/v1.4"]);
    lab.hl("scenario cache-warm --dry-run --packer-release v9")
        .exits(0)
        .says(&["/v9"]);
}

#[test]
fn what_is_refused_there_is_refused() {
    let page = page("scenarios.md");
    let shown = page
        .split("```text\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let ran = lab().hl("scenario vm-roundtrip").exits(66);
    for line in shown.lines().map(str::trim) {
        assert!(ran.stderr.contains(line), "{line}\n{}", ran.stderr);
    }
}
