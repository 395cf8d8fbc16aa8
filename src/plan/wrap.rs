//! Long lines on a terminal: broken between words, continued under their text.

use crate::base::sanitize;

/// Where the text of a line begins: behind the verb.
pub const TEXT: usize = 13;

/// The text, which begins in column `first`, with a break before each word
/// that does not fit into `width`; continued in column `indent`, or further left
/// where a word is too long for that. A word longer than a line is left whole,
/// so that it can be copied. Escape sequences take no columns. No width: no breaks.
pub fn wrap(text: &str, first: usize, indent: usize, width: Option<usize>) -> String {
    let Some(width) = width.filter(|width| *width > indent + 20) else {
        return text.to_owned();
    };
    let mut out = String::with_capacity(text.len());
    let mut column = first;
    // Runs of spaces are kept: tables stay tables.
    for piece in text.split_inclusive(' ') {
        let word = piece.trim_end_matches(' ');
        let length = columns(word);
        let below = indent.min(width.saturating_sub(length));
        if column + length > width && length <= width && column > below {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', below));
            column = below;
        }
        out.push_str(piece);
        column += columns(piece);
    }
    out
}

/// Columns that a text takes on a terminal.
fn columns(text: &str) -> usize {
    sanitize(text).chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_kept_and_continued_under_the_text() {
        insta::assert_snapshot!(
            wrap("one two three four five six seven", 30, 4, Some(40)),
            @r"
        one two
            three four five six seven
        "
        );
        let url = format!("see https://{}", "x".repeat(60));
        assert_eq!(wrap(&url, 4, 4, Some(40)), url);
        let more = wrap(&format!("{url} now"), 4, 4, Some(40));
        assert_eq!(more, format!("{url}\n    now"));
        assert_eq!(wrap("a  b", 0, 2, Some(40)), "a  b");
        let long = "x".repeat(35);
        let more = wrap(&format!("see {long} now"), 10, 10, Some(40));
        assert_eq!(more, format!("see\n     {long}\n          now"));
        assert_eq!(wrap(&long, 30, 4, Some(40)), format!("\n    {long}"));
        assert_eq!(wrap("one two", 39, 0, None), "one two");
        let painted = "\u{1b}[1m\u{1b}[36mone\u{1b}[0m two";
        assert_eq!(wrap(painted, 33, 4, Some(40)), painted);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_lines_fit(words in prop::collection::vec("[a-z]{1,9}", 1..40), first in 0_usize..30, width in 40_usize..90) {
            let text = words.join(" ");
            let wrapped = wrap(&text, first, 8, Some(width));
            prop_assert_eq!(wrapped.split_whitespace().collect::<Vec<_>>(), words);
            for (index, line) in wrapped.lines().enumerate() {
                let begin = if index == 0 { first } else { 0 };
                prop_assert!(begin + line.trim_end().chars().count() <= width);
            }
        }
    }
}
