//! How a table is written: a line a key.

/// Tables of one kind of names: `static TABLE = "what it is", OTHERS [keys];`.
/// Keys are values such as [`super::key`] gives, each on one line however long:
/// rustfmt leaves them as they are.
macro_rules! tables {
    ($of:ty; $($(#[$note:meta])* $vis:vis static $table:ident = $what:literal, $others:ident [$($key:expr),* $(,)?];)*) => {$(
        $(#[$note])*
        $vis static $table: $crate::shape::Record<$of> = $crate::shape::Record {
            what: $what,
            keys: &[$($key),*],
            others: $crate::shape::Others::$others,
        };
    )*};
}

pub(crate) use tables;
