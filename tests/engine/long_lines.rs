//! Lines that are longer than anybody reads, and progress that paints over itself.

use std::fs;

use crate::support::TestLab;

fn lab(script: &str) -> TestLab {
    let lab = TestLab::empty();
    lab.write(
        "layers/l1-t/layer.toml",
        &format!(
            r#"
[layer]
id = "l1"
name = "T"
doc = "t"
[[recipe]]
name = "talk"
doc = "d"
[[recipe.step]]
id = "s"
use = "command"
with = {{ argv = ["sh", "-c", '''{script}'''] }}
"#
        ),
    );
    lab
}

/// Everything that a run left, but its step's log, and that.
fn left(lab: &TestLab) -> (usize, String) {
    let mut rest = 0;
    let mut log = String::new();
    let mut dirs = vec![lab.path("state"), lab.path("reports")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.ends_with("talk-s.log") {
                log = fs::read_to_string(path).unwrap();
            } else {
                rest += fs::read(path).unwrap().len();
            }
        }
    }
    (rest, log)
}

#[test]
fn a_long_line_is_whole_in_the_log_and_short_everywhere_else() {
    const LONG: usize = 3_000_000;
    let lab = lab(&format!(
        "for i in 1 2 3; do head -c {LONG} /dev/zero | tr '\\0' x; echo; done; exit 3"
    ));
    for words in [
        "talk",
        "-v talk",
        "--json talk",
        "--events json talk",
        "--junit j.xml talk",
    ] {
        let ran = lab.hl(words).exits(3);
        for text in [&ran.stdout, &ran.stderr] {
            assert!(text.len() < 60_000, "hl {words}: {} bytes", text.len());
        }
        if words == "talk" {
            ran.says(&["xxx ... (2997952 bytes more)"]);
        }
    }
    assert!(lab.read("j.xml").len() < 30_000);
    let (rest, log) = left(&lab);
    assert!(rest < 300_000, "{rest}");
    assert_eq!(log.lines().filter(|line| line.len() == LONG).count(), 3);
}

#[test]
fn progress_that_paints_over_itself_is_lines() {
    let lab = lab(
        "for i in $(seq 3000); do printf 'part %s of 3000\\r' $i; done; printf 'end\\r\\n'; exit 3",
    );
    let ran = lab.hl("talk").exits(3);
    ran.says(&["| part 3000 of 3000\n", "| end\n"]);
    assert!(!ran.stderr.contains("| part 2900 of"), "{}", ran.stderr);
    let (_, log) = left(&lab);
    assert!(
        log.ends_with("part 2999 of 3000\npart 3000 of 3000\nend\n"),
        "{log}"
    );
}
