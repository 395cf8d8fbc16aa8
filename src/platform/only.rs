//! `--only`: some adapters are rendered anew, what others wrote stays.

use std::fs;

use super::artifact::{Artifact, of_artifacts};
use super::commit::generated;
use super::disk::Tree;
use super::lock::Lock;
use super::model::Stage;
use super::pipeline::{self, Entry, Pipeline};
use super::render::{Rendered, pipeline_hash};
use crate::diag::{Exit, Failure, did_you_mean};
use crate::lab::Paths;

/// What is rendered of some adapters, and what is on disk of the others.
///
/// # Errors
/// There is no such adapter (66), nothing was rendered yet (65), two adapters write
/// one path (65).
pub fn narrowed(paths: &Paths, full: Rendered, only: &[String]) -> Result<Rendered, Failure> {
    for name in only {
        if !full.lock.adapters.contains_key(name) {
            let message = format!("the platform has no adapter `{name}`");
            let known = full.lock.adapters.keys().map(String::as_str);
            return Err(Failure::message(Exit::Unknown, message).helps(did_you_mean(name, known)));
        }
    }
    let mut lock = Lock::wanted(paths)?;
    if lock.environment != full.lock.environment {
        let message = format!(
            "what is kept was rendered for environment `{}`, not for `{}`",
            lock.environment, full.lock.environment
        );
        return Err(Failure::message(Exit::Definition, message).help("leave `--only` out"));
    }
    let dir = generated(paths);
    let tree = Tree::read(&dir, &paths.show(&dir))?;
    let is_meant = |name: &str| only.iter().any(|wanted| wanted == name);
    let mut files = full.files;
    files.retain(|_, file| is_meant(&file.adapter));
    for (path, found) in tree.files {
        let Some(owner) = owner(&lock, &path) else {
            // Nobody's: as a full rendering, this one leaves it out.
            continue;
        };
        if is_meant(&owner) {
            continue;
        }
        if let Some(own) = files.get(&path) {
            let message = format!(
                "adapters `{}` and `{owner}` both write `{path}`",
                own.adapter
            );
            return Err(Failure::message(Exit::Definition, message));
        }
        let kept = Artifact {
            adapter: owner,
            mode: found.mode,
            data: found.data,
        };
        files.insert(path, kept);
    }
    let pipeline = pipeline_of(paths, &full.pipeline, is_meant);
    for (name, locked) in &full.lock.adapters {
        if is_meant(name) {
            lock.adapters.insert(name.clone(), locked.clone());
        }
    }
    lock.hl_version.clone_from(&full.lock.hl_version);
    lock.artifacts_hash = of_artifacts(&files);
    lock.pipeline_hash = pipeline_hash(&pipeline)?;
    // The whole is from this `platform.yaml` only where nothing of the others differs.
    if lock.adapters == full.lock.adapters && lock.artifacts_hash == full.lock.artifacts_hash {
        lock.platform_hash = full.lock.platform_hash;
    }
    Ok(Rendered {
        files,
        pipeline,
        lock,
    })
}

/// The adapter that wrote a path.
fn owner(lock: &Lock, path: &camino::Utf8Path) -> Option<String> {
    let by_root = lock.adapters.iter();
    let by_root = by_root.filter(|(_, locked)| locked.root_files.iter().any(|own| own == path));
    let first = path.iter().next().unwrap_or_default();
    by_root
        .map(|(name, _)| name.clone())
        .next()
        .or_else(|| lock.adapters.contains_key(first).then(|| first.to_owned()))
}

/// The entries of those that are meant, and of the others as they are on disk.
fn pipeline_of(paths: &Paths, full: &Pipeline, is_meant: impl Fn(&str) -> bool) -> Pipeline {
    let text = fs::read_to_string(paths.platform().join(pipeline::FILE)).unwrap_or_default();
    let before = Pipeline::parse(&text).unwrap_or_default();
    let place = |entry: &Entry| {
        let mut all = full.stages.iter();
        all.position(|other| other.adapter == entry.adapter)
            .unwrap_or(usize::MAX)
    };
    let kept = before.stages.iter();
    let kept = kept.filter(|entry| !is_meant(&entry.adapter)).cloned();
    let own = full.stages.iter().filter(|entry| is_meant(&entry.adapter));
    let mut stages: Vec<Entry> = own.cloned().chain(kept).collect();
    let key = |entry: &Entry| -> (Stage, usize) { (entry.stage, place(entry)) };
    stages.sort_by_key(key);
    Pipeline {
        mode: full.mode.clone(),
        total_steps: stages.len(),
        stages,
    }
}
