//! The shipped adapters inside the binary.

use std::borrow::Cow;
use std::collections::BTreeMap;

use camino::Utf8Path;
use rust_embed::Embed;

use super::model::{Adapter, Origin};
use super::read_adapter::read;
use crate::diag::Failure;

/// `platform/adapters/`
#[derive(Embed)]
#[folder = "platform/adapters/"]
struct Adapters;

/// The shipped adapters by name.
///
/// # Errors
/// One of them is wrong, which a test would have said (65).
pub(super) fn shipped() -> Result<BTreeMap<String, Adapter>, Failure> {
    let mut folders: BTreeMap<String, BTreeMap<String, Cow<'static, [u8]>>> = BTreeMap::new();
    for path in Adapters::iter() {
        let Some((folder, file)) = path.split_once('/') else {
            continue;
        };
        if let Some(found) = Adapters::get(&path) {
            let files = folders.entry(folder.to_owned()).or_default();
            files.insert(file.to_owned(), found.data);
        }
    }
    let mut adapters = BTreeMap::new();
    for (folder, files) in folders {
        let shown = Utf8Path::new("shipped adapters").join(&folder);
        adapters.insert(folder, read(&shown, Origin::Shipped, files)?);
    }
    Ok(adapters)
}
