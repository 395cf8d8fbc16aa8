//! Tokens, tickets, rights.

use hl_sim::{Grant, SeedToken, SeedUser};
use serde_json::json;

use super::support::{TOKEN, lab, read, seed};

#[test]
fn a_wrong_credential_gets_401_without_a_body() {
    let lab = lab(&seed());
    let none = read(lab.bare("GET", "/version").send().unwrap());
    none.fails(401, "No ticket");
    assert_eq!(none.body, "");
    let lab = lab.with_token("hl@pve!hl=wrong");
    lab.get("/version").fails(401, "invalid token value!");
    let lab = lab.with_token("hl@pve!other=wrong");
    lab.get("/version")
        .fails(401, "no such token 'other' for user 'hl@pve'");
    // Who is not recognised does not learn which paths there are.
    lab.get("/wings")
        .fails(401, "no such token 'other' for user 'hl@pve'");
}

#[test]
fn a_ticket_reads_and_with_its_csrf_token_writes() {
    let mut seed = seed();
    seed.users.push(SeedUser {
        id: "me@pve".to_owned(),
        password: Some("pass word".to_owned()),
        grants: vec![Grant::role("/", "Administrator")],
    });
    let lab = lab(&seed);
    let login = |password: &str| {
        let form = [("username", "me@pve"), ("password", password)];
        read(
            lab.bare("POST", "/access/ticket")
                .form(&form)
                .send()
                .unwrap(),
        )
    };
    let refused = login("wrong");
    refused.fails(401, "authentication failure");
    assert_eq!(
        refused.json()["data"],
        json!(null),
        "proxmoxer reads JSON here"
    );
    let data = login("pass word").data();
    let ticket = data["ticket"].as_str().unwrap();
    assert!(ticket.starts_with("PVE:me@pve:"));
    assert_eq!(data["cap"]["vms"]["VM.Allocate"], 1);
    let cookie = format!("PVEAuthCookie={ticket}");
    let with = |method: &str, path: &str| lab.bare(method, path).header("Cookie", &cookie);
    assert_eq!(read(with("GET", "/version").send().unwrap()).status, 200);
    read(with("POST", "/nodes/pve/qemu").send().unwrap())
        .fails(401, "Permission denied - invalid csrf token");
    let csrf = data["CSRFPreventionToken"].as_str().unwrap();
    let form = [("vmid", "100"), ("name", "by-ticket")];
    let made = with("POST", "/nodes/pve/qemu")
        .header("CSRFPreventionToken", csrf)
        .form(&form);
    // Recognised: what comes now is not a 401 any more.
    assert_ne!(read(made.send().unwrap()).status, 401);
}

#[test]
fn rights_are_told_and_cut_by_privilege_separation() {
    let mut seed = seed();
    seed.tokens = vec![SeedToken {
        id: "u@pve!t".to_owned(),
        secret: "s".to_owned(),
        privsep: true,
        grants: vec![
            Grant::role("/storage/local", "PVEDatastoreUser"),
            Grant::privileges("/vms", &["VM.Audit", "VM.Clone"]),
        ],
    }];
    let lab = lab(&seed).with_token("u@pve!t=s");
    let all = lab.get("/access/permissions").data();
    assert_eq!(
        all,
        json!({
            "/storage/local": {"Datastore.AllocateSpace": 1, "Datastore.Audit": 1},
            "/vms": {"VM.Audit": 1, "VM.Clone": 1},
        })
    );
    let one = lab.get("/access/permissions?path=/vms/100").data();
    assert_eq!(one, json!({"/vms/100": {"VM.Audit": 1, "VM.Clone": 1}}));
    assert_eq!(lab.get("/access/permissions?path=/nodes").data(), json!({}));
    lab.get("/access/permissions?userid=root@pam")
        .fails(403, "Permission check failed (/access, Sys.Audit)");
    lab.get("/nodes/pve/status")
        .fails(403, "Permission check failed (/nodes/pve, Sys.Audit)");
    lab.get("/nodes/pve/storage/local-lvm/status").fails(
        403,
        "Permission check failed (/storage/local-lvm, Datastore.Audit|Datastore.AllocateSpace)",
    );
    let listed = lab.get("/nodes/pve/storage").data();
    assert_eq!(listed.as_array().unwrap().len(), 1);
}

#[test]
fn what_a_runway_asks_for() {
    let lab = lab(&seed());
    let nodes = lab.get("/nodes").data();
    assert_eq!(nodes[0]["node"], "pve");
    assert_eq!(nodes[0]["status"], "online");
    assert_eq!(nodes[0]["ssl_fingerprint"], lab.server().fingerprint());
    let storage = lab.get("/nodes/pve/storage?storage=local").data();
    assert_eq!(storage[0]["content"], "iso,vztmpl,backup,import");
    assert_eq!(storage[0]["active"], 1);
    let total = storage[0]["total"].as_u64().unwrap();
    let used = storage[0]["used"].as_u64().unwrap();
    assert_eq!(storage[0]["avail"], total - used);
    let bridges = lab.get("/nodes/pve/network?type=bridge").data();
    assert_eq!(bridges[0]["iface"], "vmbr0");
    assert_eq!(bridges[0]["active"], 1);
    assert_eq!(lab.get("/cluster/nextid").data(), "100");
    assert_eq!(lab.get("/cluster/resources?type=vm").data(), json!([]));
    assert_eq!(lab.get("/nodes/pve/lxc").data(), json!([]));
    assert_eq!(lab.get("/pools").data(), json!([]));
    assert_eq!(lab.get("/cluster/sdn/zones").data(), json!([]));
    lab.get("/cluster/ha/resources/vm:1")
        .fails(500, "no such resource 'vm:1'");
    assert_eq!(lab.server().write_count(), 0);
    assert!(TOKEN.starts_with("hl@pve!hl="));
}
