//! Containers: templates for them, how they are made and changed, and what is refused.

use std::sync::Arc;

use hl_sim::World;
use serde_json::{Value, json};

use super::support::{Lab, Reply, Setup, lab, seed};
use super::texts::Texts;

pub(super) const FILE: &str = "debian-13-standard_13.1-2_amd64.tar.zst";
const TEMPLATE: &str = "local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst";
pub(super) const ROOT: &str = "local-lvm:vm-100-disk-0";
pub(super) const LXC: &str = "/nodes/pve/lxc";

/// Downloads the template.
pub(super) fn fetch(lab: &Lab) {
    let form = [("storage", "local"), ("template", FILE)];
    lab.done(&lab.post("/nodes/pve/aplinfo", &form));
}

/// A lab with the template, and guests whose disks hold texts.
pub(super) fn with_template() -> (Lab, Arc<Texts>) {
    with_world(World::seeded(&seed()))
}

pub(super) fn with_world(world: World) -> (Lab, Arc<Texts>) {
    let texts = Arc::new(Texts::default());
    let lab = Setup {
        world,
        guests: Arc::<Texts>::clone(&texts),
        ..Setup::default()
    }
    .start();
    fetch(&lab);
    (lab, texts)
}

pub(super) fn ask(lab: &Lab, more: &[(&str, &str)]) -> Reply {
    let mut form = vec![
        ("vmid", "100"),
        ("ostemplate", TEMPLATE),
        ("storage", "local-lvm"),
    ];
    for (key, value) in more {
        form.retain(|(own, _)| own != key);
        form.push((key, value));
    }
    lab.post(LXC, &form)
}

pub(super) fn at(rest: &str) -> String {
    format!("{LXC}/100{rest}")
}

pub(super) fn make(lab: &Lab, more: &[(&str, &str)]) {
    lab.done(&ask(lab, more));
}

pub(super) fn config(lab: &Lab) -> Value {
    lab.get(&at("/config")).data()
}

pub(super) const NET: &str = "bridge=vmbr0,firewall=1,ip=192.168.1.60/24,gw=192.168.1.1,name=eth0";

#[test]
fn templates_are_listed_and_downloaded() {
    let lab = lab(&seed());
    let known = lab.get("/nodes/pve/aplinfo").data();
    let one = known
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["template"] == FILE)
        .unwrap();
    assert_eq!(
        (&one["type"], &one["section"], &one["os"]),
        (&json!("lxc"), &json!("system"), &json!("debian-13"))
    );
    let form = [("storage", "local"), ("template", FILE)];
    let task = lab.post("/nodes/pve/aplinfo", &form);
    let upid = task.data();
    assert!(
        upid.as_str()
            .unwrap()
            .contains(&format!(":download:{FILE}:")),
        "{upid}"
    );
    lab.done(&task);
    let listed = lab
        .get("/nodes/pve/storage/local/content?content=vztmpl")
        .data();
    assert_eq!(
        (&listed[0]["volid"], &listed[0]["format"]),
        (&json!(TEMPLATE), &json!("tzst"))
    );
    // Once more, it is there already.
    fetch(&lab);
    let odd = |form: &[(&str, &str)]| lab.post("/nodes/pve/aplinfo", form);
    let error = odd(&[("storage", "local"), ("template", "windows.tar.zst")]);
    assert_eq!(error.json()["errors"]["template"], "no such template");
    odd(&[("storage", "local-lvm"), ("template", FILE)])
        .fails(500, "storage 'local-lvm' does not support templates");
}

#[test]
fn a_container_is_made_and_read_as_a_node_gives_it() {
    let (lab, texts) = with_template();
    let form = [
        ("hostname", "web"),
        ("net0", NET),
        ("rootfs", "size=8,volume=local-lvm:8"),
        ("mp0", "volume=local-lvm:2,mp=/data,backup=1"),
        ("features", "nesting=1"),
        ("unprivileged", "1"),
        ("description", "several\nlines"),
        ("tags", "Web;hl"),
        ("cpulimit", "1.5"),
        ("cores", "2"),
        ("ssh-public-keys", "ssh-ed25519 AAAA me"),
        ("password", "secret"),
        ("start", "1"),
    ];
    let made = ask(&lab, &form);
    assert!(made.data().as_str().unwrap().contains(":vzcreate:100:"));
    lab.done(&made);
    let mut config = config(&lab);
    let card = config["net0"].as_str().unwrap();
    let (before, rest) = card.split_once("hwaddr=BC:24:11:").unwrap();
    assert_eq!(before, "name=eth0,bridge=vmbr0,firewall=1,gw=192.168.1.1,");
    assert!(rest.ends_with(",ip=192.168.1.60/24,type=veth"), "{card}");
    let object = config.as_object_mut().unwrap();
    object.remove("net0");
    assert_eq!(object.remove("digest").unwrap().as_str().unwrap().len(), 40);
    assert_eq!(
        config,
        json!({
            "arch": "amd64", "cores": 2, "cpulimit": "1.5", "description": "several\nlines\n",
            "features": "nesting=1", "hostname": "web", "memory": 512,
            "mp0": "local-lvm:vm-100-disk-1,mp=/data,backup=1,size=2G", "ostype": "debian",
            "rootfs": "local-lvm:vm-100-disk-0,size=8G", "swap": 512, "tags": "web;hl",
            "unprivileged": 1,
        })
    );
    assert_eq!(texts.names().len(), 2);
    let status = lab.get(&at("/status/current")).data();
    for (key, value) in [
        ("status", json!("running")),
        ("type", json!("lxc")),
        ("name", json!("web")),
        ("vmid", json!(100)),
        ("cpus", json!(2)),
        ("maxmem", json!(512 << 20)),
        ("maxswap", json!(512 << 20)),
        ("maxdisk", json!(8_u64 << 30)),
        ("ha", json!({"managed": 0})),
    ] {
        assert_eq!(status[key], value, "{key}");
    }
    assert!(status.get("qmpstatus").is_none());
    let faces = lab.get(&at("/interfaces")).data();
    assert_eq!(faces[0]["name"], "lo");
    assert_eq!(faces[1]["inet"], "192.168.1.60/24");
    assert_eq!(
        faces[1]["ip-addresses"],
        json!([{"ip-address": "192.168.1.60", "ip-address-type": "inet", "prefix": 24}])
    );
    assert!(
        faces[1]["hwaddr"]
            .as_str()
            .unwrap()
            .starts_with("bc:24:11:")
    );
    let listed = lab.get("/cluster/resources?type=vm").data();
    assert_eq!(
        (&listed[0]["id"], &listed[0]["type"], &listed[0]["name"]),
        (&json!("lxc/100"), &json!("lxc"), &json!("web"))
    );
    assert_eq!(lab.get(LXC).data()[0]["vmid"], 100);
    assert_eq!(lab.get("/nodes/pve/qemu").data(), json!([]));
    let disks = lab.get("/nodes/pve/storage/local-lvm/content").data();
    assert_eq!(disks[0]["content"], "rootdir");
    assert_eq!(lab.get("/cluster/nextid").data(), "101");
    lab.get("/nodes/pve/qemu/100/config").fails(
        500,
        "Configuration file 'nodes/pve/qemu-server/100.conf' does not exist",
    );
    lab.done(&lab.post(&at("/status/stop"), &[]));
    assert_eq!(lab.get(&at("/interfaces")).data(), Value::Null);
    lab.done(&lab.delete(&at("/")));
    assert_eq!(texts.names(), Vec::<String>::new());
    let world = lab.server().world();
    assert!(world.vms.is_empty() && world.volumes.len() == 1);
}

#[test]
fn what_is_no_container() {
    let (lab, _) = with_template();
    for (form, name, text) in [
        (
            &[("vmid", "7")][..],
            "vmid",
            "value must have a minimum value of 100",
        ),
        (
            &[("net0", "virtio,bridge=vmbr0")],
            "net0",
            "invalid format - value without key, but schema does not define a default key",
        ),
        (
            &[("mp0", "local-lvm:2")],
            "mp0",
            "invalid format - mp: property is missing and it is not optional",
        ),
        (
            &[("tty", "7")],
            "tty",
            "value must have a maximum value of 6",
        ),
        (
            &[("password", "abc")],
            "password",
            "value must be at least 5 characters long",
        ),
        (
            &[("unique", "1")],
            "restore",
            "missing property - 'unique' requires this property",
        ),
        (
            &[("storage", "local")],
            "storage",
            "storage 'local' does not support container directories",
        ),
    ] {
        let error = ask(&lab, form);
        assert_eq!(error.status, 400, "{error:?}");
        assert_eq!(error.json()["errors"][name], text, "{error:?}");
    }
    let missing = lab.post(LXC, &[("vmid", "100")]).json();
    assert!(missing["errors"]["ostemplate"].is_string(), "{missing}");
    let scsi = ask(&lab, &[("scsi0", "local-lvm:8")]).json();
    assert!(scsi["errors"]["scsi0"].is_string(), "{scsi}");
    ask(&lab, &[("mp0", "local-lvm:2,mp=/x")]).fails(
        500,
        "mount points configured, but 'rootfs' not set - aborting",
    );
    ask(&lab, &[("ssh-public-keys", "nonsense")]).fails(500, "SSH public key validation error");
    ask(&lab, &[("pool", "none")])
        .fails(403, "Permission check failed (pool 'none' does not exist)");
    for (form, text) in [
        (
            ("ostemplate", "local:vztmpl/x.tar.zst"),
            "volume 'local:vztmpl/x.tar.zst' does not exist",
        ),
        (("net0", "name=eth0,bridge=vmbr7"), ""),
    ] {
        let task = ask(&lab, &[form]).data();
        let want = format!("unable to create CT 100 - {text}");
        let ended = lab.exit_of(&task);
        if text.is_empty() {
            assert_eq!(ended, "OK", "a bridge is looked for at the start");
        } else {
            assert_eq!(ended, want);
            assert!(lab.server().world().vms.is_empty());
        }
    }
    let start = || lab.post(&at("/status/start"), &[]);
    assert_eq!(
        lab.exit_of(&start().data()),
        "bridge 'vmbr7' does not exist"
    );
    lab.put(&at("/config"), &[("delete", "net0")]).data();
    // A number is a guest's, whatever it is.
    ask(&lab, &[]).fails(500, "CT 100 already exists on node 'pve'");
    lab.post("/nodes/pve/qemu", &[("vmid", "100")]).fails(
        500,
        "unable to create VM 100 - CT 100 already exists on node 'pve'",
    );
    lab.done(&lab.post("/nodes/pve/qemu", &[("vmid", "101")]));
    ask(&lab, &[("vmid", "101")]).fails(500, "VM 101 already exists on node 'pve'");
    for (path, text) in [
        ("stop", "CT 100 not running"),
        ("shutdown", "CT 100 not running"),
        ("suspend", "CT 100 not running"),
        ("reboot", "VM 100 not running"),
    ] {
        lab.post(&at(&format!("/status/{path}")), &[])
            .fails(500, text);
    }
    lab.done(&start());
    start().fails(500, "CT 100 already running");
    lab.delete(&at(""))
        .fails(500, "unable to destroy CT 100 - container is running");
    lab.get("/nodes/pve/lxc/100/agent/info").fails(
        501,
        "Method 'GET /nodes/pve/lxc/100/agent/info' not implemented",
    );
    let gone = lab.delete(&at("?force=1"));
    assert!(gone.data().as_str().unwrap().contains(":vzdestroy:100:"));
    lab.done(&gone);
    assert!(!lab.server().world().vms.contains_key(&100));
}

#[test]
fn a_change_is_taken_at_once_or_waits() {
    let (lab, _) = with_template();
    make(
        &lab,
        &[("net0", NET), ("unprivileged", "1"), ("start", "1")],
    );
    let put = |form: &[(&str, &str)]| lab.put(&at("/config"), form);
    put(&[]).fails(500, "no options specified");
    put(&[("digest", "0"), ("cores", "2")]).fails(
        500,
        "detected modified configuration - file changed by other user? Try again.",
    );
    for (form, text) in [
        (
            ("delete", "memory"),
            "unable to delete required option 'memory'",
        ),
        (
            ("delete", "unprivileged"),
            "unable to delete read-only option: 'unprivileged'",
        ),
        (
            ("unprivileged", "0"),
            "unable to modify read-only option: 'unprivileged'",
        ),
        (
            ("mp1", "local:2,mp=/x"),
            "storage 'local' does not allow content type 'rootdir' (Container)",
        ),
    ] {
        put(&[form]).fails(500, text);
    }
    for (key, value) in [("delete", "wings"), ("revert", "wings")] {
        let error = put(&[(key, value)]).json();
        assert_eq!(error["errors"][key], "unknown option 'wings'");
    }
    let form = [
        ("memory", "1024"),
        ("nameserver", "1.1.1.1"),
        ("mp0", "local-lvm:2,mp=/data"),
        ("features", "nesting=1"),
    ];
    put(&form).data();
    let now = lab.get(&at("/config?current=1")).data();
    assert_eq!(now["memory"], 1024);
    assert_eq!(now["mp0"], "local-lvm:vm-100-disk-1,mp=/data,size=2G");
    assert!(now.get("nameserver").is_none() && now.get("features").is_none());
    assert_eq!(config(&lab)["nameserver"], "1.1.1.1");
    let pending = lab.get(&at("/pending")).data();
    let line = |key: &str| {
        let lines = pending.as_array().unwrap().iter();
        lines.clone().find(|line| line["key"] == key).cloned()
    };
    assert_eq!(
        line("nameserver").unwrap(),
        json!({"key": "nameserver", "pending": "1.1.1.1"})
    );
    put(&[("revert", "nameserver")]).data();
    assert!(config(&lab).get("nameserver").is_none());
    // A mount point goes with the next start, and its volume stays.
    put(&[("delete", "mp0")]).data();
    assert!(
        lab.get(&at("/config?current=1"))
            .data()
            .get("mp0")
            .is_some()
    );
    assert!(config(&lab).get("unused0").is_none());
    lab.done(&lab.post(&at("/status/reboot"), &[]));
    let now = config(&lab);
    assert!(
        now.get("mp0").is_none() && now["features"] == "nesting=1",
        "{now}"
    );
    assert_eq!(now["unused0"], "local-lvm:vm-100-disk-1");
    put(&[("delete", "unused0")]).data();
    let world = lab.server().world();
    assert_eq!(
        world.volumes.iter().filter(|v| v.vmid == Some(100)).count(),
        1
    );
    put(&[("protection", "1")]).data();
    put(&[("delete", "rootfs")]).fails(500, "unable to delete required option 'rootfs'");
    put(&[("rootfs", "local-lvm:2")]).fails(
        500,
        "can't update CT 100 drive 'rootfs' - protection mode enabled",
    );
    lab.done(&lab.post(&at("/status/shutdown"), &[("forceStop", "1")]));
    lab.delete(&at(""))
        .fails(500, "can't remove CT 100 - protection mode enabled");
}
