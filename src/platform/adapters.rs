//! The adapters that a lab has: those of the binary, and its own folders in
//! `platform/adapters/`, of which one takes the place of a shipped one of its name.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;

use camino::Utf8Path;

use super::embedded::shipped;
use super::model::{Adapter, Origin};
use super::read_adapter::read;
use crate::diag::{Diagnostic, Exit, Failure};
use crate::lab::Paths;

/// No template or script is near this size.
const MOST_BYTES: u64 = 1024 * 1024;

/// Adapters by name.
#[derive(Debug, Clone, Default)]
pub struct Adapters {
    all: BTreeMap<String, Adapter>,
}

impl Adapters {
    /// The shipped adapters, and those of the lab.
    ///
    /// # Errors
    /// All that is wrong with all of them (65).
    pub fn load(paths: &Paths) -> Result<Self, Failure> {
        let mut all = shipped()?;
        let mut wrong = Vec::new();
        let dir = paths.platform().join("adapters");
        match own(&dir, &paths.show(&dir)) {
            Ok(own) => {
                for adapter in own {
                    match adapter {
                        Ok(adapter) => {
                            all.insert(adapter.name().to_owned(), adapter);
                        }
                        Err(failure) => wrong.extend(failure.diagnostics),
                    }
                }
            }
            Err(failure) => wrong.extend(failure.diagnostics),
        }
        if wrong.is_empty() {
            return Ok(Self { all });
        }
        Err(Failure::many(Exit::Definition, wrong))
    }

    /// The adapter of that name.
    pub fn get(&self, name: &str) -> Option<&Adapter> {
        self.all.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Adapter> + Clone {
        self.all.values()
    }

    /// Their names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.all.keys().map(String::as_str)
    }

    /// Those that provide a capability.
    pub fn providers<'a>(&'a self, capability: &'a str) -> impl Iterator<Item = &'a str> {
        let all = self.iter();
        all.filter(move |adapter| adapter.provides(capability))
            .map(Adapter::name)
    }
}

/// The adapters of the lab, sorted by their folders.
fn own(dir: &Utf8Path, shown: &Utf8Path) -> Result<Vec<Result<Adapter, Failure>>, Failure> {
    let cannot = |path: &Utf8Path, error: &io::Error| {
        let message = format!("cannot read `{path}`: {error}");
        Failure::message(Exit::Definition, message)
    };
    let entries = match dir.read_dir_utf8() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot(shown, &error)),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| cannot(shown, &error))?;
        if entry.path().is_dir() {
            folders.push(entry.file_name().to_owned());
        }
    }
    folders.sort_unstable();
    let adapter = |name: String| {
        let shown = shown.join(&name);
        let mut files = BTreeMap::new();
        collect(&dir.join(&name), "", &shown, &mut files)?;
        read(&shown, Origin::Lab, files)
    };
    Ok(folders.into_iter().map(adapter).collect())
}

/// The files of a folder by path. A link could lead out of it, and is refused.
fn collect(
    dir: &Utf8Path,
    below: &str,
    shown: &Utf8Path,
    files: &mut BTreeMap<String, Cow<'static, [u8]>>,
) -> Result<(), Failure> {
    let wrong = |path: &Utf8Path, why: &str| {
        let finding = Diagnostic::error(format!("`{path}` {why}"));
        Failure::new(Exit::Definition, finding)
    };
    let failed = |path: &Utf8Path, error: &io::Error| {
        Failure::message(Exit::Definition, format!("cannot read `{path}`: {error}"))
    };
    for entry in dir.read_dir_utf8().map_err(|e| failed(shown, &e))? {
        let entry = entry.map_err(|e| failed(shown, &e))?;
        let path = shown.join(entry.file_name());
        let kind = entry.file_type().map_err(|e| failed(&path, &e))?;
        let name = format!("{below}{}", entry.file_name());
        if kind.is_dir() {
            collect(entry.path(), &format!("{name}/"), &path, files)?;
        } else if kind.is_file() {
            let meta = entry.metadata().map_err(|e| failed(&path, &e))?;
            if meta.len() > MOST_BYTES {
                return Err(wrong(&path, "is larger than 1 MB"));
            }
            let data = fs::read(entry.path()).map_err(|e| failed(&path, &e))?;
            files.insert(name, Cow::Owned(data));
        } else {
            return Err(wrong(
                &path,
                "is neither a file nor a directory: an adapter holds no links",
            ));
        }
    }
    Ok(())
}
