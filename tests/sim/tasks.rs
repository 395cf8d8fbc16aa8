//! Tasks: UPIDs, logs, locks, and a world that outlives its server.

use std::time::Duration;

use hl_sim::{Faults, SeedToken, World};
use serde_json::json;

use super::support::{Setup, lab, seed, template};

/// Tasks of this kind take until the simulator is hurried.
fn slow(task: &str) -> Faults {
    Faults::default().slow(task, Duration::from_hours(1))
}

#[test]
fn a_task_is_over_when_its_upid_comes() {
    let lab = lab(&seed());
    let upid = lab.post("/nodes/pve/qemu", &[("vmid", "100")]).data();
    let upid = upid.as_str().unwrap();
    assert_eq!(upid.split(':').count(), 9);
    let status = lab.get(&format!("/nodes/pve/tasks/{upid}/status")).data();
    assert_eq!(status["status"], "stopped");
    assert_eq!(status["exitstatus"], "OK");
    assert_eq!(status["user"], "hl@pve");
    assert_eq!(status["tokenid"], "hl");
    assert!(status["pid"].is_u64());
    let escaped = upid.replace('!', "%21").replace(':', "%3A");
    lab.get(&format!("/nodes/pve/tasks/{escaped}/status"))
        .data();
    let log = lab
        .get(&format!("/nodes/pve/tasks/{upid}/log?limit=1"))
        .json();
    assert_eq!(log["data"][0]["n"], 1);
    assert!(log["total"].as_u64().unwrap() >= 1);
    let listed = lab.get("/nodes/pve/tasks?vmid=100").data();
    assert_eq!(listed[0]["upid"], upid);
    assert_eq!(listed[0]["status"], "OK");
    assert_eq!(
        lab.delete(&format!("/nodes/pve/tasks/{upid}")).data(),
        json!(null)
    );
    let other = upid.replace("qmcreate", "qmdelete");
    let unknown = lab.get(&format!("/nodes/pve/tasks/{other}/status"));
    assert_eq!(unknown.json()["errors"]["upid"], "no such task");
}

#[test]
fn a_slow_clone_locks_its_target_and_shares_its_source() {
    let setup = Setup {
        faults: slow("clone"),
        ..Setup::default()
    };
    let lab = setup.start();
    template(&lab, 9000);
    let clone = |newid| lab.post("/nodes/pve/qemu/9000/clone", &[("newid", newid)]);
    // UPIDs come at once.
    let (one, two) = (clone("110"), clone("111"));
    let upid = one.data();
    let status = lab.get(&format!(
        "/nodes/pve/tasks/{}/status",
        upid.as_str().unwrap()
    ));
    assert_eq!(status.data()["status"], "running");
    assert!(status.data().get("exitstatus").is_none());
    assert_eq!(
        lab.get("/nodes/pve/qemu/110/status/current").data()["lock"],
        "clone"
    );
    let active = lab.get("/nodes/pve/tasks?source=active").data();
    assert_eq!(active.as_array().unwrap().len(), 2, "side by side");
    lab.delete("/nodes/pve/qemu/110")
        .fails(500, "VM is locked (clone)");
    lab.server().hurry();
    lab.done(&one);
    lab.done(&two);
    let status = lab.get("/nodes/pve/qemu/110/status/current").data();
    assert!(status.get("lock").is_none());
}

#[test]
fn a_change_waits_for_the_task_before_it() {
    let setup = Setup {
        faults: slow("template"),
        ..Setup::default()
    };
    let lab = setup.start();
    lab.done(&lab.post("/nodes/pve/qemu", &[("vmid", "100")]));
    // packer does not wait for this one.
    let template = lab.post("/nodes/pve/qemu/100/template", &[]);
    let change = lab.post("/nodes/pve/qemu/100/config", &[("name", "after")]);
    let config = lab.get("/nodes/pve/qemu/100/config").data();
    assert_ne!(config["name"], json!("after"));
    lab.server().hurry();
    lab.done(&change);
    let config = lab.get("/nodes/pve/qemu/100/config").data();
    assert_eq!(
        (&config["template"], &config["name"]),
        (&json!(1), &json!("after"))
    );
    lab.done(&template);
}

#[test]
fn others_do_not_see_a_task() {
    let mut seed = seed();
    seed.tokens
        .push(SeedToken::with_privileges("u@pve!t", "s", &["VM.Audit"]));
    let mut lab = lab(&seed);
    let upid = lab.post("/nodes/pve/qemu", &[("vmid", "100")]).data();
    lab = lab.with_token("u@pve!t=s");
    let path = format!("/nodes/pve/tasks/{}/status", upid.as_str().unwrap());
    lab.get(&path)
        .fails(403, "Permission check failed (/nodes/pve, Sys.Audit)");
    assert_eq!(lab.get("/nodes/pve/tasks").data(), json!([]));
}

#[test]
fn a_world_outlives_its_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let mut lab = Setup {
        save_to: Some(&path),
        ..Setup::default()
    }
    .start();
    template(&lab, 9000);
    lab.done(&lab.post("/nodes/pve/qemu/9000/clone", &[("newid", "110")]));
    lab.done(&lab.post("/nodes/pve/qemu/110/status/start", &[]));
    let before = lab.get("/nodes/pve/qemu/110/config").data();
    let upids = lab.get("/nodes/pve/tasks").data();
    lab.running.take().unwrap().stop().unwrap();

    let lab = Setup {
        world: World::load(&path).unwrap(),
        save_to: Some(&path),
        ..Setup::default()
    }
    .start();
    assert_eq!(lab.get("/nodes/pve/qemu/110/config").data(), before);
    assert_eq!(lab.get("/nodes/pve/tasks").data(), upids);
    let status = lab.get("/nodes/pve/qemu/110/status/current").data();
    assert_eq!(status["status"], "running");
    assert_eq!(lab.get("/cluster/nextid").data(), "100");
}

#[test]
fn a_stop_ends_what_is_slow() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let setup = Setup {
        faults: slow("*"),
        save_to: Some(&path),
        ..Setup::default()
    };
    let mut lab = setup.start();
    lab.post("/nodes/pve/qemu", &[("vmid", "100")]).data();
    lab.running.take().unwrap().stop().unwrap();
    let world = std::fs::read_to_string(&path).unwrap();
    let world: serde_json::Value = serde_json::from_str(&world).unwrap();
    assert_eq!(world["tasks"][0]["exit"], json!("OK"));
}
