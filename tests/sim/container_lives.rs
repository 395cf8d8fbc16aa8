//! Containers that are copied, moved and brought back, and who may do what with them.

use hl_sim::{Grant, Profile, Seed, SeedStorage, SeedToken, World};
use serde_json::json;

use super::containers::{FILE, NET, ROOT, ask, at, config, make, with_template, with_world};
use super::support::{Lab, lab, seed};

#[test]
fn disks_grow_and_move() {
    let (lab, texts) = with_template();
    make(&lab, &[]);
    texts.write(ROOT, "mine");
    let size = |size: &str| lab.put(&at("/resize"), &[("disk", "rootfs"), ("size", size)]);
    size("2G").fails(500, "unable to shrink disk size");
    size("4G").fails(500, "disk is already at specified size");
    let grown = size("+4G");
    assert!(grown.data().as_str().unwrap().contains(":resize:100:"));
    lab.done(&grown);
    assert_eq!(config(&lab)["rootfs"], format!("{ROOT},size=8G"));
    lab.put(&at("/resize"), &[("disk", "mp9"), ("size", "1G")])
        .fails(500, "disk 'mp9' does not exist");
    let options = [
        ("storage", "more"),
        ("type", "dir"),
        ("path", "/srv/more"),
        ("content", "rootdir"),
    ];
    lab.post("/storage", &options).data();
    let to = [("volume", "rootfs"), ("storage", "more"), ("delete", "1")];
    let moved = lab.post(&at("/move_volume"), &to);
    assert!(moved.data().as_str().unwrap().contains(":move_volume:100:"));
    lab.done(&moved);
    assert_eq!(config(&lab)["rootfs"], "more:100/vm-100-disk-0.raw,size=8G");
    assert_eq!(
        texts.text("more:100/vm-100-disk-0.raw").as_deref(),
        Some("mine")
    );
    assert!(texts.text(ROOT).is_none());
    lab.done(&lab.post(&at("/status/start"), &[]));
    let back = [("volume", "rootfs"), ("storage", "local-lvm")];
    lab.post(&at("/move_volume"), &back)
        .fails(500, "cannot move volumes of a running container");
    lab.done(&lab.post(&at("/status/stop"), &[]));
    lab.done(&lab.post(&at("/move_volume"), &back));
    assert_eq!(config(&lab)["rootfs"], format!("{ROOT},size=8G"));
    assert_eq!(config(&lab)["unused0"], "more:100/vm-100-disk-0.raw");
}

#[test]
fn a_volume_goes_to_another_container() {
    let (lab, texts) = with_template();
    make(&lab, &[]);
    make(&lab, &[("vmid", "101")]);
    lab.put(&at("/config"), &[("mp0", "local-lvm:2,mp=/data")])
        .data();
    let volume = "local-lvm:vm-100-disk-1";
    texts.write(volume, "data");
    let to = |form: &[(&str, &str)]| lab.post(&at("/move_volume"), form);
    let form = [("volume", "mp0"), ("target-vmid", "101")];
    lab.done(&lab.post(&at("/status/start"), &[]));
    to(&form).fails(
        500,
        "Cannot move in-use volume while the source CT is running - detach or shutdown first",
    );
    lab.done(&lab.post(&at("/status/stop"), &[]));
    to(&[("volume", "mp3"), ("target-vmid", "101")])
        .fails(500, "Volume 'mp3' for container '100' does not exist");
    to(&[("volume", "rootfs"), ("target-vmid", "101")]).fails(
        500,
        "Target volume key 'rootfs' is already in use for container '101'",
    );
    lab.done(&to(&[&form[..], &[("target-volume", "mp7")]].concat()));
    assert!(config(&lab).get("mp0").is_none());
    let other = lab.get("/nodes/pve/lxc/101/config").data();
    let moved = "local-lvm:vm-101-disk-1";
    assert_eq!(other["mp7"], format!("{moved},mp=/data,size=2G"));
    assert_eq!(texts.text(moved).as_deref(), Some("data"));
    assert!(texts.text(volume).is_none());
}

#[test]
fn containers_are_copied_whole_or_linked_to_a_template() {
    let (lab, texts) = with_template();
    make(&lab, &[("net0", NET), ("hostname", "web")]);
    texts.write(ROOT, "mine");
    let clone = |form: &[(&str, &str)]| lab.post(&at("/clone"), form);
    let linked = [("newid", "110"), ("full", "0")];
    clone(&linked).fails(
        500,
        &format!("Linked clone feature for '{ROOT}' is not available"),
    );
    lab.done(&lab.post(&at("/status/start"), &[]));
    clone(&[("newid", "110")]).fails(
        500,
        "Full clone of a running container is only possible from a snapshot",
    );
    let snap = lab.post(&at("/snapshot"), &[("snapname", "one")]);
    assert!(snap.data().as_str().unwrap().contains(":vzsnapshot:100:"));
    lab.done(&snap);
    texts.write(ROOT, "later");
    let from = [("newid", "110"), ("snapname", "one"), ("full", "1")];
    lab.done(&clone(&from));
    assert_eq!(
        texts.text("local-lvm:vm-110-disk-0").as_deref(),
        Some("mine")
    );
    clone(&[("newid", "110"), ("snapname", "one")])
        .fails(500, "CT 110 already exists on node 'pve'");
    let copy = lab.get("/nodes/pve/lxc/110/config").data();
    assert_eq!(copy["hostname"], "web", "its own only when it is given one");
    assert_ne!(copy["net0"], config(&lab)["net0"], "an address of its own");
    let back = lab.post(&at("/snapshot/one/rollback"), &[]);
    assert!(back.data().as_str().unwrap().contains(":vzrollback:100:"));
    lab.done(&back);
    assert_eq!(texts.text(ROOT).as_deref(), Some("mine"));
    let into = || lab.post(&at("/template"), &[]);
    into().fails(
        500,
        "unable to create template, because CT contains snapshots",
    );
    lab.done(&lab.delete(&at("/snapshot/one")));
    let made = into();
    assert!(made.data().as_str().unwrap().contains(":vztemplate:100:"));
    lab.done(&made);
    let now = config(&lab);
    assert_eq!(now["template"], 1);
    assert_eq!(now["rootfs"], "local-lvm:base-100-disk-0,size=4G");
    into().fails(500, "you can't convert a template to a template");
    let task = lab.post(&at("/status/start"), &[]).data();
    assert_eq!(
        lab.exit_of(&task),
        "you can't start a CT if it's a template"
    );
    let linked = clone(&[("newid", "111"), ("hostname", "two"), ("description", "x")]);
    assert!(linked.data().as_str().unwrap().contains(":vzclone:100:"));
    lab.done(&linked);
    let copy = lab.get("/nodes/pve/lxc/111/config").data();
    assert_eq!(
        (&copy["hostname"], &copy["description"]),
        (&json!("two"), &json!("x\n"))
    );
    let world = lab.server().world();
    let disk = world.volumes.iter().find(|v| v.vmid == Some(111)).unwrap();
    assert_eq!(disk.parent.as_deref(), Some("local-lvm:base-100-disk-0"));
    assert!(world.vms.values().all(|vm| vm.lock.is_none()));
}

#[test]
fn a_copy_that_fails_leaves_nothing_and_no_lock() {
    let (lab, texts) = with_template();
    make(&lab, &[]);
    *texts.fail.lock().unwrap() = Some("local-lvm:vm-110-disk-0".to_owned());
    let task = lab.post(&at("/clone"), &[("newid", "110")]).data();
    assert_eq!(lab.exit_of(&task), "clone failed: no space left on device");
    let world = lab.server().world();
    assert!(world.vms.len() == 1 && world.vms[&100].lock.is_none());
    lab.server()
        .change(|world| world.vms.get_mut(&100).unwrap().lock = Some("disk".to_owned()));
    lab.post(&at("/clone"), &[("newid", "110")])
        .fails(500, "CT is locked (disk)");
}

#[test]
fn a_container_stands_still_and_goes_on() {
    let (lab, texts) = with_template();
    make(&lab, &[("start", "1")]);
    for (path, kind) in [("suspend", "vzsuspend"), ("resume", "vzresume")] {
        let task = lab.post(&at(&format!("/status/{path}")), &[]);
        assert!(
            task.data()
                .as_str()
                .unwrap()
                .contains(&format!(":{kind}:100:"))
        );
        lab.done(&task);
    }
    assert_eq!(*texts.paused.lock().unwrap(), [(100, true), (100, false)]);
}

#[test]
fn a_container_moves_with_a_restart() {
    let mut seed = Seed {
        more_nodes: vec!["two".to_owned()],
        ..seed()
    };
    seed.storages
        .push(SeedStorage::new("share", "nfs", &["rootdir"]));
    let (lab, _) = with_world(World::seeded(&seed));
    make(&lab, &[("storage", "share"), ("start", "1")]);
    let can = lab.get(&at("/migrate")).data();
    assert_eq!(
        can,
        json!({"running": 1, "allowed-nodes": ["two"], "not-allowed-nodes": {}})
    );
    let go = |form: &[(&str, &str)]| lab.post(&at("/migrate"), form);
    let local = go(&[("target", "pve")]).json();
    assert_eq!(local["errors"]["target"], "target is local node.");
    go(&[("target", "two")]).fails(
        500,
        "can't migrate running container without --online or --restart",
    );
    let task = go(&[("target", "two"), ("online", "1")]).data();
    assert_eq!(
        lab.exit_of(&task),
        "lxc live migration is currently not implemented"
    );
    let moved = go(&[("target", "two"), ("restart", "1")]);
    assert!(moved.data().as_str().unwrap().contains(":vzmigrate:100:"));
    lab.done(&moved);
    let status = lab.get("/nodes/two/lxc/100/status/current").data();
    assert_eq!(status["status"], "running");
    lab.get(&at("/config")).fails(
        500,
        "Configuration file 'nodes/pve/lxc/100.conf' does not exist",
    );
}

#[test]
fn a_backup_of_a_container_is_brought_back() {
    let (lab, texts) = with_template();
    make(&lab, &[("net0", NET), ("hostname", "web")]);
    texts.write(ROOT, "then");
    let form = [("vmid", "100"), ("compress", "zstd")];
    lab.done(&lab.post("/nodes/pve/vzdump", &form));
    let listed = lab
        .get("/nodes/pve/storage/local/content?content=backup")
        .data();
    let archive = listed[0]["volid"].as_str().unwrap().to_owned();
    assert!(archive.contains("/vzdump-lxc-100-") && archive.ends_with(".tar.zst"));
    texts.write(ROOT, "now");
    let from = |more: &[(&str, &str)]| {
        let mut form = vec![("ostemplate", archive.as_str()), ("restore", "1")];
        form.extend(more);
        ask(&lab, &form)
    };
    from(&[]).fails(500, "CT 100 already exists on node 'pve'");
    let back = from(&[("force", "1")]);
    assert!(back.data().as_str().unwrap().contains(":vzrestore:100:"));
    lab.done(&back);
    assert_eq!(texts.text(ROOT).as_deref(), Some("then"));
    lab.done(&from(&[
        ("vmid", "105"),
        ("unique", "1"),
        ("hostname", "other"),
    ]));
    let copy = lab.get("/nodes/pve/lxc/105/config").data();
    assert_eq!(copy["hostname"], "other");
    assert_ne!(copy["net0"], config(&lab)["net0"]);
    assert_eq!(
        texts.text("local-lvm:vm-105-disk-0").as_deref(),
        Some("then")
    );
    // A VM is none.
    lab.post("/nodes/pve/qemu", &[("vmid", "106"), ("archive", &archive)])
        .fails(
            500,
            &format!("unable to restore VM 106 - '{archive}' is no backup of a VM"),
        );
}

/// A lab whose token has these rights.
fn restricted(grants: Vec<Grant>) -> Lab {
    with_profile(grants, Profile::default())
}

fn with_profile(grants: Vec<Grant>, profile: Profile) -> Lab {
    let mut seed = Seed { profile, ..seed() };
    seed.pools.push("mine".to_owned());
    seed.storages[0].files.push(hl_sim::SeedFile {
        name: format!("vztmpl/{FILE}"),
        size: 120 << 20,
        disk: 0,
    });
    seed.tokens = vec![SeedToken {
        id: "u@pve!t".to_owned(),
        secret: "s".to_owned(),
        privsep: true,
        grants,
    }];
    lab(&seed).with_token("u@pve!t=s")
}

#[test]
fn rights_are_those_of_a_node() {
    let rights = [
        "VM.Allocate",
        "VM.Audit",
        "VM.Config.CPU",
        "VM.Config.Disk",
        "VM.Config.Memory",
        "VM.Config.Network",
        "VM.Config.Options",
        "VM.PowerMgmt",
    ];
    let grants = |more: &[&str]| {
        let without: Vec<&str> = rights
            .iter()
            .copied()
            .filter(|right| !more.contains(right))
            .collect();
        vec![
            Grant::privileges("/vms", &without),
            Grant::privileges("/storage", &["Datastore.AllocateSpace", "Datastore.Audit"]),
            Grant::privileges("/sdn", &["SDN.Use"]),
        ]
    };
    let lab = restricted(grants(&[]));
    for (form, text) in [
        (("unprivileged", "0"), "/, Sys.Modify"),
        (
            ("hookscript", "local:snippets/x.sh"),
            "changing the hookscript is only allowed for root@pam",
        ),
        (
            ("dev0", "path=/dev/ttyS0"),
            "configuring device passthrough is only allowed for root@pam",
        ),
        (
            ("rootfs", "/srv/x"),
            "mount point type bind is only allowed for root@pam",
        ),
    ] {
        ask(&lab, &[form]).fails(403, &format!("Permission check failed ({text})"));
    }
    let older = with_profile(grants(&[]), Profile::v8_4());
    ask(&older, &[("features", "nesting=1")]).fails(
        403,
        "Permission check failed (changing feature flags for privileged container is only \
         allowed for root@pam)",
    );
    ask(&lab, &[("features", "nesting=1,fuse=1")]).fails(
        403,
        "Permission check failed (changing feature flags (except nesting) is only allowed for \
         root@pam)",
    );
    let mine = [("features", "nesting=1"), ("net0", NET)];
    make(&lab, &mine);
    lab.post(
        "/nodes/pve/aplinfo",
        &[("storage", "local"), ("template", FILE)],
    )
    .fails(
        403,
        "Permission check failed (/storage/local, Datastore.AllocateTemplate)",
    );
    for (key, value, right) in [
        ("cores", "2", "VM.Config.CPU"),
        ("swap", "0", "VM.Config.Memory"),
        ("hostname", "x", "VM.Config.Network"),
        ("onboot", "1", "VM.Config.Options"),
        ("mp0", "local-lvm:1,mp=/x", "VM.Config.Disk"),
    ] {
        lab.put(&at("/config"), &[(key, value)]).data();
        let less = restricted(grants(&[right]));
        let form = [(key, value), ("rootfs", "local-lvm:4")];
        let wanted = &form[..if key == "mp0" { 2 } else { 1 }];
        ask(&less, wanted).fails(403, &format!("Permission check failed (/vms/100, {right})"));
    }
    lab.server().change(|world| {
        let mut other = world
            .volumes
            .iter()
            .find(|v| v.vmid == Some(100))
            .cloned()
            .unwrap();
        other.volid = "local-lvm:vm-7000-disk-0".to_owned();
        other.vmid = Some(7000);
        world.volumes.push(other);
        world
            .acl
            .retain(|entry| entry.who != "u@pve!t" || entry.path != "/vms");
        world.acl.push(hl_sim::AclEntry {
            path: "/vms/100".to_owned(),
            who: "u@pve!t".to_owned(),
            role: "PVEVMAdmin".to_owned(),
            propagate: true,
        });
    });
    lab.put(&at("/config"), &[("mp3", "local-lvm:vm-7000-disk-0,mp=/x")])
        .fails(403, "Permission check failed (/vms/7000, VM.Config.Disk)");
    // Who may make guests in a pool may make this one there.
    let mut own = grants(&rights);
    own.push(Grant::privileges("/pool/mine", &rights));
    let lab = restricted(own);
    ask(&lab, &[]).fails(403, "Permission check failed");
    lab.done(&ask(&lab, &[("pool", "mine")]));
    assert!(lab.server().world().pools["mine"].members.contains(&100));
}
