//! Values of an encrypted `secrets.yaml` in what a lab's runs show and keep.

use std::path::PathBuf;

use super::world::{CANARY, SECRETS, World, holding};
use crate::support::TestLab;

/// A lab whose recipe `leak` prints every secret of its site, on both streams.
fn lab(world: &World) -> TestLab {
    let lab = TestLab::empty();
    lab.write("site/secrets.yaml.enc", &world.seal(SECRETS, "own"));
    lab.write("leak.txt", SECRETS);
    lab.write(
        "layers/l1-t/layer.toml",
        r#"
[layer]
id = "l1"
name = "T"
doc = "t"
[[recipe]]
name = "leak"
doc = "d"
[[recipe.step]]
id = "s"
use = "command"
with = { argv = ["sh", "-c", "grep -v '^#' leak.txt; grep -v '^#' leak.txt >&2; echo done; exit 3"] }
"#,
    );
    lab
}

#[test]
fn what_a_tool_prints_of_them_is_masked_everywhere() {
    let world = World::new();
    let lab = lab(&world);
    let key = world.path("keys/own.txt");
    for words in ["leak", "-v leak", "--json leak", "--events json leak"] {
        let ran = lab
            .hl(words)
            .env("SOPS_AGE_KEY_FILE", key.to_str().unwrap())
            .exits(3);
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.contains(CANARY), "hl {words}: {text}");
        }
        if words == "-v leak" {
            ran.says(&["site_token: (secret)", "done"]);
        }
    }
    let mut found = Vec::new();
    holding(lab.root(), CANARY, &mut found);
    assert_eq!(found, [lab.path("leak.txt")]);
    let mut kept: Vec<PathBuf> = Vec::new();
    holding(&lab.path("state"), "(secret)", &mut kept);
    assert!(!kept.is_empty(), "nothing was kept at all");
}
