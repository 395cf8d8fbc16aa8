//! A table: what a value is, and of a mapping which keys it has.

use std::fmt;

use crate::diag::Diagnostic;

/// What a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `null` is taken everywhere as "not given".
    Yaml,
    /// Has no `null`.
    Toml,
}

/// What a value may be. `N` says what the names in a file stand for.
#[derive(Debug, Clone, Copy)]
pub enum Shape<N: 'static = Nothing> {
    /// Text, empty too.
    Text,
    /// Text that is not blank.
    Filled,
    /// Text of a form.
    Form(&'static Form),
    /// `true` or `false`.
    Bool,
    /// A whole number from, to.
    Integer(i64, i64),
    /// Text, `true` or `false`, or a whole number.
    Scalar,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// The name of something else.
    Name(N),
    /// A list of these.
    List(&'static Shape<N>),
    /// A mapping with these keys.
    Record(&'static Record<N>),
    /// A mapping from names that are free.
    Keyed(&'static Shape<N>),
    /// A mapping from names of a form.
    Named(&'static Form, &'static Shape<N>),
    /// Anything.
    Any,
}

/// What a text must look like.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// For messages: `an address such as 192.168.1.1`.
    pub is: &'static str,
    /// What is wrong with a text: the first argument is what it is called
    /// (`` `ip` ``), the second the text. The place is added to what it gives.
    pub wrong: fn(&str, &str) -> Option<Diagnostic>,
    /// The form as a regular expression, for schemas; may be empty.
    pub pattern: &'static str,
}

/// What a name stands for.
pub trait Referent: fmt::Debug + Copy + 'static {
    /// What must be named, where nothing is not the same as "not given".
    fn never_null(self) -> Option<&'static str>;
    /// The name as a regular expression, for schemas.
    fn pattern(self) -> &'static str;
}

/// In files without names of anything else.
#[derive(Debug, Clone, Copy)]
pub enum Nothing {}

impl Referent for Nothing {
    fn never_null(self) -> Option<&'static str> {
        match self {}
    }

    fn pattern(self) -> &'static str {
        match self {}
    }
}

/// A mapping.
#[derive(Debug, Clone, Copy)]
pub struct Record<N: 'static = Nothing> {
    /// For messages: `a node`.
    pub what: &'static str,
    /// Its keys.
    pub keys: &'static [Key<N>],
    /// What happens to keys that are not known.
    pub others: Others,
}

/// Keys that are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// An error.
    Refused,
    /// They pass through; one that is close to a known key is a warning.
    Pass,
}

/// A key.
#[derive(Debug, Clone, Copy)]
pub struct Key<N: 'static = Nothing> {
    /// As it is written.
    pub name: &'static str,
    /// What its value may be.
    pub shape: Shape<N>,
    /// For people.
    pub doc: &'static str,
    /// Whether it must be there.
    pub required: bool,
}

/// A key that may be absent.
pub const fn key<N: Copy>(name: &'static str, shape: Shape<N>, doc: &'static str) -> Key<N> {
    Key {
        name,
        shape,
        doc,
        required: false,
    }
}

/// A key that must be there.
pub const fn required<N: Copy>(name: &'static str, shape: Shape<N>, doc: &'static str) -> Key<N> {
    Key {
        name,
        shape,
        doc,
        required: true,
    }
}

impl<N> Record<N> {
    /// The key of that name.
    pub(super) fn key(&self, name: &str) -> Option<&'static Key<N>> {
        self.keys.iter().find(|key| key.name == name)
    }
}
