//! `docs/simulator.md`: a stranger's Terraform and playbook, executed as they are
//! written, and every rule that the page shows.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hl_sim::{FaultRule, Faults};

use super::stage::Sim;
use crate::support::TestLab;

/// The blocks of a language, in order.
pub(super) fn blocks(language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/simulator.md");
    let page = std::fs::read_to_string(path).unwrap();
    let fence = format!("```{language}\n");
    let blocks = page.split(fence.as_str()).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// Whether all tools are there; elsewhere than in CI the test is skipped.
pub(super) fn has(tools: &[&str]) -> bool {
    let missing = tools.iter().find(|tool| which::which(tool).is_err());
    let Some(missing) = missing else { return true };
    assert!(
        std::env::var_os("HL_TESTS_NEED_ALL").is_none() && std::env::var_os("CI").is_none(),
        "{missing} is not installed"
    );
    println!("skipped: {missing} not installed");
    false
}

/// Runs a block as a user would paste it.
pub(super) fn shell(lab: &TestLab, script: &str) -> String {
    let hl = PathBuf::from(env!("CARGO_BIN_EXE_hl"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", hl.parent().unwrap().display());
    let mut command = Command::new("bash");
    command
        .args(["-euc", script])
        .current_dir(lab.root())
        .env_clear()
        .env("PATH", path)
        .env("HOME", lab.root())
        .env("LANG", "C.UTF-8")
        .env("CHECKPOINT_DISABLE", "1")
        .stdin(Stdio::null());
    if let Ok(mirror) = std::env::var("TF_CLI_CONFIG_FILE") {
        command.env("TF_CLI_CONFIG_FILE", mirror);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{said}");
    said
}

#[test]
fn a_strangers_terraform_and_playbook_work_as_they_are_written() {
    if !has(&["tofu", "ansible-playbook", "bash"]) {
        return;
    }
    let lab = TestLab::empty();
    for (language, file) in [
        ("toml", "seed.toml"),
        ("hcl", "main.tf"),
        ("yaml", "playbook.yml"),
    ] {
        lab.write(file, &blocks(language)[0]);
    }
    let commands = blocks("sh");
    let serve = commands[0].trim().strip_prefix("hl sim ").unwrap();
    let sim = Sim::with(&lab, serve);

    let applied = shell(&lab, &commands[1]);
    for part in [
        "Apply complete! Resources: 3 added",
        "192.168.1.50",
        "Destroy complete! Resources: 3 destroyed",
    ] {
        assert!(applied.contains(part), "{part}: {applied}");
    }
    let played = shell(&lab, &commands[2]);
    assert!(played.contains("ok=3"), "{played}");
    let left = sim.get("/cluster/resources?type=vm");
    let left: Vec<u64> = left
        .as_array()
        .unwrap()
        .iter()
        .map(|vm| vm["vmid"].as_u64().unwrap())
        .collect();
    assert_eq!(left, [9000], "the template was there before");
    sim.interrupt();
    let ended = sim.ended();
    assert!(!ended.said.contains("not implemented"), "{}", ended.said);
}

#[test]
fn each_rule_of_the_page_is_one() {
    let rules: Vec<String> = blocks("sh")
        .iter()
        .flat_map(|block| block.lines())
        .filter_map(|line| line.strip_prefix("hl sim --fault '")?.strip_suffix('\''))
        .map(str::to_owned)
        .collect();
    assert!(rules.len() >= 5, "{rules:?}");
    for rule in rules {
        let rule: FaultRule = rule.parse().unwrap();
        Faults::new(&[rule]).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/simulator.md");
    let page = std::fs::read_to_string(path).unwrap();
    for condition in FaultRule::CONDITIONS {
        let told = condition.strip_prefix("certificate").unwrap_or(condition);
        assert!(page.contains(told), "{condition}");
    }
}
