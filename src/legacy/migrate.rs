//! All of it, in order: read, derive, write what is derived, move.

use camino::{Utf8Path, Utf8PathBuf};

use super::convert::{About, RunFile, convert};
use super::detect::{Kind, Place, places};
use super::document;
use super::document::{Events, State};
use super::judge::Verdict;
use super::load::{Loaded, load};
use super::relocate::{relocate, target};
use super::secrets::Mask;
use super::seed::seeded;
use super::split;
use crate::base::count;
use crate::diag::Failure;
use crate::handoff::Runtime;
use crate::lab::{Paths, create_dir, write};

/// What a migration did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migration {
    /// Each file that was moved, and where it is now, relative to the lab.
    pub moved: Vec<(Utf8PathBuf, Utf8PathBuf)>,
    /// The runs that have a run file now, oldest first.
    pub runs: Vec<TakenOver>,
    /// Files that hold private keys now: path relative to the lab, and how many.
    pub keys: Vec<(Utf8PathBuf, usize)>,
    /// What could not be read or moved, and what became of it.
    pub warnings: Vec<String>,
}

/// A run of the older tool that has a run file now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// The run's id.
    pub id: String,
    /// `succeeded`, `failed at install_k0s`, `cut off in install_k0s`.
    pub ending: String,
}

/// What one place's files say.
struct Read {
    items: Vec<Item>,
    state: Option<State>,
    /// The events, and where the file that holds them will be.
    events: Vec<(Events, Utf8PathBuf)>,
}

/// One file of a place.
struct Item {
    kind: Kind,
    path: Utf8PathBuf,
    target: Utf8PathBuf,
    loaded: Loaded,
}

/// Takes over what is there; nothing when nothing is. The caller holds the
/// lab's lock.
///
/// # Errors
/// The snapshot is of a newer `hl` (76) or cannot be read (65): then nothing
/// was touched. What is derived cannot be written (73): then nothing was moved.
/// What cannot be read, or not be moved, is a warning.
pub fn migrate(paths: &Paths) -> Result<Migration, Failure> {
    let mut done = Migration::default();
    let places = places(paths);
    if places.is_empty() {
        return Ok(done);
    }
    // Written by a newer hl it stops here, before anything is touched.
    let snapshot = Runtime::read(paths)?;
    let legacy = paths.state().join("legacy");
    create_dir(&legacy)?;
    let mut taken = Vec::new();
    let places: Vec<Read> = places
        .iter()
        .map(|place| read(paths, &legacy, place, &mut taken))
        .collect();
    let mut files: Vec<RunFile> = places
        .iter()
        .flat_map(|read| run_files(read, &mut done))
        .collect();
    files.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    files.dedup_by(|a, b| a.id == b.id);
    for file in &files {
        let path = paths.runs().join(format!("{}.yaml", file.id));
        // There already: the migration before this one was cut off.
        if !path.exists() {
            write(&path, &file.text, 0o600)?;
        }
        done.runs.push(TakenOver {
            id: file.id.clone(),
            ending: ending(&file.verdict),
        });
    }
    let states = places.iter().filter_map(|read| read.state.as_ref());
    if let Some(seeded) = seeded(snapshot, states, &files) {
        seeded.write(paths)?;
    }
    for item in places.iter().flat_map(|read| &read.items) {
        move_one(paths, item, &mut done);
    }
    Ok(done)
}

/// Reads one place; `taken` are the names that files of places before it get.
fn read(paths: &Paths, legacy: &Utf8Path, place: &Place, taken: &mut Vec<Utf8PathBuf>) -> Read {
    let items: Vec<Item> = place
        .files
        .iter()
        .map(|(kind, path)| {
            let target = target(legacy, path, taken);
            taken.push(target.clone());
            Item {
                kind: *kind,
                target,
                loaded: load(path, *kind == Kind::Events),
                path: path.clone(),
            }
        })
        .collect();
    let trees = items.iter().filter_map(|item| item.loaded.tree.as_ref());
    let texts = items.iter().map(|item| item.loaded.text.as_str());
    let mask = Mask::new(trees, texts);
    let tree = |kind| {
        let item = items.iter().find(|item| item.kind == kind)?;
        Some((item.loaded.tree.as_ref()?, paths.show(&item.target)))
    };
    let mut events = Vec::new();
    // The first generation kept them in the state.
    for kind in [Kind::State, Kind::Events] {
        if let Some((tree, target)) = tree(kind) {
            let found = document::events(tree, &mask);
            if !found.list.is_empty() || found.strange > 0 {
                events.push((found, target));
            }
        }
    }
    Read {
        state: tree(Kind::State).map(|(tree, _)| document::state(tree, &mask)),
        events,
        items,
    }
}

/// The run files of one place, oldest first.
fn run_files(read: &Read, done: &mut Migration) -> Vec<RunFile> {
    let mut files = Vec::new();
    let newest = read.events.len();
    for (number, (events, from)) in (1..).zip(&read.events) {
        if events.strange > 0 {
            done.warnings.push(format!(
                "{} in `{from}` are no events and have no part in a run file",
                count(events.strange, "item")
            ));
        }
        let runs = split::runs(events.list.clone());
        let last = runs.len();
        for (place, run) in (1..).zip(&runs) {
            let state = read.state.as_ref();
            let about = About {
                deployment: events.deployment.as_deref(),
                from: from.as_str(),
                state: state.filter(|_| place == last && number == newest),
                deployer: state.and_then(|state| state.deployer.as_deref()),
            };
            match convert(run, &about) {
                Some(file) => files.push(file),
                None => done.warnings.push(format!(
                    "{} in `{from}` without any time have no run file",
                    count(run.events.len(), "event")
                )),
            }
        }
    }
    files
}

fn move_one(paths: &Paths, item: &Item, done: &mut Migration) {
    let (path, target) = (paths.show(&item.path), paths.show(&item.target));
    if let Err(error) = relocate(&item.path, &item.target) {
        done.warnings.push(format!(
            "`{path}` cannot be moved to `{target}`: {}; move it yourself",
            error.kind()
        ));
        return;
    }
    if let Some(why) = item
        .loaded
        .wrong
        .as_ref()
        .filter(|_| item.kind != Kind::Companion)
    {
        done.warnings
            .push(format!("`{path}` {why}; it is kept as `{target}`"));
    }
    let keys = Mask::new(item.loaded.tree.as_ref(), [item.loaded.text.as_str()]).count;
    if keys > 0 {
        done.keys.push((target.clone(), keys));
    }
    done.moved.push((path, target));
}

fn ending(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Succeeded { .. } => "succeeded".to_owned(),
        Verdict::Failed {
            phase: Some(phase), ..
        } => format!("failed at {phase}"),
        Verdict::Failed { phase: None, .. } => "failed".to_owned(),
        Verdict::Unfinished { phase: Some(phase) } => format!("cut off in {phase}"),
        Verdict::Unfinished { phase: None } => "cut off".to_owned(),
    }
}
