//! A VM from its making to its end, as the clients lead it.

use hl_sim::{Grant, SeedToken};
use serde_json::json;

use super::support::{Lab, lab, read, seed, template};

fn with_template() -> Lab {
    let lab = lab(&seed());
    template(&lab, 9000);
    lab
}

#[test]
fn made_from_an_image_and_turned_into_a_template() {
    let lab = with_template();
    let config = lab.get("/nodes/pve/qemu/9000/config").data();
    assert_eq!(config["template"], 1);
    assert_eq!(config["cores"], 2);
    assert_eq!(config["memory"], "1024");
    assert_eq!(config["agent"], "1");
    assert_eq!(
        config["scsi0"],
        "local-lvm:base-9000-disk-0,discard=on,size=3G"
    );
    assert_eq!(
        config["ide2"],
        "local-lvm:vm-9000-cloudinit,media=cdrom,size=4M"
    );
    assert_eq!(config["boot"], "order=scsi0;net0");
    let net = config["net0"].as_str().unwrap();
    assert!(
        net.starts_with("virtio=BC:24:11:") && net.ends_with(",bridge=vmbr0"),
        "{net}"
    );
    assert_eq!(config["digest"].as_str().unwrap().len(), 40);
    let again = lab.post("/nodes/pve/qemu/9000/template", &[]);
    again.fails(500, "you can't convert a template to a template");
    let start = lab.post("/nodes/pve/qemu/9000/status/start", &[]).data();
    assert_eq!(
        lab.exit_of(&start),
        "you can't start a vm if it's a template"
    );
    let log = lab.log_of(&start);
    assert_eq!(
        log.last().unwrap(),
        "TASK ERROR: you can't start a vm if it's a template"
    );
    let listed = lab.get("/cluster/resources?type=vm").data();
    assert_eq!(listed[0]["template"], 1);
    assert_eq!(listed[0]["vmid"], 9000);
    assert_eq!(listed[0]["name"], "base");
}

#[test]
fn a_full_clone_lives_and_ends() {
    let lab = with_template();
    let clone = lab.post(
        "/nodes/pve/qemu/9000/clone",
        &[("newid", "110"), ("name", "web"), ("full", "1")],
    );
    let upid = clone.data();
    assert!(
        upid.as_str().unwrap().contains(":qmclone:9000:hl@pve!hl:"),
        "{upid}"
    );
    lab.done(&clone);
    let config = lab.get("/nodes/pve/qemu/110/config").data();
    assert_eq!(config["name"], "web");
    assert_eq!(
        config["scsi0"],
        "local-lvm:vm-110-disk-0,discard=on,size=3G"
    );
    assert_eq!(
        config["ide2"],
        "local-lvm:vm-110-cloudinit,media=cdrom,size=4M"
    );
    assert!(config.get("template").is_none() && config.get("lock").is_none());
    let base = lab.get("/nodes/pve/qemu/9000/config").data();
    for key in ["net0", "smbios1", "vmgenid", "digest"] {
        assert_ne!(config[key], base[key], "{key}");
    }

    let resize = lab.put(
        "/nodes/pve/qemu/110/resize",
        &[("disk", "scsi0"), ("size", "10737418240")],
    );
    lab.done(&resize);
    let config = lab.get("/nodes/pve/qemu/110/config").data();
    assert_eq!(
        config["scsi0"],
        "local-lvm:vm-110-disk-0,discard=on,size=10G"
    );
    let volume = lab
        .get("/nodes/pve/storage/local-lvm/content/local-lvm:vm-110-disk-0")
        .data();
    assert_eq!(volume["size"], 10_u64 << 30);

    let start = "/nodes/pve/qemu/110/status/start";
    lab.done(&lab.post(start, &[("timeout", "1800")]));
    let status = lab.get("/nodes/pve/qemu/110/status/current").data();
    assert_eq!(status["status"], "running");
    assert_eq!(status["vmid"], 110);
    assert_eq!(status["agent"], 1);
    assert!(status["pid"].is_u64() && status["uptime"].as_i64().unwrap() > 0);
    let again = lab.post(start, &[]).data();
    assert_eq!(lab.exit_of(&again), "VM 110 already running");
    let early = lab.delete("/nodes/pve/qemu/110");
    early.fails(500, "VM 110 is running - destroy failed");
    let early = lab.post("/nodes/pve/qemu/110/template", &[]);
    early.fails(500, "you can't convert a VM to template if VM is running");

    let form = [("forceStop", "1"), ("timeout", "1800")];
    lab.done(&lab.post("/nodes/pve/qemu/110/status/shutdown", &form));
    lab.done(&lab.post("/nodes/pve/qemu/110/status/stop", &[]));
    let gone = lab.delete("/nodes/pve/qemu/110/?destroy-unreferenced-disks=1&purge=1");
    lab.done(&gone);
    lab.get("/nodes/pve/qemu/110/status/current").fails(
        500,
        "Configuration file 'nodes/pve/qemu-server/110.conf' does not exist",
    );
    let left = lab
        .get("/nodes/pve/storage/local-lvm/content?vmid=110")
        .data();
    assert_eq!(left, json!([]));
}

#[test]
fn ids_that_are_taken() {
    let lab = with_template();
    let clone = |newid| lab.post("/nodes/pve/qemu/9000/clone", &[("newid", newid)]);
    clone("9000").fails(500, "unable to create VM 9000: config file already exists");
    lab.done(&clone("100"));
    lab.post("/nodes/pve/qemu", &[("vmid", "100")]).fails(
        500,
        "unable to create VM 100 - VM 100 already exists on node 'pve'",
    );
    let next = lab.get("/cluster/nextid?vmid=100");
    next.fails(400, "Parameter verification failed.");
    assert_eq!(next.json()["errors"]["vmid"], "VM 100 already exists");
    assert_eq!(lab.get("/cluster/nextid").data(), "101");
    assert_eq!(lab.get("/cluster/nextid?vmid=150").data(), "150");
    let name = lab.get("/nodes/pve/qemu/100/config").data();
    assert_eq!(name["name"], "Copy-of-VM-base");
}

#[test]
fn clones_that_cannot_be() {
    let lab = with_template();
    let clone = |form: &[(&str, &str)]| lab.post("/nodes/pve/qemu/9000/clone", form);
    clone(&[("newid", "110"), ("full", "0"), ("storage", "local-lvm")])
        .fails(500, "parameter 'storage' not allowed for linked clones");
    clone(&[("newid", "110"), ("full", "1"), ("storage", "nowhere")])
        .fails(500, "storage 'nowhere' does not exist");
    clone(&[("newid", "110"), ("full", "1"), ("storage", "local")]).fails(
        500,
        "storage 'local' does not support content-type 'images'",
    );
    clone(&[("newid", "110"), ("target", "other")]).fails(500, "no such cluster node 'other'");
    clone(&[("newid", "110"), ("pool", "none")])
        .fails(403, "Permission check failed (pool 'none' does not exist)");
    clone(&[("newid", "110"), ("snapname", "s")]).fails(500, "snapshot 's' does not exist");
    let bad = clone(&[("newid", "12"), ("name", "a_b")]);
    assert_eq!(bad.json()["errors"].as_object().unwrap().len(), 2);
    lab.done(&clone(&[("newid", "110"), ("full", "1")]));
    lab.post(
        "/nodes/pve/qemu/110/clone",
        &[("newid", "111"), ("full", "0")],
    )
    .fails(
        500,
        "Linked clone feature is not available for drive 'scsi0' (local-lvm:vm-110-disk-0)",
    );
    lab.post("/nodes/pve/qemu/777/clone", &[("newid", "111")])
        .fails(
            500,
            "Configuration file 'nodes/pve/qemu-server/777.conf' does not exist",
        );
    assert_eq!(lab.server().world().vms.len(), 2);
}

#[test]
fn a_running_vm_takes_some_changes_later() {
    let lab = with_template();
    lab.done(&lab.post("/nodes/pve/qemu/9000/clone", &[("newid", "110")]));
    lab.done(&lab.post("/nodes/pve/qemu/110/status/start", &[]));
    let form = [("memory", "4096"), ("name", "later"), ("delete", "cores")];
    assert_eq!(
        lab.put("/nodes/pve/qemu/110/config", &form).data(),
        json!(null)
    );
    let config = lab.get("/nodes/pve/qemu/110/config").data();
    assert_eq!(
        (&config["memory"], &config["name"]),
        (&json!("4096"), &json!("later"))
    );
    assert!(config.get("cores").is_none());
    let current = lab.get("/nodes/pve/qemu/110/config?current=1").data();
    assert_eq!(
        (&current["memory"], &current["cores"]),
        (&json!("1024"), &json!(2))
    );
    let pending = lab.get("/nodes/pve/qemu/110/pending").data();
    let line = |key: &str| {
        let lines = pending.as_array().unwrap().iter();
        lines
            .clone()
            .find(|line| line["key"] == key)
            .unwrap()
            .clone()
    };
    assert_eq!(
        line("memory"),
        json!({"key": "memory", "value": "1024", "pending": "4096"})
    );
    assert_eq!(
        line("cores"),
        json!({"key": "cores", "value": 2, "delete": 1})
    );
    lab.done(&lab.post("/nodes/pve/qemu/110/status/reboot", &[]));
    let current = lab.get("/nodes/pve/qemu/110/config?current=1").data();
    assert_eq!(current["memory"], "4096");
    assert!(current.get("cores").is_none());
}

#[test]
fn digests_guard_and_protection_protects() {
    let lab = with_template();
    lab.done(&lab.post("/nodes/pve/qemu/9000/clone", &[("newid", "110")]));
    let digest = lab.get("/nodes/pve/qemu/110/config").data()["digest"].clone();
    let digest = digest.as_str().unwrap();
    let path = "/nodes/pve/qemu/110/config";
    lab.put(path, &[("protection", "1"), ("digest", digest)])
        .data();
    lab.put(path, &[("name", "x"), ("digest", digest)]).fails(
        500,
        "detected modified configuration - file changed by other user? Try again.",
    );
    lab.delete("/nodes/pve/qemu/110")
        .fails(500, "can't remove VM 110 - protection mode enabled");
    let reply = lab.put(path, &[("delete", "wings")]);
    assert_eq!(reply.json()["errors"]["delete"], "unknown option 'wings'");
    lab.put(path, &[("skiplock", "1")])
        .fails(400, "Parameter verification failed.");
}

#[test]
fn rights_are_asked_for_by_name_and_path() {
    let mut seed = seed();
    let grant = |path: &str, names: &[&str]| Grant::privileges(path, names);
    let token = |name: &str, grants: Vec<Grant>| SeedToken {
        id: format!("u@pve!{name}"),
        secret: "s".to_owned(),
        privsep: true,
        grants,
    };
    let space = || grant("/storage", &["Datastore.AllocateSpace"]);
    let vms = || grant("/vms", &["VM.Clone", "VM.Allocate", "VM.Audit"]);
    seed.tokens.push(token("none", vec![]));
    seed.tokens
        .push(token("template", vec![grant("/vms/9000", &["VM.Clone"])]));
    seed.tokens.push(token("nospace", vec![vms()]));
    seed.tokens.push(token("nosdn", vec![vms(), space()]));
    let network = grant("/sdn/zones", &["SDN.Use"]);
    seed.tokens
        .push(token("clone", vec![vms(), space(), network]));
    let mut lab = lab(&seed);
    template(&lab, 9000);
    let form = [("newid", "110"), ("full", "1")];
    for (name, missing) in [
        ("none", "/vms/9000, VM.Clone"),
        ("template", "/vms/110, VM.Allocate"),
        ("nospace", "/storage/local-lvm, Datastore.AllocateSpace"),
        ("nosdn", "/sdn/zones/localnetwork/vmbr0, SDN.Use"),
    ] {
        lab = lab.with_token(&format!("u@pve!{name}=s"));
        let text = format!("Permission check failed ({missing})");
        lab.post("/nodes/pve/qemu/9000/clone", &form)
            .fails(403, &text);
    }
    lab = lab.with_token("u@pve!clone=s");
    lab.done(&lab.post("/nodes/pve/qemu/9000/clone", &form));
    let path = "/nodes/pve/qemu/110/config";
    for (key, value, right) in [
        ("cores", "4", "VM.Config.CPU"),
        ("memory", "512", "VM.Config.Memory"),
        ("net0", "virtio,bridge=vmbr0", "VM.Config.Network"),
        ("ciuser", "me", "VM.Config.Cloudinit|VM.Config.Network"),
        ("scsi0", "local-lvm:vm-110-disk-0", "VM.Config.Disk"),
        ("ide3", "none,media=cdrom", "VM.Config.CDROM"),
        ("scsihw", "virtio-scsi-pci", "VM.Config.HWType"),
        ("onboot", "1", "VM.Config.Options"),
    ] {
        let text = format!("Permission check failed (/vms/110, {right})");
        lab.put(path, &[(key, value)]).fails(403, &text);
        lab.post(path, &[(key, value)]).fails(403, &text);
    }
    lab.put(path, &[("args", "-x")])
        .fails(500, "only root can set 'args' config");
    lab.post("/nodes/pve/qemu/110/status/start", &[])
        .fails(403, "Permission check failed (/vms/110, VM.PowerMgmt)");
    lab.get("/nodes/pve/qemu/110/agent/network-get-interfaces")
        .fails(
            403,
            "Permission check failed (/vms/110, VM.GuestAgent.Audit|VM.GuestAgent.Unrestricted)",
        );
}

#[test]
fn a_description_loses_the_white_space_at_its_end() {
    let lab = lab(&seed());
    template(&lab, 9000);
    let text = "my\ndescription\nvalue\n";
    let form = [("vmid", "110"), ("description", text)];
    lab.done(&lab.post("/nodes/pve/qemu", &form));
    let form = [("newid", "111"), ("description", text)];
    lab.done(&lab.post("/nodes/pve/qemu/9000/clone", &form));
    let of = |vmid: u32| lab.get(&format!("/nodes/pve/qemu/{vmid}/config")).data();
    assert_eq!(of(110)["description"], "my\ndescription\nvalue");
    assert_eq!(of(111)["description"], "my\ndescription\nvalue");
    let path = "/nodes/pve/qemu/110/config";
    lab.put(path, &[("description", " two \n\n")]).data();
    assert_eq!(of(110)["description"], " two");
    lab.put(path, &[("description", "\n")]).data();
    assert!(of(110).get("description").is_none());
    let long = "x".repeat(8193);
    let refused = lab.put(
        path,
        &[
            ("description", &long),
            ("tags", "a b!"),
            ("cpu", "no such,"),
        ],
    );
    refused.fails(400, "Parameter verification failed.");
    assert_eq!(
        refused.json()["errors"],
        json!({"description": "value may only be 8192 characters long"})
    );
    let refused = lab.put(path, &[("tags", "a b!"), ("cpu", "no such,")]);
    assert_eq!(
        refused.json()["errors"],
        json!({
            "tags": "invalid format - invalid characters in tag",
            "cpu": "invalid format - Built-in cputype 'no such' is not defined \
                    (missing 'custom-' prefix?)",
        })
    );
    lab.put(
        path,
        &[
            ("description", long.get(..8192).unwrap()),
            ("tags", "a-1;b_2 c.d+e"),
        ],
    )
    .data();
    assert_eq!(of(110)["tags"], "a-1;b_2;c.d+e");
}

#[test]
fn root_locks_and_unlocks_a_vm() {
    let mut seed = seed();
    seed.users.push(hl_sim::SeedUser {
        id: "root@pam".to_owned(),
        password: Some("admin".to_owned()),
        grants: Vec::new(),
    });
    let lab = lab(&seed);
    template(&lab, 110);
    let path = "/nodes/pve/qemu/110/config";
    lab.put(path, &[("lock", "backup")])
        .fails(500, "only root can set 'lock' config");
    let form = [("username", "root@pam"), ("password", "admin")];
    let request = lab.bare("POST", "/access/ticket").form(&form);
    let ticket = read(request.send().unwrap()).data();
    let root = |form: &[(&str, &str)]| {
        let cookie = format!("PVEAuthCookie={}", ticket["ticket"].as_str().unwrap());
        let csrf = ticket["CSRFPreventionToken"].as_str().unwrap();
        let request = lab.bare("PUT", path).header("Cookie", cookie);
        read(
            request
                .header("CSRFPreventionToken", csrf)
                .form(form)
                .send()
                .unwrap(),
        )
    };
    let odd = root(&[("lock", "mine")]);
    odd.fails(400, "Parameter verification failed.");
    root(&[("lock", "backup")]).data();
    assert_eq!(lab.get(path).data()["lock"], "backup");
    assert_eq!(
        lab.get("/nodes/pve/qemu/110/status/current").data()["lock"],
        "backup"
    );
    lab.put(path, &[("name", "x")])
        .fails(500, "VM is locked (backup)");
    root(&[("delete", "lock")]).fails(500, "VM is locked (backup)");
    root(&[("delete", "lock"), ("skiplock", "1")]).data();
    assert!(lab.get(path).data().get("lock").is_none());
    lab.put(path, &[("name", "x")]).data();
}

#[test]
fn a_running_vm_says_what_it_runs_on() {
    let lab = lab(&seed());
    let form = [("vmid", "110"), ("machine", "q35"), ("start", "1")];
    lab.done(&lab.post("/nodes/pve/qemu", &form));
    lab.done(&lab.post("/nodes/pve/qemu", &[("vmid", "111"), ("start", "1")]));
    let path = "/nodes/pve/qemu/110/status/current";
    let status = lab.get(path).data();
    assert_eq!(status["running-qemu"], "10.1.2");
    assert_eq!(status["running-machine"], "pc-q35-10.1+pve0");
    assert!(status["netin"].as_u64() > Some(0));
    // An hour later.
    lab.server().change(|world| {
        let vm = world.vms.get_mut(&110).unwrap();
        vm.run.as_mut().unwrap().since -= 3601;
    });
    let later = lab.get(path).data();
    for name in ["netin", "netout", "diskread", "diskwrite"] {
        assert!(later[name].as_u64() > status[name].as_u64(), "{name}");
    }
    // It breathes in minutes, so two looks may meet the same moment; not three.
    lab.server().change(|world| {
        let vm = world.vms.get_mut(&110).unwrap();
        vm.run.as_mut().unwrap().since -= 25;
    });
    let last = lab.get(path).data();
    assert!(later["mem"] != status["mem"] || last["mem"] != later["mem"]);
    let other = lab.get("/nodes/pve/qemu/111/status/current").data();
    assert_eq!(other["running-machine"], "pc-i440fx-10.1+pve0");
    lab.done(&lab.post("/nodes/pve/qemu/111/status/stop", &[]));
    let stopped = lab.get("/nodes/pve/qemu/111/status/current").data();
    assert!(stopped.get("running-machine").is_none());
    assert_eq!(stopped["netin"], 0);
}

#[test]
fn a_resource_of_high_availability_is_named_whole() {
    let lab = lab(&seed());
    template(&lab, 7401);
    for (sid, text) in [
        ("7401", "no such resource 'vm:7401'"),
        ("vm:7402", "no such resource 'vm:7402'"),
        (
            "7402",
            "unable to detect SID from VMID - VM/CT 7402 does not exist",
        ),
        ("wings", "unable to parse service id 'wings'"),
    ] {
        lab.get(&format!("/cluster/ha/resources/{sid}"))
            .fails(500, text);
    }
}

#[test]
fn nodes_of_a_cluster_have_addresses_and_certificates_of_their_own() {
    let mut seed = seed();
    seed.more_nodes.push("n2".to_owned());
    let lab = lab(&seed);
    let status = lab.get("/cluster/status").data();
    let ip = |name: &str| {
        let all = status.as_array().unwrap();
        all.iter().find(|line| line["name"] == name).unwrap()["ip"].clone()
    };
    assert_eq!(
        (ip("pve"), ip("n2")),
        (json!("192.168.1.10"), json!("192.168.1.11"))
    );
    let network = lab.get("/nodes/n2/network/vmbr0").data();
    assert_eq!(network["cidr"], "192.168.1.11/24");
    let nodes = lab.get("/nodes").data();
    assert_eq!(nodes[0]["ssl_fingerprint"], lab.server().fingerprint());
    let other = nodes[1]["ssl_fingerprint"].as_str().unwrap();
    assert_eq!(other.split(':').count(), 32);
    assert_ne!(other, lab.server().fingerprint());
}

#[test]
fn pools_hold_what_is_made_in_them() {
    let mut seed = seed();
    seed.pools.push("lab".to_owned());
    let lab = lab(&seed);
    template(&lab, 9000);
    let form = [("newid", "110"), ("pool", "lab")];
    lab.done(&lab.post("/nodes/pve/qemu/9000/clone", &form));
    let one = lab.get("/pools?poolid=lab").data();
    assert_eq!(one.as_array().unwrap().len(), 1);
    assert_eq!(one[0]["members"][0]["vmid"], 110);
    assert_eq!(lab.get("/pools/lab").data()["members"][0]["id"], "qemu/110");
    assert_eq!(
        lab.get("/cluster/resources?type=vm").data()[0]["pool"],
        "lab"
    );
    lab.done(&lab.delete("/nodes/pve/qemu/110"));
    assert_eq!(lab.get("/pools/lab").data()["members"], json!([]));
}
