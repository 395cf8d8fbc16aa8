//! Where the records of one template or ISO are kept: `artifacts/KIND-STAMP.json`,
//! and `spec/KIND-stable.json`, a relative link to the promoted one.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;

use camino::{Utf8Path, Utf8PathBuf};

use super::manifest::{Record, Stamp, VERSION};
use crate::base::if_there;
use crate::diag::Exit;
use crate::diag::StepError;
use crate::lab;

/// The directory of one template or ISO.
#[derive(Debug, Clone)]
pub struct TemplateStore {
    dir: Utf8PathBuf,
}

impl TemplateStore {
    /// The store at [`crate::lab::Paths::template`].
    pub fn new(dir: impl Into<Utf8PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Its directory.
    pub fn dir(&self) -> &Utf8Path {
        &self.dir
    }

    /// The file of a record.
    pub fn path<R: Record>(&self, stamp: &Stamp) -> Utf8PathBuf {
        self.dir
            .join("artifacts")
            .join(format!("{}-{stamp}.json", R::KIND))
    }

    /// The pointer.
    pub fn pointer<R: Record>(&self) -> Utf8PathBuf {
        self.dir
            .join("spec")
            .join(format!("{}-stable.json", R::KIND))
    }

    /// The pointer of one node: each has a stable build of its own, as a
    /// template on storage that is not shared serves no other node.
    fn pointer_on<R: Record>(&self, node: &str) -> Utf8PathBuf {
        self.dir
            .join("spec")
            .join(format!("{}-stable-on-{node}.json", R::KIND))
    }

    /// Writes a record, whole.
    pub fn write<R: Record>(&self, record: &R) -> Result<Utf8PathBuf, StepError> {
        let path = self.path::<R>(record.stamp());
        let mut text = serde_json::to_string_pretty(record)
            .map_err(|error| StepError::new(format!("cannot write `{path}`: {error}")))?;
        text.push('\n');
        lab::write(&path, text, 0o644)?;
        Ok(path)
    }

    /// All records, oldest first.
    pub fn records<R: Record>(&self) -> Result<Vec<R>, StepError> {
        let dir = self.dir.join("artifacts");
        let cannot = |error: io::Error| StepError::io("read", &dir, &error);
        let entries = if_there(dir.read_dir_utf8()).map_err(cannot)?;
        let mut records: Vec<R> = Vec::new();
        for entry in entries.into_iter().flatten() {
            let entry = entry.map_err(cannot)?;
            let stamp = entry
                .file_name()
                .strip_prefix(R::KIND)
                .and_then(|rest| rest.strip_prefix('-'))
                .and_then(|rest| rest.strip_suffix(".json"))
                .and_then(Stamp::parse);
            if stamp.is_some() {
                records.push(read(entry.path())?);
            }
        }
        records.sort_by(|a, b| a.stamp().cmp(b.stamp()));
        Ok(records)
    }

    /// The stamp that the pointer names; nothing when there is no pointer.
    pub fn stable<R: Record>(&self) -> Result<Option<Stamp>, StepError> {
        Self::pointed::<R>(&self.pointer::<R>())
    }

    /// The stamp that the pointer of a node names.
    pub fn stable_on<R: Record>(&self, node: &str) -> Result<Option<Stamp>, StepError> {
        Self::pointed::<R>(&self.pointer_on::<R>(node))
    }

    fn pointed<R: Record>(pointer: &Utf8Path) -> Result<Option<Stamp>, StepError> {
        let cannot = |error: io::Error| StepError::io("read", pointer, &error);
        let Some(meta) = if_there(fs::symlink_metadata(pointer)).map_err(cannot)? else {
            return Ok(None);
        };
        if !meta.is_symlink() {
            // A copy, from a file system or an archive without links.
            return read::<R>(pointer).map(|record| Some(record.stamp().clone()));
        }
        let target = pointer.read_link_utf8().map_err(cannot)?;
        Ok(target
            .file_stem()
            .and_then(|stem| stem.strip_prefix(R::KIND)?.strip_prefix('-'))
            .and_then(Stamp::parse))
    }

    /// Moves the pointer: a reader finds the old record or the new one.
    pub fn point<R: Record>(&self, stamp: &Stamp) -> Result<(), StepError> {
        self.move_to::<R>(&self.pointer::<R>(), stamp)
    }

    /// Moves the pointer of a node.
    pub fn point_on<R: Record>(&self, node: &str, stamp: &Stamp) -> Result<(), StepError> {
        self.move_to::<R>(&self.pointer_on::<R>(node), stamp)
    }

    fn move_to<R: Record>(&self, pointer: &Utf8Path, stamp: &Stamp) -> Result<(), StepError> {
        let spec = self.dir.join("spec");
        lab::create_dir(&spec)?;
        let target = format!("../artifacts/{}-{stamp}.json", R::KIND);
        let moved = || -> io::Result<()> {
            let name = pointer.file_name().unwrap_or_default();
            let fresh = spec.join(format!(".{name}.{}", std::process::id()));
            if_there(fs::remove_file(&fresh))?;
            symlink(&target, &fresh)?;
            fs::rename(&fresh, pointer)?;
            fs::File::open(&spec)?.sync_all()
        };
        moved().map_err(|error| StepError::io("move", pointer, &error))
    }

    /// Removes a record.
    pub fn remove<R: Record>(&self, stamp: &Stamp) -> Result<(), StepError> {
        let path = self.path::<R>(stamp);
        if_there(fs::remove_file(&path))
            .map(drop)
            .map_err(|error| StepError::io("remove", &path, &error))
    }
}

fn read<R: Record>(path: &Utf8Path) -> Result<R, StepError> {
    let text = fs::read_to_string(path).map_err(|error| StepError::io("read", path, &error))?;
    let wrong = |why: String| {
        StepError::new(format!("`{path}` is not a record of a build: {why}"))
            .exit(Exit::Definition)
            .help(format!(
                "remove it: `rm {path}`; what is on the node is found again"
            ))
    };
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let version = value.get("version").and_then(serde_json::Value::as_u64);
    if version.is_some_and(|version| version > u64::from(VERSION)) {
        return Err(
            StepError::new(format!("`{path}` was written by a newer version of `hl`"))
                .exit(Exit::Newer)
                .help("update `hl`"),
        );
    }
    serde_json::from_value(value).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::{manifest::Manifest, manifest::sample};

    fn store() -> (tempfile::TempDir, TemplateStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = TemplateStore::new(Utf8Path::from_path(dir.path()).unwrap().join("debian-13"));
        (dir, store)
    }

    #[test]
    fn records_are_kept_in_order_and_the_pointer_is_relative() {
        let (_guard, store) = store();
        assert!(store.records::<Manifest>().unwrap().is_empty());
        assert_eq!(store.stable::<Manifest>().unwrap(), None);
        let (old, new) = (
            sample("20260101-120000", 100),
            sample("20260102-120000", 101),
        );
        store.write(&new).unwrap();
        store.write(&old).unwrap();
        assert_eq!(
            store.records::<Manifest>().unwrap(),
            [old.clone(), new.clone()]
        );
        store.point::<Manifest>(&old.stamp).unwrap();
        store.point::<Manifest>(&new.stamp).unwrap();
        let pointer = store.pointer::<Manifest>();
        assert_eq!(
            pointer.read_link_utf8().unwrap(),
            "../artifacts/vm-template-20260102-120000.json"
        );
        let read: Manifest = serde_json::from_str(&fs::read_to_string(&pointer).unwrap()).unwrap();
        assert_eq!(read, new);
        assert_eq!(store.stable::<Manifest>().unwrap(), Some(new.stamp.clone()));
        // Nothing but the pointer is in `spec`.
        assert_eq!(fs::read_dir(store.dir().join("spec")).unwrap().count(), 1);
        // A copy instead of a link is understood, and replaced.
        fs::remove_file(&pointer).unwrap();
        fs::copy(store.path::<Manifest>(&old.stamp), &pointer).unwrap();
        assert_eq!(store.stable::<Manifest>().unwrap(), Some(old.stamp.clone()));
        store.point::<Manifest>(&new.stamp).unwrap();
        assert!(pointer.is_symlink());
        store.remove::<Manifest>(&old.stamp).unwrap();
        store.remove::<Manifest>(&old.stamp).unwrap();
        assert_eq!(store.records::<Manifest>().unwrap(), [new]);
    }

    #[test]
    fn other_files_are_left_alone_and_broken_ones_named() {
        let (_guard, store) = store();
        let record = sample("20260101-120000", 100);
        let path = store.write(&record).unwrap();
        fs::write(path.with_file_name("vm-template-draft.json"), "{").unwrap();
        fs::write(path.with_file_name("iso-20260101-120000.json"), "{").unwrap();
        assert_eq!(store.records::<Manifest>().unwrap().len(), 1);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
        assert_eq!(store.records::<Manifest>().unwrap_err().exit, Exit::Newer);
        fs::write(&path, "{").unwrap();
        let error = store.records::<Manifest>().unwrap_err();
        assert_eq!(error.exit, Exit::Definition);
        assert!(error.message.contains("20260101-120000"));
    }
}
