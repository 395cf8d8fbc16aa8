//! What differs between what is on disk and what `platform.yaml` renders to.

use std::fs;

use camino::Utf8PathBuf;
use serde::Serialize;
use similar::TextDiff;

use super::commit::generated;
use super::disk::{OnDisk, Tree};
use super::lock::{self, Lock};
use super::pipeline;
use super::render::Rendered;
use crate::action::platform::{LiveRecord, template_hash};
use crate::base::{if_there, ticked};
use crate::diag::{Exit, Failure, hl};
use crate::lab::Paths;

/// Lines of a diff that are kept for one file.
const MOST_LINES: usize = 200;

/// What differs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// On disk, and not rendered.
    pub added: Vec<Utf8PathBuf>,
    /// Rendered, and not on disk.
    pub removed: Vec<Utf8PathBuf>,
    /// Rendered otherwise.
    pub changed: Vec<Change>,
    /// Files of `live` whose rendered file has changed since, or is gone.
    pub stale: Vec<Utf8PathBuf>,
    /// The hash of `generated/` as it is on disk.
    #[serde(skip)]
    pub artifacts_hash: String,
}

/// A file that is not as it is rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Relative to `platform/`.
    pub path: Utf8PathBuf,
    /// `0644 -> 0755`, where the mode differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// From what is rendered to what is on disk, as a unified diff; empty where only
    /// the mode differs.
    pub diff: String,
}

impl Drift {
    /// Whether nothing differs.
    pub fn is_clean(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && self.stale.is_empty()
    }

    /// Whether `platform/generated`, its pipeline and its lock are as they are
    /// rendered, whatever `live` is.
    pub fn is_rendered(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// Compares what is on disk with what is rendered.
///
/// # Errors
/// Something cannot be read (65).
pub fn compare(paths: &Paths, rendered: &Rendered) -> Result<Drift, Failure> {
    let dir = generated(paths);
    let tree = Tree::read(&dir, &paths.show(&dir))?;
    let mut drift = Drift {
        artifacts_hash: tree.digest(),
        ..Drift::default()
    };
    let shown = |path: &Utf8PathBuf| Utf8PathBuf::from("generated").join(path);
    for path in tree
        .files
        .keys()
        .filter(|path| !rendered.files.contains_key(*path))
    {
        drift.added.push(shown(path));
    }
    drift.added.extend(tree.odd.iter().map(shown));
    for (path, file) in &rendered.files {
        match tree.files.get(path) {
            None => drift.removed.push(shown(path)),
            Some(found) if found.mode == file.mode && found.data == file.data => {}
            Some(found) => {
                drift.changed.push(change(
                    shown(path),
                    (file.mode, file.data.as_slice()),
                    found,
                ));
            }
        }
    }
    for (name, text) in [
        (pipeline::FILE, rendered.pipeline.text()?),
        (lock::FILE, rendered.lock.text()?),
    ] {
        let found = if_there(fs::read(paths.platform().join(name))).map_err(|error| {
            Failure::message(
                Exit::Definition,
                format!("cannot read `platform/{name}`: {error}"),
            )
        })?;
        match found {
            None => drift.removed.push(name.into()),
            Some(data) if data == text.as_bytes() => {}
            Some(data) => {
                let found = OnDisk { mode: 0o644, data };
                let change = change(name.into(), (0o644, text.as_bytes()), &found);
                drift.changed.push(change);
            }
        }
    }
    drift.stale = stale(paths, rendered)?;
    drift.added.sort();
    drift.removed.sort();
    drift.changed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(drift)
}

fn change(path: Utf8PathBuf, (mode, data): (u32, &[u8]), found: &OnDisk) -> Change {
    let modes = (mode != found.mode).then(|| format!("{mode:04o} -> {:04o}", found.mode));
    let texts = std::str::from_utf8(data)
        .ok()
        .zip(std::str::from_utf8(&found.data).ok());
    let diff = match texts {
        _ if data == found.data => String::new(),
        None => "binary files differ\n".to_owned(),
        Some((rendered, found)) => {
            let diff = TextDiff::from_lines(rendered, found);
            let mut unified = diff.unified_diff();
            let text = unified.header("rendered", "on disk").to_string();
            shortened(&text)
        }
    };
    Change {
        path,
        mode: modes,
        diff,
    }
}

fn shortened(text: &str) -> String {
    let count = text.lines().count();
    if count <= MOST_LINES {
        return text.to_owned();
    }
    let kept: Vec<&str> = text.lines().take(MOST_LINES).collect();
    format!(
        "{}\n... {} lines more\n",
        kept.join("\n"),
        count - MOST_LINES
    )
}

/// Files of `live` that were made from another rendered file than there is now.
fn stale(paths: &Paths, rendered: &Rendered) -> Result<Vec<Utf8PathBuf>, Failure> {
    let record = LiveRecord::read(&paths.platform_live())?;
    let files = record.files.iter();
    let is_stale = |path: &Utf8PathBuf, template: &str| {
        let file = rendered.files.get(path);
        file.is_none_or(|file| template_hash(&file.data) != template)
    };
    Ok(files
        .filter(|(path, filled)| is_stale(path, &filled.template))
        .map(|(path, _)| Utf8PathBuf::from("live").join(path))
        .collect())
}

/// Why a platform cannot be bootstrapped as it is.
///
/// # Errors
/// It was rendered for another environment, from another `platform.yaml` or by an older
/// `hl`, or was changed since (65); a newer `hl` rendered it (76).
pub fn check_lock(paths: &Paths, rendered: &Rendered, environment: &str) -> Result<Lock, Failure> {
    let lock = Lock::wanted(paths)?;
    let again = || hl(format!("platform render --env {environment}"));
    if lock.environment != environment {
        let message = format!(
            "the platform was rendered for environment `{}`, not for `{environment}`",
            lock.environment
        );
        return Err(Failure::message(Exit::Definition, message).help(again()));
    }
    if lock.is_older() {
        let message = format!(
            "the platform was rendered by hl {}, an older one: this is hl {}, which may render it otherwise",
            lock.hl_version,
            lock::THIS
        );
        return Err(Failure::message(Exit::Definition, message).help(again()));
    }
    let changed: Vec<&str> = rendered
        .lock
        .adapters
        .iter()
        .filter(|(name, now)| lock.adapters.get(*name) != Some(now))
        .map(|(name, _)| name.as_str())
        .collect();
    if lock.platform_hash != rendered.lock.platform_hash || !changed.is_empty() {
        let what = if changed.is_empty() {
            "`platform.yaml` was changed".to_owned()
        } else {
            format!("{} changed", ticked(changed))
        };
        let message = format!("{what} since the platform was rendered");
        return Err(Failure::message(Exit::Definition, message).help(again()));
    }
    if !compare(paths, rendered)?.is_rendered() {
        let message = "`platform/generated` is not as it was rendered";
        return Err(Failure::message(Exit::Definition, message)
            .help(hl("platform validate").say(" says what differs"))
            .help(again()));
    }
    Ok(lock)
}
