//! Where the site-config is. One search, used everywhere.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use crate::diag::{Diagnostic, Exit, Failure};

/// Variables that name the directory, the first one wins.
const VARIABLES: [&str; 2] = ["HL_SITE", "HOMESTAK_SITE_CONFIG"];

/// Where installers put a site-config.
pub const SYSTEM: [&str; 2] = ["/usr/local/etc/homestak", "/opt/homestak/site-config"];

/// What a search starts from.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// `--site`, relative to `cwd`.
    pub flag: Option<&'a Utf8Path>,
    /// The environment `hl` was started with.
    pub process: &'a BTreeMap<String, String>,
    /// Where it was started, absolute.
    pub cwd: &'a Utf8Path,
    /// The lab's root, when there is a lab.
    pub lab: Option<&'a Utf8Path>,
    /// Directories of the system: [`SYSTEM`].
    pub system: &'a [&'a str],
}

/// A site-config that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The directory, absolute.
    pub root: Utf8PathBuf,
    /// What named it, in words.
    pub why: String,
    /// Places that were looked at before, in order.
    pub tried: Vec<Tried>,
}

/// A place without a site-config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// What would have named it.
    pub place: String,
    /// What is there instead.
    pub found: String,
}

/// Finds the site-config: `--site`, `HL_SITE`, `HOMESTAK_SITE_CONFIG`, the
/// lab's `site/`, `site-config` beside the lab (or beside `cwd`), then the
/// directories of the system.
///
/// # Errors
/// There is none, or the flag or a variable names a directory that is not
/// there: 66. What is named is never passed over.
pub fn discover(search: &Search<'_>) -> Result<Found, Failure> {
    let mut tried = Vec::new();
    if let Some(flag) = search.flag {
        return named(search, flag, "--site", tried);
    }
    tried.push(absent("--site", "not given"));
    for name in VARIABLES {
        match search.process.get(name).filter(|value| !value.is_empty()) {
            Some(value) => return named(search, Utf8Path::new(value), name, tried),
            None => tried.push(absent(name, "not set")),
        }
    }
    let mut places = Vec::new();
    match search.lab {
        Some(lab) => places.push(("the lab's `site/`", lab.join("site"))),
        None => tried.push(absent("the lab's `site/`", "no lab here")),
    }
    let beside = match search.lab {
        Some(_) => "`site-config` beside the lab",
        None => "`site-config` beside this directory",
    };
    let here = search.lab.unwrap_or(search.cwd);
    places.extend(here.parent().map(|dir| (beside, dir.join("site-config"))));
    let system = search.system.iter();
    places.extend(system.map(|dir| ("the system's directory", Utf8PathBuf::from(dir))));
    for (place, dir) in places {
        if dir.is_dir() {
            return Ok(Found {
                root: dir,
                why: place.to_owned(),
                tried,
            });
        }
        let found = format!("no directory `{dir}`");
        tried.push(absent(place, &found));
    }
    let mut error = Diagnostic::error("found no site-config");
    for Tried { place, found } in &tried {
        error = error.note(format!("{place}: {found}"));
    }
    Err(Failure::new(
        Exit::Unknown,
        error.help("name one with `--site DIR` (or `HL_SITE`), or make one: `hl site init DIR`"),
    ))
}

/// Whether a variable names a site-config: then no other will do.
pub fn named_by_variable(process: &BTreeMap<String, String>) -> bool {
    VARIABLES
        .iter()
        .any(|name| process.get(*name).is_some_and(|value| !value.is_empty()))
}

fn absent(place: &str, found: &str) -> Tried {
    Tried {
        place: place.to_owned(),
        found: found.to_owned(),
    }
}

fn named(
    search: &Search<'_>,
    given: &Utf8Path,
    by: &str,
    tried: Vec<Tried>,
) -> Result<Found, Failure> {
    let root = search.cwd.join(given);
    if root.is_dir() {
        return Ok(Found {
            root,
            why: format!("`{by}`"),
            tried,
        });
    }
    let what = if root.exists() {
        format!("`{by}` names `{root}`, which is no directory")
    } else {
        format!("`{by}` names `{root}`, which does not exist")
    };
    let help = if by == "--site" {
        "give it the directory that holds `site.yaml` and `envs/`".to_owned()
    } else {
        format!("correct it, or take it away: `unset {by}`")
    };
    Err(Failure::message(Exit::Unknown, what).help(help))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A directory with all the places in it.
    struct World {
        _guard: tempfile::TempDir,
        dir: Utf8PathBuf,
        process: BTreeMap<String, String>,
    }

    impl World {
        fn new(dirs: &[&str]) -> Self {
            let guard = tempfile::tempdir().unwrap();
            let dir = Utf8Path::from_path(guard.path()).unwrap().to_owned();
            for sub in dirs.iter().chain(&["labs/one", "labs/deep/er"]) {
                fs::create_dir_all(dir.join(sub)).unwrap();
            }
            Self {
                _guard: guard,
                dir,
                process: BTreeMap::new(),
            }
        }

        fn find(&self, flag: Option<&str>, lab: bool) -> Result<(String, String), Failure> {
            let lab_root = self.dir.join("labs/one");
            let usr = self.dir.join("usr");
            let opt = self.dir.join("opt");
            let found = discover(&Search {
                flag: flag.map(Utf8Path::new),
                process: &self.process,
                cwd: &self.dir.join("labs/deep/er"),
                lab: lab.then_some(lab_root.as_path()),
                system: &[usr.as_str(), opt.as_str()],
            })?;
            let root = found.root.strip_prefix(&self.dir).unwrap();
            Ok((root.to_string(), found.why))
        }
    }

    /// Each place, in the order of the search.
    #[test]
    fn the_first_place_wins() {
        let all = [
            ("flag", "`--site`"),
            ("hl", "`HL_SITE`"),
            ("homestak", "`HOMESTAK_SITE_CONFIG`"),
            ("labs/one/site", "the lab's `site/`"),
            ("labs/site-config", "`site-config` beside the lab"),
            ("usr", "the system's directory"),
            ("opt", "the system's directory"),
        ];
        for first in 0..all.len() {
            let dirs: Vec<_> = all[first..].iter().map(|(dir, _)| *dir).collect();
            let mut world = World::new(&dirs);
            let set = |world: &mut World, name: &str, dir: &str| {
                let dir = world.dir.join(dir).into_string();
                world.process.insert(name.to_owned(), dir);
            };
            if first <= 1 {
                set(&mut world, "HL_SITE", "hl");
            }
            if first <= 2 {
                set(&mut world, "HOMESTAK_SITE_CONFIG", "homestak");
            }
            let flag = world.dir.join("flag");
            let flag = (first == 0).then_some(flag.as_str());
            let (root, why) = world.find(flag, true).unwrap();
            assert_eq!((root.as_str(), why.as_str()), all[first]);
        }
    }

    #[test]
    fn without_a_lab_the_sibling_is_of_this_directory() {
        let world = World::new(&["labs/deep/site-config", "labs/one/site"]);
        let (root, why) = world.find(None, false).unwrap();
        assert_eq!(root, "labs/deep/site-config");
        assert_eq!(why, "`site-config` beside this directory");
    }

    #[test]
    fn what_is_named_is_never_passed_over() {
        for name in VARIABLES {
            let mut world = World::new(&["labs/one/site"]);
            world.process.insert(name.to_owned(), "gone".to_owned());
            let failure = world.find(None, true).unwrap_err();
            assert_eq!(failure.exit, Exit::Unknown);
            let text = failure.to_string();
            assert!(
                text.contains(name) && text.contains("deep/er/gone"),
                "{text}"
            );
            // Empty is not set.
            world.process.insert(name.to_owned(), String::new());
            assert_eq!(world.find(None, true).unwrap().0, "labs/one/site");
        }
        let world = World::new(&["labs/one/site"]);
        assert!(world.find(Some("gone"), true).is_err());
        fs::write(world.dir.join("file"), "").unwrap();
        let failure = world.find(Some("../../../file"), true).unwrap_err();
        assert!(failure.to_string().contains("no directory"), "{failure}");
    }

    #[test]
    fn nothing_found_names_every_place() {
        let failure = World::new(&[]).find(None, false).unwrap_err();
        assert_eq!(failure.exit, Exit::Unknown);
        let notes = failure.diagnostics[0].notes.join("\n");
        for place in [
            "--site",
            "HL_SITE",
            "HOMESTAK_SITE_CONFIG",
            "lab",
            "usr",
            "opt",
        ] {
            assert!(notes.contains(place), "{place} is not in\n{notes}");
        }
        assert!(failure.diagnostics[0].help[0].contains("hl site init"));
    }
}
