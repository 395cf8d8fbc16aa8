//! The `pveum` commands that people read are those that the code gives, and
//! grant what L0 checks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hl::pve::rights::{self, Objects};
use hl_sim::{Grant, Seed, SeedToken};
use rstest::rstest;

use super::scene::{SECRET, TOKEN_ID, scene};

#[rstest]
fn documents_give_the_commands_of_the_code(
    #[values("README.md", "docs/layers/l0-runway.md")] page: &str,
) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = fs::read_to_string(&path).unwrap();
    let block = text
        .split_once("<!-- pveum -->\n```sh\n")
        .and_then(|(_, rest)| rest.split_once("```\n<!-- /pveum -->"))
        .map(|(block, _)| block);
    let commands = rights::setup_commands(&Objects::default(), 9).join("\n") + "\n";
    assert_eq!(block, Some(commands.as_str()), "{page}");
}

/// Reads the commands as `pveum` would, and lets a simulator do the same.
#[test]
fn a_token_made_by_those_commands_is_cleared() {
    let mut roles: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut grants = Vec::new();
    for command in rights::setup_commands(&Objects::default(), 9) {
        let words: Vec<_> = command.split(' ').collect();
        match words.as_slice() {
            ["pveum", "role", "add", role, "--privs", privileges @ ..] => {
                let names = privileges.iter().map(|p| p.trim_matches('"').to_owned());
                roles.insert((*role).to_owned(), names.collect());
            }
            [
                "pveum",
                "acl",
                "modify",
                path,
                "--users",
                "hl@pve",
                "--roles",
                role,
            ] => {
                let privileges: Vec<_> = roles[*role].iter().map(String::as_str).collect();
                grants.push(Grant::privileges(path, &privileges));
            }
            ["pveum", "user", "add", "hl@pve"]
            | [
                "pveum",
                "user",
                "token",
                "add",
                "hl@pve",
                "hl",
                "--privsep",
                "0",
            ] => {}
            other => panic!("unknown command {other:?}"),
        }
    }
    let seed = Seed {
        tokens: vec![SeedToken {
            id: TOKEN_ID.to_owned(),
            secret: SECRET.to_owned(),
            privsep: true,
            grants,
        }],
        ..Seed::default()
    };
    scene(&seed).cleared("cleared");
}
