//! What machines read of a run: the JSON document, JUnit, GitHub Actions.

use serde_json::Value;

use super::{ids, lab};
use crate::support::{Ran, conforms};

/// stdout is one document of the published form.
#[track_caller]
fn document(ran: &Ran) -> Value {
    let document = ran.json();
    conforms(&document, "result");
    for key in [
        "scenario",
        "success",
        "duration_seconds",
        "phases",
        "context",
        "error",
    ] {
        assert!(
            document.get(key).is_some(),
            "{key} is missing in {document:#}"
        );
    }
    document
}

#[test]
fn every_run_gives_one_document_however_it_ends() {
    let lab = lab();
    let made = document(&lab.hl("make --json").exits(0));
    assert_eq!(
        (&made["scenario"], &made["success"]),
        (&"make".into(), &true.into())
    );
    assert_eq!(made["phases"][1]["name"], "make/polish");
    assert_eq!(made["error"], Value::Null);
    assert_eq!(made["run"], ids(&lab)[0].as_str());
    let dry = document(&lab.hl("make --json --dry-run").exits(0));
    assert_eq!(dry["dry_run"], true);
    let failed = document(&lab.hl("break --json").exits(7));
    assert_eq!(
        failed["error"].as_str().unwrap().split(':').next(),
        Some("step `break/fail` failed")
    );
    let cleaned = document(&lab.hl("clean --history --json --dry-run").exits(0));
    assert_eq!(cleaned["scenario"], "clean");
    assert!(
        !cleaned["context"]["clean"]["remove"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    document(&lab.hl("clean --history --yes --json").exits(0));
    let nothing = document(&lab.hl("clean --history --json").exits(0));
    assert_eq!(nothing["phases"], serde_json::json!([]));
    lab.hl("make").exits(0);
    let done = document(&lab.hl("resume --json").exits(0));
    assert_eq!(
        (&done["scenario"], &done["success"]),
        (&"resume".into(), &true.into())
    );
    document(&lab.hl("replay --from start --yes --json").exits(0));
    // Help is help.
    lab.hl("make --json --help")
        .exits(0)
        .says(&["Usage: hl make"]);
}

#[test]
fn what_does_not_start_gives_the_document_with_the_error() {
    let lab = lab();
    let said = |words: &str, code: i32| {
        let document = document(&lab.hl(words).exits(code));
        assert_eq!(document["success"], false, "{words}");
        assert_eq!(document["exit"], code, "{words}");
        document["error"].as_str().unwrap().to_owned()
    };
    assert!(said("mkae --json", 66).contains("there is no recipe `mkae`"));
    assert!(said("--json mkae", 66).contains("there is no recipe `mkae`"));
    assert!(said("make extra words --json", 2).contains("takes"));
    assert!(said("up --json --frm l2", 2).contains("there is no flag `--frm`"));
    assert!(said("resume nosuch --json", 66).contains("there is no run"));
    lab.write(
        "layers/l3-bad/layer.toml",
        "[layer]\nid = \"l3\"\nname = \"Bad\"\nnmae = 1\n",
    );
    assert!(said("make --json", 65).contains("`nmae`"));
    // A query that fails says nothing on stdout.
    let ran = lab.hl("list --json").exits(65);
    assert!(ran.stdout.is_empty(), "{}", ran.stdout);
}

#[test]
fn a_junit_file_is_written_however_the_run_ends() {
    let lab = lab();
    lab.hl("make --junit out/made.xml").exits(0);
    let made = lab.read("out/made.xml");
    assert!(
        made.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"),
        "{made}"
    );
    assert!(
        made.contains("<testcase classname=\"make\" name=\"cut\""),
        "{made}"
    );
    lab.hl("break").env("HL_JUNIT", "failed.xml").exits(7);
    let failed = lab.read("failed.xml");
    for part in [
        "failures=\"1\"",
        "skipped=\"1\"",
        "type=\"exit 7\"",
        "it broke",
    ] {
        assert!(failed.contains(part), "{part} is not in {failed}");
    }
    lab.hl("mkae --junit none.xml").exits(66);
    assert!(lab.read("none.xml").contains("there is no recipe"));
    lab.write("file", "");
    lab.hl("make --junit file/below.xml").exits(73);
}

#[test]
fn github_gets_groups_annotations_and_a_summary() {
    let lab = lab();
    let layer = lab.read("layers/l2-things/layer.toml");
    let layer = layer.replace(
        "echo it broke >&2",
        "echo ::error::mine; echo '##[add-path]x'; echo it broke >&2",
    );
    lab.write("layers/l2-things/layer.toml", &layer);
    let on = |words: &str| {
        lab.hl(words)
            .env("CI", "true")
            .env("GITHUB_ACTIONS", "true")
            .env(
                "GITHUB_WORKSPACE",
                lab.root().parent().unwrap().display().to_string(),
            )
            .env(
                "GITHUB_STEP_SUMMARY",
                lab.path("summary.md").display().to_string(),
            )
    };
    let ran = on("break").exits(7);
    ran.says(&[
        "\n::group::break/try\n",
        "\n::endgroup::\n",
        "\n::error title=step break/fail failed::",
    ]);
    for line in ran.stderr.lines() {
        assert!(!line.trim_start().starts_with("::error::mine"), "{line}");
        assert!(!line.contains("##["), "{line}");
    }
    assert!(ran.stdout.is_empty());
    on("make").exits(0);
    let summary = lab.read("summary.md");
    assert!(summary.contains("### `break` failed in"), "{summary}");
    assert!(summary.contains("| break/fail | ❌ failed |"), "{summary}");
    assert!(summary.contains("### `make` succeeded in"), "{summary}");
    lab.write(
        "layers/l3-bad/layer.toml",
        "[layer]\nid = \"l3\"\nname = \"Bad\"\nnmae = 1\n",
    );
    let root = lab.root().file_name().unwrap().to_str().unwrap();
    on("make").exits(65).says(&[&format!(
        "::error file={root}/layers/l3-bad/layer.toml,line=4,col=1::unknown key `nmae`"
    )]);
    // Elsewhere nothing of it is said.
    let ran = lab.hl("break").exits(65);
    assert!(!ran.stderr.contains("::"), "{}", ran.stderr);
}
