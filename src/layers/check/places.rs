//! Where in a file a part of a text is.

use std::ops::Range;

use crate::layers::fields::Findings;

/// Where `name` is written inside the string at `span`.
pub(super) fn place_of(findings: &Findings, span: &Range<usize>, name: &str) -> Range<usize> {
    let raw = findings.source.text.get(span.clone()).unwrap_or_default();
    match raw.find(name) {
        Some(at) => span.start + at..span.start + at + name.len(),
        None => span.clone(),
    }
}

/// Where a byte range of a template is in the file, when the string is
/// written without escapes.
pub(in crate::layers) fn inner(
    findings: &Findings,
    span: &Range<usize>,
    text: &str,
    range: Option<&Range<usize>>,
) -> Range<usize> {
    let raw = findings.source.text.get(span.clone()).unwrap_or_default();
    match (raw.find(text), range) {
        (Some(at), Some(range)) if range.end <= text.len() => {
            span.start + at + range.start..span.start + at + range.end
        }
        _ => span.clone(),
    }
}
