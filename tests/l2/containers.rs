//! Containers beside virtual machines.

use hl::base::Cancel;
use hl::pve::{GuestKind, Upid};
use std::time::Duration;

use super::stage::{Stage, sealed};

const ENV: &str = "\
vms:
  - {name: web-1, image: debian-13, vmid: 5101, ip: 192.168.1.51/24, gateway: 192.168.1.1}
  - {name: cache, kind: ct, image: debian-12, ip: 192.168.1.60/24, gateway: 192.168.1.1, disk: 4, memory: 512, groups: [cache]}
";
const FILE: &str = "debian-12-standard_12.12-1_amd64.tar.zst";

/// The container's id: the lowest that is free.
const ID: u32 = 100;

fn stage() -> Stage {
    let stage = Stage::new();
    stage.lab.write("site/envs/dev.yaml", ENV);
    stage
}

fn done(stage: &Stage, task: &Upid) {
    let client = stage.client();
    let end = client.wait_task(task, &Cancel::default(), Duration::from_mins(1));
    end.unwrap();
}

fn archives(stage: &Stage) -> usize {
    let world = stage.sim.world();
    let all = world.volumes.iter();
    all.filter(|volume| volume.content == "vztmpl").count()
}

#[test]
fn a_container_lives_beside_machines() {
    if !sealed("containers::a_container_lives_beside_machines", "tofu") {
        return;
    }
    let stage = stage();
    let from = format!("create CT {ID} on pve from local:vztmpl/{FILE}, 192.168.1.60/24");
    stage
        .hl("l2-apply dev --dry-run")
        .exits(0)
        .says(&["would download 1 template"]);
    assert_eq!(archives(&stage), 0);
    stage
        .applied()
        .says(&["1 template downloaded", &from, "2 added"]);
    assert_eq!(archives(&stage), 1);
    let config = stage.sim.world().vms[&ID].config.clone();
    for (key, value) in [
        ("hostname", "cache"),
        ("memory", "512"),
        ("features", "nesting=1"),
        ("unprivileged", "1"),
        ("ostype", "debian"),
        ("tags", "dev;hl"),
    ] {
        assert_eq!(config.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert!(config["rootfs"].ends_with("size=4G"), "{config:?}");
    assert!(config["net0"].contains("ip=192.168.1.60/24"), "{config:?}");
    let outputs = stage.lab.read(".build/tofu/dev-pve/outputs.json");
    let outputs: serde_json::Value = serde_json::from_str(&outputs).unwrap();
    let cache = &outputs["vms"]["cache"];
    assert_eq!(cache["kind"], "ct");
    assert_eq!(cache["address"], "192.168.1.60");
    assert_eq!(cache["user"], "root");
    assert!(outputs["vms"]["web-1"]["kind"].is_null());
    let said = stage.hl("l2-apply dev --json").exits(0).json();
    assert_eq!(said["context"]["cache_ip"], "192.168.1.60");
    assert_eq!(said["context"]["provisioned_vms"][1]["kind"], "ct");
    stage
        .hl("l2-apply dev")
        .exits(0)
        .says(&["1 template there", "no changes"]);

    // One that is stopped is started, one that is wanted anew is made anew.
    done(
        &stage,
        &stage.client().stop_guest(GuestKind::Ct, "pve", ID).unwrap(),
    );
    stage.hl("l2-apply dev --yes").exits(0);
    assert!(stage.sim.world().vms[&ID].run.is_some());
    stage
        .hl("l2-apply dev --replace cache --yes")
        .exits(0)
        .says(&[
            &format!("destroy CT {ID} and create it again"),
            "1 replaced",
        ]);

    // Ids are shared: nobody else gets this one.
    stage.lab.write(
        "site/envs/other.yaml",
        &format!("vms:\n  - {{name: new, image: debian-13, vmid: {ID}}}\n  - {{name: free, image: debian-13}}\n"),
    );
    stage.hl("l2-apply other --yes").exits(69).says(&[&format!(
        "vmid {ID} of `new` is held by `cache` on `pve`, which belongs to `dev-pve`"
    )]);
    stage
        .hl("l2-destroy dev --yes")
        .exits(0)
        .says(&["2 destroyed"]);
    assert!(stage.vms().is_empty());
    stage.is_clean();
}

#[test]
fn a_container_that_is_gone_is_forgotten_and_one_in_no_state_is_named() {
    if !sealed(
        "containers::a_container_that_is_gone_is_forgotten_and_one_in_no_state_is_named",
        "tofu",
    ) {
        return;
    }
    let stage = stage();
    stage.applied();
    let gone = |stage: &Stage| {
        let client = stage.client();
        done(stage, &client.stop_guest(GuestKind::Ct, "pve", ID).unwrap());
        done(
            stage,
            &client
                .delete_guest(GuestKind::Ct, "pve", ID, false)
                .unwrap(),
        );
    };
    gone(&stage);
    stage
        .hl("l3-converge dev --limit cache")
        .exits(69)
        .says(&[&format!("`cache` (CT {ID} on `pve`) is gone")]);
    stage
        .hl("l2-forget dev --yes")
        .exits(0)
        .says(&[&format!("forgot `cache` (CT {ID} on `pve`)")]);
    stage.applied();
    // The state is lost, and the container is not.
    std::fs::remove_dir_all(stage.lab.path(".states/dev-pve")).unwrap();
    let text = ENV.replace("kind: ct,", &format!("kind: ct, vmid: {ID},"));
    stage.lab.write("site/envs/dev.yaml", &text);
    stage.hl("l2-apply dev --yes").exits(69).says(&[
        &format!("vmid {ID} of `cache` is held by `cache` on `pve`, which is in no state"),
        &format!("pct destroy {ID} --purge"),
    ]);
}
