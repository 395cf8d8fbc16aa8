//! Findings as text, in rustc's look.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::{Diagnostic, Failure, Severity};

/// All findings of a failure, each followed by an empty line between them.
/// With `color` the text holds ANSI escapes.
pub fn render(failure: &Failure, color: bool) -> String {
    let parts: Vec<_> = failure.diagnostics.iter().map(|d| one(d, color)).collect();
    parts.join("\n\n")
}

fn one(diagnostic: &Diagnostic, color: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str());
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let Some(place) = &diagnostic.place else {
        let title = renderer.render(&[Group::with_title(title)]);
        return remarks(title, diagnostic, color);
    };
    let text: &str = &place.source.text;
    let start = place.span.start.min(text.len());
    let end = place.span.end.clamp(start, text.len());
    let mut annotation = AnnotationKind::Primary.span(start..end);
    if !place.label.is_empty() {
        annotation = annotation.label(place.label.as_str());
    }
    let mut group = Group::with_title(title).element(
        Snippet::source(text)
            .path(place.path().as_str())
            .annotation(annotation),
    );
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// Notes and help below a title without a source, in the look of a failed step.
fn remarks(title: String, diagnostic: &Diagnostic, color: bool) -> String {
    let style = if color {
        Style::new().bold().fg_color(Some(AnsiColor::Cyan.into()))
    } else {
        Style::new()
    };
    let mut out = title;
    let notes = diagnostic.notes.iter().map(|text| ("note", text));
    let help = diagnostic.help.iter().map(|text| ("help", text));
    for (name, text) in notes.chain(help) {
        let text = text.replace('\n', "\n          ");
        // Writing to a String cannot fail.
        write!(out, "\n  {style}= {name}:{style:#} {text}").unwrap_or_default();
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
        insta::assert_snapshot!(render(&failure, false), @r"
        error: there is no recipe `l2-aply`
          = note: two
                  lines
          = help: did you mean `l2-apply`?
        ");
        assert!(render(&failure, true).contains("\u{1b}["));
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
        insta::assert_snapshot!(render(&failure, false), @r#"
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
