//! A repository as it was at one moment: a bare repository of our own with all its
//! branches, its tags and `_working`, and the files of `_working` beside it.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};

use super::checkout::{Checkout, cannot};
use super::excludes::excludes;
use super::git::Git;
use super::import::{RawFile, RawFiles, import};
use super::private_dir::PrivateDir;
use super::refs::{Refs, WORKING};
use super::work_tree::{Root, work_files};
use crate::app::Caller;
use crate::base::{Cancel, Lines, hex, if_there};

/// One repository, from the first look at it to the last.
const LIMIT: Duration = Duration::from_mins(10);

/// A snapshot. Dropping the last one that holds it removes it from the disk.
#[derive(Debug)]
pub(in crate::serve) struct RepoSnapshot {
    // Made first and removed last.
    dir: PrivateDir,
    raw: RawFiles,
    /// A digest of what it was made of.
    state: String,
}

/// A snapshot that is not packed yet.
#[derive(Debug)]
pub(super) struct Draft {
    /// git in its repository.
    pub(super) git: Git,
    /// The commit that was made of what is not committed, if anything is.
    pub(super) working: Option<String>,
    /// A digest of what it was made of.
    pub(super) state: String,
    dir: PrivateDir,
    raw: RawFiles,
}

impl Draft {
    /// Takes the state of a checkout. Its objects are borrowed until [`Draft::pack`].
    ///
    /// # Errors
    /// Why it cannot be served, in words.
    pub(super) fn take(
        caller: &Caller,
        checkout: &Checkout,
        stop: &Cancel,
    ) -> Result<Self, String> {
        let refs = Refs::read(checkout)?;
        let dir = PrivateDir::new()
            .map_err(|error| format!("cannot make a temporary directory: {error}"))?;
        let bare = bare(dir.path());
        let until = Instant::now() + LIMIT;
        let git = Git::new(caller, dir.path(), &bare, &checkout.work, until, stop)?;
        git.init(&bare, refs.digits())?;
        let objects = checkout.common.join("objects");
        if objects.is_dir() {
            let borrow = || {
                let info = bare.join("objects/info");
                fs::create_dir_all(&info)?;
                fs::write(info.join("alternates"), format!("{objects}\n"))
            };
            borrow().map_err(|error| cannot("write in", &bare, &error))?;
        }
        let head = take_refs(&git, &refs)?;
        let beside = files(dir.path());
        fs::create_dir(&beside).map_err(|error| cannot("make", &beside, &error))?;
        let root = Root::open(&checkout.work)?;
        let excludes = excludes(caller, &git, checkout)?;
        let files = work_files(&git, checkout, &root, &excludes)?;
        let raw = import(&git, &root, &files, head.as_deref(), &beside)?;
        let working = working(&git, head.as_deref())?;
        let points = git.output(&["for-each-ref", "--format=%(objectname) %(refname)"], "")?;
        let mut state = Sha256::new();
        state.update(checkout.work.as_str());
        state.update([0]);
        state.update(&points);
        Ok(Self {
            git,
            working,
            state: hex(&state.finalize()),
            dir,
            raw,
        })
    }

    /// Brings all that is reachable into one pack, so that nothing is borrowed any
    /// more and the rest is gone.
    ///
    /// # Errors
    /// Objects are missing or damaged, in words.
    pub(super) fn pack(&self) -> Result<(), String> {
        self.git.run(&["repack", "-a", "-d", "-q"], "")?;
        let borrowed = bare(self.dir.path()).join("objects/info/alternates");
        if_there(fs::remove_file(&borrowed)).map_err(|e| cannot("remove", &borrowed, &e))?;
        self.git.run(&["update-server-info"], "")
    }

    /// It is to be served.
    pub(super) fn done(self) -> Arc<RepoSnapshot> {
        Arc::new(RepoSnapshot {
            dir: self.dir,
            raw: self.raw,
            state: self.state,
        })
    }
}

impl RepoSnapshot {
    /// A digest of what it was made of.
    pub(super) fn state(&self) -> &str {
        &self.state
    }

    /// A file of the bare repository, by a name that [`super::path`] lets through.
    pub(super) fn git_file(&self, name: &str) -> Utf8PathBuf {
        bare(self.dir.path()).join(name)
    }

    /// The copy of a file of `_working`.
    pub(super) fn raw_file(&self, file: RawFile) -> Utf8PathBuf {
        files(self.dir.path()).join(file.number.to_string())
    }

    /// The files of `_working`.
    pub(super) fn raw(&self) -> &RawFiles {
        &self.raw
    }
}

fn bare(dir: &Utf8Path) -> Utf8PathBuf {
    dir.join("repo.git")
}

fn files(dir: &Utf8Path) -> Utf8PathBuf {
    dir.join("files")
}

/// Takes over what leads to a commit; the commit that is checked out must be there.
fn take_refs(git: &Git, refs: &Refs) -> Result<Option<String>, String> {
    let ids = refs.head.iter().chain(refs.all.values());
    let mut asked = String::new();
    for id in ids {
        asked.line(format_args!("{id}^{{commit}}"));
    }
    let said = git.output(&["cat-file", "--batch-check=%(objecttype)"], asked)?;
    let said = String::from_utf8_lossy(&said);
    let mut commits = said.lines().map(|line| line == "commit");
    if let Some(head) = &refs.head
        && commits.next() != Some(true)
    {
        return Err(format!(
            "the commit `{head}` that is checked out is not there"
        ));
    }
    let all = refs.all.iter().zip(commits);
    let mut taken = String::new();
    for ((name, id), _) in all.filter(|(_, is_commit)| *is_commit) {
        taken.extend(["create ", name.as_str(), "\0", id.as_str(), "\0"]);
    }
    git.run(&["update-ref", "-z", "--stdin"], taken)?;
    Ok(refs.head.clone())
}

/// The commit that was made; none where it has the files of `head`, which then takes
/// its place.
fn working(git: &Git, head: Option<&str>) -> Result<Option<String>, String> {
    let tree = |commit: &str| format!("{commit}^{{tree}}");
    let mut args = vec!["rev-parse".to_owned(), WORKING.to_owned(), tree(WORKING)];
    args.extend(head.map(tree));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let said = git.output(&args, "")?;
    let said = String::from_utf8_lossy(&said);
    let ids: Vec<&str> = said.lines().collect();
    if let (Some(head), [_, ours, theirs]) = (head, ids.as_slice())
        && ours == theirs
    {
        git.run(&["update-ref", WORKING, head], "")?;
        return Ok(None);
    }
    Ok(ids.first().map(|id| (*id).to_owned()))
}
