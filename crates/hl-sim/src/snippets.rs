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
use super::machine::Sim;
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
}

fn shelves(world: &World, node: &str) -> Vec<Shelf> {
    let on_it = world.storages.iter().filter(|(_, storage)| {
        storage.is_on(node) && storage.content.iter().any(|kind| kind == CONTENT)
    });
    let paths = on_it.filter_map(|(id, storage)| Some((id, storage.path(id)?)));
    paths
        .filter(|(_, path)| path.starts_with('/'))
        .map(|(id, path)| Shelf {
            storage: id.clone(),
            folder: format!("{path}/{CONTENT}"),
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

/// Takes over what is in the directories of a node whose system runs. One that does not
/// answer changes nothing.
pub(super) fn adopt(sim: &Arc<Sim>, node: &str) {
    if !sim.is_up(node) {
        return;
    }
    let (number, shelves) = {
        let world = sim.world();
        (number(&world, node).unwrap_or(0), shelves(&world, node))
    };
    for shelf in shelves {
        let Ok(found) = files(sim, number, &shelf.folder) else {
            continue;
        };
        let fresh: Vec<Volume> = {
            let world = sim.world();
            found
                .iter()
                .map(|file| volume(&shelf, node, file))
                .filter(|new| {
                    let old = world.volume(&new.volid);
                    old.is_none_or(|old| (old.size, old.ctime) != (new.size, new.ctime))
                })
                .collect()
        };
        let texts: Vec<Volume> = fresh
            .into_iter()
            .map(|mut volume| {
                if volume.size <= LONGEST {
                    let path = sim.world().path_of(&volume.volid);
                    let read = sim.guests.read_file(number, &path);
                    let whole = read.ok().filter(|(_, more)| !more);
                    volume.text = whole.and_then(|(bytes, _)| String::from_utf8(bytes).ok());
                }
                volume
            })
            .collect();
        let gone = |volume: &Volume| {
            let (storage, name) = volume.split();
            let own = volume.content == CONTENT && storage == shelf.storage && volume.node == node;
            let name = name.strip_prefix("snippets/").unwrap_or_default();
            own && !found.iter().any(|file| file.name == name)
        };
        let changes = !texts.is_empty() || sim.world().volumes.iter().any(gone);
        if changes {
            sim.change(|world| {
                world.volumes.retain(|volume| !gone(volume));
                for volume in texts {
                    world.put_file(volume);
                }
            });
        }
    }
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
        volid: format!("{}:{CONTENT}/{}", shelf.storage, file.name),
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
    for shelf in shelves {
        ask(sim, number, &["mkdir", "-p", "--", &shelf.folder])?;
        let there = files(sim, number, &shelf.folder)?;
        let known: BTreeMap<String, Option<String>> = {
            let world = sim.world();
            let all = world.volumes.iter();
            let own = all.filter(|volume| {
                volume.content == CONTENT
                    && volume.storage() == shelf.storage
                    && volume.node == node
            });
            own.filter_map(|volume| {
                let name = volume.split().1.strip_prefix("snippets/")?;
                Some((name.to_owned(), volume.text.clone()))
            })
            .collect()
        };
        for file in there.iter().filter(|file| !known.contains_key(&file.name)) {
            let path = format!("{}/{}", shelf.folder, file.name);
            ask(sim, number, &["rm", "-f", "--", &path])?;
        }
        for (name, text) in &known {
            let missing = !there.iter().any(|file| file.name == *name);
            if let (true, Some(text)) = (missing, text) {
                let path = format!("{}/{name}", shelf.folder);
                sim.guests.write_file(number, &path, text.as_bytes())?;
            }
        }
    }
    sim.set_up(node);
    Ok(())
}

/// Removes a snippet: from the node where its system runs, and from the world.
pub(super) fn remove(sim: &Arc<Sim>, volid: &str) -> Result<(), String> {
    let (node, number, path) = {
        let world = sim.world();
        let node = world.need_volume(volid)?.node.clone();
        let number = number(&world, &node).unwrap_or(0);
        (node, number, world.path_of(volid))
    };
    if sim.is_up(&node) {
        ask(sim, number, &["rm", "-f", "--", &path])?;
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
