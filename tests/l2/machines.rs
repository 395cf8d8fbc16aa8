//! Machines that run, and where they are reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hl_sim::{Faults, GuestSpec, Guests};

use super::stage::{Stage, sealed};

/// Guests with containers in them, whose agents take their time.
#[derive(Default)]
struct Busy {
    /// How many questions find no agent yet.
    deaf: AtomicU32,
}

impl Guests for Busy {
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
    fn start(&self, _: &GuestSpec) -> Result<(), String> {
        Ok(())
    }
    fn stop(&self, _: u32) -> Result<(), String> {
        Ok(())
    }
    fn agent_ready(&self, _: u32) -> bool {
        let left = self.deaf.load(Ordering::SeqCst);
        self.deaf.store(left.saturating_sub(1), Ordering::SeqCst);
        left == 0
    }
    fn inner_interfaces(&self, _: u32) -> Vec<(String, String)> {
        [
            ("docker0", "172.17.0.1/16"),
            ("br-4f1c2d", "172.18.0.1/16"),
            ("veth12ab", "10.88.0.1/16"),
            ("eth9", "169.254.3.4/16"),
        ]
        .map(|(name, cidr)| (name.to_owned(), cidr.to_owned()))
        .into()
    }
}

/// A recipe of the user's that goes on with what L2 made.
const MINE: &str = r#"
[layer]
id = "l9"
name = "Mine"

[[recipe]]
name = "mine"
params = [{ name = "env" }, { name = "node", option = true, default = "{{ var.PVE_NODE }}" }]
deps = ["l2-apply {{ env }} --node={{ node }}"]
[[recipe.step]]
id = "tell"
use = "command"
with = { argv = ["echo", "id {{ steps['l2-apply/apply']['web-1_vm_id'] }} ip {{ steps['l2-apply/wait']['web-1_ip'] }} first {{ steps['l2-apply/wait'].vm_ip }} all {{ steps['l2-apply/apply'].provisioned_vms }}"] }

[[recipe]]
name = "wake"
[[recipe.step]]
id = "start"
use = "vm.start"
with = { vms = [{ name = "web-1", vmid = 5101, node = "pve" }, { name = "app-1", vmid = 5102, node = "pve" }] }
[[recipe.step]]
id = "wait"
use = "vm.wait"
with = { vms = [{ name = "web-1", vmid = 5101, node = "pve" }, { name = "gone", vmid = 5999, node = "pve" }], patience = "4s" }
"#;

#[test]
fn addresses_inside_a_guest_are_not_taken_for_its_own() {
    if !sealed(
        "machines::addresses_inside_a_guest_are_not_taken_for_its_own",
        "tofu",
    ) {
        return;
    }
    let busy = Busy {
        deaf: AtomicU32::new(6),
    };
    let stage = Stage::with(Faults::default(), Arc::new(busy));
    stage.lab.write("layers/l9-mine/layer.toml", MINE);
    stage.hl("mine dev --yes --output prefix").exits(0).says(&[
        // The first of the environment's file, not of the alphabet.
        "id 5101 ip 192.168.1.51 first 192.168.1.51",
        r#"{"address":"192.168.1.51/24","name":"web-1","node":"pve","vmid":5101}"#,
    ]);
    let said = stage.hl("l2-apply dev --json").exits(0).json();
    let context = &said["context"];
    assert_eq!(context["vm_ip"], "192.168.1.51");
    assert_eq!(context["app-1_ip"], "192.168.1.52");
    assert_eq!(context["web-1_vm_id"], 5101);
    assert_eq!(context["provisioned_vms"][0]["name"], "web-1");
    assert_eq!(context["provisioned_vms"][1]["name"], "app-1");
    assert_eq!(said["outputs"]["l2-apply/wait"]["vm_ip"], "192.168.1.51");
    let outputs = stage.lab.read(".build/tofu/dev-pve/outputs.json");
    let outputs: serde_json::Value = serde_json::from_str(&outputs).unwrap();
    let addresses = &outputs["vms"]["web-1"]["addresses"];
    assert_eq!(addresses, &serde_json::json!(["192.168.1.51"]));
    // The state alone says the same.
    stage.hl("l2-outputs dev").exits(0);
    let again = stage.lab.read(".build/tofu/dev-pve/outputs.json");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&again).unwrap(),
        outputs
    );
    // With nothing to change, the same is published.
    stage
        .hl("mine dev --output prefix")
        .exits(0)
        .says(&["no changes", "id 5101 ip 192.168.1.51"]);
    stage.hl("mine dev --dry-run").exits(0);
    stage.is_clean();
}

#[test]
fn stopped_machines_are_started_and_one_that_is_gone_is_named_at_once() {
    if !sealed(
        "machines::stopped_machines_are_started_and_one_that_is_gone_is_named_at_once",
        "tofu",
    ) {
        return;
    }
    let stage = Stage::new();
    stage.applied();
    stage.lab.write("layers/l9-mine/layer.toml", MINE);
    let stop = |vmid: u32| {
        let client = stage.client();
        let task = client.stop_vm("pve", vmid).unwrap();
        let done = client.wait_task(
            &task,
            &hl::base::Cancel::default(),
            std::time::Duration::from_mins(1),
        );
        done.unwrap();
    };
    stop(5101);
    let runs = |vmid: u32| stage.sim.world().vms[&vmid].run.is_some();
    assert!(!runs(5101) && runs(5102));
    stage
        .hl("wake --dry-run")
        .exits(0)
        .says(&["would start 1 machine"]);
    assert!(!runs(5101));
    // It does not wait the five minutes of a machine that may still come.
    let began = std::time::Instant::now();
    stage
        .hl("wake")
        .exits(1)
        .says(&["1 machine started", "`gone` (VM 5999 on `pve`): it is gone"]);
    assert!(runs(5101));
    assert!(began.elapsed() < std::time::Duration::from_mins(2));
}
