//! What `hl` makes of a node that fails in the middle of an apply: which error, which
//! exit code, which remedy, and that nothing is done twice.

use std::sync::Arc;

use hl_sim::{NoGuests, Seed, SeedVm, World};

use super::stage::{Stage, sealed};
use crate::sim::faults::faults;

fn stage(rules: &[&str]) -> Stage {
    Stage::with(faults(rules), Arc::new(NoGuests))
}

/// How many clones were asked for.
fn clones(stage: &Stage) -> usize {
    let requests = stage.sim.requests();
    requests
        .iter()
        .filter(|line| line.path.ends_with("/clone"))
        .count()
}

/// The provider forgets a machine whose reply it did not get: `hl` names it.
#[test]
fn a_machine_behind_a_lost_reply_is_named() {
    if !sealed("faults::a_machine_behind_a_lost_reply_is_named", "tofu") {
        return;
    }
    let stage = stage(&["POST /nodes/*/qemu/*/clone hit=1 lost at=after"]);
    let ran = stage.hl("l2-apply dev --yes").exits(1);
    ran.says(&["error cloning VM", "is in no state", "qm destroy"]);
    assert_eq!(clones(&stage), 2, "one for each machine, and none again");
    assert_eq!(stage.vms().len(), 2);
    stage.is_clean();
    // The next apply does not take it over.
    stage
        .hl("l2-apply dev --yes")
        .exits(69)
        .says(&["which is in no state"]);
    assert_eq!(clones(&stage), 2);
}

#[test]
fn a_task_that_fails_is_said_and_the_next_apply_makes_what_is_missing() {
    if !sealed(
        "faults::a_task_that_fails_is_said_and_the_next_apply_makes_what_is_missing",
        "tofu",
    ) {
        return;
    }
    let stage = stage(&["task=clone hit=1 exit=\"clone failed: no space left\""]);
    let ran = stage.hl("l2-apply dev --yes").exits(1);
    ran.says(&["no space left"]);
    assert!(!ran.stderr.contains("is in no state"), "{}", ran.stderr);
    assert_eq!(stage.vms().len(), 1);
    stage.is_clean();
    stage.hl("l2-apply dev --yes").exits(0);
    assert_eq!((stage.vms().len(), clones(&stage)), (2, 3));
}

#[test]
fn refusals_of_the_node_reach_the_user_in_its_words() {
    if !sealed(
        "faults::refusals_of_the_node_reach_the_user_in_its_words",
        "tofu",
    ) {
        return;
    }
    for (rule, said) in [
        ("POST /nodes/*/qemu/*/clone status=403", "403"),
        ("POST /nodes/*/qemu/*/clone status=596", "596"),
        (
            "POST /nodes/*/qemu/*/clone status=400 errors.newid=\"no good\"",
            "no good",
        ),
    ] {
        let stage = stage(&[rule]);
        let ran = stage.hl("l2-apply dev --yes").exits(1);
        ran.says(&[said]);
        assert_eq!(clones(&stage), 2, "{rule}");
        assert!(stage.vms().is_empty(), "{rule}");
        stage.is_clean();
    }
}

const WAKE: &str = r#"
[layer]
id = "l9"
name = "Mine"

[[recipe]]
name = "wake"
[[recipe.step]]
id = "start"
use = "vm.start"
with = { vms = [{ name = "web-1", vmid = 110, node = "pve" }] }
"#;

/// By its own calls: each is made once, and each error has its remedy.
#[test]
fn a_machine_that_cannot_be_started_is_said_with_what_to_do() {
    let start = "POST /nodes/*/qemu/110/status/start";
    let locked = "GET /nodes/*/qemu/110/status/current at=after world=vm-locked vmid=110";
    for (rule, said, help) in [
        (locked, "VM is locked (backup)", "Try again when it is over"),
        (
            &format!("{start} status=500 message=\"VM is locked (backup)\""),
            "VM is locked (backup)",
            "Try again when it is over",
        ),
        (&format!("{start} status=595"), "595", "pvecm status"),
        (
            &format!("{start} status=403"),
            "Permission check failed",
            "l0-runway",
        ),
        (
            &format!("{start} lost"),
            "cannot be reached",
            "is the node up",
        ),
        (
            &format!("{start} body=\"<html>a proxy</html>\""),
            "unexpected answer",
            "check that `PVE_ACCESS_HOST`",
        ),
        (
            "task=start exit=\"start failed: no such device\"",
            "no such device",
            "pvenode task log",
        ),
    ] {
        let stage = stage(&[rule]);
        let made = World::seeded(&Seed {
            vms: vec![SeedVm {
                vmid: 110,
                config: [("name".to_owned(), "web-1".to_owned())].into(),
                ..SeedVm::default()
            }],
            ..Seed::default()
        });
        stage.sim.change(|world| world.vms.extend(made.vms));
        stage.lab.write("layers/l9-mine/layer.toml", WAKE);
        stage.hl("wake").exits(1).says(&[said, help]);
        let requests = stage.sim.requests();
        let starts = requests.iter().filter(|line| line.path.ends_with("/start"));
        assert_eq!(starts.count(), 1, "{rule}");
        assert!(stage.sim.world().vms[&110].run.is_none(), "{rule}");
    }
}
