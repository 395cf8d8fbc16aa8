//! Names that changed in 0.2: the old ones work, and a line names the new one.

use crate::support::TestLab;

/// A lab with a recipe of this name, and one that depends on it as `dep`.
fn lab(recipe: &str, dep: &str) -> TestLab {
    let lab = TestLab::empty();
    lab.write(
        "layers/l2-made/layer.toml",
        &format!(
            r#"[layer]
id = "l2"
name = "Made"

[[recipe]]
name = "{recipe}"
params = [{{ name = "env" }}]
[[recipe.step]]
id = "forget"
use = "command"
with = {{ argv = ["sh", "-c", "echo {recipe} $1 >> log", "sh", "{{{{ env }}}}"] }}

[[recipe]]
name = "all"
deps = ["{dep} dev"]
"#
        ),
    );
    lab
}

/// The lines of stderr that warn.
fn warnings(stderr: &str) -> Vec<&str> {
    let lines = stderr.lines().map(str::trim);
    lines.filter(|line| line.starts_with("Warning")).collect()
}

#[test]
fn the_old_name_of_a_recipe_runs_the_new_one_and_names_it() {
    let lab = lab("l2-forget", "l2-forget");
    let ran = lab.hl("l2-reset prod").exits(0);
    let line = "Warning `l2-reset` is now called `l2-forget`; the old name works until 0.3";
    assert_eq!(warnings(&ran.stderr), [line]);
    assert_eq!(lab.read("log"), "l2-forget prod\n");
    let ran = lab.hl("l2-forget dev").exits(0);
    assert!(warnings(&ran.stderr).is_empty(), "{}", ran.stderr);
    let ran = lab.hl("l2-reset dev --quiet").exits(0);
    assert!(warnings(&ran.stderr).is_empty(), "{}", ran.stderr);
    let unknown = lab.hl("l2-resat dev").exits(66);
    assert!(unknown.stderr.contains("l2-resat"), "{}", unknown.stderr);
}

/// Its layer files are older than `hl`, or the recipe is its own.
#[test]
fn a_lab_that_defines_the_old_recipe_keeps_it() {
    let lab = lab("l2-reset", "l2-reset");
    let ran = lab.hl("l2-reset prod").exits(0);
    assert!(warnings(&ran.stderr).is_empty(), "{}", ran.stderr);
    let ran = lab.hl("l2-forget dev").exits(0);
    let line = "Warning recipe `l2-forget` is still called `l2-reset` in this lab";
    assert_eq!(warnings(&ran.stderr), [line]);
    assert_eq!(lab.read("log"), "l2-reset prod\nl2-reset dev\n");
    lab.hl("all").exits(0);
}

#[test]
fn the_old_name_in_a_dependency_is_understood() {
    let lab = lab("l2-forget", "l2-reset");
    let ran = lab.hl("all").exits(0);
    let line = "Warning `l2-reset` is now called `l2-forget`; the old name works until 0.3 (layers/l2-made/layer.toml:15)";
    assert_eq!(warnings(&ran.stderr), [line]);
    assert_eq!(lab.read("log"), "l2-forget dev\n");
}

/// A recipe must not depend on itself by its other name either.
#[test]
fn a_circle_by_the_old_name_is_found() {
    let lab = TestLab::empty();
    lab.write(
        "layers/l2-made/layer.toml",
        "[layer]\nid = \"l2\"\nname = \"Made\"\n\n[[recipe]]\nname = \"l2-forget\"\ndeps = [\"l2-reset\"]\n",
    );
    let ran = lab.hl("l2-forget").exits(65);
    let circle = "in a circle: l2-forget -> l2-forget";
    assert!(ran.stderr.contains(circle), "{}", ran.stderr);
}

#[test]
fn the_old_names_of_actions_are_understood() {
    let lab = TestLab::empty();
    let step = |id: &str, action: &str| {
        format!(
            "[[recipe.step]]\nid = \"{id}\"\nuse = \"{action}\"\nwith = {{ env = \"dev\", node = \"pve\" }}\n"
        )
    };
    let text = [
        "[layer]\nid = \"l3\"\nname = \"Goes\"\n\n[[recipe]]\nname = \"go\"\n",
        &step("one", "lab.reconcile"),
        &step("two", "machines.check"),
        &step("three", "lab.reconcile"),
    ];
    lab.write("layers/l3-goes/layer.toml", &text.concat());
    let ran = lab.hl("plan go --json").exits(0);
    let plan = ran.json();
    let steps = plan["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 3);
    for step in steps {
        assert_eq!(step["action"], "machines.check");
    }
    let places = "layers/l3-goes/layer.toml:9, layers/l3-goes/layer.toml:17";
    let line = format!(
        "Warning `lab.reconcile` is now called `machines.check`; the old name works until 0.3 ({places})"
    );
    assert_eq!(warnings(&ran.stderr), [line.as_str()]);
    lab.hl("go").exits(0);
}
