//! Tables of words: one text, with white space between.

/// Whether a table has a word.
pub(super) fn has(table: &str, word: &str) -> bool {
    table.split_whitespace().any(|known| known == word)
}

/// A table as messages show it.
pub(super) fn list(table: &str) -> String {
    table.split_whitespace().collect::<Vec<_>>().join(", ")
}
