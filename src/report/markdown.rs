//! Markdown that holds what steps and tools said.

use std::time::Duration;

use crate::plan::sanitize;

/// A row of a table: what would end a cell or begin a new line is taken away.
pub(super) fn row(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| text(cell)).collect();
    format!("| {} |", cells.join(" | "))
}

/// One line of text.
pub(super) fn text(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(sanitize).collect();
    lines.join(" ").replace('\\', "\\\\").replace('|', "\\|")
}

/// `12.3s`
pub(super) fn seconds(took: Duration) -> String {
    format!("{:.1}s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_one_cell() {
        assert_eq!(
            row(&["a|b", "two\nlines", "\u{1b}[31mx"])
                .matches(" | ")
                .count(),
            2
        );
        assert_eq!(text("a|b\\"), "a\\|b\\\\");
    }
}
