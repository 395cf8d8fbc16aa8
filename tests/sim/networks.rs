//! Interfaces of nodes, firewalls and SDN: written, refused, and given back.

use hl_sim::{Profile, Seed};
use serde_json::{Value, json};

use super::settings::{error, item};
use super::support::{lab, seed};

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
fn who_holds_the_lock_changes_networks() {
    let lab = lab(&seed());
    let (lock, zones) = ("/cluster/sdn/lock", "/cluster/sdn/zones");
    let zone = |id: &str, token: &str| {
        let mut form = vec![("zone", id), ("type", "simple")];
        form.extend((!token.is_empty()).then_some(("lock-token", token)));
        lab.post(zones, &form)
    };
    let token = lab.post(lock, &[]).data();
    let token = token.as_str().unwrap();
    lab.post(lock, &[]).fails(
        500,
        "could not acquire lock for SDN config: invalid lock token provided!",
    );
    zone("one", "").fails(
        500,
        "create sdn zone object failed: invalid lock token provided!",
    );
    zone("one", token).data();
    lab.delete(&format!("{zones}/one")).fails(
        500,
        "delete sdn zone object failed: invalid lock token provided!",
    );
    lab.put("/cluster/sdn", &[]).fails(
        500,
        "could not commit SDN config: invalid lock token provided!",
    );
    let rollback = "/cluster/sdn/rollback";
    lab.post(rollback, &[("lock-token", "x")]).fails(
        500,
        "could not rollback SDN configuration: invalid lock token provided!",
    );
    // The lock outlives what is done with its token, unless somebody says otherwise.
    lab.done(&lab.put("/cluster/sdn", &[("lock-token", token)]));
    let again = [("lock-token", token), ("release-lock", "1")];
    lab.done(&lab.put("/cluster/sdn", &again));
    zone("two", "").data();
    lab.post(lock, &[]).fails(
        500,
        "could not acquire lock for SDN config: configuration has pending changes",
    );
    lab.post(lock, &[("allow-pending", "1")]).data();
    lab.delete(lock)
        .fails(500, "could not release lock: invalid lock token provided!");
    lab.delete(&format!("{lock}?force=1")).data();
    lab.post(rollback, &[]).data();
    let left = lab.get(zones).data();
    assert_eq!(left.as_array().unwrap().len(), 1, "{left}");
    let old = super::support::lab(&Seed {
        profile: Profile::v8_4(),
        ..seed()
    });
    assert_eq!(old.post(lock, &[]).status, 501);
    old.done(&old.put("/cluster/sdn", &[]));
}
