//! Small texts that every listener writes the same way.

use std::time::Duration;

/// `12s`, `3m 05s`, `1h 02m`; below ten seconds with one decimal.
pub fn short_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1}s", duration.as_secs_f64()),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A word as a shell takes it: in quotes where it needs them.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._:@+=/,<>-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Text from tools and files with what could steer a terminal removed:
/// escape sequences, control characters except tab, and characters that
/// reorder or hide text.
pub fn sanitize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\t' => out.push('\t'),
            c if c.is_control() => {}
            '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}' => {}
            c => out.push(c),
        }
    }
    out
}

/// Skips one ANSI sequence after ESC: CSI to its final byte, OSC to BEL or ST.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => {
            while chars
                .next()
                .is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c))
            {}
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(c) = chars.next() {
                if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let text = |s| short_duration(Duration::from_secs_f64(s));
        assert_eq!(
            [text(0.42), text(12.9), text(185.0), text(3720.0)],
            ["0.4s", "12s", "3m 05s", "1h 02m"]
        );
    }

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(
            ["dev", "--tags=a,b", "it's", "a b", ""].map(quoted),
            ["dev", "--tags=a,b", r"'it'\''s'", "'a b'", "''"]
        );
    }

    #[test]
    fn escapes_and_tricks_are_gone() {
        assert_eq!(
            sanitize("\u{1b}[1;31mred\u{1b}[0m\u{1b}]0;title\u{7} a\u{202e}b\r\n\tc"),
            "red ab\tc"
        );
    }
}
