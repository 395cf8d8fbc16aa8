//! What can be typed: the table of the specification, names that are gone, lists.

use std::fs;

use serde_json::Value;

use super::lab::{hl, lab, log};

/// Each spelling of the specification's table, as its own program took it, and what
/// it comes to: an exit code, and what is said.
const TABLE: &[(&str, i32, &str)] = &[
    ("--version", 0, "hl "),
    ("--scenario word-tell", 0, ""),
    ("-S word-tell", 0, ""),
    ("--scenario word-tell --dry-run", 0, ""),
    (
        "--scenario packer-build --host nowhere",
        66,
        "there is no host `nowhere`",
    ),
    (
        "-S packer-build -H nowhere",
        66,
        "there is no host `nowhere`",
    ),
    (
        "-S packer-build -H nowhere --skip-preflight",
        66,
        "there is no host `nowhere`",
    ),
    ("preflight --host nowhere", 66, "there is no host `nowhere`"),
    ("-Sword-tell", 0, ""),
    ("-S word-tell --env dev", 2, "has no option `--env`"),
    ("-S word-tell -E dev", 2, "has no option `--env`"),
    ("-S word-tell --context-file c.json", 0, ""),
    ("-S word-tell -C c.json", 0, ""),
    ("-S word-tell --verbose", 0, ""),
    ("-S word-tell -v", 0, ""),
    ("-S word-tell --skip tell", 0, ""),
    ("-S word-tell -s tell", 0, ""),
    ("--list-scenarios", 0, "packer-build "),
    ("-S word-tell --list-phases", 0, "tell"),
    ("-S packer-build --local --templates one", 0, ""),
    ("-S packer-build --remote -bad --dry-run", 2, ""),
    (
        "-S packer-build --templates three --dry-run",
        66,
        "there is no image template `three`",
    ),
    (
        "-S word-tell --vm-ip 192.0.2.1",
        2,
        "has no option `--vm-ip`",
    ),
    (
        "-S word-tell --homestak-user ops",
        2,
        "has no option `--homestak-user`",
    ),
    (
        "-S word-tell --packer-release v1",
        2,
        "has no option `--packer-release`",
    ),
    ("-S word-tell --timeout 600", 0, ""),
    ("-S word-tell -t 600", 0, ""),
    ("-S word-tell --yes", 0, ""),
    ("-S word-tell -y", 0, ""),
    (
        "-S word-tell --vm-id test=99990",
        2,
        "has no option `--vm-id`",
    ),
    ("-S word-tell --vm-id test", 2, "expected NAME=ID"),
    ("-S word-tell --vm-id =5", 2, "in front of `=` is empty"),
    ("-S word-tell --vm-id test=x", 2, "is not a whole number"),
    ("-S word-tell --preflight", 0, ""),
    ("-S word-tell --skip-preflight", 0, ""),
    (
        "-S word-tell --json-output",
        0,
        "\"scenario\": \"word-tell\"",
    ),
    (
        "-S word-tell -M n1-basic",
        2,
        "`--manifest` is for machines of a manifest",
    ),
    (
        "-S word-tell --manifest n1",
        2,
        "`--manifest` is for machines",
    ),
    (
        "-S word-tell --manifest-file f",
        2,
        "`--manifest-file` is for machines",
    ),
    (
        "-S word-tell --manifest-json {}",
        2,
        "`--manifest-json` is for machines",
    ),
    ("-S word-tell --step-timeout 5m", 0, ""),
    ("-S vm-roundtrip", 66, "`hl test -M n1-basic -H HOST`"),
    (
        "--scenario nested-pve-constructor",
        66,
        "`hl create -M n2-quick -H HOST`",
    ),
    (
        "scenario recursive-pve-destructor",
        66,
        "`hl destroy -M MANIFEST -H HOST`",
    ),
    ("scenario", 0, "word-tell"),
    ("scenario word-tel", 66, "did you mean `word-tell`?"),
    ("scenario word-tell --skip tel", 66, "has no phase `tel`"),
    ("scenario --word=two word-tell", 0, ""),
    ("scenario word-tell --help", 0, "--word <WORD>"),
    ("scenario word-tell -t soon", 2, "a number of seconds"),
    ("scenario packer-sync", 2, "needs a machine to work on"),
];

#[test]
fn every_spelling_of_the_table_works() {
    if !crate::e2e::ready(false, &["packer"]) {
        return;
    }
    let lab = lab();
    lab.write("site/site.yaml", "defaults: {}\n");
    for (words, code, said) in TABLE {
        let ran = lab.hl(words).run();
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, *code, "hl {words}\n{all}");
        assert!(all.contains(said), "hl {words}: no `{said}` in\n{all}");
    }
}

#[test]
fn the_list_has_run_times_and_descriptions_and_none_of_the_checks() {
    let lab = lab();
    let ran = lab.hl("scenario --list").exits(0);
    for line in [
        "  packer-build                   ~3m    Build packer images (local or remote)",
        "  packer-sync                    ~30s   Sync local packer to remote",
        "  word-tell                      ~1s    do nothing",
    ] {
        assert!(
            ran.stdout.lines().any(|l| l == line),
            "{line}\n{}",
            ran.stdout
        );
    }
    assert!(!ran.stdout.contains("preflight") && !ran.stdout.contains("doctor"));
    let all = lab.hl("scenario --list --json").exits(0).json();
    let all = all["scenarios"].as_array().unwrap();
    let build = all
        .iter()
        .find(|one| one["name"] == "packer-build-fetch")
        .unwrap();
    assert_eq!(
        (&build["runtime"], &build["timeout"]),
        (&Value::from(300), &Value::from(1200))
    );
    let phases = lab
        .hl("scenario packer-sync-build-fetch --phases --json")
        .exits(0)
        .json();
    let names: Vec<&str> = phases["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phase| phase["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["sync", "build", "fetch"]);
}

#[test]
fn a_scenario_of_the_lab_is_asked_for_verb_noun_and_wins_over_a_shipped_one() {
    let lab = lab();
    lab.hl("scenario word-tell")
        .exits(0)
        .says(&["`tell` should be called `verb_noun`"]);
    let own = lab.read("scenarios/word-tell.toml");
    lab.write("scenarios/packer-sync.toml", &own);
    let ran = lab.hl("scenario packer-sync --word mine").exits(0);
    assert!(!ran.stderr.contains("verb_noun"), "{}", ran.stderr);
    assert_eq!(log(&lab), ["none", "mine"]);
    lab.write("scenarios/packer-sync.toml", "[scenario]\ndoc = \"x\"\n");
    lab.hl("scenario packer-sync")
        .exits(65)
        .says(&["scenarios/packer-sync.toml", "runtime"]);
}

#[test]
fn a_dry_run_and_json_give_one_document_and_reports_are_written() {
    let lab = lab();
    let ran = lab.hl("scenario word-tell --json --dry-run").exits(0);
    assert_eq!(ran.json()["scenario"], "word-tell");
    assert!(!lab.path("log").exists() && !lab.path("reports").exists());
    let ran = lab.hl("scenario word-tell --json").exits(0);
    let document = ran.json();
    assert_eq!(document["success"], true);
    assert_eq!(document["phases"][0]["name"], "tell");
    assert_eq!(document["phases"][0]["status"], "passed");
    assert!(document.get("error").is_none());
    let names: Vec<String> = fs::read_dir(lab.path("reports"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(
        names.iter().all(|name| name.contains(".passed.")),
        "{names:?}"
    );
    let skipped = lab
        .hl("scenario word-tell --skip tell --json")
        .exits(0)
        .json();
    assert_eq!(skipped["phases"][0]["status"], "skipped");
}

#[test]
fn a_lab_that_is_named_may_be_elsewhere() {
    let lab = lab();
    let dir = tempfile::tempdir().unwrap();
    hl(dir.path(), &lab, "scenario word-tell --word there").exits(0);
    assert_eq!(log(&lab), ["there"]);
}

#[test]
fn the_doctor_checks_this_machine_and_its_tools() {
    let lab = lab();
    lab.write("site/site.yaml", "defaults: {}\n");
    let etc = lab.path("etc").display().to_string();
    let ran = lab.hl("doctor --json").env("HOMESTAK_ETC", &etc).run();
    // It depends on the machine which of them pass.
    assert!([0, 69].contains(&ran.code), "{}", ran.stderr);
    let document = ran.json();
    let phase = |name: &str| {
        let phases = document["phases"].as_array().unwrap();
        let found = phases.iter().find(|phase| phase["name"] == name);
        found
            .unwrap_or_else(|| panic!("{name}: {document}"))
            .clone()
    };
    assert_eq!(phase("doctor/reach_machine")["status"], "succeeded");
    assert_eq!(phase("doctor/verify_cpu")["status"], "succeeded");
    assert_eq!(phase("doctor/verify_ssh")["status"], "succeeded");
    let bootstrap = phase("doctor/verify_bootstrap");
    assert_eq!(bootstrap["status"], "failed");
    assert!(!lab.path("state").exists(), "a check leaves no trace");
}

#[test]
fn checks_that_fail_keep_a_scenario_from_beginning() {
    let lab = lab();
    let own = lab.read("scenarios/word-tell.toml");
    let own = own.replace(
        "runtime",
        "preflight = [\"verify_memory\", \"reach_machine\", \"verify_bootstrap\"]\nruntime",
    );
    lab.write("scenarios/word-tell.toml", &own);
    let etc = lab.path("etc").display().to_string();
    let run = |words: &str| lab.hl(words).env("HOMESTAK_ETC", &etc);
    let ran = run("scenario word-tell --json").exits(69);
    assert_eq!(ran.json()["success"], false);
    assert!(ran.stderr.contains("nothing was begun"), "{}", ran.stderr);
    assert!(log(&lab).is_empty());
    run("scenario word-tell --preflight").exits(69);
    run("scenario word-tell --skip-preflight").exits(0);
    assert_eq!(log(&lab), ["none"]);
    // A name that is no check is an error of the file.
    lab.write(
        "scenarios/word-tell.toml",
        &own.replace("verify_memory", "verify_memry"),
    );
    run("scenario word-tell").exits(65).says(&["verify_memry"]);
}
