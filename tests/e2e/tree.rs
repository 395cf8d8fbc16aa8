//! Whole directory trees: what is in them, and what must not be.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use sha2::{Digest, Sha256};

/// Regular files and links below `root`, but not below `without` (relative to
/// `root`). Links are not followed.
pub(super) fn files(root: &Path, without: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let kind = entry.file_type().unwrap();
            if without.iter().any(|out| path == root.join(out)) {
                continue;
            }
            if kind.is_dir() {
                dirs.push(path);
            } else if kind.is_file() || kind.is_symlink() {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Every file with its mode and the hash of what is in it, or where it leads.
pub(super) fn hashes(root: &Path, without: &[&str]) -> BTreeMap<PathBuf, String> {
    let hash = |path: &Path| {
        let meta = fs::symlink_metadata(path).unwrap();
        let content = if meta.is_symlink() {
            fs::read_link(path)
                .unwrap()
                .into_os_string()
                .into_encoded_bytes()
        } else {
            fs::read(path).unwrap()
        };
        format!(
            "{:o} {:?}",
            meta.permissions().mode(),
            Sha256::digest(content)
        )
    };
    let found = files(root, without).into_iter();
    found.map(|path| (path.clone(), hash(&path))).collect()
}

/// No file below `root` but those in `without` holds any of these texts.
#[track_caller]
pub(super) fn holds_none(root: &Path, without: &[&str], texts: &[String]) {
    let search = AhoCorasick::new(texts).unwrap();
    let mut looked = 0;
    for path in files(root, without) {
        if path.is_symlink() {
            continue;
        }
        looked += 1;
        let bytes = fs::read(&path).unwrap();
        if let Some(hit) = search.find(&bytes) {
            panic!("`{}` is in {}", texts[hit.pattern()], path.display());
        }
    }
    assert!(looked > 0, "{} holds no file", root.display());
}
