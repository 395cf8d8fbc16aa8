//! Labs to run `hl` in.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Hl;

/// A lab in a temporary directory.
#[derive(Debug)]
pub(crate) struct TestLab {
    dir: TempDir,
}

impl TestLab {
    /// An empty lab: `hl.toml` only.
    pub(crate) fn empty() -> Self {
        let lab = Self {
            dir: TempDir::new().unwrap(),
        };
        lab.write("hl.toml", "[lab]\nname = \"test\"\n");
        lab
    }

    /// The lab that is shipped: copies of `layers/`, `site/`, `hl.toml` and `env.example`.
    pub(crate) fn shipped() -> Self {
        let lab = Self {
            dir: TempDir::new().unwrap(),
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in ["layers", "site", "hl.toml", "env.example", "justfile"] {
            copy(&root.join(name), &lab.path(name));
        }
        lab
    }

    /// Its root.
    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// A path in it.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// Writes a file, with its directories.
    pub(crate) fn write(&self, relative: &str, text: &str) -> &Self {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Reads a file.
    #[track_caller]
    pub(crate) fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap_or_else(|e| panic!("{relative}: {e}"))
    }

    /// `hl` in this lab.
    pub(crate) fn hl(&self, words: &str) -> Hl {
        Hl::new(self.root()).cmd(words)
    }
}

/// Copies a file or a whole directory.
pub(crate) fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}
