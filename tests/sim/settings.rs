//! Storages, networks, high availability, firewalls, SDN, and what is set on nodes:
//! written, refused, and given back.

use hl_sim::{Grant, Profile, Seed, SeedUser};
use serde_json::{Value, json};

use super::support::{Lab, Reply, lab, seed};

fn error(reply: &Reply, key: &str) -> String {
    assert_eq!(reply.status, 400, "{reply:?}");
    reply.json()["errors"][key]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn item<'v>(list: &'v Value, key: &str, wanted: &str) -> &'v Value {
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
fn interfaces_are_planned_and_then_applied() {
    let lab = lab(&seed());
    let net = "/nodes/pve/network";
    let form = [
        ("iface", "vmbr1"),
        ("type", "bridge"),
        ("cidr", "10.9.0.1/24"),
        ("autostart", "1"),
        ("comments", "lab"),
        ("mtu", "1450"),
    ];
    assert_eq!(lab.post(net, &form).data(), Value::Null);
    let listed = lab.get(net);
    let planned = listed.data();
    let bridge = item(&planned, "iface", "vmbr1");
    assert_eq!(
        (&bridge["address"], &bridge["netmask"]),
        (&json!("10.9.0.1"), &json!("24"))
    );
    assert_eq!(
        (&bridge["mtu"], &bridge["autostart"]),
        (&json!("1450"), &json!(1))
    );
    assert_eq!(bridge["comments"], "lab\n");
    assert!(bridge.get("active").is_none() && bridge["priority"].is_i64());
    let changes = listed.json()["changes"].as_str().unwrap().to_owned();
    assert!(changes.contains("+iface vmbr1 inet static"), "{changes}");
    let on_it = [
        ("vmid", "100"),
        ("net0", "virtio,bridge=vmbr1"),
        ("start", "1"),
    ];
    let early = lab.post("/nodes/pve/qemu", &on_it).data();
    assert_eq!(lab.exit_of(&early), "bridge 'vmbr1' does not exist");
    let applied = lab.put(net, &[]);
    assert!(
        applied
            .data()
            .as_str()
            .unwrap()
            .contains(":srvreload:networking:")
    );
    lab.done(&applied);
    assert!(lab.get(net).json().get("changes").is_none());
    assert_eq!(lab.get(&format!("{net}/vmbr1")).data()["active"], 1);
    lab.done(&lab.post("/nodes/pve/qemu/100/status/start", &[]));

    // What is sent replaces; without an address there is none.
    lab.put(
        &format!("{net}/vmbr1"),
        &[("type", "bridge"), ("delete", "mtu")],
    )
    .data();
    let bridge = lab.get(&format!("{net}/vmbr1")).data();
    assert_eq!(
        (&bridge["method"], bridge.get("mtu")),
        (&json!("manual"), None)
    );
    lab.delete(net).data();
    assert_eq!(
        lab.get(&format!("{net}/vmbr1")).data()["method"],
        "static",
        "reverted"
    );
    let vlan = [("iface", "nic0.7"), ("type", "vlan")];
    lab.post(net, &vlan).data();
    assert_eq!(lab.get(&format!("{net}/nic0.7")).data()["vlan-id"], "7");
    assert_eq!(
        error(&lab.post(net, &vlan), "iface"),
        "interface already exists"
    );
    lab.delete(&format!("{net}/vmbr1")).data();
    lab.done(&lab.put(net, &[]));
    assert_eq!(
        error(&lab.get(&format!("{net}/vmbr1")), "iface"),
        "interface does not exist"
    );
    let second = [
        ("iface", "vmbr2"),
        ("type", "bridge"),
        ("gateway", "10.0.0.1"),
    ];
    assert_eq!(
        error(&lab.post(net, &second), "gateway"),
        "Default gateway already exists on interface 'vmbr0'."
    );
    let bridges = lab.get(&format!("{net}?type=any_bridge")).data();
    assert_eq!(bridges.as_array().unwrap().len(), 1);
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
fn rules_of_a_firewall() {
    let lab = lab(&seed());
    lab.done(&lab.post("/nodes/pve/qemu", &[("vmid", "100")]));
    for level in [
        "/cluster/firewall",
        "/nodes/pve/firewall",
        "/nodes/pve/qemu/100/firewall",
    ] {
        let rules = format!("{level}/rules");
        let add = |form: &[(&str, &str)]| lab.post(&rules, form);
        for port in ["22", "80"] {
            let form = [
                ("type", "in"),
                ("action", "ACCEPT"),
                ("proto", "tcp"),
                ("dport", port),
                ("pos", "1"),
            ];
            assert_eq!(add(&form).data(), Value::Null);
        }
        let listed = lab.get(&rules).data();
        assert_eq!(
            (&listed[0]["dport"], &listed[1]["dport"]),
            (&json!("80"), &json!("22"))
        );
        assert_eq!(
            (&listed[0]["pos"], &listed[0]["enable"]),
            (&json!(0), &json!(0))
        );
        let digest = listed[0]["digest"].as_str().unwrap().to_owned();
        lab.put(
            &format!("{rules}/0"),
            &[("moveto", "2"), ("digest", &digest)],
        )
        .data();
        assert_eq!(lab.get(&format!("{rules}/0")).data()["dport"], "22");
        lab.put(&format!("{rules}/0"), &[("enable", "1"), ("dport", "")])
            .data();
        let one = lab.get(&format!("{rules}/0")).data();
        assert_eq!((&one["enable"], one.get("dport")), (&json!(1), None));
        lab.put(
            &format!("{rules}/0"),
            &[("enable", "0"), ("digest", &digest)],
        )
        .fails(
            500,
            "detected modified configuration - file changed by other user? Try again.",
        );
        lab.delete(&format!("{rules}/1")).data();
        lab.get(&format!("{rules}/1"))
            .fails(500, "no rule at position 1");
        let bad = |key, form: &[(&str, &str)]| {
            let mut all = vec![("type", "in"), ("action", "ACCEPT")];
            all.retain(|(key, _)| !form.iter().any(|(own, _)| own == key));
            all.extend(form);
            error(&add(&all), key)
        };
        assert_eq!(
            bad("action", &[("action", "LOOK")]),
            "unknown action 'LOOK'"
        );
        assert_eq!(bad("macro", &[("macro", "Wings")]), "unknown macro 'Wings'");
        assert_eq!(
            bad("proto", &[("dport", "22")]),
            "missing property - 'dport' requires this property"
        );
        assert_eq!(
            bad("dport", &[("proto", "icmp"), ("dport", "22")]),
            "protocol 'icmp' does not support ports"
        );
        assert_eq!(
            bad("source", &[("source", "office")]),
            "no such alias 'office'"
        );
        assert_eq!(bad("source", &[("source", "+bad")]), "no such ipset 'bad'");
        let options = format!("{level}/options");
        assert_eq!(
            lab.get(&options).data().as_object().unwrap().len(),
            1,
            "a digest"
        );
        lab.put(&options, &[("enable", "1"), ("log_level_in", "info")])
            .data();
        assert_eq!(lab.get(&options).data()["enable"], 1);
        lab.put(&options, &[("delete", "enable")]).data();
        assert!(lab.get(&options).data().get("enable").is_none());
    }
    lab.done(&lab.delete("/nodes/pve/qemu/100"));
    lab.done(&lab.post("/nodes/pve/qemu", &[("vmid", "100")]));
    assert_eq!(
        lab.get("/nodes/pve/qemu/100/firewall/rules").data(),
        json!([]),
        "gone with it"
    );
}

#[test]
fn names_of_a_firewall() {
    let lab = lab(&seed());
    let all = "/cluster/firewall";
    lab.post(
        &format!("{all}/aliases"),
        &[("name", "office"), ("cidr", "10.1.0.0/16")],
    )
    .data();
    let again = lab.post(
        &format!("{all}/aliases"),
        &[("name", "office"), ("cidr", "10.1.0.0/16")],
    );
    assert_eq!(error(&again, "name"), "alias 'office' already exists");
    assert_eq!(
        lab.get(&format!("{all}/aliases/office")).data()["ipversion"],
        4
    );
    lab.post(&format!("{all}/ipset"), &[("name", "bad")]).data();
    let entry = format!("{all}/ipset/bad");
    lab.post(&entry, &[("cidr", "10.2.0.0/16"), ("nomatch", "1")])
        .data();
    let again = lab.post(&entry, &[("cidr", "10.2.0.0/16")]);
    assert_eq!(
        error(&again, "cidr"),
        "address '10.2.0.0/16' already exists"
    );
    let zero = lab.post(&entry, &[("cidr", "0.0.0.0/0")]);
    assert_eq!(
        error(&zero, "cidr"),
        "a zero prefix is not allowed in ipset entries"
    );
    assert_eq!(
        lab.get(&format!("{entry}/10.2.0.0%2F16")).data()["nomatch"],
        1
    );
    lab.delete(&entry).fails(500, "IPSet 'bad' is not empty");
    let refs = lab.get(&format!("{all}/refs")).data();
    assert_eq!(item(&refs, "name", "bad")["ref"], "+bad");
    assert_eq!(item(&refs, "name", "office")["scope"], "dc");
    lab.post(&format!("{all}/groups"), &[("group", "web")])
        .data();
    let rule = [
        ("type", "in"),
        ("action", "ACCEPT"),
        ("source", "office,+bad"),
        ("macro", "HTTP"),
    ];
    lab.post(&format!("{all}/groups/web"), &rule).data();
    let nested = [("type", "group"), ("action", "web")];
    assert_eq!(
        error(&lab.post(&format!("{all}/groups/web"), &nested), "type"),
        "security groups not allowed"
    );
    lab.post(&format!("{all}/rules"), &nested).data();
    lab.delete(&format!("{all}/groups/web"))
        .fails(500, "Security group 'web' is not empty");
    lab.post(
        &format!("{all}/groups"),
        &[("group", "front"), ("rename", "web")],
    )
    .data();
    assert_eq!(
        lab.get(&format!("{all}/groups/front/0")).data()["macro"],
        "HTTP"
    );
    lab.get(&format!("{all}/groups/web"))
        .fails(500, "no such security group 'web'");
    lab.delete(&format!("{entry}/10.2.0.0%2F16")).data();
    lab.delete(&entry).data();
    lab.get(&entry).fails(500, "no such IPSet 'bad'");
}

#[test]
fn networks_of_ones_own_are_planned_and_applied() {
    let lab = lab(&seed());
    let zones = "/cluster/sdn/zones";
    lab.post(
        zones,
        &[
            ("zone", "lab"),
            ("type", "simple"),
            ("nodes", "pve"),
            ("mtu", "1400"),
        ],
    )
    .data();
    lab.post(zones, &[("zone", "lab"), ("type", "simple")])
        .fails(
            500,
            "create sdn zone object failed: sdn zone object ID 'lab' already defined",
        );
    let long = lab.post(zones, &[("zone", "toolongid"), ("type", "simple")]);
    assert_eq!(
        error(&long, "zone"),
        "zone ID 'toolongid' can't be more length than 8 characters"
    );
    let vnets = "/cluster/sdn/vnets";
    let tagged = lab.post(vnets, &[("vnet", "vn1"), ("zone", "lab"), ("tag", "5")]);
    assert_eq!(
        error(&tagged, "tag"),
        "vlan tag is not allowed on simple zone"
    );
    lab.post(vnets, &[("vnet", "vn1"), ("zone", "lab")]).data();
    let subnets = "/cluster/sdn/vnets/vn1/subnets";
    let subnet = |gateway| {
        let form = [
            ("subnet", "10.5.0.0/24"),
            ("type", "subnet"),
            ("gateway", gateway),
            ("snat", "1"),
            (
                "dhcp-range",
                "start-address=10.5.0.10,end-address=10.5.0.20",
            ),
        ];
        lab.post(subnets, &form)
    };
    assert_eq!(
        error(&subnet("10.6.0.1"), "gateway"),
        "10.6.0.1 is not in subnet 10.5.0.0/24"
    );
    subnet("10.5.0.1").data();
    let one = lab.get(&format!("{subnets}/lab-10.5.0.0-24")).data();
    assert_eq!(
        (&one["snat"], &one["network"], &one["mask"]),
        (&json!(1), &json!("10.5.0.0"), &json!("24"))
    );
    assert_eq!(
        one["dhcp-range"],
        json!([{"start-address": "10.5.0.10", "end-address": "10.5.0.20"}])
    );
    let pending = lab.get(&format!("{zones}?pending=1")).data();
    assert_eq!(
        (&pending[0]["state"], pending[0].get("mtu")),
        (&json!("new"), None)
    );
    assert_eq!(pending[0]["pending"]["mtu"], 1400);
    assert_eq!(lab.get(&format!("{zones}?running=1")).data(), json!([]));
    let on_it = [
        ("vmid", "100"),
        ("net0", "virtio,bridge=vn1"),
        ("start", "1"),
    ];
    let early = lab.post("/nodes/pve/qemu", &on_it).data();
    assert_eq!(lab.exit_of(&early), "bridge 'vn1' does not exist");
    let applied = lab.put("/cluster/sdn", &[]);
    assert!(
        applied
            .data()
            .as_str()
            .unwrap()
            .contains(":reloadnetworkall:")
    );
    assert_eq!(
        lab.get(&format!("{zones}?running=1")).data()[0]["zone"],
        "lab"
    );
    assert!(
        lab.get(&format!("{zones}?pending=1")).data()[0]
            .get("state")
            .is_none()
    );
    lab.done(&lab.post("/nodes/pve/qemu/100/status/start", &[]));
    let bridges = lab.get("/nodes/pve/network?type=any_bridge").data();
    assert_eq!(item(&bridges, "iface", "vn1")["type"], "vnet");
    lab.put(&format!("{zones}/lab"), &[("mtu", "1450")]).data();
    let pending = lab.get(&format!("{zones}/lab?pending=1")).data();
    assert_eq!(
        (&pending["state"], &pending["mtu"]),
        (&json!("changed"), &json!(1400))
    );
    assert_eq!(pending["pending"], json!({"mtu": 1450}));
    lab.delete(&format!("{zones}/lab")).fails(
        500,
        "delete sdn zone object failed: zone lab is used by vnet vn1",
    );
    assert_eq!(
        error(&lab.delete(&format!("{vnets}/vn1")), "vnet"),
        "Can't delete vnet if subnets exists"
    );
    lab.delete(&format!("{subnets}/lab-10.5.0.0-24")).data();
    lab.delete(&format!("{vnets}/vn1")).data();
    lab.get(&format!("{vnets}/vn1"))
        .fails(500, "sdn vnet 'vn1' does not exist");
    assert_eq!(
        lab.get(&format!("{vnets}/vn1?pending=1")).data()["state"],
        "deleted"
    );
    lab.post("/cluster/sdn/rollback", &[]).data();
    assert_eq!(lab.get(&format!("{vnets}/vn1")).data()["zone"], "lab");
    assert_eq!(
        lab.get("/cluster/sdn/ipams").data(),
        json!([{"ipam": "pve", "type": "pve"}])
    );
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
