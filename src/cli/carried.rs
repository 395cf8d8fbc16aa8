//! What the `hl` inside a rehearsal writes for others: in there, nothing but
//! `state/rehearsal` can be written, so it is carried to its place afterwards.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use super::reports::append;
use super::session::{Session, given};
use crate::diag::Failure;
use crate::lab::{self, Environment, Lab};

/// Names the file that a step of GitHub Actions is summarised in.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// The reports that were asked for.
pub(super) struct Carried {
    /// Where it is written, and where it belongs.
    junit: Option<(Utf8PathBuf, Utf8PathBuf)>,
    summary: Option<(Utf8PathBuf, String)>,
}

impl Carried {
    /// Finds out what is asked for, and says in `env` where it is written.
    pub(super) fn new(session: &Session, lab: &Lab, env: &mut Environment) -> Self {
        let out = lab.paths.rehearsal().out().to_owned();
        let junit = session.globals.junit.as_ref();
        let summary = session.caller.var(SUMMARY).filter(|path| !path.is_empty());
        let summary = summary.map(|path| (out.join("summary.md"), path.to_owned()));
        if let Some((inside, _)) = &summary {
            env.set(SUMMARY, given(inside));
        }
        let carried = Self {
            junit: junit.map(|path| (out.join("junit.xml"), session.caller.cwd.join(path))),
            summary,
        };
        // Of a rehearsal that was killed.
        for inside in carried.inside() {
            fs::remove_file(inside).ok();
        }
        carried
    }

    fn inside(&self) -> impl Iterator<Item = &Utf8PathBuf> {
        let junit = self.junit.iter().map(|(inside, _)| inside);
        junit.chain(self.summary.iter().map(|(inside, _)| inside))
    }

    /// Where the `hl` inside writes the JUnit file.
    pub(super) fn junit(&self) -> Option<&Utf8Path> {
        self.junit.as_ref().map(|(inside, _)| inside.as_path())
    }

    /// The words of the recipe; when `--junit` is `behind` it, with that file.
    pub(super) fn words(&self, words: &[String], behind: bool) -> Vec<String> {
        let Some(file) = self.junit().filter(|_| behind) else {
            return words.to_vec();
        };
        let mut is_file = false;
        let words = words.iter().map(|word| {
            if std::mem::replace(&mut is_file, word == "--junit") {
                file.to_string()
            } else if word.starts_with("--junit=") {
                format!("--junit={file}")
            } else {
                word.clone()
            }
        });
        words.collect()
    }

    /// Puts what was written in its place.
    ///
    /// # Errors
    /// The JUnit file cannot be written (73).
    pub(super) fn carry(&self, session: &Session) -> Result<(), Failure> {
        if let Some((inside, path)) = &self.summary
            && let Some(text) = take(inside)
        {
            append(session, path, &text);
        }
        if let Some((inside, path)) = &self.junit
            && let Some(text) = take(inside)
        {
            lab::write(path, text, 0o644)?;
        }
        Ok(())
    }
}

/// Reads a file and removes it. A step may have put a link there: it is not followed.
fn take(path: &Utf8Path) -> Option<String> {
    let plain = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
    let text = plain.then(|| fs::read_to_string(path).ok()).flatten();
    fs::remove_file(path).ok();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_another_one_inside() {
        let carried = Carried {
            junit: Some(("/lab/in.xml".into(), "/home/out.xml".into())),
            summary: None,
        };
        let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        for (typed, wanted) in [
            ("look --junit out.xml -k", "look --junit /lab/in.xml -k"),
            ("look --junit=out.xml", "look --junit=/lab/in.xml"),
        ] {
            assert_eq!(carried.words(&words(typed), true), words(wanted));
            assert_eq!(carried.words(&words(typed), false), words(typed));
        }
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("report");
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert_eq!(take(&path), None);
        fs::write(&path, "text").unwrap();
        assert_eq!(take(&path).as_deref(), Some("text"));
        assert!(!path.exists());
    }
}
