//! The house rules: who may import whom, file sizes, a doc line in every file.

use std::fs;
use std::path::{Path, PathBuf};

/// Room, and the rooms it may import besides itself.
const TABLE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("diag", &["base"]),
    ("plan", &["base", "diag"]),
    ("lab", &["base", "diag"]),
    ("pve", &["diag", "plan", "lab"]),
    ("site", &["diag", "plan", "lab"]),
    ("runs", &["base", "diag", "plan", "lab"]),
    ("action", &["diag", "plan", "lab", "pve", "site", "runs"]),
    ("engine", &["diag", "plan", "lab", "action"]),
    (
        "layers",
        &["diag", "plan", "lab", "pve", "site", "runs", "action"],
    ),
    ("report", &["base", "diag", "plan", "lab", "runs"]),
    ("sim", &["pve"]),
    (
        "rehearse",
        &[
            "diag", "plan", "lab", "pve", "site", "runs", "action", "engine", "sim",
        ],
    ),
    (
        "cli",
        &[
            "base", "diag", "plan", "lab", "pve", "site", "runs", "action", "engine", "layers",
            "report", "sim", "rehearse",
        ],
    ),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn all(dir: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    sources(&root.join(dir), &mut found);
    found.sort();
    assert!(!found.is_empty());
    found
        .into_iter()
        .map(|p| {
            (
                p.strip_prefix(root).unwrap().to_owned(),
                fs::read_to_string(&p).unwrap(),
            )
        })
        .collect()
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for (path, text) in all("src") {
        let Some(room) = path
            .components()
            .nth(1)
            .and_then(|c| c.as_os_str().to_str())
        else {
            continue;
        };
        let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == room) else {
            assert!(
                ["lib.rs", "main.rs"].contains(&room),
                "room `{room}` is not in the table"
            );
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for rest in code.split("crate::").skip(1) {
                let used: String = rest
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                let known = TABLE.iter().any(|(name, _)| *name == used);
                if known && used != room && !allowed.contains(&used.as_str()) {
                    wrong.push(format!(
                        "{}:{}: {room} imports {used}",
                        path.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_servers_know_tokio_and_only_cli_knows_clap() {
    for (path, text) in all("src") {
        let name = path.to_string_lossy().into_owned();
        for (library, homes) in [
            ("tokio", &["src/sim/"][..]),
            ("axum", &["src/sim/"]),
            ("clap", &["src/cli/"]),
        ] {
            let uses = text.lines().any(|l| {
                l.split("//")
                    .next()
                    .unwrap_or_default()
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .any(|w| w == library)
            });
            assert!(
                !uses || homes.iter().any(|home| name.starts_with(home)),
                "{name} uses {library}"
            );
        }
    }
}

#[test]
fn files_are_documented_and_not_too_long() {
    for dir in ["src", "tests"] {
        for (path, text) in all(dir) {
            assert!(
                text.starts_with("//!"),
                "{} does not begin with a doc comment",
                path.display()
            );
            let lines = text.lines().count();
            assert!(lines <= 600, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn module_files_hold_no_logic() {
    for (path, text) in all("src") {
        if path.ends_with("mod.rs") {
            let bodies = text
                .lines()
                .filter(|l| l.starts_with("fn ") || l.starts_with("pub fn "))
                .count();
            assert!(bodies == 0, "{} has functions of its own", path.display());
        }
    }
}

/// Files of tests that are as fragile as those of the list, and run too long to be
/// run ten times more: whole rehearsals, and a proof of its own.
const TOO_LONG: [&str; 2] = ["kill", "e2e::fresh"];

#[test]
fn tests_that_depend_on_the_machine_are_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = fs::read_to_string(root.join("scripts/proofs/fragile-tests.txt")).unwrap();
    let filters: Vec<&str> = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let marks = [
        "kill_process(",
        "Instant::now(",
        "Lock::take(",
        ".try_wait(",
        "\"-KILL\"",
        "\"-STOP\"",
        "\"-INT\"",
    ];
    let mut names = Vec::new();
    let mut missing = Vec::new();
    for (path, text) in all("tests").into_iter().chain(all("src")) {
        let name = path.with_extension("").to_string_lossy().replace('/', "::");
        let name = name
            .trim_start_matches("tests::")
            .trim_start_matches("src::");
        let name = name.trim_end_matches("::mod").to_owned();
        names.push(format!("{name}::"));
        let begin = if path.starts_with("tests") {
            text.contains("#[test]").then_some(0)
        } else {
            text.find("#[cfg(test)]")
        };
        let tests = begin
            .and_then(|begin| text.get(begin..))
            .unwrap_or_default();
        // This file names the marks itself.
        if name == "arch" || !marks.iter().any(|mark| tests.contains(mark)) {
            continue;
        }
        let covers = |filter: &&str| format!("{name}::").contains(*filter);
        if !filters.iter().any(covers) && !TOO_LONG.contains(&name.as_str()) {
            missing.push(name);
        }
    }
    assert_eq!(missing, [""; 0], "not in scripts/proofs/fragile-tests.txt");
    let stale = filters
        .iter()
        .filter(|f| !names.iter().any(|name| name.contains(**f)));
    assert_eq!(
        stale.collect::<Vec<_>>(),
        [&""; 0],
        "there are no such tests"
    );
}

/// Advice is data: the words of a command are given to `diag::hl`, which knows
/// whether it is one of a rehearsal. Only commands that are the same there may
/// be spelled out.
#[test]
fn no_text_spells_a_command_that_a_rehearsal_has_too() {
    // What clap and `just` show describes the command line itself.
    let describe = [
        "src/diag/advice.rs",
        "src/cli/args.rs",
        "src/cli/help.rs",
        "src/layers/justfile.rs",
    ];
    let mut wrong = Vec::new();
    for (path, text) in all("src") {
        let name = path.to_string_lossy().into_owned();
        if describe.contains(&name.as_str()) || name.ends_with("tests.rs") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            let spelled = line.split("`hl ").skip(1).any(|words| {
                let words = words.split(['`', ' ']).next().unwrap_or_default();
                !hl::diag::is_same_in_a_rehearsal(words)
            });
            if spelled || line.contains("`hl{") || line.contains("\"hl {") {
                wrong.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "say it with `diag::hl` or `Advice::hl`:\n{}",
        wrong.join("\n")
    );
}
