//! Findings as text, in rustc's look.

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style};

use super::{Commands, Diagnostic, Failure, Place, Severity};
use crate::base::{is_invisible, sanitize};

/// More findings are counted, not shown: nobody reads a thousand at once.
const SHOWN: usize = 1000;

/// All findings of a failure, each followed by an empty line between them.
/// With `color` the text holds ANSI escapes; `commands` are those of its help.
pub fn render(failure: &Failure, color: bool, commands: Commands) -> String {
    let shown = failure.diagnostics.iter().take(SHOWN);
    let mut parts: Vec<_> = shown.map(|d| one(d, color, commands)).collect();
    let rest = failure.diagnostics.len().saturating_sub(SHOWN);
    if rest > 0 {
        let rest = Diagnostic::error(format!("{rest} more findings are not shown"));
        parts.push(one(&rest.help("mend these first"), color, commands));
    }
    parts.join("\n\n")
}

fn one(diagnostic: &Diagnostic, color: bool, commands: Commands) -> String {
    let help: Vec<String> = diagnostic.help.iter().map(|h| h.text(commands)).collect();
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = clean(&diagnostic.message);
    let title = level.primary_title(message.as_str());
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let Some(place) = &diagnostic.place else {
        let title = renderer.render(&[Group::with_title(title)]);
        return remarks(title, &diagnostic.notes, &help, color);
    };
    let (text, first, span) = excerpt(place);
    let text = same_size(text);
    let text = text.as_str();
    let mut annotation = AnnotationKind::Primary.span(span);
    if !place.label.is_empty() {
        annotation = annotation.label(clean(&place.label));
    }
    let mut group = Group::with_title(title).element(
        Snippet::source(text)
            .line_start(first)
            .path(place.path().as_str())
            .annotation(annotation),
    );
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(clean(note)));
    }
    for help in &help {
        group = group.element(Level::HELP.message(clean(help)));
    }
    renderer.render(&[group])
}

/// The lines that a place is in, with the number of the first and the place's
/// bytes in them: a file of many findings is not gone through for each.
fn excerpt(place: &Place) -> (&str, usize, Range<usize>) {
    let source = &place.source;
    let text: &str = &source.text;
    let start = place.span.start.min(text.len());
    let end = place.span.end.clamp(start, text.len());
    let begin = |line: usize| source.lines().get(line).copied();
    let mut first = source.line_of(start);
    if start == text.len() {
        // The end of the file is told with the line before it.
        first = first.saturating_sub(1);
    }
    let from = begin(first).unwrap_or_default();
    let until = begin(source.line_of(end) + 1).unwrap_or(text.len());
    let lines = text.get(from..until).unwrap_or_default();
    (lines, first + 1, start - from..end - from)
}

/// Notes and help below a title without a source, in the look of a failed step.
fn remarks(title: String, notes: &[String], help: &[String], color: bool) -> String {
    let style = if color {
        Style::new().bold().fg_color(Some(AnsiColor::Cyan.into()))
    } else {
        Style::new()
    };
    let mut out = title;
    let notes = notes.iter().map(|text| ("note", text));
    let help = help.iter().map(|text| ("help", text));
    for (name, text) in notes.chain(help) {
        let text = clean(text).replace('\n', "\n          ");
        // Writing to a String cannot fail.
        write!(out, "\n  {style}= {name}:{style:#} {text}").unwrap_or_default();
    }
    out
}

/// Lines that steer no terminal: a finding may hold an argument as it was
/// typed, or what a tool said.
fn clean(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(sanitize).collect();
    lines.join("\n")
}

/// An excerpt without what the renderer does not replace itself; places in it
/// stay where they are.
fn same_size(text: &str) -> String {
    let odd = |c: char| !c.is_ascii() && (c.is_control() || is_invisible(c));
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.len_utf8() {
            2 if odd(c) => out.push('·'),
            3 if odd(c) => out.push(char::REPLACEMENT_CHARACTER),
            4 if odd(c) => out.push_str("????"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Exit, Source};

    #[test]
    fn without_a_place_notes_and_help_follow_at_once() {
        let failure = Failure::new(
            Exit::Unknown,
            Diagnostic::error("there is no recipe `l2-aply`")
                .note("two\nlines")
                .help("did you mean `l2-apply`?"),
        );
        insta::assert_snapshot!(render(&failure, false, Commands::Live), @r"
        error: there is no recipe `l2-aply`
          = note: two
                  lines
          = help: did you mean `l2-apply`?
        ");
        assert!(render(&failure, true, Commands::Live).contains("\u{1b}["));
    }

    #[test]
    fn only_the_lines_of_a_place_are_looked_at() {
        let text = "one\ntwo\nthree\nfour\n";
        let source = Source::new("x", text);
        let cut = |range: Range<usize>| {
            let place = source.at(range, "");
            let (lines, first, span) = excerpt(&place);
            (lines.to_owned(), first, span)
        };
        assert_eq!(cut(4..7), ("two\n".to_owned(), 2, 0..3));
        assert_eq!(cut(5..9), ("two\nthree\n".to_owned(), 2, 1..5));
        assert_eq!(cut(19..19), ("four\n".to_owned(), 4, 5..5));
        assert_eq!(cut(70..80), ("four\n".to_owned(), 4, 5..5));
    }

    #[test]
    fn very_many_findings_are_counted() {
        let source = Source::new("x", "key: 1\n".repeat(1500));
        let found = |at: usize| Diagnostic::error("no").at(source.at(at * 7..at * 7 + 3, ""));
        let failure = Failure::many(Exit::Definition, (0..1500).map(found).collect());
        let text = render(&failure, false, Commands::Live);
        assert!(text.contains("--> x:1000:1") && !text.contains("--> x:1001:1"));
        assert!(
            text.contains("error: 500 more findings are not shown"),
            "{text}"
        );
    }

    #[test]
    fn nothing_in_a_finding_steers_a_terminal() {
        let odd = "\u{1b}]0;t\u{7}\u{1b}[31mx\u{9b}2my\u{202e}\u{e0041}z";
        let source = Source::new("a.toml", format!("k = \"é{odd}\"\nb"));
        let finding = Diagnostic::error(odd).note(odd).help(odd);
        for finding in [finding.clone(), finding.at(source.at(4..7, odd))] {
            let text = render(&Failure::new(Exit::Usage, finding), false, Commands::Live);
            let odd = |c: char| c != '\n' && (c.is_control() || is_invisible(c));
            assert!(!text.contains(odd), "{text:?}");
            assert!(text.contains("xyz"), "{text}");
        }
    }

    #[test]
    fn a_place_is_underlined_and_help_follows() {
        let source = Source::new(
            "layers/l2/layer.toml",
            "[layer]\nid = \"l2\"\nnmae = \"x\"\n",
        );
        let failure = Failure::new(
            Exit::Definition,
            Diagnostic::error("unknown key `nmae`")
                .at(source.at(18..22, "not a key of `[layer]`"))
                .help("did you mean `name`?"),
        );
        insta::assert_snapshot!(render(&failure, false, Commands::Live), @r#"
        error: unknown key `nmae`
         --> layers/l2/layer.toml:3:1
          |
        3 | nmae = "x"
          | ^^^^ not a key of `[layer]`
          |
          = help: did you mean `name`?
        "#);
    }
}
