//! Findings as text, in rustc's look.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

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
    let path = diagnostic
        .place
        .as_ref()
        .map(|place| place.path().to_string());
    let mut group = match (&diagnostic.place, &path) {
        (Some(place), Some(path)) => {
            let text: &str = &place.source.text;
            let start = place.span.start.min(text.len());
            let end = place.span.end.clamp(start, text.len());
            let mut annotation = AnnotationKind::Primary.span(start..end);
            if !place.label.is_empty() {
                annotation = annotation.label(place.label.as_str());
            }
            Group::with_title(title).element(
                Snippet::source(text)
                    .path(path.as_str())
                    .annotation(annotation),
            )
        }
        _ => Group::with_title(title),
    };
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    renderer.render(&[group]).clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Exit, Source};

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
