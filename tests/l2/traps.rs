//! What an earlier run, or another tool, left where the next init trips over it.

use std::fs;

use super::stage::{Stage, mode, sealed};

#[test]
fn a_state_in_the_data_directory_is_put_where_it_belongs() {
    if !sealed(
        "traps::a_state_in_the_data_directory_is_put_where_it_belongs",
        "tofu",
    ) {
        return;
    }
    let stage = Stage::new();
    stage.applied();
    let place = stage.lab.path(".states/dev-pve/terraform.tfstate");
    let stray = stage.lab.path(".states/dev-pve/data/terraform.tfstate");
    let whole = fs::read_to_string(&place).unwrap();
    // As others keep it: it is the only one.
    fs::rename(&place, &stray).unwrap();
    stage
        .hl("l2-apply dev")
        .exits(0)
        .says(&["where it belongs", "no changes"]);
    assert_eq!(mode(&place), 0o600);
    // A copy of it is out of the way, and kept.
    fs::copy(&place, &stray).unwrap();
    stage
        .hl("l2-apply dev")
        .exits(0)
        .says(&["an old copy of the state", "no changes"]);
    let kept = stage
        .lab
        .path(".states/dev-pve/terraform.tfstate.from-data");
    assert_eq!(fs::read_to_string(&kept).unwrap(), whole);
    // Of two different ones none is chosen, and none is touched.
    let other = whole.replacen("\"lineage\": \"", "\"lineage\": \"another-", 1);
    assert_ne!(other, whole);
    fs::write(&stray, &other).unwrap();
    stage.hl("l2-apply dev --yes").exits(65).says(&[
        "there are two states",
        ".states/dev-pve/data/terraform.tfstate",
    ]);
    assert_eq!(fs::read_to_string(&stray).unwrap(), other);
    assert_eq!(fs::read_to_string(&place).unwrap(), whole);
    assert_eq!(stage.vms().len(), 2);
}

#[test]
fn another_constraint_makes_the_lock_anew_unless_it_is_the_checkouts_own() {
    if !sealed(
        "traps::another_constraint_makes_the_lock_anew_unless_it_is_the_checkouts_own",
        "tofu",
    ) {
        return;
    }
    let stage = Stage::new();
    stage.applied();
    // The lock is of a version that the module does not ask for any more.
    let lock = ".build/tofu/dev-pve/module/.terraform.lock.hcl";
    let now = stage.lab.read(lock);
    let version = now
        .lines()
        .find_map(|line| line.trim().strip_prefix("version"))
        .and_then(|rest| rest.split('"').nth(1))
        .unwrap()
        .to_owned();
    let old = now.replace(&version, "0.99.10");
    stage.lab.write(lock, &old);
    stage
        .hl("l2-apply dev")
        .exits(0)
        .says(&["chosen again", "no changes"]);
    assert_eq!(stage.lab.read(lock), now);
    // One that people committed is theirs to renew.
    stage
        .lab
        .write("layers/l2-instantiate/tofu/vms/.terraform.lock.hcl", &old);
    stage.hl("l2-apply dev").exits(1).says(&[
        "bpg/proxmox 0.99.10 does not match",
        "`layers/l2-instantiate/tofu/vms/.terraform.lock.hcl` is yours",
    ]);
    let own = stage
        .lab
        .read("layers/l2-instantiate/tofu/vms/.terraform.lock.hcl");
    assert_eq!(own, old);
}
