//! The console blocks of `docs/manifests.md` are what `hl` says.

use std::fs;
use std::path::Path;

use crate::site::stage::Stage;
use crate::support::Hl;

#[test]
fn console_blocks_are_what_is_said() {
    let stage = Stage::example();
    fs::rename(stage.path(""), stage.beside("site-config")).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/manifests.md");
    let page = fs::read_to_string(path).unwrap();
    let mut commands = Vec::new();
    for block in page.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for part in block.split("$ ").skip(1) {
            let (command, expected) = part.split_once('\n').unwrap();
            let words = command.strip_prefix("hl ").unwrap();
            let ran = Hl::new(&stage.beside(""))
                .env("HL_SITE", "site-config")
                .cmd(words)
                .exits(0);
            let lines: Vec<&str> = ran.stdout.lines().map(str::trim_end).collect();
            assert_eq!(lines, expected.lines().collect::<Vec<_>>(), "{command}");
            commands.push(words.split(' ').nth(1).unwrap().to_owned());
        }
    }
    for verb in ["list", "check", "show", "graph"] {
        assert!(commands.iter().any(|word| word == verb), "{verb}");
    }
}
