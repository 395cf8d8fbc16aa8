//! The hazards of the provider, each met before it does harm.

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hl_sim::{Faults, GuestSpec, Guests, NoGuests};

use super::stage::{Stage, sealed};
use crate::sim::faults::faults;

#[test]
fn a_foreign_machine_with_the_id_is_not_adopted() {
    if !sealed(
        "guards::a_foreign_machine_with_the_id_is_not_adopted",
        "tofu",
    ) {
        return;
    }
    let stage = Stage::new();
    stage.add_template(5101, "precious");
    stage.sim.change(|world| {
        let vm = world.vms.get_mut(&5101).unwrap();
        vm.config.remove("template");
    });
    let before = stage.sim.world().vms;
    stage.hl("l2-apply dev --yes").exits(69).says(&[
        "vmid 5101 of `web-1` is held by `precious` on `pve`, which is in no state",
        "qm destroy 5101 --purge",
    ]);
    assert_eq!(stage.sim.world().vms, before);
    assert_eq!(stage.sim.write_count(), 0);
    stage.is_clean();
}

/// The state of a manifest's node with this machine.
fn of_a_manifest(stage: &Stage, vmid: u32) {
    let instance = serde_json::json!({
        "index_key": "web", "attributes": {"vm_id": vmid, "node_name": "pve", "name": "web"},
    });
    let resource = serde_json::json!({
        "mode": "managed", "type": "proxmox_virtual_environment_vm", "name": "vm",
        "instances": [instance],
    });
    let made = serde_json::json!({"version": 4, "serial": 1, "resources": [resource]});
    let file = ".states/shop/pve/web/terraform.tfstate";
    stage.lab.write(file, &made.to_string());
    stage.lab.write(".states/shop/pve/execution.json", "{}");
}

#[test]
fn a_machine_of_a_manifest_is_not_adopted_by_an_environment() {
    if !sealed(
        "guards::a_machine_of_a_manifest_is_not_adopted_by_an_environment",
        "tofu",
    ) {
        return;
    }
    let stage = Stage::new();
    stage.add_template(5101, "web");
    stage.sim.change(|world| {
        let vm = world.vms.get_mut(&5101).unwrap();
        vm.config.remove("template");
    });
    of_a_manifest(&stage, 5101);
    let refused = stage.hl("l2-apply dev --yes").exits(69);
    refused.says(&["held by `web` on `pve`, which belongs to `shop/pve/web`"]);
    assert_eq!(stage.sim.write_count(), 0);
}

/// An id that a manifest's machine has is nobody else's, also when that machine is gone.
#[test]
fn an_environment_takes_no_id_of_a_manifest() {
    if !sealed("guards::an_environment_takes_no_id_of_a_manifest", "tofu") {
        return;
    }
    let stage = Stage::new();
    stage.lab.write(
        "site/envs/free.yaml",
        "vms:\n  - {name: one, image: debian-13, cores: 1, memory: 1024, disk: 10, ip: 192.168.1.99/24}\n",
    );
    of_a_manifest(&stage, 100);
    stage.hl("l2-apply free --yes").exits(0);
    assert_eq!(stage.vms().into_keys().collect::<Vec<_>>(), [101]);
}

/// After an apply that failed, a machine that a manifest's state holds is not lost.
#[test]
fn a_machine_of_a_manifest_is_no_orphan() {
    if !sealed("guards::a_machine_of_a_manifest_is_no_orphan", "tofu") {
        return;
    }
    let rule = "task=clone hit=1 exit=\"clone failed: no space left\"";
    let stage = Stage::with(faults(&[rule]), Arc::new(NoGuests));
    for (vmid, name) in [(5201, "web"), (5202, "lost")] {
        stage.add_template(vmid, name);
        stage.sim.change(|world| {
            let vm = world.vms.get_mut(&vmid).unwrap();
            vm.config.remove("template");
            vm.config.insert("tags".to_owned(), "dev;hl".to_owned());
        });
    }
    of_a_manifest(&stage, 5201);
    let ran = stage.hl("l2-apply dev --yes").exits(1);
    ran.says(&["VM 5202 `lost` on `pve` is in no state"]);
    assert!(!ran.stderr.contains("VM 5201"), "{}", ran.stderr);
}

/// What no run tells of, as its record went, is in its state all the same.
#[test]
fn a_machine_of_a_manifest_is_in_the_status() {
    let stage = Stage::new();
    of_a_manifest(&stage, 5201);
    let status = stage.hl("status --json").exits(0).json();
    let made = &status["published"]["environments"]["shop/pve/web"];
    assert_eq!(made["vms"]["web"]["vmid"], 5201, "{status:#}");
    let text = stage.hl("status").exits(0).stdout;
    assert!(
        text.contains("shop/pve/web  in its state; no run tells of it"),
        "{text}"
    );
}

#[test]
fn an_address_that_answers_is_named() {
    if !sealed("guards::an_address_that_answers_is_named", "tofu") {
        return;
    }
    let stage = Stage::new();
    let added = Command::new("ip")
        .args(["addr", "add", "192.168.1.52/32", "dev", "lo"])
        .status();
    assert!(added.unwrap().success());
    let _somebody = TcpListener::bind("192.168.1.52:22").unwrap();
    stage
        .hl("l2-apply dev --yes")
        .exits(69)
        .says(&["address 192.168.1.52 of `app-1` answers already"]);
    assert!(stage.vms().is_empty());
    stage.is_clean();
}

#[test]
fn a_template_that_is_none_or_gone_or_too_large_is_named() {
    if !sealed(
        "guards::a_template_that_is_none_or_gone_or_too_large_is_named",
        "tofu",
    ) {
        return;
    }
    let stage = Stage::new();
    // The builder may say that it made a template, and have made none.
    stage
        .sim
        .change(|world| world.vms.get_mut(&9000).unwrap().config.remove("template"));
    stage.promote("ubuntu-24.04", 9999);
    stage.hl("l2-apply dev --yes").exits(69).says(&[
        "VM 9000 on `pve`, recorded as template `debian-13`, is no template",
        "template `ubuntu-24.04` (VM 9999) is not on `pve`",
        "hl l1-template debian-13",
    ]);
    let stage = Stage::new();
    let env = stage
        .lab
        .read("site/envs/dev.yaml")
        .replacen("disk: 10", "disk: 2", 1);
    stage.lab.write("site/envs/dev.yaml", &env);
    let ran = stage.hl("l2-apply dev --yes").exits(69);
    ran.says(&[
        "disk of `web-1` has 2 GB, less than the 3 GB of template `debian-13`",
        "disk: 3",
    ]);
    // What the plan would have changed is not part of the failure.
    let (_, failure) = ran.stderr.split_once("error: step").unwrap();
    assert!(!failure.contains("Changes to Outputs"), "{failure}");
    assert_eq!(stage.sim.write_count(), 0);
}

#[test]
fn a_disk_does_not_shrink_and_an_id_is_not_handed_over() {
    if !sealed(
        "guards::a_disk_does_not_shrink_and_an_id_is_not_handed_over",
        "tofu",
    ) {
        return;
    }
    let stage = Stage::new();
    stage.applied();
    let env = stage.lab.read("site/envs/dev.yaml");
    stage.lab.write(
        "site/envs/dev.yaml",
        &env.replacen("disk: 10", "disk: 8", 1),
    );
    stage
        .hl("l2-apply dev --yes")
        .exits(69)
        .says(&["`web-1` would shrink from 10 to 8 GB"]);
    stage.lab.write(
        "site/envs/dev.yaml",
        &env.replacen("name: web-1", "name: www-1", 1),
    );
    stage
        .hl("l2-apply dev --yes")
        .exits(69)
        .says(&["vmid 5101 of `www-1` is still held by `web-1`"]);
    assert_eq!(stage.vms().len(), 2);
}

/// Guests that do not do what they should.
#[derive(Default)]
struct Odd {
    /// No agent answers.
    mute: bool,
    /// How many starts fail before one succeeds.
    stillborn: AtomicU32,
}

impl Guests for Odd {
    fn create_disk(&self, _: &str, _: Option<&str>) -> Result<(), String> {
        Ok(())
    }
    fn clone_disk(&self, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn rename_disk(&self, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn remove_disk(&self, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn start(&self, guest: &GuestSpec) -> Result<(), String> {
        let left = self.stillborn.load(Ordering::SeqCst);
        if guest.vmid == 5101 && left > 0 {
            self.stillborn.store(left - 1, Ordering::SeqCst);
            return Err("kvm: no".to_owned());
        }
        Ok(())
    }
    fn stop(&self, _: u32) -> Result<(), String> {
        Ok(())
    }
    fn agent_ready(&self, _: u32) -> bool {
        !self.mute
    }
}

#[test]
fn a_machine_that_did_not_start_is_made_again_only_with_a_yes() {
    if !sealed(
        "guards::a_machine_that_did_not_start_is_made_again_only_with_a_yes",
        "tofu",
    ) {
        return;
    }
    let odd = Odd {
        stillborn: AtomicU32::new(1),
        ..Odd::default()
    };
    let stage = Stage::with(Faults::default(), Arc::new(odd));
    let failed = stage.hl("l2-apply dev --yes").exits(1);
    failed.says(&["kvm: no", "plans what is left and asks again"]);
    assert!(
        !failed.stderr.contains("is in no state"),
        "{}",
        failed.stderr
    );
    stage.is_clean();
    stage
        .hl("l2-outputs dev")
        .exits(1)
        .says(&["did not come to its end"]);
    stage
        .hl("l2-apply dev")
        .exits(77)
        .says(&["destroy VM 5101 and create it again: its last creation did not end well"]);
    stage
        .hl("l2-apply dev --yes")
        .exits(0)
        .says(&["1 replaced"]);
    stage.hl("l2-apply dev").exits(0).says(&["no changes"]);
    stage.is_clean();
}

#[test]
fn no_address_behind_a_good_end_is_an_error_that_says_why() {
    if !sealed(
        "guards::no_address_behind_a_good_end_is_an_error_that_says_why",
        "tofu",
    ) {
        return;
    }
    let stage = Stage::with(
        Faults::default(),
        Arc::new(Odd {
            mute: true,
            ..Odd::default()
        }),
    );
    let file = "layers/l2-instantiate/tofu/vms/variables.tf";
    let text = stage.lab.read(file);
    assert!(text.contains("\"5m\""));
    stage.lab.write(file, &text.replace("\"5m\"", "\"2s\""));
    let layer = "layers/l2-instantiate/layer.toml";
    let text = stage.lab.read(layer);
    assert!(text.contains("patience = \"5m\""));
    stage.lab.write(
        layer,
        &text.replace("patience = \"5m\"", "patience = \"3s\""),
    );
    stage.hl("l2-apply dev --yes").exits(1).says(&[
        "no address is known: 2 machines",
        "`app-1` (VM 5102 on `pve`) reported no address within 3.0s",
        "QEMU guest agent is not running",
        "qm terminal 5101",
        "qemu-guest-agent",
    ]);
    assert_eq!(stage.vms().len(), 2);
    stage.hl("l2-outputs dev").exits(69).says(&[
        "no address is known of `app-1`, `web-1`",
        "(VM 5101 on `pve`): its guest agent does not answer",
    ]);
    assert!(!stage.lab.path(".build/tofu/dev-pve/outputs.json").exists());
    stage.is_clean();
}
