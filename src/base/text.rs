//! Text from tools and files as it may be shown.

use super::unseen::{has_unseen, is_variation, unseen, width};

/// One line of text with what could steer a terminal removed: escape
/// sequences, control characters except tab, and characters that reorder or
/// hide text. A line end inside of it becomes a space, so that nothing is
/// joined that stood on two lines.
pub fn sanitize(text: &str) -> String {
    if !text.contains('\n') && !has_unseen(text.as_bytes()) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let plain = |byte: &u8| matches!(byte, b'\t' | 0x20..0x7f);
        let run = rest.bytes().take_while(|byte| plain(byte)).count();
        let (run, behind) = rest.split_at(run);
        out.push_str(run);
        rest = behind;
        let Some(c) = rest.chars().next() else { break };
        let bytes = rest.as_bytes();
        let skip = match unseen(bytes) {
            Some(_) if c == char::REPLACEMENT_CHARACTER || is_variation(c) => {
                out.push(c);
                c.len_utf8()
            }
            Some(_) if c == '\r' || matches!(c, '\u{2028}' | '\u{2029}') => {
                if !matches!(bytes.get(1), None | Some(b'\n')) {
                    out.push(' ');
                }
                c.len_utf8()
            }
            Some(found) => found.bytes(),
            None if c == '\n' => {
                if rest.len() > 1 {
                    out.push(' ');
                }
                1
            }
            None => {
                out.push(c);
                width(bytes)
            }
        };
        let (_, behind) = rest.split_at(skip);
        rest = behind;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_and_tricks_are_gone() {
        for (text, wanted) in [
            (
                "\u{1b}[1;31mred\u{1b}[0m\u{1b}]0;title\u{7} a\u{202e}b\r\n",
                "red ab",
            ),
            ("\tc", "\tc"),
            ("two\nlines\rthree\n", "two lines three"),
            ("H\0i\0", "Hi"),
            ("\u{1b}[31", "[31"),
            ("a\u{1b}]0;no end", "a]0;no end"),
            ("x\u{9b}31my", "xy"),
            ("\u{fffd}é✓⏭\u{fe0f}", "\u{fffd}é✓⏭\u{fe0f}"),
        ] {
            assert_eq!(sanitize(text), wanted, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_left_that_steers(text in "\\PC{0,30}|[a-z\u{1b}\u{9b}\\[\\]0-9;m\u{7}\\\\\u{0}\u{200b}\r\n]{0,60}") {
            let clean = sanitize(&text);
            let kept = |c: char| c == char::REPLACEMENT_CHARACTER || is_variation(c);
            prop_assert!(!has_unseen(clean.replace(kept, "").as_bytes()), "{:?}", clean);
            prop_assert_eq!(sanitize(&clean), clean);
        }
    }
}
