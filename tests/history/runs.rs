//! `hl runs`: the list, one run, its logs, and pruning.

use std::fs;
use std::time::Duration;

use camino::Utf8Path;
use hl::lab::Paths;
use hl::plan::StepId;

use super::{copied, ids, lab, tail};
use crate::support::conforms;

#[test]
fn the_list_is_newest_first_and_reads_what_it_shows() {
    let lab = lab();
    lab.hl("runs").exits(0).says(&["there is no run yet"]);
    assert_eq!(
        lab.hl("runs --json").exits(0).json()["runs"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
    lab.hl("make --jobs 2").exits(0);
    // One second apart: ids of one second are in no order.
    let first = ids(&lab).pop().unwrap();
    copied(&lab, "20200101-000000-00ff");
    lab.hl("break -k").exits(7);
    let second = ids(&lab)
        .into_iter()
        .find(|id| *id != first && !id.starts_with("2020"))
        .unwrap();
    let document = lab.hl("runs --json").exits(0).json();
    conforms(&document, "runs");
    assert_eq!(document["schema"], "hl.runs/1");
    let runs = document["runs"].as_array().unwrap();
    let row = |id: &str| runs.iter().find(|run| run["id"] == id).unwrap();
    assert_eq!(runs[2]["id"], "20200101-000000-00ff");
    assert_eq!(row(&second)["outcome"], "failed");
    assert_eq!(row(&second)["exit"], 7);
    assert_eq!(row(&second)["flags"]["keep_going"], true);
    assert_eq!(row(&first)["short"], tail(&first));
    // A shell asks for the names of runs.
    let answer = lab
        .hl("")
        .env("COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", "3");
    let answer = answer.env("_CLAP_IFS", "\n").arg("--").arg("hl");
    answer
        .arg("runs")
        .arg("show")
        .arg("")
        .exits(0)
        .says(&[tail(&first), tail(&second)]);
    let listed = lab.hl("runs").exits(0);
    listed.says(&[
        tail(&first),
        "make",
        "--jobs 2",
        "succeeded",
        "break",
        "--keep-going",
        "failed",
    ]);
    assert!(listed.stderr.is_empty(), "{}", listed.stderr);
}

#[test]
fn more_than_a_page_is_counted_and_all_of_it_is_there_when_asked_for() {
    let lab = lab();
    lab.hl("make").exits(0);
    for n in 0..24 {
        copied(&lab, &format!("20200101-0000{n:02}-{n:04x}"));
    }
    let page = lab.hl("runs").exits(0);
    assert_eq!(page.stdout.lines().count(), 21, "{}", page.stdout);
    assert!(
        page.stderr
            .contains("5 older are not shown: `hl runs --all`"),
        "{}",
        page.stderr
    );
    let all = lab.hl("runs --all").exits(0);
    assert_eq!(all.stdout.lines().count(), 26);
    assert!(all.stderr.is_empty());
    assert_eq!(lab.hl("runs --json").exits(0).json()["older"], 5);
}

#[test]
fn a_corrupt_file_is_unreadable_with_the_reason_and_stops_nothing() {
    let lab = lab();
    lab.hl("make").exits(0);
    copied(&lab, "20200101-000001-0001");
    let torn = lab.read("state/runs/20200101-000001-0001.yaml");
    lab.write(
        "state/runs/20200101-000001-0001.yaml",
        torn.get(..100).unwrap(),
    );
    copied(&lab, "20200101-000002-0002");
    let newer = torn.replace("version: 1\n", "version: 99\n");
    lab.write("state/runs/20200101-000002-0002.yaml", &newer);
    fs::write(
        lab.path("state/runs/20200101-000003-0003.yaml"),
        [0xff, b'\n'],
    )
    .unwrap();
    let listed = lab.hl("runs").exits(0);
    listed.says(&[
        "20200101-000001-0001  unreadable: not a run file: it has no `events:`",
        "20200101-000002-0002  unreadable: written in format 99, this hl reads up to 1",
        "20200101-000003-0003  unreadable: not a run file: invalid utf-8",
        "succeeded",
    ]);
    let unreadable = lab.hl("runs --json").exits(0).json()["unreadable"].clone();
    assert_eq!(unreadable.as_array().unwrap().len(), 3);
    assert_eq!(
        unreadable[0]["file"],
        "state/runs/20200101-000003-0003.yaml"
    );
    lab.hl("runs show 0001")
        .exits(65)
        .says(&["it has no `events:`"]);
    lab.hl("runs show 0002").exits(76);
    // What cannot be read is not thrown away either.
    lab.hl("runs prune --keep 1 --yes").exits(0);
    assert_eq!(ids(&lab).len(), 4);
}

#[test]
fn one_run_is_told_step_by_step() {
    let lab = lab();
    lab.hl("break").exits(7);
    let id = ids(&lab).pop().unwrap();
    let shown = lab.hl("runs show").arg(tail(&id)).exits(0);
    let log = format!("state/logs/{id}/break-fail.log");
    shown.says(&[
        &format!("{id} `break` failed"),
        "Command hl break",
        "exit code 7",
        "Done",
        "break/try",
        "Failed",
        "exited with code 7",
        "Blocked",
        "break/after",
        "error: step `break/fail` failed",
        "| it broke",
        &format!("full log: {log}"),
    ]);
    let document = lab.hl("runs show --json").exits(0).json();
    conforms(&document, "run");
    assert_eq!(document["schema"], "hl.run/1");
    assert_eq!(document["id"], id.as_str());
    assert_eq!(document["planned"], 3);
    assert_eq!(document["steps"][1]["status"], "failed");
    assert_eq!(document["steps"][1]["log"], log.as_str());
    assert_eq!(document["steps"][2]["status"], "blocked");
    lab.hl("runs show nosuch")
        .exits(66)
        .says(&["there is no run `nosuch`", "`hl runs` lists them"]);
}

#[test]
fn logs_are_those_of_what_failed_or_of_all_or_of_one_step() {
    let lab = lab();
    lab.hl("runs logs").exits(66).says(&["there is no run yet"]);
    lab.hl("make").exits(0);
    let made = ids(&lab).pop().unwrap();
    // The command stands first; what would steer a terminal is left out.
    let all = lab.hl("runs logs").exits(0).stdout;
    let all: Vec<&str> = all.lines().filter(|line| !line.starts_with("$ ")).collect();
    assert_eq!(
        all.join("\n"),
        "==> make/cut <==\ncutting\nwipe\n\n==> make/polish <==\npolishing"
    );
    assert_eq!(
        lab.hl("runs logs latest polish").exits(0).stdout,
        "$ sh -c 'echo polishing'\npolishing\n"
    );
    lab.hl("runs logs latest polsh")
        .exits(66)
        .says(&["has no step `polsh`"]);
    lab.hl("break").exits(7);
    let broken = ids(&lab).into_iter().find(|id| *id != made).unwrap();
    let failed = lab.hl("runs logs").arg(tail(&broken)).exits(0).stdout;
    assert!(failed.starts_with("==> break/fail <==\n$ sh"), "{failed}");
    assert!(failed.ends_with("\nit broke\n"), "{failed}");
    lab.hl("runs logs")
        .arg(tail(&broken))
        .arg("after")
        .exits(0)
        .says(&["has no output"]);
    let document = lab
        .hl("runs logs --json")
        .arg(tail(&broken))
        .exits(0)
        .json();
    assert_eq!(document["logs"][0]["lines"][1], "it broke");
    fs::remove_file(lab.path(&format!("state/logs/{made}/make-cut.log"))).unwrap();
    let gone = format!("the log `state/logs/{made}/make-cut.log` is gone");
    lab.hl("runs logs")
        .arg(tail(&made))
        .arg("cut")
        .exits(66)
        .says(&[&gone]);
    lab.hl("runs logs")
        .arg(tail(&made))
        .exits(0)
        .says(&[&gone, "polishing"]);
}

#[test]
fn pruning_asks_and_never_takes_what_is_needed() {
    let lab = lab();
    lab.hl("make").exits(0);
    for n in 1..=3 {
        copied(&lab, &format!("20200101-00000{n}-000{n}"));
        lab.write(
            &format!("state/logs/20200101-00000{n}-000{n}/make-cut.log"),
            "old\n",
        );
        lab.write(
            &format!("state/logs/20200101-00000{n}-000{n}/make-cut.1.out.spool"),
            "old\n",
        );
    }
    lab.hl("break").exits(7);
    let broken = lab.hl("runs --json").exits(0).json()["runs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|run| run["outcome"] == "failed")
        .unwrap()["id"]
        .clone();
    let before = ids(&lab);
    lab.hl("runs prune").exits(2).says(&["`--keep` is missing"]);
    let dry = lab.hl("runs prune --keep 0 --dry-run").exits(0);
    dry.says(&[
        "20200101-000001-0001",
        "it is the last that succeeded",
        "`hl resume` needs it",
        "3 runs would go",
    ]);
    lab.hl("runs prune --keep 0")
        .exits(77)
        .says(&["nothing was removed", "`--yes` removes them"]);
    assert_eq!(ids(&lab), before);
    lab.hl("runs prune --keep 4 --yes")
        .exits(0)
        .says(&["1 run removed"]);
    assert!(!lab.path("state/logs/20200101-000001-0001").exists());
    assert!(lab.path("state/logs/20200101-000002-0002").exists());
    let pruned = lab.hl("runs prune --keep 0 --yes --json").exits(0).json();
    assert_eq!(pruned["remove"].as_array().unwrap().len(), 2);
    let left = ids(&lab);
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.iter().any(|id| *id == broken));
    lab.hl("runs prune --keep 0 --yes")
        .exits(0)
        .says(&["nothing to remove"]);
}

#[test]
fn the_header_names_the_user_and_the_options_of_the_recipe() {
    let lab = lab();
    lab.write(
        "layers/l3-more/layer.toml",
        r#"[layer]
id = "l3"
name = "More"

[[recipe]]
name = "pick"
params = [
    { name = "what", default = "all" },
    { name = "limit", option = true, default = "" },
    { name = "deep_scan", option = true, type = "bool", default = false },
    { name = "times", option = true, type = "int", default = 1 },
]
[[recipe.step]]
id = "it"
use = "command"
with = { argv = ["true"] }
"#,
    );
    // The builder sets neither `USER` nor `LOGNAME`.
    lab.hl("pick some --limit web-1 --deep-scan --jobs 2")
        .env("USER", "")
        .exits(0);
    let run = lab.hl("runs show --json").exits(0).json();
    let name = duct::cmd!("id", "-un").read().unwrap();
    let operator = run["operator"].as_str().unwrap();
    assert!(operator.starts_with(&format!("{name}@")), "{operator}");
    let flags = serde_json::json!({"limit": "web-1", "deep_scan": true, "jobs": 2});
    assert_eq!(run["flags"], flags);
    lab.hl("runs")
        .exits(0)
        .says(&["--deep-scan --jobs 2 --limit web-1"]);
    let lab = self::lab();
    lab.hl("make").env("USER", "ann").exits(0);
    let run = lab.hl("runs show --json").exits(0).json();
    assert!(run["operator"].as_str().unwrap().starts_with("ann@"));
    assert_eq!(run["flags"].as_object().map_or(0, serde_json::Map::len), 0);
}

#[test]
fn the_usual_time_of_a_step_is_the_middle_of_those_that_it_took() {
    let lab = lab();
    lab.hl("make").exits(0);
    lab.hl("break").exits(7);
    let all = ids(&lab);
    let made = all
        .iter()
        .find(|id| {
            lab.read(&format!("state/runs/{id}.yaml"))
                .contains("make/cut")
        })
        .unwrap();
    let text = lab.read(&format!("state/runs/{made}.yaml"));
    let mark = "\"duration_ms\":";
    for (id, ms) in [("0001", 1000), ("0002", 9000), ("0003", 3000)] {
        let other = format!("20200101-000000-{id}");
        let mut pieces = text.split(mark);
        let mut copy = pieces.next().unwrap().to_owned();
        for piece in pieces {
            let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit());
            copy = format!("{copy}{mark}{ms}{rest}");
        }
        assert!(copy.contains(&format!("{mark}{ms}")));
        let copy = copy.replace(made.as_str(), &other);
        lab.write(&format!("state/runs/{other}.yaml"), &copy);
    }
    let paths = Paths::live(Utf8Path::from_path(lab.root()).unwrap());
    let usual = hl::runs::usual(&paths, false);
    let of = |step: &str| usual.get(&StepId::from(step)).copied();
    assert_eq!(of("make/cut"), Some(Duration::from_secs(3)));
    assert!(of("break/try").is_some());
    // It never did its work.
    assert_eq!(of("break/fail"), None);
    assert!(hl::runs::usual(&paths, true).is_empty());
}
