//! The house rules: who may import whom, file sizes, a doc line in every file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Floor by floor: a room, and the rooms that it imports, no more and no fewer.
const TABLE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("diag", &["base"]),
    ("shape", &["diag"]),
    ("plan", &["base", "diag"]),
    ("lab", &["base", "diag", "shape"]),
    ("keeper", &["base"]),
    ("pve", &["base", "diag", "lab"]),
    ("site", &["base", "diag", "shape", "lab"]),
    ("runs", &["base", "diag", "plan", "lab"]),
    ("handoff", &["base", "diag", "plan", "lab"]),
    ("control", &["base", "plan", "lab"]),
    ("tofu", &["base", "diag"]),
    ("templates", &["base", "diag", "shape", "lab", "pve"]),
    (
        "legacy",
        &["base", "diag", "plan", "lab", "runs", "handoff"],
    ),
    (
        "action",
        &[
            "base",
            "diag",
            "plan",
            "lab",
            "pve",
            "site",
            "handoff",
            "tofu",
            "templates",
            "legacy",
        ],
    ),
    (
        "engine",
        &["base", "diag", "plan", "lab", "keeper", "action"],
    ),
    (
        "layers",
        &["base", "diag", "shape", "plan", "lab", "runs", "action"],
    ),
    (
        "manifest",
        &[
            "base", "diag", "shape", "plan", "lab", "site", "runs", "handoff",
        ],
    ),
    (
        "platform",
        &["base", "diag", "shape", "plan", "lab", "site", "action"],
    ),
    (
        "report",
        &["base", "diag", "plan", "lab", "runs", "handoff", "control"],
    ),
    (
        "rehearse",
        &[
            "base", "diag", "shape", "plan", "lab", "pve", "runs", "control", "action",
        ],
    ),
    (
        "app",
        &[
            "base",
            "diag",
            "plan",
            "lab",
            "pve",
            "site",
            "runs",
            "handoff",
            "control",
            "tofu",
            "templates",
            "legacy",
            "action",
            "engine",
            "layers",
            "manifest",
            "platform",
            "report",
            "rehearse",
        ],
    ),
    (
        "serve",
        &[
            "base", "diag", "plan", "lab", "pve", "site", "runs", "handoff", "control", "layers",
            "report", "app",
        ],
    ),
    (
        "cli",
        &[
            "base",
            "diag",
            "plan",
            "lab",
            "pve",
            "site",
            "runs",
            "handoff",
            "control",
            "templates",
            "legacy",
            "action",
            "engine",
            "layers",
            "manifest",
            "platform",
            "report",
            "rehearse",
            "app",
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

pub(crate) fn all(dir: &str) -> Vec<(PathBuf, String)> {
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

/// The room of a file below `src`, none for `lib.rs` and `main.rs`.
fn room_of(path: &Path) -> Option<&str> {
    let mut parts = path.iter().skip(1);
    let room = parts.next()?.to_str()?;
    parts.next().map(|_| room)
}

/// What stands after each `crate::` of a line, comments aside.
fn imports(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap_or_default();
    code.split("crate::").skip(1).map(|rest| {
        rest.split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap_or_default()
    })
}

/// A permission that nobody uses is one too many: it would let a room sink into
/// another one without anybody's decision.
#[test]
fn rooms_import_exactly_what_the_table_allows() {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (path, text) in all("src") {
        let Some(room) = room_of(&path) else { continue };
        let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == room) else {
            panic!("room `{room}` is not in the table");
        };
        for (number, line) in text.lines().enumerate() {
            for import in imports(line) {
                if import == room || !TABLE.iter().any(|(name, _)| *name == import) {
                    continue;
                }
                if !allowed.contains(&import) {
                    wrong.push(format!(
                        "{}:{}: {room} imports {import}",
                        path.display(),
                        number + 1
                    ));
                }
                used.insert((room.to_owned(), import.to_owned()));
            }
        }
    }
    for (room, allowed) in TABLE {
        for import in *allowed {
            if !used.contains(&((*room).to_owned(), (*import).to_owned())) {
                wrong.push(format!("{room} may import {import}, and does not"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The table is in the order of the floors: nothing imports what stands below it.
#[test]
fn floors_are_in_order() {
    for (at, (room, allowed)) in TABLE.iter().enumerate() {
        for import in *allowed {
            let below = TABLE.iter().position(|(name, _)| name == import);
            assert!(
                below.is_some_and(|below| below < at),
                "{room} imports {import}"
            );
        }
    }
}

#[test]
fn only_the_controller_knows_tokio_and_only_cli_knows_clap() {
    for (path, text) in all("src") {
        let name = path.to_string_lossy().into_owned();
        for (library, homes) in [
            ("tokio", &["src/serve/"][..]),
            ("axum", &["src/serve/"]),
            ("clap", &["src/cli/"]),
            ("inquire", &["src/cli/"]),
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

/// What an action hands on, it declares; what a layer is, its file says.
#[test]
fn journal_handoff_and_reports_name_no_action_and_no_layer() {
    let registry = hl::action::builtin();
    // `command` is also what a user typed.
    let actions = registry.names().filter(|name| name.contains('.'));
    let layers = ["l0", "l1", "l2", "l3", "l4"];
    let names: Vec<String> = actions
        .chain(layers)
        .map(|name| format!("\"{name}\""))
        .collect();
    let mut wrong = Vec::new();
    for (path, text) in all("src") {
        let own = ["runs", "handoff", "report"]
            .map(Some)
            .contains(&room_of(&path));
        let file = path.file_stem().unwrap().to_string_lossy();
        if !own || file.ends_with("tests") || file == "testing" {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let found = names.iter().filter(|name| code.contains(name.as_str()));
        wrong.extend(found.map(|name| format!("{}: {name}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Which layer makes the templates and which the machines, its files say. What the
/// reference says of a variable (`lab`) still names them.
#[test]
fn rooms_below_layers_name_no_layer() {
    let knowing = ["layers", "rehearse", "app", "cli"].map(Some);
    let mut wrong = Vec::new();
    for (path, text) in all("src") {
        if knowing.contains(&room_of(&path)) || path.ends_with("report/testing.rs") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        // Commands that are advised are named.
        let code = code.replace(".hl(\"l", "");
        for layer in ["l0", "l1", "l2", "l3", "l4"] {
            let quoted = [format!("\"{layer}\""), format!("\"{layer}-templates\"")];
            if quoted.iter().any(|name| code.contains(name.as_str())) {
                wrong.push(format!("{}: {layer}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_documented_and_not_too_long() {
    for dir in ["src", "crates", "tests"] {
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
    for (path, text) in all("src").into_iter().chain(all("crates")) {
        if path.ends_with("mod.rs") || path.ends_with("lib.rs") {
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
        names.push((format!("{name}::"), text.clone()));
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
        // A filter names a file, or one of its tests where the others are not fragile.
        let file = format!("{name}::");
        let covers = |filter: &&str| file.contains(*filter) || filter.starts_with(&file);
        if !filters.iter().any(covers) && !TOO_LONG.contains(&name.as_str()) {
            missing.push(name);
        }
    }
    assert_eq!(missing, [""; 0], "not in scripts/proofs/fragile-tests.txt");
    let names_tests = |filter: &str, (file, text): &(String, String)| {
        let test = filter.strip_prefix(file.as_str());
        file.contains(filter) || test.is_some_and(|test| text.contains(&format!("fn {test}")))
    };
    let stale = filters
        .iter()
        .filter(|f| !names.iter().any(|name| names_tests(f, name)));
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
    // What clap and `just` show, and the reference of `layer.toml`, describes the
    // command line itself.
    let describe = [
        "src/diag/advice.rs",
        "src/cli/args.rs",
        "src/cli/help.rs",
        "src/layers/justfile.rs",
        "src/layers/table.rs",
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
