//! Any step can be the one that a recipe asks about.

use crate::support::TestLab;

fn lab() -> TestLab {
    let lab = TestLab::empty();
    lab.write(
        "layers/l1-t/layer.toml",
        r#"
[layer]
id = "l1"
name = "T"
doc = "t"
[[recipe]]
name = "wipe"
doc = "d"
approve = "go"
[[recipe.step]]
id = "look"
use = "command"
with = { argv = ["true"], reads = true }
[[recipe.step]]
id = "go"
use = "command"
with = { argv = ["touch", "wiped by me"] }
"#,
    );
    lab
}

#[test]
fn a_command_is_shown_and_does_not_run_without_a_yes() {
    let lab = lab();
    let ran = lab.hl("wipe").exits(77);
    ran.says(&["would run `touch 'wiped by me'`", "not approved"]);
    assert!(!lab.path("wiped by me").exists());
    let status = lab.hl("status --history").exits(0);
    status.says(&["wipe/go"]);

    lab.hl("wipe --dry-run").exits(0);
    assert!(!lab.path("wiped by me").exists());

    lab.hl("wipe --yes").exits(0);
    assert!(lab.path("wiped by me").exists());
}
