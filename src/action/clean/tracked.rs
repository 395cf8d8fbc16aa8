//! What git tracks, asked of git itself.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::ops::Bound;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use camino::Utf8Path;

use crate::base::output;
use crate::diag::{Diagnostic, Exit, Failure};

/// git reads an index and looks at every file; on a slow disk that takes a while.
const LIMIT: Duration = Duration::from_mins(5);

/// The files of a lab that git tracks, relative to the lab.
#[derive(Debug, Clone, Default)]
pub struct Tracked {
    files: BTreeSet<PathBuf>,
    git: bool,
}

impl Tracked {
    /// Asks git. A lab that is in no repository has no tracked files; one that
    /// is, and of which git cannot tell, is an error: nothing may be removed then.
    pub fn ask(root: &Utf8Path) -> Result<Self, Failure> {
        if !root.ancestors().any(|dir| dir.join(".git").exists()) {
            return Ok(Self::default());
        }
        let files = git(root, &["ls-files", "-z", "--cached"])?;
        Ok(Self { files, git: true })
    }

    /// Whether the lab is in a repository.
    pub fn in_repository(&self) -> bool {
        self.git
    }

    /// The path itself is tracked.
    pub fn is(&self, path: &Path) -> bool {
        self.files.contains(path)
    }

    /// Something below the path is tracked.
    pub fn below(&self, path: &Path) -> bool {
        self.files
            .range::<Path, _>((Bound::Excluded(path), Bound::Unbounded))
            .next()
            .is_some_and(|next| next.starts_with(path))
    }

    /// What git does not track, ignored or not; directories of nothing else
    /// as one path.
    pub fn others(root: &Utf8Path) -> Result<BTreeSet<PathBuf>, Failure> {
        git(root, &["ls-files", "-z", "--others", "--directory"])
    }

    /// The same inside a directory, every file.
    pub fn others_in(root: &Utf8Path, dir: &Path) -> Result<BTreeSet<PathBuf>, Failure> {
        let dir = dir.to_string_lossy();
        let literal = format!(":(literal){dir}");
        git(root, &["ls-files", "-z", "--others", "--", &literal])
    }
}

fn git(root: &Utf8Path, args: &[&str]) -> Result<BTreeSet<PathBuf>, Failure> {
    let cannot = |why: &str| {
        Failure::new(
            Exit::CannotWrite,
            Diagnostic::error(format!("cannot ask git what it tracks: {why}"))
                .note("what git tracks is never removed, so nothing is removed before it can tell")
                .help(format!("look at `git -C {root} status`")),
        )
    };
    let git = duct::cmd("git", ["-C", root.as_str()].iter().chain(args))
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin_null()
        .stdout_capture()
        .stderr_capture()
        .unchecked();
    let output = output(&git, LIMIT)
        .map_err(|error| cannot(&error.to_string()))?
        .ok_or_else(|| cannot("it gave no answer within five minutes"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(cannot(said.trim().lines().next().unwrap_or("it failed")));
    }
    Ok(output
        .stdout
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| PathBuf::from(OsString::from_vec(name.to_vec())))
        .collect())
}
