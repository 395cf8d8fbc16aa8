//! What git knows of a file of secrets: the real git is asked, where there is
//! one. Nothing it prints is passed on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use camino::Utf8Path;
use serde::Serialize;

use crate::base::output;

/// git reads an index; it does not take minutes.
const LIMIT: Duration = Duration::from_secs(20);

/// How git treats a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tracking {
    /// It is in the index: committed, or about to be.
    Tracked,
    /// `.gitignore` keeps it out.
    Ignored,
    /// Neither: `git add .` would take it.
    Untracked,
    /// The directory is in no repository, or there is no git.
    NoRepository,
}

/// git in one directory.
#[derive(Debug)]
pub(super) struct Git<'a> {
    program: PathBuf,
    dir: &'a Utf8Path,
    env: BTreeMap<String, String>,
}

impl<'a> Git<'a> {
    /// git, when it is installed and `dir` is in a working tree.
    pub(super) fn find(dir: &'a Utf8Path, env: &BTreeMap<String, String>) -> Option<Self> {
        let path = env.get("PATH").map(String::as_str);
        let program = which::which_in("git", path, dir).ok()?;
        let mut env = env.clone();
        // A hook of another repository may run us; and looking changes nothing.
        env.retain(|name, _| {
            !matches!(
                name.as_str(),
                "GIT_DIR" | "GIT_WORK_TREE" | "GIT_INDEX_FILE"
            )
        });
        env.insert("GIT_OPTIONAL_LOCKS".to_owned(), "0".to_owned());
        let git = Self { program, dir, env };
        (git.ask(&["rev-parse", "--is-inside-work-tree"])?.trim() == "true").then_some(git)
    }

    /// How a file in the directory is treated.
    pub(super) fn tracking(&self, name: &str) -> Tracking {
        if self
            .ask(&["ls-files", "--error-unmatch", "--", name])
            .is_some()
        {
            Tracking::Tracked
        } else if self.ask(&["check-ignore", "--quiet", "--", name]).is_some() {
            Tracking::Ignored
        } else {
            Tracking::Untracked
        }
    }

    /// What the index and the last commit hold of a file.
    pub(super) fn versions(&self, name: &str) -> Vec<(&'static str, String)> {
        [("index", ""), ("last commit", "HEAD")]
            .into_iter()
            .filter_map(|(place, revision)| {
                let text = self.ask(&["cat-file", "blob", &format!("{revision}:./{name}")])?;
                Some((place, text))
            })
            .collect()
    }

    /// Its output when it succeeds.
    fn ask(&self, args: &[&str]) -> Option<String> {
        let expression = duct::cmd(&self.program, args)
            .dir(self.dir)
            .full_env(&self.env)
            .stdin_null()
            .stdout_capture()
            .stderr_null()
            .unchecked();
        let output = output(&expression, LIMIT).ok()??;
        let succeeded = output.status.success();
        succeeded.then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(dir: &Utf8Path, args: &[&str]) {
        let done = duct::cmd("git", args)
            .dir(dir)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdout_null()
            .stderr_null()
            .run();
        assert!(done.is_ok(), "git {args:?}");
    }

    #[test]
    fn the_index_the_ignore_file_and_the_last_commit_are_told_apart() {
        let guard = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(guard.path()).unwrap();
        let env: BTreeMap<String, String> = crate::lab::environment::process();
        assert!(Git::find(dir, &env).is_none());
        git(dir, &["init", "-q"]);
        for (name, text) in [("a", "one\n"), ("b", ""), ("c", ""), (".gitignore", "c\n")] {
            std::fs::write(dir.join(name), text).unwrap();
        }
        git(dir, &["add", "a"]);
        git(
            dir,
            &[
                "-c",
                "user.name=x",
                "-c",
                "user.email=x@y",
                "commit",
                "-qm",
                "x",
            ],
        );
        std::fs::write(dir.join("a"), "two\n").unwrap();
        git(dir, &["add", "a"]);
        let git = Git::find(dir, &env).unwrap();
        assert_eq!(git.tracking("a"), Tracking::Tracked);
        assert_eq!(git.tracking("b"), Tracking::Untracked);
        assert_eq!(git.tracking("c"), Tracking::Ignored);
        assert_eq!(
            git.versions("a"),
            [
                ("index", "two\n".to_owned()),
                ("last commit", "one\n".to_owned())
            ]
        );
        assert!(git.versions("b").is_empty());
    }
}
