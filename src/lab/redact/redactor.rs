//! What is looked for, and the masking of whole texts.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use aho_corasick::AhoCorasick;
use aho_corasick::nfa::contiguous::NFA;

use super::forms::{self, SHORTEST};
use super::through::{self, Found};
use crate::base::{has_unseen, sanitize};

/// What a secret is replaced with.
pub(super) const MASK: &str = "(secret)";

/// Replaces secret values in text with `(secret)`.
///
/// Masked are the values, their lines, their URL-encoded, quoted, escaped and
/// base64 forms, and the secret part of an API token, also where escape
/// sequences, control or invisible characters stand between their bytes. Values
/// shorter than four characters are not (see [`Redactor::is_too_short`]). Where
/// secrets overlap, all that any of them covers is masked.
///
/// Clones know what any of them [learns](Redactor::learn).
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    search: Arc<RwLock<Option<Arc<Search>>>>,
}

#[derive(Debug)]
struct Search {
    automaton: AhoCorasick,
    /// The same for text with invisible characters, made when such text comes.
    through: OnceLock<Option<NFA>>,
    /// Sorted.
    patterns: Vec<String>,
    longest: usize,
}

impl Redactor {
    /// A redactor for these values.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let patterns = secrets.into_iter().flat_map(forms::of).collect();
        Self {
            search: Arc::new(RwLock::new(Search::new(patterns))),
        }
    }

    /// Masks these values too from now on, whoever holds a clone. What is known is
    /// never forgotten.
    pub fn learn<'a>(&self, secrets: impl IntoIterator<Item = &'a str>) {
        let fresh: Vec<String> = secrets.into_iter().flat_map(forms::of).collect();
        let mut search = self.search.write().unwrap_or_else(PoisonError::into_inner);
        let known = search.as_ref().map(|search| search.patterns.as_slice());
        let known = known.unwrap_or_default();
        if fresh.iter().all(|one| known.binary_search(one).is_ok()) {
            return;
        }
        let all = known.iter().cloned().chain(fresh).collect();
        *search = Search::new(all);
    }

    /// What is looked for now.
    fn search(&self) -> Option<Arc<Search>> {
        let search = self.search.read().unwrap_or_else(PoisonError::into_inner);
        search.clone()
    }

    /// Whether a value is too short to be masked.
    pub fn is_too_short(value: &str) -> bool {
        value.trim().chars().count() < SHORTEST
    }

    /// The text with every secret masked, and all else as it is.
    pub fn text(&self, text: &str) -> String {
        let odd = has_unseen(text.as_bytes());
        self.masked(text, odd, |piece, out| out.push_str(piece))
    }

    /// The text as any sink may show it: secrets masked, each line without what
    /// steers a terminal or hides, and masked once more.
    pub fn shown(&self, text: &str) -> String {
        if !has_unseen(text.as_bytes()) {
            return self.masked(text, false, |piece, out| out.push_str(piece));
        }
        // Each piece for itself: a mask is no part of an escape sequence.
        let clean = self.masked(text, true, |piece, out| {
            for (index, line) in piece.split('\n').enumerate() {
                if index > 0 {
                    out.push('\n');
                }
                out.push_str(&sanitize(line));
            }
        });
        self.text(&clean)
    }

    /// Whether a secret is in these bytes, in any of its forms.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        let odd = has_unseen(bytes) || std::str::from_utf8(bytes).is_err();
        self.holds(bytes, odd)
    }

    /// Whether a secret is in bytes, in which there may be what is not shown.
    fn holds(&self, bytes: &[u8], odd: bool) -> bool {
        let Some(search) = self.search() else {
            return false;
        };
        let through = || search.through().filter(|_| odd);
        search.automaton.is_match(bytes)
            || through().is_some_and(|through| through::holds(through, bytes))
    }

    /// The text with masks, and with what becomes of the pieces between them.
    fn masked(&self, text: &str, odd: bool, piece: impl Fn(&str, &mut String)) -> String {
        let mut out = String::with_capacity(text.len());
        let mut shown = 0;
        let found = self
            .holds(text.as_bytes(), odd)
            .then(|| self.find(text.as_bytes()).spans);
        for (start, end) in merged(found.unwrap_or_default()) {
            // Patterns are whole characters, and so is what they cover.
            piece(text.get(shown..start).unwrap_or_default(), &mut out);
            out.push_str(MASK);
            shown = end;
        }
        piece(text.get(shown..).unwrap_or_default(), &mut out);
        out
    }

    /// Where secrets are in `bytes`.
    pub(super) fn find(&self, bytes: &[u8]) -> Found {
        let Some(search) = self.search() else {
            return Found::default();
        };
        let mut found = Found::default();
        let odd = has_unseen(bytes) || std::str::from_utf8(bytes).is_err();
        if odd && let Some(through) = search.through() {
            found = through::look(through, search.longest, bytes);
        }
        let all = search.automaton.find_overlapping_iter(bytes);
        found.spans.extend(all.map(|one| (one.start(), one.end())));
        found
    }

    /// Where the first secret begins that `bytes` may hold only the start of;
    /// the end of `bytes` when there is none.
    pub(super) fn begun(&self, bytes: &[u8], found: &Found) -> usize {
        let Some(search) = self.search() else {
            return bytes.len();
        };
        let last = bytes.len().saturating_sub(search.longest - 1)..bytes.len();
        let mut begun = search.begun(bytes, &last.collect::<Vec<_>>());
        begun = begun.min(found.open.unwrap_or(begun));
        for end in &found.ends {
            begun = begun.min(search.begun(bytes, &end.places(search.longest - 1)));
        }
        begun
    }
}

/// Ranges in order, with overlapping ones as one.
pub(super) fn merged(mut ranges: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    ranges.sort_unstable();
    let mut merged: Vec<(usize, usize)> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        match merged.last_mut() {
            Some(last) if start < last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

impl Search {
    /// `None` where there is nothing to look for.
    fn new(mut patterns: Vec<String>) -> Option<Arc<Self>> {
        patterns.sort_unstable();
        patterns.dedup();
        let longest = patterns.iter().map(String::len).max().unwrap_or_default();
        if longest == 0 {
            return None;
        }
        // Building fails only beyond the automaton's limits (2^31 states).
        let automaton = AhoCorasick::new(&patterns).ok()?;
        Some(Arc::new(Self {
            automaton,
            through: OnceLock::new(),
            patterns,
            longest,
        }))
    }

    fn through(&self) -> Option<&NFA> {
        let through = self.through.get_or_init(|| NFA::new(&self.patterns).ok());
        through.as_ref()
    }

    /// The first of these places from which on the bytes at them are the start
    /// of a longer pattern.
    fn begun(&self, bytes: &[u8], places: &[usize]) -> usize {
        let read: Vec<u8> = places
            .iter()
            .filter_map(|at| bytes.get(*at).copied())
            .collect();
        let tails = (0..read.len()).filter_map(|from| Some((from, read.get(from..)?)));
        let first = tails.into_iter().find(|(_, tail)| self.may_become(tail));
        first
            .and_then(|(from, _)| places.get(from).copied())
            .unwrap_or(bytes.len())
    }

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
    use proptest::prelude::*;

    #[test]
    fn what_one_learns_all_clones_know() {
        let redactor = Redactor::default();
        let (clone, mut stream) = (redactor.clone(), redactor.stream());
        assert_eq!(clone.text("canary-1 canary-2"), "canary-1 canary-2");
        redactor.learn(["canary-1"]);
        redactor.learn(["canary-2", "canary-1", ""]);
        assert_eq!(clone.text("canary-1 canary-2"), "(secret) (secret)");
        assert_eq!(stream.push(b"canary-2\n"), b"(secret)\n");
    }

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
            assert_eq!(redactor.text("a\u{1b}[31mbc"), "a\u{1b}[31mbc");
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

    #[test]
    fn a_coloured_secret_is_masked_with_its_colours() {
        let redactor = Redactor::new(["canary-77"]);
        for (raw, masked, shown) in [
            (
                "t=\u{1b}[1;31mcanary\u{1b}[0m-77\u{1b}[K!",
                "t=\u{1b}[1;31m(secret)\u{1b}[K!",
                "t=(secret)!",
            ),
            ("c\0a\0n\0a\0r\0y\0-\x007\x007\0", "(secret)\0", "(secret)"),
            (
                "\u{1b}[31mred\u{1b}[0m\nx",
                "\u{1b}[31mred\u{1b}[0m\nx",
                "red\nx",
            ),
        ] {
            assert_eq!(redactor.text(raw), masked);
            assert_eq!(redactor.shown(raw), shown);
        }
    }

    /// What is not shown, or begins something that is not.
    fn unseen() -> impl Strategy<Value = String> {
        let one = prop_oneof![
            prop::sample::select(vec![
                "\u{1b}", "\u{1b}[", "\u{1b}]", "\u{9b}", "\u{9d}", "\0", "\r", "\u{8}", "\u{7f}",
                "\u{7}", "\u{85}", "\u{9c}", "\u{1b}\\",
            ])
            .prop_map(str::to_owned),
            "\u{1b}\\[[0-9;?]{0,4}[ !]?[@-~]",
            "\u{1b}\\][0-9];[a-z]{0,5}(\u{7}|\u{1b}\\\\)",
            "\u{1b}[()][A-Z0]|\u{1b}[78cM=>]",
            "[\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2060}-\u{2069}\u{feff}\u{ad}\u{fe0f}\u{fffd}]",
            "[\u{1}-\u{8}\u{b}-\u{1f}\u{7f}-\u{9f}]",
        ];
        prop::collection::vec(one, 0..3).prop_map(|all| all.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn nothing_between_its_bytes_helps_a_secret_out(
            secret in "[a-zA-Z0-9/+ü-]{6,14}",
            between in prop::collection::vec(unseen(), 20),
            (before, after) in ("[a-z \\[;m]{0,5}", "[a-z0-9 ;m]{0,5}"),
        ) {
            let redactor = Redactor::new([secret.as_str()]);
            let mut text = before;
            for (c, gap) in secret.trim().chars().zip(between.iter().cycle()) {
                text.push_str(gap);
                text.push(c);
            }
            text.push_str(&after);
            for out in [redactor.text(&text), sanitize(&redactor.text(&text)), redactor.shown(&text)] {
                let plain: String = out.chars().filter(|c| !has_unseen(c.to_string().as_bytes())).collect();
                prop_assert!(!out.contains(&secret) && !plain.contains(&secret), "{:?} of {:?}", out, text);
            }
            let shown = redactor.shown(&text);
            prop_assert!(shown.contains("(secret)") && redactor.text(&text).contains("(secret)"), "{:?}", shown);
            // A variation of what stands before it is seen, and so is what is no text.
            let rest = shown.replace([char::REPLACEMENT_CHARACTER, '\u{fe0f}'], "");
            prop_assert!(!has_unseen(rest.as_bytes()), "{:?}", shown);
        }
    }
}
