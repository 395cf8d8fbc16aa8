//! Which files of the older tool a lab holds.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use crate::lab::Paths;

const NAMES: [(&str, Kind); 2] = [
    ("deployment-state.yaml", Kind::State),
    ("deployment-events.yaml", Kind::Events),
];

/// What an older file is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// `deployment-state.yaml`
    State,
    /// `kof-*`, `azure-*` and `cluster-*` beside it: kept, not read.
    Companion,
    /// `deployment-events.yaml`
    Events,
}

/// The files of one directory, in the order in which they are moved: events
/// last, because what stops in between then finds the events that the run
/// files are named after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) files: Vec<(Kind, Utf8PathBuf)>,
}

/// The files of the older tool that the next changing run takes over. None in a
/// rehearsal.
pub fn found(paths: &Paths) -> Vec<Utf8PathBuf> {
    places(paths)
        .into_iter()
        .flat_map(|place| place.files)
        .map(|(_, path)| path)
        .collect()
}

/// Whether `state/NAME` is one that a run takes over.
pub fn is_legacy(name: &str) -> bool {
    NAMES.iter().any(|(known, _)| *known == name) || is_companion(name)
}

/// The directories that hold any, the oldest layout first.
pub(super) fn places(paths: &Paths) -> Vec<Place> {
    if paths.is_rehearsal() {
        return Vec::new();
    }
    let state = paths.state();
    let mut companions: Vec<Utf8PathBuf> = state
        .read_dir_utf8()
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| is_companion(entry.file_name()))
        .map(|entry| entry.path().to_owned())
        .collect();
    companions.sort_unstable();
    [(paths.root(), Vec::new()), (state.as_path(), companions)]
        .into_iter()
        .map(|(dir, companions)| {
            let mut files: Vec<(Kind, Utf8PathBuf)> = companions
                .into_iter()
                .map(|path| (Kind::Companion, path))
                .collect();
            files.extend(
                NAMES
                    .iter()
                    .filter_map(|(name, kind)| Some((*kind, there(dir, name)?))),
            );
            files.sort_unstable();
            Place { files }
        })
        .filter(|place| !place.files.is_empty())
        .collect()
}

/// Whatever has that name: a file, a directory, a link that leads nowhere.
fn there(dir: &Utf8Path, name: &str) -> Option<Utf8PathBuf> {
    let path = dir.join(name);
    fs::symlink_metadata(&path).is_ok().then_some(path)
}

fn is_companion(name: &str) -> bool {
    let stem = ["-state.yaml", "-events.yaml"]
        .iter()
        .find_map(|end| name.strip_suffix(end));
    stem.is_some_and(|stem| {
        ["kof", "azure"].contains(&stem)
            || ["kof-", "azure-", "cluster-"]
                .iter()
                .any(|start| stem.starts_with(start))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_places_are_looked_at_and_links_to_nowhere_count() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        assert_eq!(found(&paths), [] as [Utf8PathBuf; 0]);
        fs::create_dir_all(paths.state().join("legacy")).unwrap();
        let state = paths.state();
        for name in [
            "deployment-state.yaml",
            "kof-state.yaml",
            "cluster-a-b-events.yaml",
            "runtime.yaml",
            "legacy/deployment-events.yaml",
        ] {
            fs::write(state.join(name), "").unwrap();
        }
        let events = paths.root().join("deployment-events.yaml");
        std::os::unix::fs::symlink("nowhere", &events).unwrap();
        let names: Vec<String> = found(&paths)
            .iter()
            .map(|path| paths.show(path).into_string())
            .collect();
        assert_eq!(
            names,
            [
                "deployment-events.yaml",
                "state/deployment-state.yaml",
                "state/cluster-a-b-events.yaml",
                "state/kof-state.yaml"
            ]
        );
        assert_eq!(found(&paths.rehearsal()), [] as [Utf8PathBuf; 0]);
    }
}
