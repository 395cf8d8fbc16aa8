//! Keys of a node of a file, as types.

use serde::de::DeserializeOwned;

use crate::shape::Node;

/// The text of a key.
pub(super) fn text(node: &Node, key: &str) -> Option<String> {
    Some(node.get(key)?.text()?.to_owned())
}

/// A value that is given. Its table has seen to it that it is of its type.
pub(super) fn value<T: DeserializeOwned>(node: &Node, key: &str) -> Option<T> {
    let node = node.get(key).filter(|node| !node.is_null())?;
    serde_json::from_value(node.to_json()).ok()
}
