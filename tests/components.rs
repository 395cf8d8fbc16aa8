//! Optional components: `[components]` in `hl.toml`, `hl up --with NAME`.

use std::fmt::Write as _;

use hl::runs::{Run, read};

use crate::support::TestLab;

fn layer(id: &str, recipes: &[&str]) -> String {
    let mut text = format!(
        "[layer]\nid = \"{id}\"\nname = \"Test\"\ndefault = \"{}\"\n",
        recipes[0]
    );
    for name in recipes {
        write!(
            text,
            r#"
[[recipe]]
name = "{name}"
params = [{{ name = "env", default = "dev" }}]
[[recipe.step]]
id = "note"
use = "command"
with = {{ argv = ["sh", "-c", "echo {name} $1 >> log; test {name} != metrics || test ! -e stop", "sh", "{{{{ env }}}}"] }}
"#
        )
        .unwrap();
    }
    text
}

fn lab() -> TestLab {
    let lab = TestLab::empty();
    lab.write(
        "hl.toml",
        "[components]\nmetrics = [\"agent\", \"metrics\"]\nbackup = [\"backup\"]\n",
    );
    lab.write(
        "layers/l3-system/layer.toml",
        &layer("l3", &["system", "agent"]),
    );
    let recipes = ["workloads", "backup", "metrics"];
    lab.write("layers/l4-apps/layer.toml", &layer("l4", &recipes));
    lab
}

/// What ran since the last look.
fn log(lab: &TestLab) -> Vec<String> {
    let text = std::fs::read_to_string(lab.path("log")).unwrap_or_default();
    lab.write("log", "");
    text.lines().map(str::to_owned).collect()
}

/// The run of these words.
fn run_of(lab: &TestLab, words: &str) -> Run {
    std::fs::read_dir(lab.path("state/runs"))
        .unwrap()
        .map(|entry| camino::Utf8PathBuf::from_path_buf(entry.unwrap().path()).unwrap())
        .filter(|path| path.extension() == Some("yaml"))
        .map(|path| read(&path).unwrap())
        .find(|run| run.header.recipe == words)
        .unwrap()
}

#[test]
fn they_run_behind_their_layers_and_only_in_the_run_that_asks_for_them() {
    let lab = lab();
    lab.hl("up").exits(0);
    assert_eq!(log(&lab), ["system dev", "workloads dev"]);
    lab.hl("up prod --with metrics").exits(0);
    assert_eq!(
        log(&lab),
        [
            "system prod",
            "agent prod",
            "workloads prod",
            "metrics prod"
        ]
    );
    let run = run_of(&lab, "up prod --with metrics");
    assert_eq!(run.header.flags["with"], serde_json::json!(["metrics"]));
    lab.hl("runs").exits(0).says(&["--with metrics"]);
    assert!(lab.read("state/runtime.yaml").contains("metrics"));
    // Nothing of it is carried over.
    lab.hl("up").exits(0);
    assert_eq!(log(&lab), ["system dev", "workloads dev"]);
    assert!(!lab.read("state/runtime.yaml").contains("metrics"));
    let plan = lab
        .hl("plan up --json --with metrics,backup")
        .exits(0)
        .json();
    let steps: Vec<_> = plan["steps"].as_array().unwrap().iter().collect();
    assert_eq!(steps.len(), 5);
}

#[test]
fn a_run_that_goes_on_keeps_its_own() {
    let lab = lab();
    lab.write("stop", "");
    lab.hl("up --with metrics").exits(1);
    std::fs::remove_file(lab.path("stop")).unwrap();
    log(&lab);
    lab.hl("resume").exits(0);
    assert_eq!(log(&lab), ["metrics dev"]);
    assert!(lab.read("state/runtime.yaml").contains("metrics"));
    // A new one without it has none, whatever the last one had.
    lab.write("stop", "");
    lab.hl("up --with metrics").exits(1);
    log(&lab);
    lab.hl("up --fresh").exits(0);
    assert_eq!(log(&lab), ["system dev", "workloads dev"]);
    assert_eq!(run_of(&lab, "up").header.flags.get("with"), None);
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let lab = lab();
    lab.hl("up --with metric").exits(66).says(&[
        "there is no component `metric`",
        "did you mean `metrics`?",
        "has `backup`, `metrics`",
    ]);
    lab.hl("up --to l3 --with backup")
        .exits(2)
        .says(&["component `backup` has no recipe in what is run: l3"]);
    assert_eq!(log(&lab), [""; 0]);
    lab.write("hl.toml", "[components]\nbackup = [\"bakup\"]\n");
    lab.hl("up").exits(65).says(&[
        "component `backup` names the recipe `bakup`",
        "did you mean `backup`?",
    ]);
    lab.write("hl.toml", "[components]\nbackup = []\n");
    lab.hl("up")
        .exits(65)
        .says(&["component `backup` has no recipe", "hl.toml:2"]);
}
