//! One finding: message, place, help.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::Advice;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing can start.
    Error,
    /// It can start, but the user should know.
    Warning,
}

/// A file's text, shared by all places in it.
#[derive(Debug, Clone)]
pub struct Source {
    /// The path as the user knows it: relative to the lab where possible.
    pub path: Utf8PathBuf,
    /// The whole text.
    pub text: Arc<str>,
    /// Where its lines begin: noted at the first question, for all places in it.
    lines: Arc<OnceLock<Vec<usize>>>,
}

impl Source {
    /// A source with its display path.
    pub fn new(path: impl Into<Utf8PathBuf>, text: impl Into<Arc<str>>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
            lines: Arc::default(),
        }
    }

    /// The bytes at which its lines begin; the first is 0.
    pub(super) fn lines(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let ends = self.text.match_indices('\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(ends).collect()
        })
    }

    /// The line that a byte is in, from 0.
    pub fn line_of(&self, at: usize) -> usize {
        self.lines()
            .partition_point(|begin| *begin <= at)
            .saturating_sub(1)
    }

    /// A place in this source. `span` is in bytes.
    pub fn at(&self, span: Range<usize>, label: impl Into<String>) -> Place {
        Place {
            source: self.clone(),
            span,
            label: label.into(),
        }
    }
}

/// Where in a file a finding is.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file.
    pub source: Source,
    /// Byte range in its text.
    pub span: Range<usize>,
    /// What is said under the underlined text; may be empty.
    pub label: String,
}

impl Place {
    /// Line and column of the start, from 1; columns count characters.
    pub fn line_column(&self) -> (usize, usize) {
        let text = &self.source.text;
        let at = if text.is_char_boundary(self.span.start) {
            self.span.start
        } else {
            text.len()
        };
        let line = self.source.line_of(at);
        let begin = self.source.lines().get(line).copied().unwrap_or_default();
        let before = text.get(begin..at).unwrap_or_default();
        (line + 1, before.chars().count() + 1)
    }

    /// The file's path.
    pub fn path(&self) -> &Utf8Path {
        &self.source.path
    }
}

/// One finding, ready to be shown. Message rules: lower-case, no full stop,
/// subject first, the user's own names in backticks.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// What was found, and what was expected.
    pub message: String,
    /// Where, when it is in a file.
    pub place: Option<Place>,
    /// What to do: commands or edits.
    pub help: Vec<Advice>,
    /// Background that helps to understand.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            place: None,
            help: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A warning without a place.
    pub fn warning(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(message)
        }
    }

    /// Adds the place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Adds one line of help.
    #[must_use]
    pub fn help(mut self, help: impl Into<Advice>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds one note.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_are_counted_from_the_text(text in "[a\u{e4}\n]{0,30}", start in 0_usize..70) {
            let place = Source::new("x", text.clone()).at(start..start, "");
            let before = text.get(..start).unwrap_or(&text);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
            prop_assert_eq!(place.line_column(), (line, column));
        }
    }
}
