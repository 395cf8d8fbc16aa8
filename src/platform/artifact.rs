//! Files as they are rendered, and numbers over them.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::base::hex;

/// A rendered file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The adapter that wrote it.
    pub adapter: String,
    /// Permission bits.
    pub mode: u32,
    /// Its content.
    pub data: Vec<u8>,
}

/// Rendered files by their paths below `generated`.
pub type Artifacts = BTreeMap<Utf8PathBuf, Artifact>;

/// SHA-256, hex, over parts, each behind its length: `ab` and `c` are not `a` and
/// `bc`.
#[derive(Debug, Default)]
pub(super) struct Parts(Sha256);

impl Parts {
    pub(super) fn add(&mut self, part: &[u8]) -> &mut Self {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        self.0.update(length.to_be_bytes());
        self.0.update(part);
        self
    }

    pub(super) fn end(&mut self) -> String {
        hex(&std::mem::take(&mut self.0).finalize())
    }
}

/// The number of files: over their names, modes and contents.
pub(super) fn digest<'a>(files: impl Iterator<Item = (&'a Utf8PathBuf, u32, &'a [u8])>) -> String {
    let mut parts = Parts::default();
    for (path, mode, data) in files {
        parts.add(path.as_str().as_bytes());
        parts.add(&mode.to_be_bytes());
        parts.add(data);
    }
    parts.end()
}

/// The number of rendered files.
pub(super) fn of_artifacts(files: &Artifacts) -> String {
    let parts = files.iter();
    digest(parts.map(|(path, file)| (path, file.mode, file.data.as_slice())))
}

/// The number of a value: over its JSON, keys sorted.
pub(super) fn of_value(value: &Value) -> String {
    Parts::default().add(value.to_string().as_bytes()).end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Files = BTreeMap<String, (u32, Vec<u8>)>;

    fn number(files: &Files) -> String {
        let all: Artifacts = files
            .iter()
            .map(|(path, (mode, data))| {
                let file = Artifact {
                    adapter: String::new(),
                    mode: *mode,
                    data: data.clone(),
                };
                (Utf8PathBuf::from(path), file)
            })
            .collect();
        of_artifacts(&all)
    }

    fn trees() -> impl Strategy<Value = Files> {
        let file = (
            prop_oneof![Just(0o644_u32), Just(0o755)],
            prop::collection::vec(any::<u8>(), 0..5),
        );
        prop::collection::btree_map("[ab]{1,3}", file, 0..4)
    }

    proptest! {
        /// Two trees have one number only when they are the same: names, modes and bytes.
        #[test]
        fn any_change_is_another_number(a in trees(), b in trees()) {
            prop_assert_eq!(number(&a) == number(&b), a == b);
        }
    }
}
