//! What is looked for, and the masking of whole texts.

use std::sync::Arc;

use aho_corasick::AhoCorasick;

use super::forms::{self, SHORTEST};
use super::stream::RedactStream;

/// Replaces secret values in text with `(secret)`.
///
/// Masked are the values, their lines, their URL-encoded, JSON-escaped and
/// base64 forms, and the secret part of an API token. Values shorter than four
/// characters are not (see [`Redactor::is_too_short`]). Where secrets overlap,
/// all that any of them covers is masked.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    search: Option<Search>,
}

#[derive(Debug, Clone)]
struct Search {
    automaton: AhoCorasick,
    /// Sorted.
    patterns: Arc<[String]>,
    longest: usize,
}

impl Redactor {
    /// A redactor for these values.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut patterns: Vec<String> = secrets.into_iter().flat_map(forms::of).collect();
        patterns.sort_unstable();
        patterns.dedup();
        let longest = patterns.iter().map(String::len).max().unwrap_or_default();
        // Building fails only beyond the automaton's limits (2^31 states).
        let search = (longest > 0)
            .then(|| AhoCorasick::new(&patterns).ok())
            .flatten()
            .map(|automaton| Search {
                automaton,
                patterns: patterns.into(),
                longest,
            });
        Self { search }
    }

    /// Whether a value is too short to be masked.
    pub fn is_too_short(value: &str) -> bool {
        value.trim().chars().count() < SHORTEST
    }

    /// The text with every secret masked.
    pub fn text(&self, text: &str) -> String {
        match &self.search {
            Some(search) if search.automaton.is_match(text) => {
                let mut stream = self.stream();
                let mut out = stream.push(text.as_bytes());
                out.extend(stream.finish());
                // Patterns are whole characters, so the result is whole, too.
                String::from_utf8_lossy(&out).into_owned()
            }
            _ => text.to_owned(),
        }
    }

    /// Masks bytes that come in pieces, such as a tool's output.
    pub fn stream(&self) -> RedactStream {
        RedactStream::new(self.clone())
    }

    /// Where secrets are in `bytes`, in order of their ends.
    pub(super) fn matches(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        self.search.as_ref().map_or_else(Vec::new, |search| {
            search
                .automaton
                .find_overlapping_iter(bytes)
                .map(|found| (found.start(), found.end()))
                .collect()
        })
    }

    /// Where the first secret begins that `bytes` may hold only the start of;
    /// the end of `bytes` when there is none.
    pub(super) fn begun(&self, bytes: &[u8]) -> usize {
        let Some(search) = &self.search else {
            return bytes.len();
        };
        (bytes.len().saturating_sub(search.longest - 1)..bytes.len())
            .find(|at| bytes.get(*at..).is_some_and(|tail| search.may_become(tail)))
            .unwrap_or(bytes.len())
    }
}

impl Search {
    /// Whether `tail` is the start of a longer pattern.
    fn may_become(&self, tail: &[u8]) -> bool {
        let first = self.patterns.partition_point(|p| p.as_bytes() < tail);
        // The first may be `tail` itself; the next one is longer then.
        self.patterns
            .iter()
            .skip(first)
            .take(2)
            .any(|p| p.len() > tail.len() && p.as_bytes().starts_with(tail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_secrets_are_masked_together() {
        let redactor = Redactor::new(["abcd", "dEFGHIJKLMNOP", "cdEF"]);
        assert_eq!(redactor.text("x abcdEFGHIJKLMNOP y"), "x (secret) y");
        assert_eq!(redactor.text("abcdabcd"), "(secret)(secret)");
    }

    #[test]
    fn nothing_to_hide_changes_nothing() {
        for redactor in [
            Redactor::default(),
            Redactor::new([]),
            Redactor::new(["abc", ""]),
        ] {
            assert_eq!(redactor.text("abc"), "abc");
        }
        assert!(Redactor::is_too_short(" abc "));
        assert!(!Redactor::is_too_short("abcd"));
    }

    #[test]
    fn tokens_are_masked_in_headers() {
        let redactor = Redactor::new(["0b7e0b7e-aaaa"]);
        assert_eq!(
            redactor.text("Authorization: PVEAPIToken=hl@pve!hl=0b7e0b7e-aaaa"),
            "Authorization: PVEAPIToken=hl@pve!hl=(secret)"
        );
    }
}
