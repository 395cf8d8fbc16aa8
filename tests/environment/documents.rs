//! `env.example` and the table in `docs/environment.md` say what the code
//! says. `HL_BLESS=1 cargo test` writes them again.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::{env, fs};

use camino::Utf8Path;
use hl::lab::environment::{LOADERS, LoadOptions, example, load};
use hl::lab::variables::{ALL, Group, Variable};
use hl::lab::{Config, Lab};

const BEGIN: &str = "<!-- variables: written by HL_BLESS=1 cargo test -->\n";
const END: &str = "<!-- end of variables -->\n";

fn root() -> &'static Utf8Path {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn is_what_the_code_says(path: &str, expected: &str) {
    let path = root().join(path);
    if env::var_os("HL_BLESS").is_some() {
        // In one step: other tests read it meanwhile.
        hl::lab::write(&path, expected, 0o644).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap();
    assert_eq!(
        found, expected,
        "`{path}` differs from the table in `src/lab/variables.rs`; write it again with HL_BLESS=1"
    );
}

fn env_example() -> String {
    let mut text = String::from(
        "# DOPPLER=0\n\
         # Take the `#` away to run without Doppler, and copy this file: install -m 600 env.example .env\n\
         # Stronger than this file, strongest first: `--set`, the shell, Doppler, state/*.env.\n\
         # `hl env` says where each value came from. Values with spaces, `$` or `#`\n\
         # go into single quotes. What has a `#` in front shows its default or an example.\n",
    );
    for (group, title) in [
        (Group::Proxmox, "The node: all of these are needed"),
        (Group::Layers, "What the layers do"),
        (Group::Doppler, "Doppler"),
        (
            Group::Flag,
            "Flags: they have no effect in this file, only in the shell",
        ),
    ] {
        write!(text, "\n# --- {title} ---\n").unwrap();
        for variable in ALL
            .iter()
            .filter(|v| v.group == group && v.name != "DOPPLER")
        {
            let (value, kind) = match variable.default {
                "" => (variable.example, " (example)"),
                default => (default, ""),
            };
            let off = if variable.required { "" } else { "# " };
            let kind = if off.is_empty() { "" } else { kind };
            write!(
                text,
                "\n# {}{kind}\n{off}{}={value}\n",
                variable.doc, variable.name
            )
            .unwrap();
        }
    }
    text
}

fn table() -> String {
    let mut text =
        String::from("| variable | default | needed | what it is |\n|---|---|---|---|\n");
    for variable in ALL {
        let Variable {
            name, default, doc, ..
        } = variable;
        let default = if default.is_empty() {
            String::new()
        } else {
            format!("`{default}`")
        };
        let doc = doc.replace('|', "\\|");
        let secret = if variable.secret { " **Secret.**" } else { "" };
        let needed = if variable.required { "yes" } else { "" };
        writeln!(text, "| `{name}` | {default} | {needed} | {doc}{secret} |").unwrap();
    }
    text
}

#[test]
fn env_example_lists_every_variable() {
    is_what_the_code_says("env.example", &env_example());
    for variable in ALL {
        assert!(
            env_example().contains(&format!("{}=", variable.name)),
            "{}",
            variable.name
        );
    }
}

#[test]
fn every_flag_of_the_command_line_is_in_the_table() {
    let text = fs::read_to_string(root().join("src/cli/flags.rs")).unwrap();
    let read: BTreeSet<&str> = text
        .split('"')
        .filter(|word| word.starts_with("HL_"))
        .collect();
    // Neither is a flag's variable: `DRY_RUN` wins over the settings, not over a flag.
    let known = ALL
        .iter()
        .filter(|v| v.group == Group::Flag && !["DRY_RUN", "HL_LOG"].contains(&v.name));
    assert_eq!(read, known.map(|v| v.name).collect());
}

#[test]
fn the_page_has_the_table() {
    let path = root().join("docs/environment.md");
    let page = fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    is_what_the_code_says(
        "docs/environment.md",
        &format!("{before}{BEGIN}{}{END}{after}", table()),
    );
}

#[test]
fn the_page_lists_the_variables_that_load_code() {
    let begin = "<!-- loaders: written by HL_BLESS=1 cargo test -->\n";
    let end = "<!-- end of loaders -->\n";
    let page = fs::read_to_string(root().join("docs/trust.md")).unwrap();
    let (before, rest) = page.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let mut table = String::from("| variables | decide |\n|---|---|\n");
    for (names, decide) in LOADERS {
        let names: Vec<String> = names.split(' ').map(|name| format!("`{name}`")).collect();
        writeln!(table, "| {} | {decide} |", names.join(", ")).unwrap();
    }
    let page = format!("{before}{begin}{table}{end}{after}");
    is_what_the_code_says("docs/trust.md", &page);
}

#[test]
fn env_example_is_enough_for_a_rehearsal_and_for_dotenv() {
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    fs::copy(root().join("hl.toml"), dir.join("hl.toml")).unwrap();
    let lab = Lab::read(dir).unwrap();
    let from_table = example(&lab).unwrap();
    fs::copy(root().join("env.example"), dir.join("env.example")).unwrap();
    // As the file itself says.
    let text = fs::read(root().join("env.example")).unwrap();
    hl::lab::write(&dir.join(".env"), text, 0o600).unwrap();
    let from_file = example(&lab).unwrap();
    let loaded = load(&lab, &LoadOptions::default()).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    for variable in ALL.iter().filter(|v| v.required) {
        let name = variable.name;
        assert_eq!(from_file[name].value, variable.example);
        assert_eq!(from_table[name].value, variable.example);
        assert_eq!(loaded.env.get(name), Some(variable.example));
    }
    assert_eq!(from_file.len(), from_table.len());
}

#[test]
fn the_shipped_settings_are_the_defaults() {
    let lab = Lab::read(root()).unwrap();
    let mut expected = Config::default();
    expected.lab.name.clone_from(&lab.config.lab.name);
    assert_eq!(lab.config, expected);
}
