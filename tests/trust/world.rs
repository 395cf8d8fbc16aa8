//! A lab of another user, which leaves a mark when anything of it runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::Hl;
use crate::support::lab::copy;

/// Users that no machine has an account for.
pub(super) const THEIRS: u32 = 4_711_001;
pub(super) const MINE: u32 = 4_711_002;

pub(super) struct World {
    dir: TempDir,
}

impl World {
    /// A lab that belongs to somebody else; `None` where that cannot be had.
    pub(super) fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            assert!(
                std::env::var_os("HL_TESTS_NEED_ALL").is_none() && std::env::var_os("CI").is_none(),
                "this test needs root"
            );
            eprintln!("skipped: only root can make files of other users");
            return None;
        }
        let world = Self {
            dir: TempDir::new().unwrap(),
        };
        fs::set_permissions(world.dir.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(world.path("home")).unwrap();
        world.lab("lab", THEIRS);
        Some(world)
    }

    /// A lab in which everything that can run anything leaves a mark.
    pub(super) fn lab(&self, name: &str, owner: u32) {
        let root = self.path(name);
        let mark = self.path("mark");
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let tool = root.join("tool.sh").display().to_string();
        write(
            "hl.toml",
            &format!(
                "[doppler]\nmode = \"on\"\n[tools]\ndoppler = \"{tool}\"\ntofu = \"{tool}\"\n"
            ),
        );
        write(
            "tool.sh",
            &format!("#!/bin/sh\nid -u >> {}\necho '{{}}'\n", mark.display()),
        );
        fs::set_permissions(root.join("tool.sh"), Permissions::from_mode(0o755)).unwrap();
        write(".env", "PVE_NODE=pve\nPVE_ACCESS_HOST=192.0.2.7\n");
        write(
            "layers/l0-things/layer.toml",
            &format!(
                r#"[layer]
id = "l0"
name = "Things"
doc = "Leaves a mark"
default = "go"

[[recipe]]
name = "go"
doc = "Go"

[[recipe.step]]
id = "mark"
use = "command"
with = {{ argv = ["sh", "-c", "id -u >> {}; echo went"] }}
"#,
                mark.display()
            ),
        );
        // So that the mark can be left by any user.
        fs::write(&mark, "").unwrap();
        fs::set_permissions(&mark, Permissions::from_mode(0o666)).unwrap();
        own(&root, owner);
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `hl` of root, at home elsewhere, with Doppler as the lab says.
    pub(super) fn hl(&self, dir: &str, words: &str) -> Hl {
        Hl::new(&self.path(dir))
            .cmd(words)
            .env("HOME", self.path("home").display().to_string())
            .without("DOPPLER")
    }

    /// `hl trust` of a directory.
    pub(super) fn trust(&self, dir: &str) {
        let dir = self.path(dir).display().to_string();
        self.hl("home", "trust").arg(dir).exits(0);
    }

    /// Nothing of the lab ran, and nothing was written in it.
    #[track_caller]
    pub(super) fn nothing_ran(&self, after: &str) {
        let ran = fs::read_to_string(self.path("mark")).unwrap();
        assert!(ran.is_empty(), "`hl {after}` ran code of the lab as {ran}");
        for made in ["lab/state", "lab/reports", "lab/.build"] {
            assert!(!self.path(made).exists(), "`hl {after}` made {made}");
        }
    }

    /// What ran, as which user.
    pub(super) fn ran_as(&self) -> String {
        let mark = self.path("mark");
        let ran = fs::read_to_string(&mark).unwrap();
        fs::write(mark, "").unwrap();
        ran
    }

    /// Another directory with the same files and owner takes the lab's path.
    pub(super) fn exchange(&self) {
        copy(&self.path("lab"), &self.path("copy"));
        own(&self.path("copy"), THEIRS);
        fs::rename(self.path("lab"), self.path("old")).unwrap();
        fs::rename(self.path("copy"), self.path("lab")).unwrap();
    }
}

/// Gives a tree to a user.
pub(super) fn own(path: &Path, uid: u32) {
    chown(path, Some(uid), Some(uid)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            own(&entry.unwrap().path(), uid);
        }
    }
}
