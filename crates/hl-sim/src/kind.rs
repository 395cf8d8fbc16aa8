//! What a parameter may be.

/// What a parameter may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A whole number in a range.
    Int(i64, i64),
    /// Any number.
    Number,
    /// Yes or no.
    Bool,
    /// Any text.
    Text,
    /// Text of at most so many characters.
    Short(usize),
    /// One of these.
    Enum(&'static [&'static str]),
    /// A VMID.
    Vmid,
    /// A host name.
    DnsName,
    /// The id of a storage, pool or node.
    Id,
    /// `+1G`, `10G`, plain bytes.
    DiskSize,
    /// Several texts, each given on its own.
    List,
    /// Text with a form of its own.
    Like(fn(&str) -> Result<(), String>),
}

/// The VMIDs that there can be.
pub(super) const VMID: Kind = Kind::Int(100, 999_999_999);
