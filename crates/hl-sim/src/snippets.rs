//! Snippets: small files in the directories of a node, which its root writes over SSH and
//! the configs of VMs name.
//!
//! While the node's own system runs, what is in its directories counts, and the world
//! follows it; when it comes up again, they are made what the world says. The system is
//! asked through [`super::guests::Guests`], as a guest is: by a number below all VMIDs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::drive;
use super::guests::run_in;
use super::machine::{Seen, Sim};
use super::volume::Volume;
use super::world::World;

/// How many files of a storage are seen.
const MOST: usize = 500;
/// The longest file whose text is kept.
const LONGEST: u64 = 512 << 10;
/// How long the node has for an answer.
const SOON: Duration = Duration::from_secs(10);
const CONTENT: &str = "snippets";

/// The number of a node's own system.
pub(super) fn number(world: &World, node: &str) -> Option<u32> {
    let place = world.nodes.iter().position(|own| own.name == node)?;
    u32::try_from(place).ok().map(|place| place + 1)
}

/// A storage of a node that holds snippets.
struct Shelf {
    storage: String,
    folder: String,
    /// Whether all its nodes have the same files.
    shared: bool,
}

fn shelves(world: &World, node: &str) -> Vec<Shelf> {
    let on_it = world.storages.iter().filter(|(_, storage)| {
        storage.is_on(node) && storage.content.iter().any(|kind| kind == CONTENT)
    });
    let paths = on_it.filter_map(|(id, storage)| Some((id, storage.path(id)?, storage.shared)));
    paths
        .filter(|(_, path, _)| path.starts_with('/'))
        .map(|(id, path, shared)| Shelf {
            storage: id.clone(),
            folder: format!("{path}/{CONTENT}"),
            shared,
        })
        .collect()
}

/// A file as the node says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    name: String,
    size: u64,
    ctime: i64,
}

/// Asks the node for something; what it prints is its own word.
fn ask(sim: &Sim, number: u32, argv: &[&str]) -> Result<Vec<u8>, String> {
    let ended = run_in(sim.guests.as_ref(), number, argv, &[], SOON)?;
    match ended.code {
        Some(0) => Ok(ended.out),
        _ => Err(String::from_utf8_lossy(&ended.err).trim().to_owned()),
    }
}

fn files(sim: &Sim, number: u32, folder: &str) -> Result<Vec<Found>, String> {
    let find = [
        "find",
        folder,
        "-maxdepth",
        "1",
        "-type",
        "f",
        "-printf",
        "%s %T@ %f\\0",
    ];
    let text = ask(sim, number, &find)?;
    let mut found: Vec<Found> = text
        .split(|byte| *byte == 0)
        .filter_map(|line| {
            let line = std::str::from_utf8(line).ok()?;
            let mut parts = line.splitn(3, ' ');
            let (size, time, name) = (parts.next()?, parts.next()?, parts.next()?);
            if !is_name(name) {
                return None;
            }
            Some(Found {
                name: name.to_owned(),
                size: size.parse().ok()?,
                ctime: time.split('.').next()?.parse().ok()?,
            })
        })
        .take(MOST)
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Whether a file of that name can be a volume.
fn is_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && !name.starts_with(['.', '-'])
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.+=@".contains(c))
}

/// Takes over what is in the directories of a node whose system runs; of a storage that
/// nodes share, what each of them wrote, and each gets what the others did. A node that
/// does not answer changes nothing.
pub(super) fn adopt(sim: &Arc<Sim>, node: &str) {
    let shelves = shelves(&sim.world(), node);
    for shelf in shelves {
        let holders = shelf.holders(sim, node);
        let looked: Vec<(&Holder, Vec<Found>)> = holders
            .iter()
            .filter_map(|holder| {
                let found = files(sim, holder.number, &shelf.folder).ok()?;
                take(sim, &shelf, holder, &found);
                Some((holder, found))
            })
            .collect();
        if shelf.shared {
            for (holder, found) in looked {
                // One that cannot be given a file is given it when it is looked at next.
                give(sim, &shelf, holder, &found).ok();
            }
        }
    }
}

/// A node whose system runs and has a storage.
struct Holder {
    node: String,
    number: u32,
}

impl Shelf {
    /// The nodes that can be asked what is on it: the one that is meant, and where nodes
    /// share it, the others.
    fn holders(&self, sim: &Sim, node: &str) -> Vec<Holder> {
        let world = sim.world();
        let storage = world.storages.get(&self.storage);
        let nodes = world.nodes.iter().filter(|own| {
            let has = storage.is_some_and(|storage| storage.is_on(&own.name));
            sim.is_up(&own.name) && (own.name == node || (self.shared && has))
        });
        nodes
            .filter_map(|own| {
                Some(Holder {
                    node: own.name.clone(),
                    number: number(&world, &own.name)?,
                })
            })
            .collect()
    }

    fn volid(&self, name: &str) -> String {
        format!("{}:{CONTENT}/{name}", self.storage)
    }

    /// What a file is on it, and how it is known again.
    fn seen(&self, file: &Found) -> (String, (u64, i64)) {
        (self.volid(&file.name), (file.size, file.ctime))
    }

    /// The snippets on it that the world knows, for a node.
    fn known(&self, world: &World, node: &str) -> BTreeMap<String, Volume> {
        let own = world.volumes.iter().filter(|volume| {
            volume.content == CONTENT
                && volume.storage() == self.storage
                && (self.shared || volume.node == node)
        });
        own.filter_map(|volume| {
            let name = volume.split().1.strip_prefix("snippets/")?;
            Some((name.to_owned(), volume.clone()))
        })
        .collect()
    }
}

/// Takes over what a node has: what is new there or other than it was, and what it had
/// before and has no more.
fn take(sim: &Arc<Sim>, shelf: &Shelf, holder: &Holder, found: &[Found]) {
    let now: Seen = found.iter().map(|file| shelf.seen(file)).collect();
    let before = sim.replace_seen((&holder.node, &shelf.storage), now.clone());
    let known = shelf.known(&sim.world(), &holder.node);
    let fresh = found.iter().filter(|file| {
        let (volid, seen) = shelf.seen(file);
        let old = known.get(&file.name).map(|old| (old.size, old.ctime));
        before.get(&volid) != Some(&seen) && old != Some(seen)
    });
    let texts: Vec<Volume> = fresh
        .map(|file| {
            let mut volume = volume(shelf, &holder.node, file);
            if volume.size <= LONGEST {
                let path = sim.world().path_of(&volume.volid);
                let read = sim.guests.read_file(holder.number, &path);
                let whole = read.ok().filter(|(_, more)| !more);
                volume.text = whole.and_then(|(bytes, _)| String::from_utf8(bytes).ok());
            }
            volume
        })
        .collect();
    let gone = |volume: &Volume| {
        let here = shelf.shared || volume.node == holder.node;
        here && before.contains_key(&volume.volid) && !now.contains_key(&volume.volid)
    };
    if !texts.is_empty() || sim.world().volumes.iter().any(gone) {
        sim.change(|world| {
            world.volumes.retain(|volume| !gone(volume));
            for volume in texts {
                world.put_file(volume);
            }
        });
    }
}

/// Makes the directory of a node what the world knows.
fn give(sim: &Arc<Sim>, shelf: &Shelf, holder: &Holder, found: &[Found]) -> Result<(), String> {
    let known = shelf.known(&sim.world(), &holder.node);
    let path = |name: &str| format!("{}/{name}", shelf.folder);
    let mut seen: Seen = found.iter().map(|file| shelf.seen(file)).collect();
    for file in found.iter().filter(|file| !known.contains_key(&file.name)) {
        ask(sim, holder.number, &["rm", "-f", "--", &path(&file.name)])?;
        seen.remove(&shelf.volid(&file.name));
    }
    for (name, volume) in &known {
        let own = (volume.size, volume.ctime);
        if let (false, Some(text)) = (seen.get(&volume.volid) == Some(&own), &volume.text) {
            let (path, time) = (path(name), format!("@{}", volume.ctime));
            sim.guests
                .write_file(holder.number, &path, text.as_bytes())?;
            // By its time it is known again as the file that it is.
            ask(sim, holder.number, &["touch", "-d", &time, "--", &path])?;
            seen.insert(volume.volid.clone(), own);
        }
    }
    sim.replace_seen((&holder.node, &shelf.storage), seen);
    Ok(())
}

/// Makes the directories of new storages on the nodes whose systems run, as a node does
/// when it looks at a storage.
pub(super) fn make_folders(sim: &Arc<Sim>) {
    let up: Vec<(u32, Vec<Shelf>)> = {
        let world = sim.world();
        let nodes = world.nodes.iter().filter(|node| sim.is_up(&node.name));
        nodes
            .filter_map(|node| Some((number(&world, &node.name)?, shelves(&world, &node.name))))
            .collect()
    };
    for (number, shelves) in up {
        for shelf in shelves {
            // One that does not answer has none, and is told so when it is asked.
            ask(sim, number, &["mkdir", "-p", "--", &shelf.folder]).ok();
        }
    }
}

fn volume(shelf: &Shelf, node: &str, file: &Found) -> Volume {
    Volume {
        volid: shelf.volid(&file.name),
        node: node.to_owned(),
        content: CONTENT.to_owned(),
        format: "snippet".to_owned(),
        size: file.size,
        used: file.size,
        ctime: file.ctime,
        ..Volume::default()
    }
}

/// Makes the directories of a node whose system came up what the world says, and notes
/// that it runs.
pub(super) fn restore(sim: &Arc<Sim>, node: &str) -> Result<(), String> {
    let (number, shelves) = {
        let world = sim.world();
        let number = number(&world, node);
        let number = number.ok_or_else(|| format!("there is no node `{node}`"))?;
        (number, shelves(&world, node))
    };
    let holder = Holder {
        node: node.to_owned(),
        number,
    };
    // What the others wrote since they were looked at is there, too.
    adopt(sim, node);
    for shelf in shelves {
        ask(sim, number, &["mkdir", "-p", "--", &shelf.folder])?;
        let found = files(sim, number, &shelf.folder)?;
        give(sim, &shelf, &holder, &found)?;
    }
    sim.set_up(node);
    Ok(())
}

/// Removes a snippet: from the nodes that have it and whose systems run, and from the
/// world.
pub(super) fn remove(sim: &Arc<Sim>, volid: &str) -> Result<(), String> {
    let (node, shelf, path) = {
        let world = sim.world();
        let volume = world.need_volume(volid)?;
        let mut all = shelves(&world, &volume.node).into_iter();
        let shelf = all.find(|shelf| shelf.storage == volume.storage());
        (volume.node.clone(), shelf, world.path_of(volid))
    };
    for holder in shelf.iter().flat_map(|shelf| shelf.holders(sim, &node)) {
        ask(sim, holder.number, &["rm", "-f", "--", &path])?;
    }
    sim.change(|world| world.drop_volume(volid));
    Ok(())
}

/// What `cicustom` of a config names: `user`, `network`, `meta` or `vendor`, and the text
/// of each snippet.
pub(super) fn named(
    sim: &Arc<Sim>,
    node: &str,
    cicustom: Option<&str>,
) -> Result<BTreeMap<String, String>, String> {
    let Some(given) = cicustom else {
        return Ok(BTreeMap::new());
    };
    adopt(sim, node);
    let mut texts = BTreeMap::new();
    let world = sim.world();
    for (kind, volid) in drive::properties(given, "user", "cicustom")? {
        let path = world.path_of(&volid);
        let Some(volume) = world.volume(&volid) else {
            return Err(format!("can't open '{path}' - No such file or directory"));
        };
        let Some(text) = &volume.text else {
            return Err(format!("can't read '{path}': it is too long, or no text"));
        };
        texts.insert(kind, text.clone());
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_volumes() {
        for good in ["user.yaml", "a", "x_1+2=3@b.c-d"] {
            assert!(is_name(good), "{good}");
        }
        let long = "x".repeat(256);
        for bad in ["", ".hidden", "-rf", "a/b", "a b", "ä", "a\nb", "..", &long] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
