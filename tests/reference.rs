//! The generated reference: `docs/reference/cli.md` and `actions.md` say what
//! the program says. `HL_BLESS=1 scripts/test reference` writes them anew.

use std::fmt::Write as _;
use std::path::Path;

use crate::support::TestLab;

fn compare(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/reference")
        .join(name);
    if std::env::var_os("HL_BLESS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/reference/{name} is not what the program says; HL_BLESS=1 writes it anew"
    );
}

#[test]
fn the_command_line_is_documented_as_it_is() {
    let lab = TestLab::shipped();
    let mut page = "# Command line\n\nWritten by a test from `hl --help`; recipes are the lab's own (`hl list`).\n".to_owned();
    let verbs = [
        "",
        "list",
        "show",
        "plan",
        "up",
        "resume",
        "replay",
        "rehearse",
        "clean",
        "status",
        "runs",
        "runs show",
        "runs logs",
        "runs prune",
        "templates",
        "templates promote",
        "templates prune",
        "site",
        "site where",
        "site check",
        "site list",
        "site resolve",
        "site resolve tofu",
        "site resolve vm",
        "site resolve ansible",
        "site resolve spec",
        "site resolve host",
        "site init",
        "site node-config",
        "site host-config",
        "site secrets",
        "site secrets decrypt",
        "site secrets encrypt",
        "graph",
        "trust",
        "new",
        "sim",
        "completions",
        "man",
        "schema",
    ];
    for verb in verbs {
        let help = lab.hl(verb).arg("-h").exits(0).stdout;
        // The flags that all share are listed once.
        let own = if verb.is_empty() {
            help.as_str()
        } else {
            help.split("Flags everywhere:").next().unwrap()
        };
        let title = if verb.is_empty() {
            "hl".to_owned()
        } else {
            format!("hl {verb}")
        };
        write!(page, "\n## {title}\n\n```text\n{}\n```\n", own.trim_end()).unwrap();
    }
    compare("cli.md", &page);
}

#[test]
fn actions_are_documented_as_they_are() {
    let registry = hl::action::builtin();
    let mut page = "# Actions\n\nWhat a step can `use`, written by a test from the code. Inputs go into `with`.\n".to_owned();
    for name in registry.names() {
        let action = registry.get(name).unwrap();
        let schema = serde_json::to_value(action.inputs()).unwrap();
        write!(
            page,
            "\n## {name}\n\n{}.{}\n",
            action.doc(),
            if action.reads_only() {
                " Changes nothing."
            } else {
                ""
            }
        )
        .unwrap();
        let Some(inputs) = schema["properties"]
            .as_object()
            .filter(|inputs| !inputs.is_empty())
        else {
            continue;
        };
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(serde_json::Value::as_str)
            .collect();
        page.push_str("\n| input | | |\n|---|---|---|\n");
        for (input, about) in inputs {
            let need = if required.contains(&input.as_str()) {
                "required"
            } else {
                ""
            };
            let doc = about["description"]
                .as_str()
                .unwrap_or_default()
                .replace('\n', " ")
                .replace('|', "\\|");
            writeln!(page, "| `{input}` | {need} | {doc} |").unwrap();
        }
    }
    compare("actions.md", &page);
}
