//! Faults by rule: each with what a client sees of it, and what became of the world.

use std::io::{Read, Write};
use std::time::Duration;

use hl_sim::{FaultRule, Faults, World};
use serde_json::json;

use super::support::{Lab, Setup, TOKEN, read, seed, template};

pub(crate) fn faults(rules: &[&str]) -> Faults {
    let rules: Vec<FaultRule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    Faults::new(&rules).unwrap()
}

fn faulty(rules: &[&str]) -> Lab {
    Setup {
        faults: faults(rules),
        ..Setup::default()
    }
    .start()
}

/// Whether a call got no answer at all.
fn is_cut(lab: &Lab, method: &str, path: &str, form: &[(&str, &str)]) -> bool {
    let request = lab.request(method, path).form(form);
    request.send().is_err()
}

#[test]
fn an_error_comes_as_the_rule_says_and_only_on_its_hit() {
    let lab = faulty(&[
        "POST /nodes/*/qemu hit=2 status=500 message=\"got lost\" errors.vmid=taken",
        "GET /access/permissions status=401",
        "/nodes/*/storage/** status=403",
        "GET /nodes/pve/network status=595",
    ]);
    lab.done(&lab.post("/nodes/pve/qemu", &[("vmid", "100")]));
    let refused = lab.post("/nodes/pve/qemu", &[("vmid", "101")]);
    refused.fails(500, "got lost");
    assert_eq!(refused.json()["errors"], json!({"vmid": "taken"}));
    lab.done(&lab.post("/nodes/pve/qemu", &[("vmid", "102")]));
    let made: Vec<u32> = lab.server().world().vms.into_keys().collect();
    assert_eq!(made, [100, 102], "nothing was done for the second");
    let unknown = lab.get("/access/permissions");
    unknown.fails(401, "permission denied - invalid PVE ticket");
    assert_eq!(unknown.body, "");
    lab.get("/nodes/pve/storage/local/content")
        .fails(403, "Permission check failed");
    lab.get("/nodes/pve/network").fails(595, "No route to host");
    let counts: Vec<u64> = lab.server().faults().into_iter().map(|(_, n)| n).collect();
    assert_eq!(counts, [1, 1, 1, 1]);
}

#[test]
fn a_reply_is_lost_before_or_after_the_effect() {
    let lab = faulty(&[
        "POST /nodes/*/qemu hit=1 lost",
        "POST /nodes/*/qemu hit=2 lost at=after",
        "POST /nodes/*/qemu hit=3 status=596 at=after",
    ]);
    assert!(is_cut(&lab, "POST", "/nodes/pve/qemu", &[("vmid", "100")]));
    assert!(is_cut(&lab, "POST", "/nodes/pve/qemu", &[("vmid", "101")]));
    let slow = lab.post("/nodes/pve/qemu", &[("vmid", "102")]);
    slow.fails(596, "Connection timed out");
    let made: Vec<u32> = lab.server().world().vms.into_keys().collect();
    assert_eq!(
        made,
        [101, 102],
        "the first was cut before anything was done"
    );
    let statuses: Vec<u16> = lab.server().requests().iter().map(|r| r.status).collect();
    assert_eq!(statuses, [0, 0, 596]);
}

/// The connection is reset, not closed: no client takes it for the end of an answer.
#[test]
fn a_lost_reply_is_a_reset() {
    let lab = faulty(&["GET /version lost"]);
    let mut line = lab.tls();
    let request = format!(
        "GET /api2/json/version HTTP/1.1\r\nHost: x\r\nAuthorization: PVEAPIToken={TOKEN}\r\n\r\n"
    );
    line.write_all(request.as_bytes()).unwrap();
    let error = line.read(&mut [0; 100]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_hanging_call_gives_no_answer_and_does_not_keep_the_server() {
    let mut lab = faulty(&["POST /nodes/*/qemu hang at=after", "GET /version hang"]);
    let short = Duration::from_millis(300);
    let hung = lab.request("GET", "/version").timeout(short).send();
    assert!(hung.unwrap_err().is_timeout());
    let create = lab.request("POST", "/nodes/pve/qemu").timeout(short);
    let hung = create.form(&[("vmid", "100")]).send();
    assert!(hung.unwrap_err().is_timeout());
    let done = || lab.server().world().vms.contains_key(&100);
    for _ in 0..100 {
        if done() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(done(), "it was not done");
    lab.running.take().unwrap().stop().unwrap();
}

#[test]
fn a_slow_call_is_answered_in_the_end() {
    let lab = faulty(&["GET /version hit=1 slow=400ms"]);
    let short = lab.request("GET", "/version");
    let late = short.timeout(Duration::from_millis(100)).send();
    assert!(late.unwrap_err().is_timeout());
    assert_eq!(lab.get("/version").status, 200);
    let lab = faulty(&["GET /version slow=50ms"]);
    assert_eq!(lab.get("/version").data()["version"], "9.1.2");
    assert!(lab.server().requests()[0].micros >= 50_000);
}

#[test]
fn another_server_answers_in_its_stead() {
    let lab = faulty(&[
        "GET /version hit=1 body=\"<html>a proxy</html>\"",
        "GET /version hit=2 body='{\"data\":{\"ver'",
        "GET /version hit=3 body=\"<p>\" status=502",
    ]);
    let page = read(lab.request("GET", "/version").send().unwrap());
    assert_eq!(
        (page.status, page.body.as_str()),
        (200, "<html>a proxy</html>")
    );
    assert_eq!(lab.get("/version").body, "{\"data\":{\"ver");
    assert_eq!(lab.get("/version").status, 502);
}

#[test]
fn tasks_fail_before_and_after_their_work() {
    let lab = faulty(&[
        "task=clone hit=1 exit=\"clone failed: no space\"",
        "task=clone hit=2 exit=\"clone failed: too late\" at=after",
        "task=start exit=\"WARNINGS: 1\" at=after",
        "task=destroy exit=\"unexpected status\"",
    ]);
    template(&lab, 9000);
    let clone = |newid| lab.post("/nodes/pve/qemu/9000/clone", &[("newid", newid)]);
    let failed = clone("110").data();
    assert_eq!(lab.exit_of(&failed), "clone failed: no space");
    let log = lab.log_of(&failed);
    assert_eq!(log.last().unwrap(), "TASK ERROR: clone failed: no space");
    assert!(
        !lab.server().world().vms.contains_key(&110),
        "the number is free again"
    );
    assert_eq!(lab.exit_of(&clone("110").data()), "clone failed: too late");
    let config = lab.get("/nodes/pve/qemu/110/config").data();
    assert!(config["scsi0"].is_string() && config.get("lock").is_none());
    lab.done(&clone("111"));
    let started = lab.post("/nodes/pve/qemu/111/status/start", &[]).data();
    assert_eq!(lab.exit_of(&started), "WARNINGS: 1");
    assert_eq!(lab.log_of(&started).last().unwrap(), "TASK WARNINGS: 1");
    let status = lab.get("/nodes/pve/qemu/111/status/current").data();
    assert_eq!(status["status"], "running");
    let destroyed = lab.delete("/nodes/pve/qemu/110").data();
    assert_eq!(lab.exit_of(&destroyed), "unexpected status");
    assert!(lab.server().world().vms.contains_key(&110));
}

#[test]
fn a_hanging_task_locks_its_vm_until_it_is_let_go() {
    let lab = faulty(&["task=create vmid=100 hang"]);
    let task = lab.post("/nodes/pve/qemu", &[("vmid", "100")]);
    let path = format!("/nodes/pve/tasks/{}/status", task.data().as_str().unwrap());
    assert_eq!(lab.get(&path).data()["status"], "running");
    lab.done(&lab.post("/nodes/pve/qemu", &[("vmid", "101")]));
    lab.delete("/nodes/pve/qemu/100")
        .fails(500, "VM is locked (create)");
    lab.server().hurry();
    assert_eq!(lab.exit_of(&task.data()), "interrupted by signal");
    assert!(!lab.server().world().vms.contains_key(&100));
}

#[test]
fn a_condition_of_the_world_is_answered_by_the_world() {
    let lab = faulty(&[
        "world=storage-full storage=local-lvm",
        "world=storage-offline storage=local",
        "POST /nodes/*/qemu/*/template at=after world=vm-locked vmid=100",
        "GET /nodes/pve/network hit=2- at=before world=node-offline node=pve",
    ]);
    let full = lab.post(
        "/nodes/pve/qemu",
        &[("vmid", "100"), ("scsi0", "local-lvm:4")],
    );
    let exit = lab.exit_of(&full.data());
    assert!(exit.contains("reached threshold"), "{exit}");
    let status = lab.get("/nodes/pve/storage/local/status").data();
    assert_eq!(status["active"], 0);
    lab.done(&lab.post("/nodes/pve/qemu", &[("vmid", "100")]));
    lab.done(&lab.post("/nodes/pve/qemu/100/template", &[]));
    lab.delete("/nodes/pve/qemu/100")
        .fails(500, "VM is locked (backup)");
    assert_eq!(lab.get("/nodes/pve/network").status, 200);
    lab.get("/nodes/pve/network").fails(595, "No route to host");
    assert_eq!(lab.get("/nodes").data()[0]["status"], "offline");
}

#[test]
fn somebody_else_takes_the_number_that_was_free() {
    let lab = faulty(&["GET /cluster/nextid hit=1 at=after world=vmid-taken"]);
    assert_eq!(lab.get("/cluster/nextid").data(), "100");
    let taken = lab.post("/nodes/pve/qemu", &[("vmid", "100")]);
    taken.fails(
        500,
        "unable to create VM 100 - VM 100 already exists on node 'pve'",
    );
    assert_eq!(lab.get("/cluster/nextid").data(), "101");
}

/// What a rule made of the world is over with its server.
#[test]
fn a_kept_world_remembers_no_condition() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let mut lab = Setup {
        faults: faults(&[
            "world=node-offline node=pve",
            "world=storage-full storage=local",
        ]),
        save_to: Some(&path),
        ..Setup::default()
    }
    .start();
    lab.get("/nodes/pve/status").fails(595, "No route to host");
    lab.running.take().unwrap().stop().unwrap();
    let world = World::load(&path).unwrap();
    assert!(world.nodes[0].online);
    assert_eq!(world.storages, World::seeded(&seed()).storages);
}

#[test]
fn certificates_are_wrong_in_each_way() {
    for (rule, said) in [
        ("world=certificate-expired", "Expired"),
        ("world=certificate-not-yet-valid", "NotValidYet"),
        ("world=certificate-wrong-name", "NotValidForName"),
        ("world=certificate-self-signed", "UnknownIssuer"),
    ] {
        let lab = faulty(&[rule]);
        let error = lab.request("GET", "/version").send().unwrap_err();
        let text = format!("{error:?}");
        assert!(text.contains(said), "{rule}: {text}");
    }
    let lab = faulty(&["world=tls-1.2"]);
    assert_eq!(lab.get("/version").status, 200);
    let mut line = lab.tls();
    line.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    line.read_exact(&mut [0; 8]).unwrap();
    let version = line.conn.protocol_version();
    assert_eq!(version, Some(rustls::ProtocolVersion::TLSv1_2));
}
