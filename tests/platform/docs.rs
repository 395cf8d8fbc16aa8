//! The console blocks of `docs/platform.md` are what `hl` says.

use std::fs;
use std::path::Path;

use super::stage::empty;

/// Files that the page shows are written, and its commands run, in one lab.
#[test]
fn console_blocks_are_what_is_said() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/platform.md");
    let page = fs::read_to_string(page).unwrap();
    let lab = empty();
    let mut verbs = Vec::new();
    let mut blocks = page.split("```");
    blocks.next();
    while let Some(block) = blocks.next() {
        let (kind, body) = block.split_once('\n').unwrap();
        blocks.next();
        if let Some(file) = kind.split_once(' ').map(|(_, file)| file) {
            lab.write(file, body);
        }
        if kind != "console" {
            continue;
        }
        for part in body.split("$ ").skip(1) {
            let mut lines = part.lines();
            let mut command = lines.next().unwrap().to_owned();
            while command.ends_with('\\') {
                command.pop();
                command.push_str(lines.next().unwrap().trim_start());
            }
            let expected: Vec<&str> = lines.collect();
            let words = command
                .strip_prefix("hl ")
                .unwrap_or_else(|| panic!("{command}"));
            let ran = lab.hl("").arg_words(words).run();
            let said = format!("{}{}", ran.stdout, ran.stderr);
            let said: Vec<&str> = said
                .lines()
                .map(str::trim_end)
                .filter(|line| !line.is_empty())
                .collect();
            assert_eq!(said, expected, "{command}");
            verbs.push(words.split(' ').nth(1).unwrap().to_owned());
        }
    }
    assert_eq!(
        lab.read("platform/live/motd/motd.txt"),
        "hello to acme-lab, since 2026-01-02\n"
    );
    for verb in ["init", "render", "validate", "bootstrap", "eject"] {
        assert!(verbs.iter().any(|word| word == verb), "{verb}");
    }
}

/// Each shipped adapter has a page, which names its inputs and secrets.
#[test]
fn each_adapter_has_a_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    let paths = hl::lab::Paths::live(camino::Utf8Path::from_path(dir.path()).unwrap());
    let adapters = hl::platform::Adapters::load(&paths).unwrap();
    let mut names = Vec::new();
    for adapter in adapters.iter() {
        let path = root.join(format!("docs/platform/{}.md", adapter.name()));
        let page =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for input in &adapter.definition.inputs {
            assert!(
                page.contains(&format!("| `{}`", input.name)),
                "{}: {}",
                adapter.name(),
                input.name
            );
        }
        for script in &adapter.definition.scripts {
            assert!(
                page.contains(&format!("`{}`", script.name)),
                "{}: {}",
                adapter.name(),
                script.name
            );
            for secret in script.secrets.iter().chain(&script.makes) {
                assert!(
                    page.contains(&format!("`{secret}`")),
                    "{}: {secret}",
                    adapter.name()
                );
            }
        }
        names.push(adapter.name().to_owned());
    }
    assert_eq!(
        names,
        [
            "argocd", "cilium", "hetzner", "k3s", "proxmox", "sops", "talos"
        ]
    );
}
