//! A shape: what a value is, and of a mapping which keys it has.

use crate::site::tree::Kind;

/// What a value may be. `null` is taken everywhere as "not given".
#[derive(Debug, Clone, Copy)]
pub(in crate::site) enum Shape {
    /// Text, empty too.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number from, to.
    Integer(i64, i64),
    /// An IPv4 address.
    Address,
    /// An IPv4 address with its prefix, or `dhcp`.
    Cidr,
    /// `http://...` or `https://...`, or empty.
    Url,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// The name of a file of this kind.
    Name(Kind),
    /// The name of one of `api_tokens` in `secrets.yaml`.
    ApiToken,
    /// The name of one of `ssh_keys` in `secrets.yaml`, with `ssh_keys.` before it or without.
    SshKey,
    /// A list of these.
    List(&'static Shape),
    /// A mapping with these keys.
    Record(&'static Record),
    /// A mapping from names that are free.
    Keyed(&'static Shape),
    /// Anything.
    Any,
}

/// A mapping.
#[derive(Debug, Clone, Copy)]
pub(in crate::site) struct Record {
    /// For messages: `a node`.
    pub(in crate::site) what: &'static str,
    pub(in crate::site) keys: &'static [Key],
    /// What happens to keys that are not known.
    pub(in crate::site) others: Others,
}

/// Keys that are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::site) enum Others {
    /// An error.
    Refused,
    /// They pass through; one that is close to a known key is a warning.
    Pass,
}

/// A key.
#[derive(Debug, Clone, Copy)]
pub(in crate::site) struct Key {
    pub(in crate::site) name: &'static str,
    pub(in crate::site) shape: Shape,
    pub(in crate::site) doc: &'static str,
    pub(in crate::site) required: bool,
}

/// A key that may be absent.
pub(super) const fn key(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key {
        name,
        shape,
        doc,
        required: false,
    }
}

/// A key that must be there.
pub(super) const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key {
        name,
        shape,
        doc,
        required: true,
    }
}

impl Record {
    /// The key of that name.
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}
