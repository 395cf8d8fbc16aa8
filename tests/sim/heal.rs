//! A simulator that lost its process in the middle of a task: at its next start
//! nothing half made is left, wherever it was cut off.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hl_sim::{GuestSpec, Guests, World};
use serde_json::Value;

use super::support::{Lab, Setup, seed, template};

/// Disks by name. Before and after each change of one, it keeps what a power cut
/// at that moment would leave: the saved world, and the disks.
#[derive(Default)]
struct Cuts {
    world: PathBuf,
    disks: Mutex<BTreeSet<String>>,
    seen: Mutex<Vec<Cut>>,
}

struct Cut {
    world: Vec<u8>,
    disks: BTreeSet<String>,
    at: String,
}

impl Cuts {
    fn disks(&self) -> BTreeSet<String> {
        let disks = self.disks.lock().unwrap_or_else(PoisonError::into_inner);
        disks.clone()
    }

    fn cut(&self, at: &str) {
        let Ok(world) = std::fs::read(&self.world) else {
            return;
        };
        let cut = Cut {
            world,
            disks: self.disks(),
            at: at.to_owned(),
        };
        self.seen.lock().unwrap().push(cut);
    }

    fn change<T>(&self, what: &str, change: impl FnOnce(&mut BTreeSet<String>) -> T) -> T {
        self.cut(&format!("before {what}"));
        let changed = change(&mut self.disks.lock().unwrap());
        self.cut(&format!("after {what}"));
        changed
    }
}

impl Guests for Cuts {
    fn create_disk(&self, volume: &str, _: Option<&str>) -> Result<(), String> {
        self.change(&format!("create {volume}"), |disks| {
            let new = disks.insert(volume.to_owned());
            new.then_some(())
                .ok_or_else(|| format!("`{volume}` exists already"))
        })
    }
    fn clone_disk(&self, from: &str, to: &str) -> Result<(), String> {
        self.change(&format!("clone {from} {to}"), |disks| {
            if !disks.contains(from) || !disks.insert(to.to_owned()) {
                return Err(format!("cannot copy `{from}` to `{to}`"));
            }
            Ok(())
        })
    }
    fn rename_disk(&self, from: &str, to: &str) -> Result<(), String> {
        self.change(&format!("rename {from} {to}"), |disks| {
            if disks.contains(to) || !disks.remove(from) {
                return Err(format!("cannot rename `{from}` to `{to}`"));
            }
            disks.insert(to.to_owned());
            Ok(())
        })
    }
    fn remove_disk(&self, volume: &str) -> Result<(), String> {
        self.change(&format!("remove {volume}"), |disks| {
            disks.remove(volume);
            Ok(())
        })
    }
    fn start(&self, guest: &GuestSpec) -> Result<(), String> {
        self.cut(&format!("start {}", guest.vmid));
        Ok(())
    }
    fn stop(&self, vmid: u32) -> Result<(), String> {
        self.cut(&format!("stop {vmid}"));
        Ok(())
    }
    fn agent_ready(&self, _: u32) -> bool {
        true
    }
}

/// A VM's life, with every kind of task that works on disks.
fn live(lab: &Lab) {
    template(lab, 9000);
    let vm = |path: &str| format!("/nodes/pve/qemu/{path}");
    lab.done(&lab.post(
        &vm("9000/clone"),
        &[("newid", "110"), ("full", "1"), ("name", "web-1")],
    ));
    lab.done(&lab.post(
        &vm("9000/clone"),
        &[("newid", "111"), ("full", "0"), ("name", "web-2")],
    ));
    lab.done(&lab.post(&vm("110/config"), &[("scsi1", "local-lvm:4")]));
    lab.done(&lab.put(&vm("110/resize"), &[("disk", "scsi0"), ("size", "+1G")]));
    lab.done(&lab.post(
        &vm("110/move_disk"),
        &[("disk", "scsi1"), ("storage", "local"), ("delete", "1")],
    ));
    lab.done(&lab.post(&vm("110/status/start"), &[]));
    lab.done(&lab.post(
        &vm("110/move_disk"),
        &[("disk", "scsi0"), ("storage", "local")],
    ));
    lab.done(&lab.post(&vm("110/status/stop"), &[]));
    lab.done(&lab.post(
        &vm("110/move_disk"),
        &[("disk", "scsi1"), ("target-vmid", "111")],
    ));
    lab.done(&lab.delete(&vm("110")));
}

/// What a start from a cut has made of it.
struct Healed {
    cut: String,
    world: Value,
    disks: BTreeSet<String>,
    lines: Vec<String>,
    lab: Lab,
}

fn start_from(cut: &Cut, dir: &Path) -> Healed {
    let file = dir.join("world.json");
    std::fs::write(&file, &cut.world).unwrap();
    let guests = Arc::new(Cuts {
        disks: Mutex::new(cut.disks.clone()),
        ..Cuts::default()
    });
    let lab = Setup {
        world: World::load(&file).unwrap(),
        guests: Arc::clone(&guests) as Arc<dyn Guests>,
        save_to: Some(&file),
        ..Setup::default()
    }
    .start();
    Healed {
        cut: cut.at.clone(),
        world: serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap(),
        disks: guests.disks(),
        lines: lab.server().healed().to_vec(),
        lab,
    }
}

fn texts<'v>(map: &'v Value, key: &str) -> Vec<&'v str> {
    let all = map.as_array().into_iter().flatten();
    all.filter_map(|one| one[key].as_str()).collect()
}

fn assert_whole(healed: &Healed) {
    let at = &healed.cut;
    let world = &healed.world;
    assert!(texts(&world["tasks"], "exit").len() == world["tasks"].as_array().unwrap().len());
    let images = |volume: &&Value| volume["content"] == "images";
    let volumes: BTreeSet<&str> = world["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(images)
        .map(|volume| volume["volid"].as_str().unwrap())
        .collect();
    for (vmid, vm) in world["vms"].as_object().unwrap() {
        assert!(vm["lock"].is_null(), "{at}: VM {vmid} is locked");
        assert!(vm["config"]["name"].is_string(), "{at}: VM {vmid}");
        for (key, drive) in vm["config"].as_object().unwrap() {
            if key.starts_with("scsi") && key != "scsihw" {
                let volume = drive.as_str().unwrap().split(',').next().unwrap();
                assert!(volumes.contains(volume), "{at}: VM {vmid} has no {volume}");
                assert!(healed.disks.contains(volume), "{at}: no disk {volume}");
            }
        }
    }
    let vms = world["vms"].as_object().unwrap();
    for volume in world["volumes"].as_array().unwrap().iter().filter(images) {
        let volid = volume["volid"].as_str().unwrap();
        let owner = volume["vmid"].to_string();
        let config = vms.get(&owner).map(|vm| vm["config"].to_string());
        let named = config.is_some_and(|config| config.contains(volid));
        assert!(named, "{at}: nothing names {volid}");
    }
    let stray = healed
        .disks
        .iter()
        .find(|disk| !volumes.contains(disk.as_str()));
    assert_eq!(stray, None, "{at}: a disk without a volume");
}

#[test]
fn wherever_it_is_cut_off_the_next_start_leaves_nothing_half_made() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("world.json");
    let guests = Arc::new(Cuts {
        world: file.clone(),
        ..Cuts::default()
    });
    let mut seed = seed();
    seed.storages[0].content.push("images".to_owned());
    let lab = Setup {
        world: World::seeded(&seed),
        guests: Arc::clone(&guests) as Arc<dyn Guests>,
        save_to: Some(&file),
        ..Setup::default()
    }
    .start();
    live(&lab);
    drop(lab);

    let cuts = std::mem::take(&mut *guests.seen.lock().unwrap());
    let mut begun = BTreeSet::new();
    let mut lines = Vec::new();
    for cut in &cuts {
        let before: Value = serde_json::from_slice(&cut.world).unwrap();
        let tasks = before["tasks"].as_array().unwrap().iter();
        let open = tasks.filter(|task| task["exit"].is_null());
        begun.extend(open.map(|task| {
            task["type"]
                .as_str()
                .or(task["kind"].as_str())
                .unwrap()
                .to_owned()
        }));
        let again = tempfile::tempdir().unwrap();
        let healed = start_from(cut, again.path());
        assert_whole(&healed);
        lines.extend(healed.lines.clone());
        // And a second start finds nothing more to do.
        drop(healed.lab);
        let file = again.path().join("world.json");
        let second = Cut {
            world: std::fs::read(&file).unwrap(),
            disks: healed.disks,
            at: format!("{}, then again", cut.at),
        };
        assert!(
            start_from(&second, again.path()).lines.is_empty(),
            "{}",
            cut.at
        );
    }
    let kinds: Vec<&str> = begun.iter().map(String::as_str).collect();
    assert_eq!(
        kinds,
        [
            "qmclone",
            "qmconfig",
            "qmcreate",
            "qmdestroy",
            "qmmove",
            "qmstart",
            "qmstop",
            "qmtemplate"
        ]
    );
    for said in [
        "VM 110 was only half made, and is removed",
        "VM 9000 is a template now",
        "the removal of VM 110 is finished",
        "of VM 110 was only half made, and is removed",
    ] {
        assert!(
            lines.iter().any(|line| line.contains(said)),
            "{said}: {lines:#?}"
        );
    }
}

#[test]
fn what_was_cut_off_can_be_made_again_under_the_same_number() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("world.json");
    let guests = Arc::new(Cuts {
        world: file.clone(),
        ..Cuts::default()
    });
    let lab = Setup {
        guests: Arc::clone(&guests) as Arc<dyn Guests>,
        save_to: Some(&file),
        ..Setup::default()
    }
    .start();
    template(&lab, 9000);
    let clone = [("newid", "110"), ("full", "1"), ("name", "web-1")];
    lab.done(&lab.post("/nodes/pve/qemu/9000/clone", &clone));
    drop(lab);
    let cuts = std::mem::take(&mut *guests.seen.lock().unwrap());
    let cloning: Vec<&Cut> = cuts.iter().filter(|cut| cut.at.contains("clone")).collect();
    assert_eq!(cloning.len(), 2);
    for cut in cloning {
        let again = tempfile::tempdir().unwrap();
        let healed = start_from(cut, again.path());
        healed
            .lab
            .done(&healed.lab.post("/nodes/pve/qemu/9000/clone", &clone));
    }
}
