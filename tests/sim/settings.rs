//! Storages, high availability, and what is set on nodes: written, refused, and given
//! back.

use hl_sim::{Grant, Profile, Seed, SeedUser};
use serde_json::{Value, json};

use super::support::{Lab, Reply, lab, seed};

pub(super) fn error(reply: &Reply, key: &str) -> String {
    assert_eq!(reply.status, 400, "{reply:?}");
    reply.json()["errors"][key]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

pub(super) fn item<'v>(list: &'v Value, key: &str, wanted: &str) -> &'v Value {
    let mut items = list.as_array().unwrap().iter();
    items
        .find(|item| item[key] == wanted)
        .unwrap_or(&Value::Null)
}

fn cluster() -> Lab {
    lab(&Seed {
        more_nodes: vec!["two".to_owned()],
        ..seed()
    })
}

#[test]
fn a_storages_life() {
    let lab = cluster();
    let form = [
        ("storage", "share"),
        ("type", "nfs"),
        ("server", "nas"),
        ("export", "/srv"),
        ("content", "images,iso,wings"),
        ("nodes", "pve"),
        ("prune-backups", "keep-last=3"),
    ];
    assert_eq!(
        lab.post("/storage", &form).data(),
        json!({"storage": "share", "type": "nfs"})
    );
    lab.post("/storage", &form).fails(
        500,
        "create storage failed: storage ID 'share' already defined",
    );
    let one = lab.get("/storage/share").data();
    assert_eq!(
        (&one["path"], &one["content"]),
        (&json!("/mnt/pve/share"), &json!("images,iso"))
    );
    assert_eq!((&one["shared"], &one["nodes"]), (&json!(1), &json!("pve")));
    assert_eq!(one["prune-backups"], "keep-last=3");
    let other = lab.get("/nodes/two/storage").data();
    assert_eq!(
        item(&other, "storage", "share"),
        &Value::Null,
        "not on that node"
    );
    let vm = [("vmid", "100"), ("scsi0", "share:4,format=qcow2")];
    let upid = lab.post("/nodes/two/qemu", &vm).data();
    let status = format!("/nodes/two/tasks/{}/status", upid.as_str().unwrap());
    assert_eq!(
        lab.get(&status).data()["exitstatus"],
        "unable to create VM 100 - storage 'share' is not available on node 'two'"
    );
    lab.done(&lab.post(
        "/nodes/pve/qemu",
        &[("vmid", "101"), ("scsi0", "share:4,format=qcow2")],
    ));

    let change = |form: &[(&str, &str)]| lab.put("/storage/share", form);
    change(&[("server", "other")]).fails(
        500,
        "update storage failed: can't change value of fixed parameter 'server'",
    );
    change(&[("delete", "export")]).fails(
        500,
        "update storage failed: unable to delete required option 'export'",
    );
    change(&[("delete", "thinpool")])
        .fails(500, "update storage failed: no such option 'thinpool'");
    change(&[("digest", "00")]).fails(
        500,
        "detected modified configuration - file changed by other user? Try again.",
    );
    change(&[
        ("disable", "1"),
        ("content", "iso"),
        ("delete", "nodes,prune-backups"),
    ])
    .data();
    let one = lab.get("/storage/share").data();
    assert_eq!(
        (&one["disable"], &one["content"]),
        (&json!(1), &json!("iso"))
    );
    assert!(one.get("nodes").is_none() && one.get("prune-backups").is_none());
    lab.delete("/storage/share").data();
    lab.get("/storage/share")
        .fails(500, "storage 'share' does not exist");
    lab.delete("/storage/share")
        .fails(500, "delete storage failed: storage 'share' does not exist");
}

#[test]
fn storages_that_cannot_be() {
    let lab = lab(&seed());
    let post = |form: &[(&str, &str)]| lab.post("/storage", form);
    post(&[("storage", "fast"), ("type", "lvmthin"), ("vgname", "pve")])
        .fails(500, "missing value for required option 'thinpool'");
    post(&[
        ("storage", "fast"),
        ("type", "dir"),
        ("path", "/x"),
        ("vgname", "pve"),
    ])
    .fails(500, "unexpected property 'vgname'");
    let odd = [
        ("storage", "fast"),
        ("type", "lvm"),
        ("vgname", "pve"),
        ("content", "iso"),
    ];
    post(&odd).fails(500, "storage does not support content type 'none'");
    let wrong = post(&[("storage", "fast"), ("type", "floppy")]);
    assert!(error(&wrong, "type").starts_with("value 'floppy' does not have a value"));
    assert!(error(&post(&[("storage", "1"), ("type", "dir")]), "storage").contains("illegal"));
}

#[test]
fn resources_of_high_availability() {
    let lab = cluster();
    lab.done(&lab.post("/nodes/pve/qemu", &[("vmid", "100")]));
    let all = "/cluster/ha/resources";
    lab.post(all, &[("sid", "vm:999")])
        .fails(500, "resource 'vm:999' does not exist in cluster");
    lab.post(all, &[("sid", "ct:100")])
        .fails(500, "resource 'ct:100' - guest with ID 100 is not a CT");
    let form = [
        ("sid", "100"),
        ("max_restart", "2"),
        ("state", "started"),
        ("comment", "web"),
    ];
    lab.post(all, &form).data();
    lab.post(all, &form).fails(
        500,
        "create resource failed: resource ID 'vm:100' already defined",
    );
    let one = lab.get("/cluster/ha/resources/100").data();
    assert_eq!(
        (&one["sid"], &one["max_restart"]),
        (&json!("vm:100"), &json!(2))
    );
    assert!(one.get("max_relocate").is_none(), "only what is stored");
    let status = lab.get("/nodes/pve/qemu/100/status/current").data();
    assert_eq!(status["ha"], json!({"managed": 1, "state": "started"}));
    assert_eq!(
        lab.get("/cluster/resources?type=vm").data()[0]["hastate"],
        "started"
    );
    let power = |verb: &str, kind: &str| {
        let upid = lab.post(&format!("/nodes/pve/qemu/100/status/{verb}"), &[]);
        assert!(upid.data().as_str().unwrap().contains(kind), "{upid:?}");
        lab.done(&upid);
        lab.get("/cluster/ha/resources/100").data()["state"].clone()
    };
    assert_eq!(power("stop", ":hastop:100:"), "stopped");
    assert_eq!(power("start", ":hastart:100:"), "started");
    assert_eq!(power("stop", ":hastop:100:"), "stopped");
    lab.put("/cluster/ha/resources/100", &[("state", "started")])
        .data();
    lab.delete("/nodes/pve/qemu/100").fails(
        500,
        "unable to remove VM 100 - used in HA resources and purge parameter not set.",
    );
    lab.post(all, &[("sid", "100"), ("group", "g")]).fails(
        500,
        "invalid parameter 'group': ha groups have been migrated to rules",
    );
    lab.get("/cluster/ha/groups").fails(
        500,
        "cannot index groups: ha groups have been migrated to rules",
    );
    let rules = "/cluster/ha/rules";
    let rule = |more: &[(&str, &str)]| {
        let mut form = vec![("rule", "near"), ("type", "node-affinity")];
        form.extend(more);
        lab.post(rules, &form)
    };
    rule(&[("resources", "vm:7"), ("nodes", "pve")])
        .fails(500, "cannot use unmanaged resource(s) vm:7.");
    rule(&[("resources", "vm:100"), ("nodes", "pve:2,three")])
        .fails(500, "cannot use non-existent node(s) three.");
    rule(&[
        ("resources", "vm:100"),
        ("nodes", "pve:2,two"),
        ("strict", "1"),
    ])
    .data();
    let listed = lab.get("/cluster/ha/rules?resource=vm:100").data();
    assert_eq!(
        (&listed[0]["strict"], &listed[0]["order"]),
        (&json!(1), &json!(1))
    );
    let current = lab.get("/cluster/ha/status/current").data();
    assert_eq!(item(&current, "id", "service:vm:100")["state"], "stopped");
    lab.put(
        "/cluster/ha/resources/vm:100",
        &[("delete", "comment"), ("state", "stopped")],
    )
    .data();
    let one = lab.get("/cluster/ha/resources/vm:100").data();
    assert_eq!(
        (one.get("comment"), &one["state"]),
        (None, &json!("stopped"))
    );
    lab.done(&lab.delete("/nodes/pve/qemu/100?purge=1"));
    lab.get("/cluster/ha/resources/vm:100")
        .fails(500, "no such resource 'vm:100'");
    lab.delete("/cluster/ha/resources/vm:100")
        .fails(500, "cannot delete service 'vm:100', not HA managed!");
}

#[test]
fn groups_of_high_availability_are_of_8() {
    let lab = lab(&Seed {
        profile: Profile::v8_4(),
        ..seed()
    });
    lab.post(
        "/cluster/ha/groups",
        &[("group", "fast"), ("nodes", "pve:2")],
    )
    .data();
    lab.done(&lab.post("/nodes/pve/qemu", &[("vmid", "100")]));
    lab.post(
        "/cluster/ha/resources",
        &[("sid", "vm:100"), ("group", "fast")],
    )
    .data();
    assert_eq!(lab.get("/cluster/ha/groups/fast").data()["type"], "group");
    lab.delete("/cluster/ha/groups/fast")
        .fails(500, "ha group is used by service 'vm:100'");
}

#[test]
fn a_node_tells_of_itself() {
    let lab = lab(&seed());
    let node = "/nodes/pve";
    lab.put(
        &format!("{node}/dns"),
        &[("search", "home"), ("dns1", "10.0.0.1")],
    )
    .data();
    assert_eq!(
        lab.get(&format!("{node}/dns")).data(),
        json!({"search": "home", "dns1": "10.0.0.1"})
    );
    assert_eq!(
        lab.put(&format!("{node}/dns"), &[("search", "home"), ("dns1", "x")])
            .status,
        400
    );
    lab.put(&format!("{node}/time"), &[("timezone", "Europe/Berlin")])
        .data();
    let time = lab.get(&format!("{node}/time")).data();
    let ahead = time["localtime"].as_i64().unwrap() - time["time"].as_i64().unwrap();
    assert!(ahead == 3600 || ahead == 7200, "{time}");
    assert_eq!(
        lab.put(&format!("{node}/time"), &[("timezone", "Mars/Base")])
            .status,
        400
    );
    let hosts = lab.get(&format!("{node}/hosts")).data();
    assert!(
        hosts["data"]
            .as_str()
            .unwrap()
            .contains("192.168.1.10 pve.lab pve\n")
    );
    let form = [("data", "127.0.0.1 localhost\n"), ("digest", "00")];
    lab.post(&format!("{node}/hosts"), &form).fails(
        500,
        "detected modified configuration - file changed by other user? Try again.",
    );
    lab.post(
        &format!("{node}/hosts"),
        &[form[0], ("digest", hosts["digest"].as_str().unwrap())],
    )
    .data();
    assert_eq!(
        lab.get(&format!("{node}/hosts")).data()["data"],
        "127.0.0.1 localhost\n"
    );
    lab.put(&format!("{node}/config"), &[("description", "my node")])
        .data();
    assert_eq!(
        lab.get(&format!("{node}/config?property=description"))
            .data(),
        json!({"description": "my node"})
    );
    let services = lab.get(&format!("{node}/services")).data();
    assert_eq!(item(&services, "service", "sshd")["state"], "running");
    lab.done(&lab.post(&format!("{node}/services/sshd/stop"), &[]));
    assert_eq!(
        lab.get(&format!("{node}/services/sshd/state")).data()["state"],
        "dead"
    );
    lab.post(&format!("{node}/services/pveproxy/stop"), &[])
        .fails(
            500,
            "invalid service cmd 'pveproxy stop': refusing to stop essential service!",
        );
    let packages = lab.get(&format!("{node}/apt/versions")).data();
    assert_eq!(packages[0]["Package"], "proxmox-ve");
    assert_eq!(lab.get(&format!("{node}/apt/update")).data(), json!([]));
    let repositories = lab.get(&format!("{node}/apt/repositories")).data();
    assert_eq!(
        repositories["files"][0]["repositories"][0]["Suites"],
        json!(["trixie"])
    );
    let points = lab.get(&format!("{node}/rrddata?timeframe=hour")).data();
    assert_eq!(points.as_array().unwrap().len(), 60);
    assert!(points[59]["memtotal"].is_u64());
    let info = lab.get(&format!("{node}/certificates/info")).data();
    assert_eq!(info[1]["fingerprint"], lab.server().fingerprint());
    assert_eq!(
        lab.get(&format!("{node}/subscription")).data()["status"],
        "notfound"
    );
}

#[test]
fn a_cluster_tells_of_itself() {
    let lab = cluster();
    let tags = [("vmid", "100"), ("tags", "b;a")];
    lab.done(&lab.post("/nodes/pve/qemu", &tags));
    let form = [
        ("migration", "secure,network=10.0.0.0/24"),
        ("tag-style", "shape=full"),
        ("max_workers", "3"),
    ];
    lab.put("/cluster/options", &form).data();
    let options = lab.get("/cluster/options").data();
    assert_eq!(
        options["migration"],
        json!({"type": "secure", "network": "10.0.0.0/24"})
    );
    assert_eq!(
        (&options["max_workers"], &options["description"]),
        (&json!(3), &json!(""))
    );
    assert_eq!(options["allowed-tags"], json!(["a", "b"]));
    let tasks = lab.get("/cluster/tasks").data();
    assert_eq!(
        (&tasks[0]["type"], &tasks[0]["status"]),
        (&json!("qmcreate"), &json!("OK"))
    );
    assert_eq!(
        (&tasks[0]["user"], &tasks[0]["tokenid"]),
        (&json!("hl@pve"), &json!("hl"))
    );
    let log = lab.get("/cluster/log?max=1").data();
    assert!(
        log[0]["msg"]
            .as_str()
            .unwrap()
            .starts_with("starting task UPID:pve:")
    );
    assert_eq!(
        lab.get("/cluster/config/join").data()["nodelist"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(lab.get("").data()[0]["subdir"], "version");
    let index = lab.get("/nodes/pve/qemu/100").data();
    assert!(
        index
            .as_array()
            .unwrap()
            .contains(&json!({"subdir": "agent"}))
    );
    let upid = tasks[0]["upid"].as_str().unwrap();
    assert_eq!(
        lab.get(&format!("/nodes/pve/tasks/{upid}")).data()[0]["name"],
        "log"
    );
    let points = lab.get("/nodes/pve/qemu/100/rrddata?timeframe=day").data();
    assert!(
        points[0].get("cpu").is_none(),
        "it does not run: only the time"
    );
}

#[test]
fn who_may_only_look_writes_nothing() {
    let mut seed = seed();
    seed.users.push(SeedUser {
        id: "u@pve".to_owned(),
        password: None,
        grants: vec![Grant::role("/", "PVEAuditor")],
    });
    seed.tokens
        .push(hl_sim::SeedToken::administrator("u@pve!t", "s"));
    let lab = lab(&seed).with_token("u@pve!t=s");
    for path in [
        "/storage",
        "/cluster/options",
        "/cluster/firewall/rules",
        "/cluster/ha/resources",
        "/cluster/sdn/zones",
        "/nodes/pve/network",
        "/nodes/pve/dns",
        "/access/users",
        "/access/roles",
    ] {
        assert_eq!(lab.get(path).status, 200, "{path}");
    }
    for (method, path, why) in [
        ("POST", "/storage", "/storage, Datastore.Allocate"),
        ("PUT", "/cluster/options", "/, Sys.Modify"),
        ("POST", "/cluster/firewall/rules", "/, Sys.Modify"),
        (
            "POST",
            "/nodes/pve/qemu/100/firewall/rules",
            "/vms/100, VM.Config.Network",
        ),
        ("POST", "/cluster/ha/resources", "/, Sys.Console"),
        ("POST", "/cluster/sdn/zones", "/sdn/zones, SDN.Allocate"),
        ("PUT", "/nodes/pve/network", "/nodes/pve, Sys.Modify"),
        ("PUT", "/nodes/pve/dns", "/nodes/pve, Sys.Modify"),
    ] {
        let form = [("wings", "2")];
        let answer = lab.request(method, path).form(&form).send().unwrap();
        super::support::read(answer).fails(403, &format!("Permission check failed ({why})"));
    }
}
