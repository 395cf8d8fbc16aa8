//! The page for people.

/// Who is logged in.
#[derive(Debug)]
pub(in crate::serve) struct Sessions;
