//! Small texts that every listener writes the same way.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use super::is_invisible;

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

/// `1 machine`, `3 machines`.
pub fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// The names in backticks, with commas between them.
pub fn ticked(names: impl IntoIterator<Item = impl Display>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Whether a word stands in a table of words, which is a text with white space
/// between them.
pub fn has_word(table: &str, word: &str) -> bool {
    table.split_whitespace().any(|known| known == word)
}

/// A text that is made line by line.
pub trait Lines {
    /// Adds the line, and its end.
    fn line(&mut self, line: impl Display);
}

impl Lines for String {
    fn line(&mut self, line: impl Display) {
        put(self, format_args!("{line}\n"));
    }
}

/// A word as a shell takes it: in quotes where it needs them, and what is not
/// shown in the way of `$'...'`.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._:@+=/,<>-".contains(c);
    let odd = |c: char| c.is_control() || is_invisible(c);
    if text.contains(odd) {
        let mut out = String::from("$'");
        for c in text.chars() {
            match c {
                '\'' | '\\' => out.extend(['\\', c]),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\u{1b}' => out.push_str("\\e"),
                // Three digits: a digit that follows is none of them.
                c if c.is_ascii() && odd(c) => {
                    put(&mut out, format_args!("\\{:03o}", u32::from(c)));
                }
                c if odd(c) => put(&mut out, format_args!("\\U{:08x}", u32::from(c))),
                c => out.push(c),
            }
        }
        out.push('\'');
        out
    } else if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    out.write_fmt(text).unwrap_or_default();
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
    fn numbers_and_names_are_told_as_people_tell_them() {
        let told = [0, 1, 2].map(|number| count(number, "machine"));
        assert_eq!(told, ["0 machines", "1 machine", "2 machines"]);
        assert_eq!(ticked(["a", "b"]), "`a`, `b`");
        assert_eq!(ticked([""; 0]), "");
    }

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(
            ["dev", "--tags=a,b", "it's", "a b", ""].map(quoted),
            ["dev", "--tags=a,b", r"'it'\''s'", "'a b'", "''"]
        );
        assert_eq!(
            ["esc\u{1b}[31mX", "it's\n\u{7}7\\", "a\u{9b}\u{202e}b"].map(quoted),
            [
                r"$'esc\e[31mX'",
                r"$'it\'s\n\0077\\'",
                r"$'a\U0000009b\U0000202eb'"
            ]
        );
    }
}
