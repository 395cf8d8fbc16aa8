//! Backups: an archive is a volume with the config of a guest, and copies of its disks
//! under names of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::call::{GuestId, unlocked};
use super::error::{ApiError, bail};
use super::locks::{Hold, PATIENCE};
use super::machine::{Sim, TaskLog};
use super::power;
use super::vm::{GuestKind, disks};
use super::volume::Volume;

/// How a backup is made.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) storage: String,
    pub(super) mode: String,
    /// How the name of an archive ends: `.zst`, or nothing.
    pub(super) packed: &'static str,
    pub(super) notes: Option<String>,
    pub(super) protected: bool,
}

/// The name under which an archive has a disk.
pub(super) fn disk_of(archive: &str, key: &str) -> String {
    format!("{archive}@{key}")
}

/// What the guest of an archive is.
pub(super) fn kind_of(volume: &Volume) -> GuestKind {
    if volume.volid.contains("/vzdump-lxc-") {
        GuestKind::Lxc
    } else {
        GuestKind::Qemu
    }
}

/// The config in an archive.
pub(super) fn config_of(volume: &Volume) -> Result<BTreeMap<String, String>, ApiError> {
    let text = volume.text.as_deref().unwrap_or_default();
    let config = serde_json::from_str(text);
    config.map_err(|_| ApiError::die(format!("no config in archive '{}'", volume.volid)))
}

/// Makes the backup of one guest, and returns its archive.
pub(super) fn make(
    sim: &Arc<Sim>,
    log: &TaskLog<'_>,
    guest: &GuestId,
    order: &Order,
) -> Result<String, ApiError> {
    let held = sim.locks.take(guest.vmid, Hold::Alone, PATIENCE);
    let _held = held.map_err(ApiError::die)?;
    let running = {
        let world = sim.world();
        guest.find(&world)?.run.is_some()
    };
    let stops = order.mode == "stop" && running;
    log.line(format!(
        "INFO: status = {}",
        if running { "running" } else { "stopped" }
    ));
    let mode = if running { order.mode.as_str() } else { "stop" };
    log.line(format!("INFO: backup mode: {mode}"));
    if stops {
        power::stop(sim, guest.vmid, false).map_err(ApiError::die)?;
    }
    let result = archive(sim, log, guest, order);
    sim.change(|world| {
        if let Ok(vm) = guest.find_mut(world)
            && vm.lock.as_deref() == Some("backup")
        {
            vm.lock = None;
        }
    });
    if stops {
        power::start(sim, guest.vmid, false).map_err(ApiError::die)?;
    }
    result
}

fn archive(
    sim: &Arc<Sim>,
    log: &TaskLog<'_>,
    guest: &GuestId,
    order: &Order,
) -> Result<String, ApiError> {
    let (volume, parts) = sim.change(|world| {
        let vm = guest.find_mut(world)?;
        unlocked(vm)?;
        vm.lock = Some("backup".to_owned());
        let vm = vm.clone();
        let mut config = vm.config.clone();
        config.retain(|key, _| !key.starts_with("unused") && key != "parent");
        let parts = disks(vm.kind, &config);
        let used = parts.iter().filter_map(|(_, volid)| world.volume(volid));
        let used: u64 = used.map(|volume| volume.used).sum();
        let size = (used / 2).max(1 << 20);
        world.fits(&order.storage, size)?;
        let end = guest.kind.pick("vma", "tar");
        let now = jiff::Timestamp::from_second(world.now()).unwrap_or_default();
        let volume = Volume {
            volid: format!(
                "{}:backup/vzdump-{}-{}-{}.{end}{}",
                order.storage,
                guest.kind.name(),
                guest.vmid,
                now.strftime("%Y_%m_%d-%H_%M_%S"),
                order.packed
            ),
            node: guest.node.clone(),
            content: "backup".to_owned(),
            format: format!("{end}{}", order.packed),
            size,
            used: size,
            ctime: now.as_second(),
            vmid: Some(guest.vmid),
            text: serde_json::to_string(&config).ok(),
            notes: order.notes.clone(),
            protected: order.protected,
            ..Volume::default()
        };
        if world.volume(&volume.volid).is_some() {
            bail!("archive '{}' already exists", volume.volid);
        }
        Ok((volume, parts))
    })?;
    let path = sim.world().path_of(&volume.volid);
    log.line(format!("INFO: creating vzdump archive '{path}'"));
    for (key, volid) in &parts {
        let copied = sim.guests.clone_disk(volid, &disk_of(&volume.volid, key));
        if let Err(text) = copied {
            for (key, _) in &parts {
                sim.guests.remove_disk(&disk_of(&volume.volid, key)).ok();
            }
            return Err(ApiError::die(text));
        }
    }
    log.line(format!("INFO: archive file size: {}MB", volume.size >> 20));
    let volid = volume.volid.clone();
    sim.change(|world| world.put_file(volume));
    Ok(volid)
}

/// Removes an archive with the copies in it.
pub(super) fn remove(sim: &Arc<Sim>, volid: &str) -> Result<(), String> {
    let volume = sim.world().volume(volid).cloned();
    let Some(volume) = volume else {
        return Err(format!("volume '{volid}' does not exist"));
    };
    if volume.protected {
        let (storage, name) = volume.split();
        return Err(format!(
            "cannot remove protected volume '{name}' on '{storage}'"
        ));
    }
    let config = config_of(&volume).unwrap_or_default();
    for (key, _) in disks(kind_of(&volume), &config) {
        sim.guests.remove_disk(&disk_of(volid, &key))?;
    }
    sim.change(|world| world.drop_volume(volid));
    Ok(())
}

/// What a retention keeps: `keep-last=3,keep-daily=7`.
pub(super) type Keep = BTreeMap<String, u64>;

/// Reads a retention; the error is the text of its parameter.
pub(super) fn retention(text: &str) -> Result<Keep, String> {
    let mut keep = Keep::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let number = value.parse::<u64>();
        match (PERIODS.iter().any(|(name, _)| *name == key), number) {
            (true, Ok(number)) => {
                keep.insert(key.to_owned(), number);
            }
            (true, Err(_)) => {
                return Err(format!(
                    "{key}: type check ('integer') failed - got '{value}'"
                ));
            }
            (false, _) => {
                return Err(format!(
                    "{key}: property is not defined in schema and the schema does not allow \
                     additional properties"
                ));
            }
        }
    }
    Ok(keep)
}

/// What makes two backups be of one period, as times are written.
const PERIODS: [(&str, &str); 7] = [
    ("keep-last", ""),
    ("keep-hourly", "%Y-%m-%d %H"),
    ("keep-daily", "%Y-%m-%d"),
    ("keep-weekly", "%G-%V"),
    ("keep-monthly", "%Y-%m"),
    ("keep-yearly", "%Y"),
    ("keep-all", ""),
];

/// Marks the backups of one guest, given with their times: `keep`, `remove`,
/// `protected`. Protected ones are not counted.
pub(super) fn marks(backups: &[&Volume], keep: &Keep) -> BTreeMap<String, &'static str> {
    let mut sorted: Vec<&&Volume> = backups.iter().collect();
    sorted.sort_by_key(|volume| std::cmp::Reverse((volume.ctime, volume.volid.clone())));
    let mut marks: BTreeMap<String, &'static str> = BTreeMap::new();
    for volume in &sorted {
        if volume.protected {
            marks.insert(volume.volid.clone(), "protected");
        }
    }
    let everything =
        keep.get("keep-all").is_some_and(|all| *all > 0) || keep.values().all(|n| *n == 0);
    for (period, form) in PERIODS {
        let Some(count) = keep.get(period).filter(|_| period != "keep-all") else {
            continue;
        };
        let name = |volume: &Volume| match form {
            "" => volume.volid.clone(),
            form => {
                let time = jiff::Timestamp::from_second(volume.ctime).unwrap_or_default();
                time.strftime(form).to_string()
            }
        };
        // What an earlier rule kept is of a period that needs no other.
        let mut before: Vec<String> = sorted
            .iter()
            .filter(|volume| marks.get(&volume.volid) == Some(&"keep"))
            .map(|volume| name(volume))
            .collect();
        let mut kept = 0;
        for volume in &sorted {
            if kept >= *count || marks.contains_key(&volume.volid) || before.contains(&name(volume))
            {
                continue;
            }
            before.push(name(volume));
            marks.insert(volume.volid.clone(), "keep");
            kept += 1;
        }
    }
    for volume in sorted {
        let rest = if everything { "keep" } else { "remove" };
        marks.entry(volume.volid.clone()).or_insert(rest);
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(name: &str, time: &str, protected: bool) -> Volume {
        Volume {
            volid: name.to_owned(),
            ctime: time.parse::<jiff::Timestamp>().unwrap().as_second(),
            protected,
            ..Volume::default()
        }
    }

    #[test]
    fn a_retention_keeps_the_newest_of_its_periods() {
        let all = [
            volume("a", "2026-01-05T10:00:00Z", false),
            volume("b", "2026-01-05T09:00:00Z", false),
            volume("c", "2026-01-04T10:00:00Z", false),
            volume("d", "2026-01-04T09:00:00Z", true),
            volume("e", "2025-12-31T10:00:00Z", false),
            volume("f", "2025-11-30T10:00:00Z", false),
        ];
        let all: Vec<&Volume> = all.iter().collect();
        let of = |text: &str| {
            let marks = marks(&all, &retention(text).unwrap());
            let kept = marks.iter().filter(|(_, mark)| **mark == "keep");
            kept.map(|(name, _)| name.clone()).collect::<String>()
        };
        assert_eq!(of("keep-last=2"), "ab");
        assert_eq!(of("keep-daily=2"), "ac");
        assert_eq!(of("keep-last=1,keep-daily=1"), "ac");
        assert_eq!(of("keep-last=1,keep-monthly=1"), "ae");
        assert_eq!(of("keep-yearly=9"), "ae");
        assert_eq!(of("keep-all=1"), "abcef");
        assert_eq!(of(""), "abcef");
        assert_eq!(
            marks(&all, &retention("keep-last=1").unwrap())["d"],
            "protected"
        );
        assert!(retention("keep-some=1").is_err() && retention("keep-last=x").is_err());
    }
}
