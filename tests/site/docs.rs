//! The console blocks of `docs/site.md` are what `hl` says, and the page of
//! keys is what the tables say.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::stage::Stage;
use crate::support::Hl;

fn root(relative: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

#[test]
fn console_blocks_are_what_is_said() {
    let stage = Stage::example();
    fs::rename(stage.path(""), stage.beside("site-config")).unwrap();
    let page = fs::read_to_string(root("docs/site.md")).unwrap();
    let mut commands = 0;
    for block in page.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for part in block.split("$ ").skip(1) {
            let (command, expected) = part.split_once('\n').unwrap();
            let ran = Hl::new(&stage.beside(""))
                .env("HL_SITE", "site-config")
                .cmd(command.strip_prefix("hl ").unwrap())
                .exits(0);
            let lines: Vec<&str> = ran.stdout.lines().map(str::trim_end).collect();
            let expected: Vec<&str> = expected.lines().collect();
            assert_eq!(lines, expected, "{command}");
            commands += 1;
        }
    }
    assert!(commands >= 4);
}

/// Keys of an object's schema, with those of the objects in it.
fn keys(schema: &Value, path: &str, page: &mut String) {
    for alternative in schema["anyOf"].as_array().into_iter().flatten() {
        keys(alternative, path, page);
    }
    if schema["items"].is_object() {
        keys(&schema["items"], &format!("{path}[]"), page);
    }
    if schema["additionalProperties"].is_object() {
        keys(
            &schema["additionalProperties"],
            &format!("{path}.NAME"),
            page,
        );
    }
    let required = schema["required"].as_array();
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        let needed = required.is_some_and(|names| names.iter().any(|name| name == key));
        let needed = if needed { "required" } else { "" };
        let doc = value["description"].as_str().unwrap_or_default();
        writeln!(
            page,
            "| `{path}` | {needed} | {} |",
            doc.replace('|', "\\|")
        )
        .unwrap();
        keys(value, &path, page);
    }
}

/// `HL_BLESS=1` writes it anew.
#[test]
fn every_key_is_documented_as_it_is() {
    let mut page = "# Keys of a site-config\n\nWritten by a test from the tables that files are checked against. In brackets: what holds without the key.\n".to_owned();
    for name in hl::site::SCHEMAS {
        let schema = hl::site::schema(name).unwrap();
        let title = schema["title"].as_str().unwrap();
        write!(
            page,
            "\n## {title}\n\n`hl schema {name}`\n\n| key | | |\n|---|---|---|\n"
        )
        .unwrap();
        let mut rows = String::new();
        keys(&schema, "", &mut rows);
        // Both forms of a manifest share keys.
        let mut seen = Vec::new();
        for row in rows.lines().filter(|row| !row.is_empty()) {
            if !seen.contains(&row) {
                seen.push(row);
                writeln!(page, "{row}").unwrap();
            }
        }
    }
    let path = root("docs/reference/site.md");
    if std::env::var_os("HL_BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/reference/site.md is not what the tables say; HL_BLESS=1 writes it anew"
    );
}
