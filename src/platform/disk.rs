//! `platform/generated/` as it is on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};

use super::artifact::digest;
use crate::diag::{Exit, Failure};

/// A file on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OnDisk {
    pub(super) mode: u32,
    pub(super) data: Vec<u8>,
}

/// A directory with rendered files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) files: BTreeMap<Utf8PathBuf, OnDisk>,
    /// Links, sockets, and directories with nothing in them: `render` makes none.
    pub(super) odd: BTreeSet<Utf8PathBuf>,
}

impl Tree {
    /// Reads a directory; an empty tree where there is none.
    ///
    /// # Errors
    /// Something cannot be read (65).
    pub(super) fn read(dir: &Utf8Path, shown: &Utf8Path) -> Result<Self, Failure> {
        let mut tree = Self::default();
        match fs::symlink_metadata(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(tree),
            Ok(meta) if !meta.is_dir() => {
                let message = format!("`{shown}` is not a directory");
                return Err(Failure::message(Exit::Definition, message).help("move it away"));
            }
            Ok(_) | Err(_) => {}
        }
        tree.collect(dir, Utf8Path::new("")).map_err(|error| {
            let message = format!("cannot read `{shown}`: {error}");
            Failure::message(Exit::Definition, message)
        })?;
        Ok(tree)
    }

    fn collect(&mut self, dir: &Utf8Path, below: &Utf8Path) -> io::Result<()> {
        let mut empty = true;
        for entry in dir.read_dir_utf8()? {
            let entry = entry?;
            empty = false;
            let path = below.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.collect(entry.path(), &path)?;
            } else if kind.is_file() {
                let mode = entry.metadata()?.permissions().mode() & 0o7777;
                let data = fs::read(entry.path())?;
                self.files.insert(path, OnDisk { mode, data });
            } else {
                self.odd.insert(path);
            }
        }
        if empty && !below.as_str().is_empty() {
            self.odd.insert(below.to_owned());
        }
        Ok(())
    }

    /// The number of its files, as a lock has it.
    pub(super) fn digest(&self) -> String {
        let files = self.files.iter();
        digest(files.map(|(path, file)| (path, file.mode, file.data.as_slice())))
    }
}
