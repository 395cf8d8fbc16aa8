//! The shipped lab and what is said about it: the justfile, the README, the docs.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use hl::diag::Exit;

use crate::support::TestLab;

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Text between two marks, without a code fence.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let inside = text.split(from).nth(1).unwrap().split(to).next().unwrap();
    inside
        .trim()
        .trim_start_matches("```sh")
        .trim_end_matches("```")
        .trim()
}

/// The real just in a lab; `None` where it is not installed and need not be.
fn just(lab: &TestLab, args: &[&str]) -> Option<std::process::Output> {
    let mut command = lab.hl("").command();
    let program = which::which("just");
    if program.is_err() {
        assert!(
            std::env::var_os("HL_TESTS_NEED_ALL").is_none(),
            "just is not installed; run scripts/tools"
        );
        println!("skipped: just not installed");
        return None;
    }
    let mut just = Command::new(program.unwrap());
    just.args(args).current_dir(lab.root()).env_clear();
    for (name, value) in command.env("HL_BIN", env!("CARGO_BIN_EXE_hl")).get_envs() {
        just.env(name, value.unwrap());
    }
    Some(just.output().unwrap())
}

#[test]
fn just_forwards_every_recipe() {
    let lab = TestLab::shipped();
    let Some(summary) = just(&lab, &["--summary"]) else {
        return;
    };
    let forwarded: BTreeSet<String> = String::from_utf8(summary.stdout)
        .unwrap()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let mut wanted: BTreeSet<String> = ["up", "rehearse", "clean", "hl"].map(str::to_owned).into();
    for layer in lab.hl("list --json").exits(0).json()["layers"]
        .as_array()
        .unwrap()
    {
        wanted.insert(layer["id"].as_str().unwrap().to_owned());
        wanted.extend(
            layer["recipes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|r| r["name"].as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(forwarded, wanted);
}

#[test]
fn the_console_lines_of_the_specification_work_as_they_are() {
    let lab = TestLab::shipped();
    // Nothing is set: L0 says what is missing, through just, with its own code.
    let Some(ran) = just(&lab, &["l0-runway"]) else {
        return;
    };
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(69), "{said}");
    for name in [
        "PVE_ACCESS_HOST",
        "PM_TOKEN_ID",
        "PM_TOKEN_SECRET",
        "PVE_NODE",
        "PVE_STORAGE_VM",
    ] {
        assert!(said.contains(name), "{name} is not in\n{said}");
    }
    lab.write(".build/x", "rendered");
    let cleaned = just(&lab, &["clean"]).unwrap();
    assert_eq!(
        cleaned.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&cleaned.stderr)
    );
    assert!(!lab.path(".build").exists() && lab.path("hl.toml").exists());
}

/// What the shipped recipes need to become plans.
const NODE: &[(&str, &str)] = &[
    ("PVE_ACCESS_HOST", "127.0.0.1:1"),
    ("PM_TOKEN_ID", "hl@pve!hl"),
    ("PM_TOKEN_SECRET", "00000000-0000-4000-8000-000000000000"),
    ("PVE_NODE", "pve"),
    ("PVE_STORAGE_VM", "local-lvm"),
    ("PVE_BUILD_ADDRESS", "127.0.0.9/8,gw=127.0.0.1"),
];

#[test]
fn every_recipe_becomes_a_plan_with_all_its_options() {
    let lab = TestLab::shipped();
    let list = lab.hl("list --json").exits(0).json();
    let layers = list["layers"].as_array().unwrap();
    for recipe in layers.iter().flat_map(|l| l["recipes"].as_array().unwrap()) {
        let mut hl = lab.hl("plan --json").arg(recipe["name"].as_str().unwrap());
        for param in recipe["params"].as_array().unwrap() {
            let flag = format!("--{}", param["name"].as_str().unwrap().replace('_', "-"));
            hl = match (param["option"].as_bool(), param["type"].as_str()) {
                (Some(true), Some("bool")) => hl.arg(flag),
                (Some(true), _) => hl.arg(format!("{flag}=x")),
                _ => hl.arg("debian-13"),
            };
        }
        let hl = NODE
            .iter()
            .fold(hl, |hl, (name, value)| hl.env(name, *value));
        assert!(hl.exits(0).json()["steps"][0]["id"].is_string());
    }
}

#[test]
fn a_template_is_built_when_asked_for_and_steps_have_short_names() {
    let lab = TestLab::shipped();
    let plan = |words: &str| {
        let hl = NODE
            .iter()
            .fold(lab.hl(words), |hl, (name, value)| hl.env(name, *value));
        hl.exits(0).json()
    };
    let check = plan("plan l1-template debian-13 --json")["steps"][0].clone();
    assert_eq!(check["id"], "l1-ensure/check");
    assert_eq!(
        (&check["with"]["force"], &check["with"]["update_image"]),
        (&true.into(), &false.into())
    );
    let ids: Vec<String> = plan("plan l1-templates --json")["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.first().unwrap(), "l1-ensure(debian-13)/check");
    assert_eq!(ids.last().unwrap(), "l1-ensure(ubuntu-24.04)/publish");
}

#[test]
fn the_readme_makes_a_token_with_exactly_the_rights_that_l0_checks() {
    let readme = file("README.md");
    let commands = hl::pve::rights::setup_commands(&hl::pve::rights::Objects::default(), 9);
    assert_eq!(
        between(&readme, "<!-- pveum -->", "<!-- /pveum -->"),
        commands.join("\n")
    );
}

#[test]
fn the_example_recipe_of_the_docs_is_a_recipe() {
    let lab = TestLab::shipped();
    let docs = file("docs/recipes.md");
    let recipe = docs
        .split("```toml")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    lab.write(
        "layers/l5-backup/layer.toml",
        &format!("[layer]\nid = \"l5\"\nname = \"Backup\"\ndoc = \"From the docs\"\n{recipe}"),
    );
    lab.write("layers/l5-backup/dump.sh", "#!/bin/sh\n");
    lab.hl("show backup prod --keep 14 --set PVE_NODE=pve")
        .exits(0)
        .says(&["backup/dump", "+14"]);
}

#[test]
fn every_page_of_the_docs_is_there_and_linked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let index = file("docs/README.md");
    let contributing = file("CONTRIBUTING.md");
    for link in index
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
    {
        assert!(
            root.join("docs").join(link).is_file(),
            "docs/{link} is missing"
        );
    }
    for dir in ["docs", "docs/layers", "docs/reference"] {
        for entry in std::fs::read_dir(root.join(dir)).unwrap() {
            let path = entry.unwrap().path();
            let relative = path
                .strip_prefix(root.join("docs"))
                .unwrap()
                .display()
                .to_string();
            if path.extension().is_some_and(|e| e == "md") && relative != "README.md" {
                // What is for those who change `hl` is not in the manual of a lab.
                let linked = index.contains(&format!("]({relative})"))
                    || contributing.contains(&format!("docs/{relative}"));
                assert!(linked, "docs/README.md does not link {relative}");
            }
        }
    }
}

#[test]
fn exit_codes_are_those_of_the_page() {
    let page = file("docs/reference/exit-codes.md");
    for exit in [
        Exit::Ok,
        Exit::Several,
        Exit::Usage,
        Exit::Definition,
        Exit::Unknown,
        Exit::Runway,
        Exit::Bug,
        Exit::CannotWrite,
        Exit::Busy,
        Exit::Newer,
        Exit::NotApproved,
        Exit::ChangesPending,
        Exit::Timeout,
        Exit::Interrupted,
        Exit::Terminated,
    ] {
        assert!(
            page.contains(&format!("| {} |", exit.code())),
            "{exit:?} is not on the page"
        );
    }
}

/// What a text has in its first `[...]` behind a mark, or the word there.
fn words_behind(text: &str, mark: &str) -> Vec<String> {
    let Some(rest) = text.split(mark).nth(1) else {
        return Vec::new();
    };
    let line = rest.lines().next().unwrap_or_default().trim();
    let list = line.trim_start_matches('[').trim_end_matches(']');
    let words = list.split(',').map(str::trim);
    let names = words.filter(|word| !word.is_empty() && !word.contains("{{"));
    names.map(str::to_owned).collect()
}

/// Else the first environment with that posture fails in its rehearsal.
#[test]
fn guests_can_install_all_that_the_shipped_playbooks_and_postures_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wanted = BTreeSet::new();
    let mut dirs = vec![root.join("layers"), root.join("site/postures")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let ending = path.extension().and_then(|ending| ending.to_str());
            if !matches!(ending, Some("yml" | "yaml")) {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let tasks = text.split("ansible.builtin.apt:").skip(1);
            let tasks = tasks.map(|task| task.split("\n- ").next().unwrap_or_default());
            // What is only removed is not fetched.
            for task in tasks.filter(|task| !task.contains("state: absent")) {
                wanted.extend(words_behind(task, "name:"));
            }
            wanted.extend(words_behind(&text, "\npackages:"));
            let list = text
                .split("\nsystem_packages:\n")
                .nth(1)
                .unwrap_or_default();
            let items = list
                .lines()
                .map_while(|line| line.trim().strip_prefix("- "));
            wanted.extend(items.map(str::to_owned));
        }
    }
    for known in [
        "chrony",
        "fail2ban",
        "nginx",
        "rsync",
        "unattended-upgrades",
    ] {
        assert!(wanted.contains(known), "{known} is not among {wanted:?}");
    }
    let fetched: BTreeSet<String> = file("tools/guest-packages.txt")
        .lines()
        .filter_map(|line| line.split('#').next()?.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    let missing: Vec<&String> = wanted.difference(&fetched).collect();
    assert!(
        missing.is_empty(),
        "a rehearsal cannot install {missing:?}: add them to tools/guest-packages.txt"
    );
}
