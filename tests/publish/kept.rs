//! `latest.env`, `runtime.yaml`, the console's text and the reports of runs of
//! plain commands.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use crate::support::TestLab;

/// A lab with a recipe that works, one that fails, and one that only reads.
fn lab() -> TestLab {
    let lab = TestLab::empty();
    lab.write(
        "layers/l0-look/layer.toml",
        r#"[layer]
id = "l0"
name = "Look"
doc = "Looks"
default = "look"

[[recipe]]
name = "look"
doc = "Look at a tool"

[[recipe.step]]
id = "sh"
use = "tool.check"
with = { tool = "git" }
"#,
    );
    lab.write(
        "layers/l2-things/layer.toml",
        r#"[layer]
id = "l2"
name = "Things"
doc = "Made of commands"
default = "make"

[[recipe]]
name = "make"
doc = "Make a thing"

[[recipe.step]]
id = "write"
use = "command"
with = { argv = ["sh", "-c", "echo made; echo token is $A_TOKEN"] }

[[recipe]]
name = "break"
doc = "Fail"

[[recipe.step]]
id = "fail"
use = "command"
with = { argv = ["sh", "-c", "echo \"it | broke & $A_TOKEN\" >&2; exit 7"] }
"#,
    );
    lab
}

/// `latest.env` as dotenv reads it.
fn latest(lab: &TestLab) -> BTreeMap<String, String> {
    dotenvy::from_path_iter(lab.path("state/runs/latest.env"))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn mode(lab: &TestLab, path: &str) -> u32 {
    let meta = std::fs::metadata(lab.path(path)).unwrap();
    meta.permissions().mode() & 0o7777
}

fn names(lab: &TestLab, dir: &str) -> Vec<String> {
    let entries = std::fs::read_dir(lab.path(dir)).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_run_hands_on_what_it_is_and_a_failure_what_failed() {
    let lab = lab();
    lab.hl("make").env("PVE_NODE", "pve").exits(0);
    let first = latest(&lab);
    assert_eq!(first["DRY_RUN"], "false");
    assert_eq!(first["PROXMOX_NODE"], "pve");
    assert_eq!(first["LAST_STEP_COMPLETED"], "");
    assert!(!first.contains_key("FAILURE_STEP"));
    for file in ["state/runs/latest.env", "state/runtime.yaml"] {
        assert_eq!(mode(&lab, file), 0o600, "{file}");
    }
    lab.write(
        "state/runs/latest.env",
        "SELECTED_PROFILE='core'\nSELECTED_APPS_INSTALL=\"nala,docker\"\nLAST_STEP_COMPLETED=\"terraform_apply\"\n",
    );
    lab.hl("break").exits(7);
    let failed = latest(&lab);
    assert_ne!(failed["RUN_ID"], first["RUN_ID"]);
    assert_eq!(failed["FAILURE_STEP"], "break/fail");
    assert!(failed["FAILURE_REASON"].contains("code 7"), "{failed:?}");
    assert_eq!(failed["LAST_STEP_COMPLETED"], "terraform_apply");
    assert_eq!(failed["SELECTED_PROFILE"], "core");
    assert_eq!(failed["SELECTED_APPS_INSTALL"], "nala,docker");
    let runtime = lab.read("state/runtime.yaml");
    assert!(runtime.contains("last_outcome: failed"), "{runtime}");
    assert!(runtime.contains(&first["RUN_ID"]), "{runtime}");
}

#[test]
fn what_only_reads_touches_nothing() {
    let lab = lab();
    for words in [
        "l0",
        "look",
        "list",
        "show make",
        "env",
        "graph make",
        "plan make --json",
    ] {
        lab.hl(words).exits(0);
        assert!(!lab.path("state").exists(), "{words}");
    }
    lab.hl("make").exits(0);
    let before = lab.read("state/runs/latest.env");
    let runtime = lab.read("state/runtime.yaml");
    for words in [
        "l0",
        "look",
        "list",
        "show make",
        "graph make",
        "clean --dry-run",
        "nothing-like-it",
    ] {
        lab.hl(words).run();
        assert_eq!(lab.read("state/runs/latest.env"), before, "{words}");
        assert_eq!(lab.read("state/runtime.yaml"), runtime, "{words}");
    }
}

#[test]
fn a_dry_run_leaves_what_live_runs_rely_on() {
    let lab = lab();
    lab.hl("make").exits(0);
    let runtime = lab.read("state/runtime.yaml");
    let mut live = latest(&lab);
    live.insert(
        "TERRAFORM_OUTPUT_JSON".to_owned(),
        "/lab/out puts.json".to_owned(),
    );
    live.insert("SELECTED_PROFILE".to_owned(), "core".to_owned());
    let lines: Vec<String> = live
        .iter()
        .map(|(key, value)| format!("{key}=\"{value}\""))
        .collect();
    lab.write("state/runs/latest.env", &lines.join("\n"));
    lab.hl("make -n").env("PVE_NODE", "another").exits(0);
    let mut dry = latest(&lab);
    assert_eq!(
        dry.insert("DRY_RUN".to_owned(), "false".to_owned())
            .unwrap(),
        "true"
    );
    for key in ["RUN_ID", "RUN_TIMESTAMP"] {
        assert_ne!(dry[key], live[key]);
        dry.insert(key.to_owned(), live[key].clone());
    }
    assert_eq!(dry, live);
    assert_eq!(lab.read("state/runtime.yaml"), runtime);
}

#[test]
fn every_run_leaves_its_text_its_summary_and_its_reports() {
    let lab = lab();
    lab.hl("make").exits(0);
    lab.hl("make -n").exits(0);
    lab.hl("break").exits(7);
    let reports = names(&lab, "reports");
    let count = |end: &str| reports.iter().filter(|name| name.ends_with(end)).count();
    assert_eq!(
        (count(".passed.json"), count(".passed.md")),
        (1, 1),
        "{reports:?}"
    );
    assert_eq!(
        (count(".failed.json"), count(".failed.md")),
        (1, 1),
        "{reports:?}"
    );
    let id = &latest(&lab)["RUN_ID"];
    let logs = format!("state/logs/{id}");
    for name in ["console.log", "summary.json", "summary.md"] {
        assert_eq!(mode(&lab, &format!("{logs}/{name}")), 0o600);
    }
    let console = lab.read(&format!("{logs}/console.log"));
    assert!(
        console.contains(&format!("`break` as run {id}")),
        "{console}"
    );
    assert!(
        console.contains("error: step `break/fail` failed"),
        "{console}"
    );
    assert!(!console.contains('\u{1b}'), "{console}");
    let summary: serde_json::Value =
        serde_json::from_str(&lab.read(&format!("{logs}/summary.json"))).unwrap();
    assert_eq!(summary["run_id"], id.as_str());
    assert_eq!(summary["state"], "FAILED");
    assert_eq!(summary["steps"][0]["status"], "FAIL");
    let failed = reports
        .iter()
        .find(|name| name.ends_with(".failed.json"))
        .unwrap();
    let report: serde_json::Value =
        serde_json::from_str(&lab.read(&format!("reports/{failed}"))).unwrap();
    assert_eq!(
        (&report["scenario"], &report["success"]),
        (&"break".into(), &false.into())
    );
    assert_eq!(report["phases"][0]["status"], "failed");
}

#[test]
fn no_secret_is_in_any_of_it() {
    let lab = lab();
    let secret = "canary-4d7b|x&y=\"z\"";
    for words in ["make", "break"] {
        lab.hl(words).env("A_TOKEN", secret).run();
    }
    let mut dirs = vec![lab.path("state"), lab.path("reports")];
    let mut looked = 0;
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains("canary-4d7b"), "{}: {text}", path.display());
            looked += 1;
        }
    }
    assert!(looked > 10, "{looked}");
}

#[test]
fn a_snapshot_of_a_newer_hl_stops_a_live_run_and_is_left_alone() {
    let lab = lab();
    let newer = "version: 7\nof: the future\n";
    lab.write("state/runtime.yaml", newer);
    lab.hl("make")
        .exits(76)
        .says(&["state/runtime.yaml", "format 7"]);
    lab.hl("make -n").exits(0);
    assert_eq!(lab.read("state/runtime.yaml"), newer);
    lab.write("state/runtime.yaml", "version: [\n");
    lab.hl("make").exits(65).says(&["mv state/runtime.yaml"]);
}

#[test]
fn a_handoff_that_cannot_be_read_is_said_and_written_anew() {
    let lab = lab();
    lab.write("state/runs/latest.env", "this is no assignment\n");
    lab.hl("make").exits(0).says(&["Warning", "written again"]);
    assert_eq!(latest(&lab)["DRY_RUN"], "false");
}
