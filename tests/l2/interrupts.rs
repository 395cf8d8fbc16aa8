//! Ctrl-C, and the death of `hl`, in the middle of an apply.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::stage::{Stage, sealed, signal};

/// A node on which a clone takes until the simulator is hurried.
fn stage() -> Stage {
    Stage::slow(Duration::from_hours(1))
}

/// Sends a Ctrl-C and waits until `hl` has taken notice of it, the `nth`.
fn interrupt(stage: &Stage, child: &std::process::Child, nth: usize) {
    signal(child, Signal::INT);
    let until = Instant::now() + Duration::from_mins(1);
    let told = || {
        let files = stage.files().into_iter();
        let runs = files.filter(|path| path.extension().is_some_and(|ext| ext == "yaml"));
        let runs = runs.filter(|path| path.parent().is_some_and(|dir| dir.ends_with("state/runs")));
        let texts = runs.map(|path| std::fs::read_to_string(path).unwrap());
        let told = texts.map(|text| text.matches("\"event\":\"interrupted\"").count());
        told.sum::<usize>()
    };
    while told() < nth {
        assert!(Instant::now() < until, "Ctrl-C {nth} was not heard");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The log of the apply in all runs.
fn apply_logs(stage: &Stage) -> String {
    let logs = stage
        .files()
        .into_iter()
        .filter(|path| path.ends_with("l2-apply-apply.log"));
    logs.map(|path| std::fs::read_to_string(path).unwrap())
        .collect()
}

#[test]
fn one_interrupt_ends_well_and_the_next_run_goes_on() {
    if !sealed(
        "interrupts::one_interrupt_ends_well_and_the_next_run_goes_on",
        "tofu",
    ) {
        return;
    }
    let stage = stage();
    let child = stage.hl("l2-apply dev --yes").spawn();
    stage.waits_for("/clone");
    interrupt(&stage, &child, 1);
    stage.sim.hurry();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    let log = apply_logs(&stage);
    assert_eq!(log.matches("Interrupt received").count(), 1, "{log}");
    assert!(!log.contains("Two interrupts"), "{log}");
    assert!(!said.contains("is in no state"), "{said}");
    stage.is_clean();
    // A second Ctrl-C hurries no tofu, and nobody says that it does.
    assert!(said.contains("Ctrl-C again does not hurry it"), "{said}");
    let held = stage.lab.read(".states/dev-pve/terraform.tfstate");
    for id in stage.vms().keys() {
        assert!(
            held.contains(&format!("\"vm_id\": {id}")),
            "{id} is in no state: {said}"
        );
    }
    // The first apply of the lab: what the state holds is known all the same.
    let runtime = stage.lab.read("state/runtime.yaml");
    assert!(!runtime.contains("applying"), "{runtime}");
    for (id, name) in stage.vms() {
        assert!(runtime.contains(&format!("vmid: {id}")), "{runtime}");
        let status = stage.hl("status").exits(0);
        status.says(&[&name, &format!("VM {id} on pve"), "At l2-apply/apply"]);
    }
    let latest = stage.lab.read("state/runs/latest.env");
    assert!(
        latest.contains("FAILURE_STEP=\"l2-apply/apply\"\n"),
        "{latest}"
    );
    let made = stage.vms().len();
    stage.hl("l2-apply dev --yes").exits(0);
    assert_eq!(stage.vms().len(), 2, "{made} were there before");
    stage.hl("l2-apply dev").exits(0).says(&["no changes"]);
}

#[test]
fn the_death_of_hl_loses_nothing() {
    if !sealed("interrupts::the_death_of_hl_loses_nothing", "tofu") {
        return;
    }
    let stage = stage();
    // The key of a machine that had that address once.
    stage
        .lab
        .write("state/known_hosts", "192.168.1.51 ssh-ed25519 AAAA\n");
    let mut child = stage.hl("l2-apply dev --yes").spawn();
    stage.waits_for("/clone");
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    stage.sim.hurry();
    // The next one waits for the tofu that goes on, and sees to what its hl
    // would have done: the new machine has another key.
    stage.hl("l2-apply dev --yes").exits(0);
    assert_eq!(stage.lab.read("state/known_hosts"), "");
    assert_eq!(stage.vms().into_keys().collect::<Vec<_>>(), [5101, 5102]);
    let clones = stage
        .sim
        .requests()
        .iter()
        .filter(|line| format!("{line:?}").contains("/clone"))
        .count();
    assert_eq!(clones, 2, "each machine was made once");
    stage.hl("l2-apply dev").exits(0).says(&["no changes"]);
    stage.is_clean();
}

#[test]
fn a_killed_apply_names_what_no_state_holds() {
    if !sealed(
        "interrupts::a_killed_apply_names_what_no_state_holds",
        "tofu",
    ) {
        return;
    }
    let stage = stage();
    let child = stage.hl("l2-apply dev --yes").spawn();
    stage.waits_for("/clone");
    for nth in 1..=3 {
        interrupt(&stage, &child, nth);
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        said.contains("VM 5101 ") && said.contains("is in no state"),
        "{said}"
    );
    assert!(said.contains("qm destroy 5101 --purge"), "{said}");
    // And the next apply refuses to adopt it.
    stage.sim.hurry();
    stage
        .hl("l2-apply dev --yes")
        .exits(69)
        .says(&["vmid 5101 of `web-1` is held by"]);
}

/// Processes whose program is named so, of this test's own making: in its
/// namespace there are no others.
fn running(program: &str) -> Vec<rustix::process::Pid> {
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let ours = entries.filter(|entry| {
        let path = entry.path();
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        let net = std::fs::read_link(path.join("ns/net")).unwrap_or_default();
        net == own && name.trim().starts_with(program)
    });
    ours.filter_map(|entry| {
        rustix::process::Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)
    })
    .collect()
}

#[test]
fn a_tofu_that_died_is_told_with_what_it_lost_and_leaves_no_provider() {
    if !sealed(
        "interrupts::a_tofu_that_died_is_told_with_what_it_lost_and_leaves_no_provider",
        "tofu",
    ) {
        return;
    }
    let stage = stage();
    let child = stage.hl("l2-apply dev --yes").spawn();
    stage.waits_for("/clone");
    let tofu = running("tofu");
    assert_eq!(tofu.len(), 1, "{tofu:?}");
    rustix::process::kill_process(tofu[0], Signal::KILL).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(137), "{said}");
    assert!(
        said.contains("VM 5101 ") && said.contains("is in no state"),
        "{said}"
    );
    assert!(said.contains("qm destroy 5101 --purge"), "{said}");
    assert_eq!(
        running("terraform-provi"),
        [],
        "the provider went on: {said}"
    );
    stage.is_clean();
}
