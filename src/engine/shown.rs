//! Text as listeners get it: without secrets, without what steers a terminal,
//! and in lines of a length that can be kept and shown.

use crate::lab::Redactor;

/// Bytes of a line that listeners get; the step's log has all of it.
const LONGEST: usize = 2048;
/// What it may be longer: what a cut line says of the rest, so that it is not
/// cut again.
const MORE: usize = 64;

/// Text with every line masked, clean and short.
pub(super) fn shown(text: &str, redactor: &Redactor) -> String {
    let text = redactor.shown(text);
    if text.len() <= LONGEST {
        return text;
    }
    let lines: Vec<String> = text.split('\n').map(short).collect();
    lines.join("\n")
}

/// A line as far as it is kept.
pub(super) fn short(line: &str) -> String {
    if line.len() <= LONGEST + MORE {
        return line.to_owned();
    }
    let (head, rest) = line.split_at(line.floor_char_boundary(LONGEST));
    format!("{head} ... ({} bytes more)", rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_long_line_says_what_it_lacks() {
        let long = "é".repeat(LONGEST);
        let text = shown(&format!("a\n{long}\nb"), &Redactor::default());
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!((lines[0], lines[2]), ("a", "b"));
        assert_eq!(shown(&text, &Redactor::default()), text);
        assert!(
            lines[1].ends_with("é ... (2048 bytes more)"),
            "{}",
            lines[1]
        );
    }

    proptest! {
        #[test]
        fn every_line_is_short(text in "[aé\n]{0,40}", times in 1usize..300) {
            let text = shown(&text.repeat(times), &Redactor::default());
            prop_assert!(text.split('\n').all(|line| line.len() <= LONGEST + MORE));
        }
    }
}
