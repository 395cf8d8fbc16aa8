//! A copy of the example tree, and `hl` in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::Hl;
use crate::support::lab::copy;

/// A site-config of its own, with no lab around it.
pub(crate) struct Stage {
    dir: TempDir,
}

impl Stage {
    /// The example tree.
    pub(crate) fn example() -> Self {
        let stage = Self::empty();
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/site/tree");
        copy(&tree, &stage.path(""));
        stage.private("secrets.yaml");
        stage
    }

    /// A directory with nothing in it.
    pub(crate) fn empty() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("conf")).unwrap();
        Self { dir }
    }

    /// A path in the site-config.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join("conf").join(relative)
    }

    /// Beside the site-config.
    pub(crate) fn beside(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// Writes a file of it.
    pub(crate) fn write(&self, relative: &str, text: &str) -> &Self {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        if relative == "secrets.yaml" {
            self.private(relative);
        }
        self
    }

    /// Takes a file or a directory away.
    pub(crate) fn remove(&self, relative: &str) -> &Self {
        let path = self.path(relative);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        self
    }

    /// Puts one text in a file in the place of another, which must be there.
    #[track_caller]
    pub(crate) fn edit(&self, relative: &str, old: &str, new: &str) -> &Self {
        let text = fs::read_to_string(self.path(relative)).unwrap();
        assert!(text.contains(old), "`{old}` is not in {relative}");
        self.write(relative, &text.replacen(old, new, 1))
    }

    fn private(&self, relative: &str) {
        fs::set_permissions(self.path(relative), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// `hl site ...` beside the site-config.
    pub(crate) fn site(&self, words: &str) -> Hl {
        Hl::new(self.dir.path()).cmd("site --site conf").cmd(words)
    }

    /// `hl manifest ...` beside the site-config.
    pub(crate) fn manifest(&self, words: &str) -> Hl {
        Hl::new(self.dir.path())
            .cmd("manifest --site conf")
            .cmd(words)
    }
}
