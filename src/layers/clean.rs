//! `hl clean`: what runs made in a lab, as a plan of removals.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use serde_json::{Map, Value};

use super::Book;
use crate::action::clean::{Reason, Surroundings, Tracked, protected, state_key, survey};
use crate::diag::Failure;
use crate::lab::Lab;
use crate::plan::{Plan, Step};
use crate::runs::survivors;

/// What every lab's runs write, whatever its layers declare.
const GENERATED: &[&str] = &[
    ".build",
    ".states",
    "reports",
    "state",
    "templates/*/artifacts",
    "templates/*/spec",
    "crash.log",
    "crash.*.log",
];

/// What runs leave to be read later, and what it is.
const HISTORY: &[(&str, &str)] = &[
    ("reports", "reports of runs"),
    ("state/logs", "logs of runs"),
    ("state/runs", "the history of runs"),
    ("state/runtime.yaml", "what the last runs made"),
];

/// The command that takes the history, too.
const TAKES_HISTORY: &str = "hl clean --history";

/// What tools leave beside the files they read, anywhere in `layers/`.
const TOOL_LEFTOVERS: &[&str] = &[
    ".terraform",
    "__pycache__",
    "packer_cache",
    "crash.log",
    ".ansible",
];

/// What `hl clean` would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Clean {
    /// Paths relative to the lab, with the bytes they take on disk.
    pub remove: Vec<Removal>,
    /// What stays although git does not track it, and why.
    pub keep: Vec<Kept>,
}

/// A path that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removal {
    /// Relative to the lab.
    pub path: Utf8PathBuf,
    /// Bytes on disk.
    pub size: u64,
}

/// A path that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Relative to the lab.
    pub path: Utf8PathBuf,
    /// Why.
    pub reason: String,
    /// The command that would make it removable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Looks at the lab and changes nothing. `book` tells what layers generate;
/// without one (its files may be broken) only what every lab has is found.
/// The history of runs stays, unless `history` asks for it: then only what
/// still runs stays of it. Fails when git cannot tell what it tracks.
pub fn scan(lab: &Lab, book: Option<&Book>, history: bool) -> Result<Clean, Failure> {
    let mut around = Surroundings::look(lab.paths.root())?;
    around.kept = if history {
        at_work(lab)
    } else {
        HISTORY
            .iter()
            .map(|(path, what)| (PathBuf::from(path), *what))
            .collect()
    };
    let declared = book.iter().flat_map(|book| {
        let layers = book.layers().iter();
        layers.flat_map(|layer| layer.generates.iter().map(|path| path.get_ref().as_str()))
    });
    let mut paths: Vec<Utf8PathBuf> = GENERATED
        .iter()
        .copied()
        .chain(declared)
        .flat_map(|pattern| expand(&around.root, pattern))
        .collect();
    droppings(&around.root, Utf8Path::new("layers"), &mut paths);
    let mut remove: BTreeMap<Utf8PathBuf, u64> = BTreeMap::new();
    let mut keep: BTreeMap<Utf8PathBuf, Reason> = BTreeMap::new();
    for path in paths {
        if leads_out(&around.root, &path) {
            // Somebody put it there to have the files elsewhere.
            keep.insert(path, Reason::Link);
            continue;
        }
        let found = survey(&path, &around);
        remove.extend(found.remove);
        keep.extend(found.keep);
    }
    let covered = |path: &Utf8Path| {
        let mut above = path.ancestors().skip(1);
        above.any(|above| remove.contains_key(above))
    };
    let remove: Vec<Removal> = remove
        .iter()
        .filter(|(path, _)| !covered(path))
        .map(|(path, size)| Removal {
            path: path.clone(),
            size: *size,
        })
        .collect();
    let mut keep: Vec<Kept> = keep
        .into_iter()
        .map(|(path, reason)| {
            let history = !history && path == "state/runs";
            let help = if matches!(reason, Reason::Resources(_)) {
                destroy(lab, book, &path)
            } else {
                history.then(|| TAKES_HISTORY.to_owned())
            };
            Kept {
                path,
                reason: reason.to_string(),
                help,
            }
        })
        .collect();
    // The run that removes makes its lock, if it is not there.
    let lock = Utf8Path::new("state/lock");
    if !remove.is_empty() && !keep.iter().any(|kept| kept.path == lock) {
        name(lock.as_std_path(), &[], &mut keep);
    }
    others(&around, &remove, &mut keep)?;
    keep.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Clean { remove, keep })
}

/// The files of runs whose children still run: what they say is not lost.
fn at_work(lab: &Lab) -> BTreeMap<PathBuf, &'static str> {
    let root = lab.paths.root();
    let left = survivors(lab).into_iter();
    left.flat_map(|left| {
        let file = lab.paths.runs().join(format!("{}.yaml", left.run));
        [file, lab.paths.logs(&left.run)]
    })
    .filter_map(|path| {
        let path = path.strip_prefix(root).ok()?;
        Some((path.as_std_path().to_owned(), "what it started still runs"))
    })
    .collect()
}

impl Clean {
    /// Whether history of runs is among what goes.
    pub fn takes_history(&self, lab: &Lab) -> bool {
        let kept = HISTORY.iter().map(|(path, _)| Utf8Path::new(path));
        let mut there = kept.filter(|path| lab.paths.root().join(path).exists());
        there.any(|path| {
            let of_it = |gone: &Utf8Path| gone.starts_with(path) || path.starts_with(gone);
            self.remove.iter().any(|removal| of_it(&removal.path))
        })
    }
}

/// The plan that does it: one step of the action `clean.remove`.
pub fn plan(clean: &Clean) -> Plan {
    let mut step = Step::new("clean/remove", "clean.remove");
    let paths: Vec<Value> = clean
        .remove
        .iter()
        .map(|removal| Value::from(removal.path.as_str()))
        .collect();
    step.with = Map::from_iter([("paths".to_owned(), Value::Array(paths))]);
    Plan::new("clean", vec![step])
}

/// A symbolic link to somewhere outside of the lab.
fn leads_out(root: &Utf8Path, path: &Utf8Path) -> bool {
    let absolute = root.join(path);
    absolute.is_symlink()
        && !absolute
            .canonicalize_utf8()
            .is_ok_and(|to| to.starts_with(root))
}

/// Names what git does not track and nobody else named: so the list of what
/// stays is whole. In a lab without a repository, only what looks as if `hl`
/// made it and is kept.
fn others(around: &Surroundings, remove: &[Removal], keep: &mut Vec<Kept>) -> Result<(), Failure> {
    let root = &around.root;
    if !around.tracked.in_repository() {
        for path in [".env*", "templates/*/image.lock"]
            .map(|kept| expand(root, kept))
            .concat()
        {
            name(path.as_std_path(), remove, keep);
        }
        return Ok(());
    }
    for path in Tracked::others(root)? {
        // "dir/" as git writes it, without the slash.
        let path: PathBuf = path.components().collect();
        let touched = remove
            .iter()
            .map(|removal| &removal.path)
            .chain(keep.iter().map(|kept| &kept.path))
            .any(|other| other.as_std_path().starts_with(&path) && other.as_std_path() != path);
        if touched {
            for inner in Tracked::others_in(root, &path)? {
                name(&inner.components().collect::<PathBuf>(), remove, keep);
            }
        } else {
            name(&path, remove, keep);
        }
    }
    Ok(())
}

fn name(path: &Path, remove: &[Removal], keep: &mut Vec<Kept>) {
    let known = remove
        .iter()
        .map(|removal| &removal.path)
        .chain(keep.iter().map(|kept| &kept.path))
        .any(|other| path.starts_with(other));
    if known {
        return;
    }
    keep.push(Kept {
        path: Utf8PathBuf::from(path.to_string_lossy().into_owned()),
        reason: protected(path).unwrap_or("not made by `hl`").to_owned(),
        help: None,
    });
}

/// `hl l2-destroy dev --node pve` for `.states/dev-pve/terraform.tfstate`, and
/// `hl destroy -M web -H pve` for `.states/web/pve/NODE/terraform.tfstate`.
fn destroy(lab: &Lab, book: Option<&Book>, state: &Utf8Path) -> Option<String> {
    let key = state_key(&lab.paths.states(), &lab.paths.root().join(state))?;
    if let Some((manifest, rest)) = key.split_once('/') {
        let (host, _) = rest.split_once('/')?;
        let words = format!("destroy -M {manifest} -H {host}");
        return Some(lab.paths.commands().line(&words));
    }
    book?.get("l2-destroy")?;
    // Environments and nodes may both hold a `-`: an environment that there is decides.
    let envs = lab.paths.site().join("envs");
    let after = |env: &str| key.strip_prefix(env)?.strip_prefix('-');
    let known = envs
        .read_dir_utf8()
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| entry.path().file_stem().map(str::to_owned))
        .filter(|env| after(env).is_some())
        .max_by_key(String::len);
    let (env, node) = match &known {
        Some(env) => (env.as_str(), after(env)?),
        None => key.split_once('-')?,
    };
    let words = format!("l2-destroy {env} --node {node}");
    Some(lab.paths.commands().line(&words))
}

/// Existing paths that a pattern means: `*` stands for any part of one name.
fn expand(root: &Utf8Path, pattern: &str) -> Vec<Utf8PathBuf> {
    let mut found = vec![Utf8PathBuf::new()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for dir in found {
            if !part.contains('*') {
                next.push(dir.join(part));
                continue;
            }
            let entries = root.join(&dir).read_dir_utf8().into_iter().flatten();
            let names = entries
                .filter_map(Result::ok)
                .map(|entry| entry.file_name().to_owned());
            next.extend(
                names
                    .filter(|name| matches(part, name))
                    .map(|name| dir.join(name)),
            );
        }
        found = next;
    }
    found.retain(|path| fs::symlink_metadata(root.join(path)).is_ok());
    found.sort();
    found
}

/// Whether a name fits a pattern with `*`.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(tail) = name.strip_prefix(head) else {
        return false;
    };
    let starts = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
    starts
        .filter_map(|at| tail.get(at..))
        .any(|tail| matches(rest, tail))
}

/// What tools left, below a directory. Links are not followed.
fn droppings(root: &Utf8Path, dir: &Utf8Path, found: &mut Vec<Utf8PathBuf>) {
    let entries = root.join(dir).read_dir_utf8().into_iter().flatten();
    for entry in entries.filter_map(Result::ok) {
        let path = dir.join(entry.file_name());
        if TOOL_LEFTOVERS.contains(&entry.file_name()) {
            found.push(path);
        } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            droppings(root, &path, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_parts_of_names() {
        for (pattern, name, fits) in [
            ("*", "x", true),
            ("crash.*.log", "crash.7.log", true),
            ("crash.*.log", "crash.log", false),
            (".env*", ".env", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXc", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
