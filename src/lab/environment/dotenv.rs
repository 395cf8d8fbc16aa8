//! `.env` files: dotenvy's syntax, with the line of every variable.
//!
//! An error shows the name and the place, never what was written behind `=`:
//! such files hold secrets.

use std::cell::Cell;
use std::fs;
use std::io::{self, Read};
use std::rc::Rc;

use camino::Utf8Path;

use crate::diag::{Diagnostic, Exit, Failure, Source};

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lab) struct Entry {
    /// Variable's name.
    pub(in crate::lab) name: String,
    /// Its value.
    pub(in crate::lab) value: String,
    /// Line on which the assignment begins, from 1.
    pub(in crate::lab) line: usize,
}

/// The longest value: what Linux lets a program be given in one variable
/// (`MAX_ARG_STRLEN`), its name, the `=` and the zero behind it included.
const LONGEST: usize = 128 << 10;

/// The largest file.
const LARGEST: u64 = 64 << 20;

/// The assignments of the file at `path`, in its order; none when there is no
/// such file. `shown` is the path as the user knows it.
///
/// # Errors
/// It cannot be read, or a line is no assignment (65).
pub(in crate::lab) fn read(path: &Utf8Path, shown: &Utf8Path) -> Result<Vec<Entry>, Failure> {
    if let Ok(meta) = fs::metadata(path)
        && meta.len() > LARGEST
    {
        return Err(Failure::message(
            Exit::Definition,
            format!(
                "`{shown}` is larger than {} MiB, expected a file of variables",
                LARGEST >> 20
            ),
        ));
    }
    match fs::read_to_string(path) {
        Ok(text) => parse(&text, shown),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Failure::message(
            Exit::Definition,
            format!("cannot read `{shown}`: {error}"),
        )),
    }
}

fn parse(text: &str, shown: &Utf8Path) -> Result<Vec<Entry>, Failure> {
    let text = text.trim_start_matches('\u{feff}');
    let lines: Vec<&str> = text.lines().collect();
    let taken = Rc::new(Cell::new(0));
    let reader = OneLineAtATime {
        lines: lines.iter().copied(),
        rest: &[],
        ending: false,
        taken: Rc::clone(&taken),
    };
    let mut entries = Vec::new();
    let mut wrong = Vec::new();
    let mut parsed = dotenvy::Iter::new(reader);
    loop {
        let before = taken.get();
        let Some(item) = parsed.next() else { break };
        let line = begins(&lines, before);
        match item {
            Ok((name, value)) if name.len() + value.len() + 2 > LONGEST => {
                wrong.push(too_long(&lines, line, &name, value.len()));
            }
            Ok((name, value)) => entries.push(Entry { name, value, line }),
            Err(_) => wrong.push(mistake(&lines, line, taken.get())),
        }
    }
    if wrong.is_empty() {
        return Ok(entries);
    }
    // One text for all places: lines keep their numbers, and show no value.
    let mut text = String::new();
    let mut at = 1;
    let mut spans = Vec::with_capacity(wrong.len());
    for mistake in &wrong {
        while at < mistake.line {
            text.push('\n');
            at += 1;
        }
        let start = text.len();
        text.push_str(&mistake.shown);
        spans.push(start..text.len());
    }
    let source = Source::new(shown, text);
    let found = wrong.into_iter().zip(spans);
    let found = found.map(|(mistake, span)| mistake.finding.at(source.at(span, "")));
    Err(Failure::many(Exit::Definition, found.collect()))
}

/// What is wrong with an assignment.
struct Mistake {
    line: usize,
    finding: Diagnostic,
    /// What is shown of the line.
    shown: String,
}

fn too_long(lines: &[&str], line: usize, name: &str, length: usize) -> Mistake {
    let room = LONGEST - name.len() - 2;
    let written = lines.get(line - 1).and_then(|line| line.split_once('='));
    let finding = Diagnostic::error(format!(
        "the value of `{name}` has {length} bytes, a program can be given at most {room}"
    ));
    Mistake {
        line,
        finding: finding.help("put it in a file, and the file's path in the variable"),
        shown: format!("{}=(not shown)", written.map_or(name, |(name, _)| name)),
    }
}

/// The line, from 1, of the first assignment after the first `before` lines.
fn begins(lines: &[&str], before: usize) -> usize {
    let skipped = lines
        .iter()
        .skip(before)
        .take_while(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
        .count();
    (before + skipped + 1).min(lines.len())
}

fn mistake(lines: &[&str], line: usize, last: usize) -> Mistake {
    let written = lines.get(line - 1).copied().unwrap_or_default();
    let (name, hidden) = match written.split_once('=') {
        Some((name, value)) if is_name(name) => (Some(name), !value.is_empty()),
        _ => (None, true),
    };
    let mut found = match name {
        Some(name) => Diagnostic::error(format!(
            "the value of `{}` cannot be read",
            name.trim().trim_start_matches("export").trim()
        )),
        None => Diagnostic::error("this line is no assignment: expected `NAME=value`"),
    };
    found = if last > line {
        found.help("a quote opens here and never closes: close it, or escape it with `\\`")
    } else if name.is_some() {
        found.help("put a value with spaces or special characters in single quotes: `NAME='...'`")
    } else {
        found.help("begin a comment with `#`")
    };
    let mut shown = name.unwrap_or_default().to_owned();
    if name.is_some() {
        shown.push('=');
    }
    if hidden {
        shown.push_str("(not shown)");
    }
    Mistake {
        line,
        finding: found,
        shown,
    }
}

/// Whether the text before `=` is a variable's name, perhaps after `export`.
fn is_name(text: &str) -> bool {
    let name = text.trim();
    let name = name.strip_prefix("export ").map_or(name, str::trim);
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

/// Gives a reader one line for each call, and counts: so the number of lines
/// that the parser took for an assignment is known.
struct OneLineAtATime<'a, I: Iterator<Item = &'a str>> {
    lines: I,
    /// What is left of the line that was begun.
    rest: &'a [u8],
    /// Whether its end is still to be given.
    ending: bool,
    taken: Rc<Cell<usize>>,
}

impl<'a, I: Iterator<Item = &'a str>> Read for OneLineAtATime<'a, I> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() && !self.ending {
            let Some(line) = self.lines.next() else {
                return Ok(0);
            };
            self.taken.set(self.taken.get() + 1);
            self.rest = line.as_bytes();
            self.ending = true;
        }
        let mut count = self.rest.len().min(buf.len());
        let (now, later) = self.rest.split_at(count);
        buf.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
        self.rest = later;
        // Always: the parser takes a blank before the end of the file for an
        // open value.
        if later.is_empty()
            && let Some(end) = buf.get_mut(count)
        {
            *end = b'\n';
            self.ending = false;
            count += 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::render;
    use proptest::prelude::*;
    use std::fmt::Write;

    fn ok(text: &str) -> Vec<(String, String, usize)> {
        parse(text, Utf8Path::new(".env"))
            .unwrap()
            .into_iter()
            .map(|e| (e.name, e.value, e.line))
            .collect()
    }

    fn entry(name: &str, value: &str, line: usize) -> (String, String, usize) {
        (name.to_owned(), value.to_owned(), line)
    }

    #[test]
    fn every_assignment_knows_its_line() {
        let text = "\u{feff}# a comment\n\nA=1\n  # more\nexport B='two words'\n\
                    C=\"first\nsecond # no comment\nthird\"\nD=4 # it's a comment\n\nE=\nF=6 ";
        assert_eq!(
            ok(text),
            [
                entry("A", "1", 3),
                entry("B", "two words", 5),
                entry("C", "first\nsecond # no comment\nthird", 6),
                entry("D", "4", 9),
                entry("E", "", 11),
                entry("F", "6", 12),
            ]
        );
    }

    #[test]
    fn mistakes_have_a_place_and_show_no_value() {
        let text = "A=1\nPM_TOKEN_SECRET=hunter2 hunter3\nnonsense hunter2\nB=2\n";
        let failure = parse(text, Utf8Path::new(".env")).unwrap_err();
        assert_eq!(failure.exit, Exit::Definition);
        let shown = render(&failure, false, crate::diag::Commands::Live);
        assert!(!shown.contains("hunter"), "{shown}");
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn a_value_that_no_program_can_be_given_is_a_finding() {
        let room = LONGEST - "A=".len() - 1;
        let fits = format!("A={}\nB=2\n", "x".repeat(room));
        assert_eq!(ok(&fits).len(), 2);
        let long = format!("C=1\nexport A='{}'\nB=2\n", "hunter2".repeat(1 << 20));
        let failure = parse(&long, Utf8Path::new(".env")).unwrap_err();
        let shown = render(&failure, false, crate::diag::Commands::Live);
        assert!(!shown.contains("hunter"), "{shown}");
        insta::assert_snapshot!(shown, @r"
        error: the value of `A` has 7340032 bytes, a program can be given at most 131069
         --> .env:2:1
          |
        2 | export A=(not shown)
          | ^^^^^^^^^^^^^^^^^^^^
          |
          = help: put it in a file, and the file's path in the variable
        ");
    }

    /// Counts how often a piece of text is taken up.
    #[test]
    fn a_long_line_is_read_once() {
        let line = "x".repeat(1 << 20);
        let mut reader = OneLineAtATime {
            lines: [line.as_str(), "y"].into_iter(),
            rest: &[],
            ending: false,
            taken: Rc::default(),
        };
        let mut calls = 0;
        let mut read = Vec::new();
        let mut buf = [0; 8192];
        loop {
            let count = reader.read(&mut buf).unwrap();
            // What is left is a part of the line itself: nothing is copied.
            let range = line.as_bytes().as_ptr_range();
            assert!(reader.rest.is_empty() || range.contains(&reader.rest.as_ptr()));
            if count == 0 {
                break;
            }
            calls += 1;
            read.extend_from_slice(&buf[..count]);
        }
        assert_eq!(read, format!("{line}\ny\n").into_bytes());
        assert_eq!(calls, (1 << 20) / 8192 + 2);
    }

    #[test]
    fn all_mistakes_share_one_text() {
        let text = "no\nA=1\nsuch thing\n".repeat(1000);
        let failure = parse(&text, Utf8Path::new(".env")).unwrap_err();
        assert_eq!(failure.diagnostics.len(), 2000);
        let source = |at: usize| {
            let place = failure.diagnostics[at].place.as_ref().unwrap();
            (place.source.text.as_ptr(), place.line_column())
        };
        assert_eq!(source(0), (source(1999).0, (1, 1)));
        assert_eq!(source(1999).1, (3000, 1));
    }

    #[test]
    fn an_open_quote_is_reported_where_it_opens() {
        let failure =
            parse("A=1\n\nB='never closed\nC=3\nD=4\n", Utf8Path::new(".env")).unwrap_err();
        assert_eq!(failure.diagnostics.len(), 1);
        let place = failure.diagnostics[0].place.as_ref().unwrap();
        assert_eq!(place.line_column(), (3, 1));
        assert!(!render(&failure, false, crate::diag::Commands::Live).contains("never closed"));
    }

    proptest! {
        #[test]
        fn lines_are_counted_right_whatever_stands_between(
            gaps in prop::collection::vec(prop::collection::vec(
                prop_oneof![Just(""), Just("# it's \"x"), Just("   "), Just("#")], 0..3), 1..6),
            values in prop::collection::vec(
                prop_oneof![Just("x"), Just("'a b'"), Just("\"a\nb\""), Just("x # c"), Just("")], 6),
        ) {
            let (mut text, mut line, mut expected) = (String::new(), 1, Vec::new());
            for (index, (gap, value)) in gaps.iter().zip(&values).enumerate() {
                for filler in gap {
                    text.push_str(filler);
                    text.push('\n');
                    line += 1;
                }
                expected.push((format!("V{index}"), line));
                writeln!(text, "V{index}={value}").unwrap();
                line += 1 + value.matches('\n').count();
            }
            let found: Vec<_> = ok(&text).into_iter().map(|(name, _, line)| (name, line)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
