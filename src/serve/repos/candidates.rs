//! Which repositories are meant. Nothing is served because it lies beside the lab.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::names::url_name;
use super::options::Options;
use crate::app::Caller;
use crate::diag::{Diagnostic, Exit, Failure, did_you_mean};
use crate::lab::Lab;

/// Names that are looked for in `--repos-dir`.
const KNOWN: [&str; 6] = [SITE, "bootstrap", "ansible", "iac-driver", "tofu", "packer"];

/// The name of the site-config.
const SITE: &str = "site-config";

/// A repository that is to be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Its name in URLs.
    pub(super) name: String,
    /// Its work tree, absolute.
    pub(super) dir: Utf8PathBuf,
}

/// The lab, its site-config, what `[serve] repos` names, and the known names in
/// `--repos-dir`; the first of a name is meant. What was excluded is left out. All of them
/// are expected to be repositories, but for a site-config that is a part of the lab's.
///
/// # Errors
/// `--repos-dir` is no directory, or `--exclude` names nothing that could be (2).
pub(super) fn candidates(
    caller: &Caller,
    lab: Option<&Lab>,
    site: &Utf8Path,
    options: &Options,
) -> Result<Vec<Candidate>, Failure> {
    let mut all: Vec<(String, Utf8PathBuf)> = Vec::new();
    if let Some(lab) = lab {
        all.push((lab_name(lab), lab.paths.root().to_owned()));
    }
    let in_lab = lab.is_some_and(|lab| site.starts_with(lab.paths.root()));
    if !in_lab || is_repository(site) {
        all.push((SITE.to_owned(), site.to_owned()));
    }
    if let Some(lab) = lab {
        for (name, path) in &lab.config.serve.repos {
            all.push((name.clone(), located(caller, lab.paths.root(), path)?));
        }
    }
    if let Some(dir) = &options.repos_dir {
        let dir = caller.cwd.join(dir);
        if !dir.is_dir() {
            let wrong = format!("`--repos-dir` names `{dir}`, which is no directory");
            return Err(Failure::message(Exit::Usage, wrong));
        }
        let there = KNOWN.map(|name| (name.to_owned(), dir.join(name)));
        all.extend(there.into_iter().filter(|(_, dir)| dir.is_dir()));
    }
    check_excluded(&all, &options.exclude)?;
    let mut taken: BTreeMap<String, Utf8PathBuf> = BTreeMap::new();
    let mut chosen = Vec::new();
    for (name, dir) in all {
        if !options.exclude.contains(&name) && !taken.contains_key(&name) {
            taken.insert(name.clone(), dir.clone());
            chosen.push(Candidate { name, dir });
        }
    }
    Ok(chosen)
}

/// What the lab is called, else its directory.
fn lab_name(lab: &Lab) -> String {
    let dir = lab.paths.root().file_name().unwrap_or_default();
    let name = url_name(&lab.config.lab.name).or_else(|| url_name(dir));
    name.unwrap_or_else(|| "lab".to_owned())
}

/// Something that git may take for a repository.
fn is_repository(dir: &Utf8Path) -> bool {
    dir.join(".git").symlink_metadata().is_ok()
}

/// A path of `hl.toml`.
fn located(caller: &Caller, root: &Utf8Path, path: &str) -> Result<Utf8PathBuf, Failure> {
    match (path.strip_prefix("~/"), caller.var("HOME")) {
        (Some(rest), Some(home)) => Ok(Utf8Path::new(home).join(rest)),
        (Some(_), None) => Err(Failure::message(
            Exit::Definition,
            format!("`{path}` needs a home, but `HOME` is not set"),
        )
        .help("set `HOME`, or write the whole path in `[serve] repos`")),
        (None, _) => Ok(root.join(path)),
    }
}

/// A slip in `--exclude` must not serve what was to be left out.
fn check_excluded(all: &[(String, Utf8PathBuf)], exclude: &[String]) -> Result<(), Failure> {
    let mut known: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    known.extend(KNOWN);
    known.sort_unstable();
    known.dedup();
    let wrong: Vec<Diagnostic> = exclude
        .iter()
        .filter(|name| !known.contains(&name.as_str()))
        .map(|name| {
            let message = format!("`--exclude` names `{name}`, and no repository is called so");
            let mut wrong = Diagnostic::error(message);
            wrong.help = did_you_mean(name, known.iter().copied())
                .into_iter()
                .map(Into::into)
                .collect();
            wrong
        })
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::many(Exit::Usage, wrong))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct World {
        _guard: tempfile::TempDir,
        dir: Utf8PathBuf,
        caller: Caller,
    }

    impl World {
        fn new() -> Self {
            let guard = tempfile::tempdir().unwrap();
            let dir = Utf8Path::from_path(guard.path()).unwrap().to_owned();
            fs::create_dir_all(dir.join("labs/attic/.git")).unwrap();
            let caller = Caller::at(&dir, &[("HOME", dir.join("home").as_str())]);
            Self {
                _guard: guard,
                dir,
                caller,
            }
        }

        fn dir(&self, path: &str) -> &Self {
            fs::create_dir_all(self.dir.join(path)).unwrap();
            self
        }

        fn lab(&self, toml: &str) -> Lab {
            let root = self.dir.join("labs/attic");
            fs::write(root.join("hl.toml"), toml).unwrap();
            Lab::read(root).unwrap()
        }

        fn chosen(&self, toml: &str, exclude: &[&str]) -> Result<Vec<(String, String)>, Failure> {
            let options = Options {
                repos_dir: self.dir.join("repos").is_dir().then(|| "repos".into()),
                exclude: exclude.iter().map(|name| (*name).to_owned()).collect(),
                ..Options::default()
            };
            let lab = self.lab(toml);
            let all = candidates(&self.caller, Some(&lab), &lab.paths.site(), &options)?;
            let shown = |path: &Utf8Path| path.strip_prefix(&self.dir).unwrap().to_string();
            Ok(all.into_iter().map(|c| (c.name, shown(&c.dir))).collect())
        }
    }

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter()
            .map(|(name, dir)| ((*name).to_owned(), (*dir).to_owned()))
            .collect()
    }

    #[test]
    fn a_neighbour_is_not_served() {
        let world = World::new();
        world
            .dir("labs/ansible/.git")
            .dir("labs/attic/roles/.git")
            .dir("labs/attic/site");
        let chosen = world.chosen("[lab]\nname = \"The Attic\"\n", &[]).unwrap();
        assert_eq!(chosen, pairs(&[("the-attic", "labs/attic")]));
    }

    #[test]
    fn a_lab_and_a_site_config_of_its_own_are_meant_though_they_are_no_repositories() {
        let world = World::new();
        fs::remove_dir(world.dir.join("labs/attic/.git")).unwrap();
        let lab = world.lab("[lab]\nname = \"a\"\n");
        let names = |lab: Option<&Lab>, site: &str| {
            let site = world.dir.join(site);
            let all = candidates(&world.caller, lab, &site, &Options::default()).unwrap();
            let names = all.into_iter().map(|candidate| candidate.name);
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(Some(&lab), "labs/attic/site"), ["a"]);
        assert_eq!(names(Some(&lab), "etc/site"), ["a", "site-config"]);
        assert_eq!(names(None, "etc/site"), ["site-config"]);
    }

    #[test]
    fn what_is_named_is_served_and_the_first_of_a_name() {
        let world = World::new();
        world
            .dir("labs/attic/site/.git")
            .dir("repos/ansible/.git")
            .dir("repos/site-config/.git")
            .dir("repos/other/.git");
        let toml = "[lab]\nname = \"a\"\n[serve.repos]\ntofu = \"../t\"\nmine = \"~/mine\"\n";
        assert_eq!(
            world.chosen(toml, &["mine"]).unwrap(),
            pairs(&[
                ("a", "labs/attic"),
                ("site-config", "labs/attic/site"),
                ("tofu", "labs/attic/../t"),
                ("ansible", "repos/ansible"),
            ])
        );
        let all = world.chosen(toml, &[]).unwrap();
        assert!(all.contains(&("mine".to_owned(), "home/mine".to_owned())));
    }

    #[test]
    fn a_slip_in_exclude_is_an_error() {
        let world = World::new();
        let failure = world.chosen("", &["packer", "lba"]).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(failure.diagnostics.len(), 1);
        assert!(failure.diagnostics[0].help[0].contains("did you mean `lab`?"));
        assert_eq!(world.chosen("", &["lab", "packer"]).unwrap(), []);
    }
}
