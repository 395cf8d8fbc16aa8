//! A repository as it lies on disk, and whether it may be served. git is not asked:
//! what it does in a repository is that repository's to say.

use std::fs;
use std::io::{self, Read};

use camino::{Utf8Path, Utf8PathBuf};

use crate::app::{Caller, Kind, admit};
use crate::base::{if_there, private_read, quoted};
use crate::diag::{Commands, Failure};

/// No small file of git is larger.
const SMALL: u64 = 64 << 10;

/// A repository with a work tree. All paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkout {
    /// The files.
    pub(super) work: Utf8PathBuf,
    /// What belongs to this work tree: `HEAD`, `index`.
    pub(super) own: Utf8PathBuf,
    /// What all work trees of a repository share: objects and references.
    pub(super) common: Utf8PathBuf,
}

impl Checkout {
    /// The repository whose work tree is at `dir`.
    ///
    /// # Errors
    /// Why it is not served, in words.
    pub(super) fn open(caller: &Caller, dir: &Utf8Path) -> Result<Self, String> {
        let work = real(dir)?;
        let owned = |dir: &Utf8Path| {
            admit(&caller.user, dir, Kind::Repository).map_err(|failure| words(&failure))
        };
        owned(&work)?;
        let dot = work.join(".git");
        let kind = if_there(fs::symlink_metadata(&dot)).map_err(|e| cannot("look at", &dot, &e))?;
        let checkout = match kind {
            Some(meta) if meta.is_dir() => Self {
                own: dot.clone(),
                common: dot,
                work,
            },
            Some(meta) if meta.is_file() => linked(work, &dot)?,
            Some(_) => return Err(format!("`{dot}` is a link, and is not followed")),
            None => {
                let work = quoted(work.as_str());
                return Err(format!(
                    "it is no git repository; `git -C {work} init` makes it one, `--exclude` leaves it out"
                ));
            }
        };
        owned(&checkout.common)?;
        if checkout.own != checkout.common {
            owned(&checkout.own)?;
        }
        checkout.complete()?;
        Ok(checkout)
    }

    /// All of it is in one place, in a form that is read here.
    fn complete(&self) -> Result<(), String> {
        let git = format!("git -C {}", quoted(self.work.as_str()));
        let shallow = small(&self.common.join("shallow"))?;
        if shallow.is_some_and(|text| !text.trim().is_empty()) {
            return Err(format!(
                "it is a shallow clone, of which nobody can clone; `{git} fetch --unshallow` completes it"
            ));
        }
        let objects = self.common.join("objects");
        if fs::symlink_metadata(&objects).is_ok_and(|meta| !meta.is_dir()) {
            return Err(format!("`{objects}` is a link, and is not followed"));
        }
        let borrowed = small(&objects.join("info/alternates"))?;
        if borrowed.is_some_and(|text| !text.trim().is_empty()) {
            return Err(format!(
                "its objects are in another repository (`objects/info/alternates`); `{git} repack -ad` brings them, then remove that file"
            ));
        }
        if self.common.join("reftable").exists() {
            return Err(format!(
                "its references are in the form `reftable`, which is not read; `{git} refs migrate --ref-format=files` changes it"
            ));
        }
        // A line of `alternates` is a path.
        if objects.as_str().contains('\n') {
            return Err("there is a line break in its path".to_owned());
        }
        Ok(())
    }
}

/// A work tree whose `.git` names another directory: one that its repository knows.
fn linked(work: Utf8PathBuf, dot: &Utf8Path) -> Result<Checkout, String> {
    let text = small(dot)?.unwrap_or_default();
    let Some(named) = text.trim_end().strip_prefix("gitdir: ") else {
        return Err(format!("`{dot}` does not name a repository"));
    };
    let own = real(&work.join(named))?;
    let Some(common) = small(&own.join("commondir"))? else {
        return Err(format!(
            "it is a submodule, or its repository is elsewhere (`{own}`); name a clone of it in `[serve] repos` of `hl.toml`"
        ));
    };
    let common = real(&own.join(common.trim_end()))?;
    let back = small(&own.join("gitdir"))?.unwrap_or_default();
    let back = own.join(back.trim_end());
    let known = own.parent() == Some(&common.join("worktrees"))
        && back.canonicalize_utf8().is_ok_and(|back| back == dot);
    if !known {
        return Err(format!(
            "it says that it is a work tree of `{common}`, which does not know it; `git -C {} worktree repair` mends that",
            quoted(work.as_str())
        ));
    }
    Ok(Checkout { work, own, common })
}

/// The text of a small file of git; none where it is not there.
pub(super) fn small(path: &Utf8Path) -> Result<Option<String>, String> {
    text(path, SMALL)
}

/// The text of a file of git of at most `limit` bytes.
pub(super) fn text(path: &Utf8Path, limit: u64) -> Result<Option<String>, String> {
    let read = || -> io::Result<Option<String>> {
        let Some(file) = if_there(private_read(path))? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        if file.take(limit + 1).read_to_end(&mut bytes)? as u64 > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let text = String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        Ok(Some(text))
    };
    read().map_err(|error| cannot("read", path, &error))
}

/// Says what cannot be done with a path.
pub(super) fn cannot(what: &str, path: &Utf8Path, error: &io::Error) -> String {
    format!("cannot {what} `{path}`: {error}")
}

fn real(path: &Utf8Path) -> Result<Utf8PathBuf, String> {
    path.canonicalize_utf8()
        .map_err(|error| cannot("look at", path, &error))
}

/// A failure in one line.
fn words(failure: &Failure) -> String {
    let one = |diagnostic: &crate::diag::Diagnostic| {
        let help = diagnostic.help.iter();
        let help = help.map(|help| help.text(Commands::Live));
        let notes = diagnostic.notes.iter().cloned().chain(help);
        let mut parts = vec![diagnostic.message.clone()];
        parts.extend(notes);
        parts.join("; ")
    };
    let all: Vec<String> = failure.diagnostics.iter().map(one).collect();
    all.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn world() -> (tempfile::TempDir, Utf8PathBuf, Caller) {
        let guard = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(guard.path()).unwrap();
        let dir = dir.canonicalize_utf8().unwrap();
        let caller = Caller::at(&dir, &[("HOME", dir.join("home").as_str())]);
        fs::create_dir_all(dir.join("repo/.git/objects/info")).unwrap();
        (guard, dir, caller)
    }

    fn refused(caller: &Caller, dir: &Utf8Path, what: &str) {
        let why = Checkout::open(caller, dir).unwrap_err();
        assert!(why.contains(what), "{why}");
    }

    #[test]
    fn a_repository_and_its_work_trees_are_served() {
        let (_guard, dir, caller) = world();
        let repo = dir.join("repo");
        let checkout = Checkout::open(&caller, &repo).unwrap();
        assert_eq!(checkout.common, repo.join(".git"));
        assert_eq!(checkout.own, checkout.common);
        let own = repo.join(".git/worktrees/side");
        let side = dir.join("side");
        fs::create_dir_all(&own).unwrap();
        fs::create_dir_all(&side).unwrap();
        fs::write(side.join(".git"), format!("gitdir: {own}\n")).unwrap();
        fs::write(own.join("commondir"), "../..\n").unwrap();
        fs::write(own.join("gitdir"), format!("{side}/.git\n")).unwrap();
        let checkout = Checkout::open(&caller, &side).unwrap();
        assert_eq!((&checkout.own, &checkout.work), (&own, &side));
        assert_eq!(checkout.common, repo.join(".git"));
        // Another directory cannot take its place.
        let other = dir.join("other");
        fs::create_dir_all(&other).unwrap();
        fs::copy(side.join(".git"), other.join(".git")).unwrap();
        refused(&caller, &other, "does not know it");
        fs::remove_file(own.join("commondir")).unwrap();
        refused(&caller, &side, "is a submodule");
    }

    #[test]
    fn what_is_not_whole_or_leads_elsewhere_is_refused() {
        let (_guard, dir, caller) = world();
        let repo = dir.join("repo");
        let git = repo.join(".git");
        fs::write(git.join("shallow"), "0\n").unwrap();
        refused(&caller, &repo, "--unshallow");
        fs::remove_file(git.join("shallow")).unwrap();
        fs::write(git.join("objects/info/alternates"), "/elsewhere\n").unwrap();
        refused(&caller, &repo, "alternates");
        fs::remove_file(git.join("objects/info/alternates")).unwrap();
        fs::create_dir(git.join("reftable")).unwrap();
        refused(&caller, &repo, "reftable");
        fs::remove_dir(git.join("reftable")).unwrap();
        Checkout::open(&caller, &repo).unwrap();
        let link = dir.join("link");
        fs::create_dir(&link).unwrap();
        symlink(&git, link.join(".git")).unwrap();
        refused(&caller, &link, "is a link");
        refused(&caller, &dir, "no git repository");
        refused(&caller, &dir.join("nothing"), "cannot look at");
    }

    #[test]
    fn what_others_can_write_is_refused_with_the_place() {
        let (_guard, dir, caller) = world();
        let git = dir.join("repo/.git");
        fs::set_permissions(&git, fs::Permissions::from_mode(0o777)).unwrap();
        let why = Checkout::open(&caller, &dir.join("repo")).unwrap_err();
        assert!(why.contains(git.as_str()), "{why}");
        assert!(why.contains("can be written by everybody"), "{why}");
    }
}
