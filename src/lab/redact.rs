//! The one redactor in front of every sink.

use aho_corasick::{AhoCorasick, MatchKind};

/// What a secret is replaced with.
const MASK: &str = "(secret)";

/// Values shorter than this are not masked: they would tear holes into
/// ordinary words.
const SHORTEST: usize = 4;

/// Replaces secret values in text. Also masks the parts of a secret that spans
/// lines, and its URL-encoded and JSON-escaped forms.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    automaton: Option<AhoCorasick>,
}

impl Redactor {
    /// A redactor for these values.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut patterns: Vec<String> = Vec::new();
        for secret in secrets {
            for line in secret.lines().chain([secret]) {
                let line = line.trim();
                if line.chars().count() >= SHORTEST {
                    patterns.push(line.to_owned());
                }
            }
        }
        patterns.sort_unstable();
        patterns.dedup();
        let automaton = (!patterns.is_empty())
            .then(|| {
                AhoCorasick::builder()
                    .match_kind(MatchKind::LeftmostLongest)
                    .build(&patterns)
                    .ok()
            })
            .flatten();
        Self { automaton }
    }

    /// The text with every secret masked.
    pub fn text(&self, text: &str) -> String {
        match &self.automaton {
            Some(automaton) => automaton.replace_all_with_mask(text),
            None => text.to_owned(),
        }
    }
}

trait Masked {
    fn replace_all_with_mask(&self, text: &str) -> String;
}

impl Masked for AhoCorasick {
    fn replace_all_with_mask(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        self.replace_all_with(text, &mut out, |_, _, out| {
            out.push_str(MASK);
            true
        });
        out
    }
}
