//! Masking of bytes that come in pieces: a secret is found however the pieces
//! are cut, and nothing that may be its start is let out before that is clear.

use super::Redactor;
use super::redactor::{MASK, merged};

/// A redactor with a memory of what it was given last.
#[derive(Debug, Clone)]
pub struct RedactStream {
    redactor: Redactor,
    /// Not let out yet: it may be the start of a secret.
    held: Vec<u8>,
    /// How much of `held` is behind a mask that is already out.
    masked: usize,
}

impl Redactor {
    /// Masks bytes that come in pieces, such as a tool's output.
    pub fn stream(&self) -> RedactStream {
        RedactStream {
            redactor: self.clone(),
            held: Vec::new(),
            masked: 0,
        }
    }
}

impl RedactStream {
    /// Takes the next bytes, and gives what can be shown by now.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let found = self.redactor.find(&self.held);
        let until = self.redactor.begun(&self.held, &found);
        self.release(found.spans, until)
    }

    /// The rest, when no more bytes will come.
    pub fn finish(mut self) -> Vec<u8> {
        let found = self.redactor.find(&self.held);
        self.release(found.spans, self.held.len())
    }

    /// Lets out what is before `until`; a mask that reaches beyond it is
    /// remembered, so that it is written once.
    fn release(&mut self, mut found: Vec<(usize, usize)>, until: usize) -> Vec<u8> {
        let mut out = Vec::new();
        if until == 0 {
            return out;
        }
        let mut shown = 0;
        let mut carried = 0;
        // The first is the one whose mask is already out, if there is such.
        if self.masked > 0 {
            found.push((0, self.masked));
        }
        for (index, (start, end)) in merged(found).into_iter().enumerate() {
            if start >= until {
                break;
            }
            out.extend_from_slice(self.held.get(shown..start).unwrap_or_default());
            if index > 0 || self.masked == 0 {
                out.extend_from_slice(MASK.as_bytes());
            }
            shown = end;
            carried = end.saturating_sub(until);
        }
        out.extend_from_slice(self.held.get(shown..until).unwrap_or_default());
        self.held.drain(..until);
        self.masked = carried;
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::redact::forms;
    use proptest::prelude::*;
    use proptest::sample::Index;

    fn stream(redactor: &Redactor, chunks: &[&[u8]]) -> String {
        let mut stream = redactor.stream();
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend(stream.push(chunk));
        }
        out.extend(stream.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_what_may_be_a_secret_is_held_back() {
        let mut stream = Redactor::new(["hunter22"]).stream();
        assert_eq!(stream.push(b"password: "), b"password: ");
        assert_eq!(stream.push(b"hunt"), b"");
        assert_eq!(stream.push(b"ing\n"), b"hunting\n");
        assert_eq!(stream.push(b"hunter2"), b"");
        assert_eq!(stream.push(b"2!"), b"(secret)!");
        assert_eq!(stream.finish(), b"");
    }

    #[test]
    fn a_secret_that_never_ends_takes_no_memory() {
        let redactor = Redactor::new(["aaaa"]);
        let mut stream = redactor.stream();
        let mut out = Vec::new();
        for _ in 0..1000 {
            out.extend(stream.push(b"aaaaaaaa"));
            assert!(stream.held.len() < 16);
        }
        out.extend(stream.finish());
        assert_eq!(out, MASK.as_bytes());
    }

    #[test]
    fn every_cut_of_a_text_gives_the_same() {
        let redactor = Redactor::new(["abcd", "cdef", "line one\nline two", "é!é!"]);
        let text = "xabcdefx line one\nline two é!é!é! abc abcd";
        let whole = redactor.text(text);
        assert_eq!(whole, "x(secret)x (secret) (secret) abc (secret)");
        for a in 0..text.len() {
            for b in a..text.len() {
                let bytes = text.as_bytes();
                let cut = stream(&redactor, &[&bytes[..a], &bytes[a..b], &bytes[b..]]);
                assert_eq!(cut, whole, "cut at {a} and {b}");
            }
        }
    }

    #[test]
    fn a_coloured_secret_is_found_across_any_cut() {
        let redactor = Redactor::new(["canary-77", "x\u{1b}[1my"]);
        let text = "a\u{1b}[1;31mcan\u{1b}]8;;u\u{1b}\\ary\0-\u{200b}77\u{1b}[0m c\u{1b}[Kanar! x\u{1b}[1my ca\u{1b}";
        let whole = redactor.text(text);
        assert_eq!(
            whole,
            "a\u{1b}[1;31m(secret)\u{1b}[0m c\u{1b}[Kanar! (secret) ca\u{1b}"
        );
        let bytes = text.as_bytes();
        for a in 0..bytes.len() {
            for b in a..bytes.len() {
                let cut = stream(&redactor, &[&bytes[..a], &bytes[a..b], &bytes[b..]]);
                assert_eq!(cut, whole, "cut at {a} and {b}");
            }
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(stream(&redactor, &single), whole);
    }

    /// Few letters, so that secrets overlap and repeat; none of the mask's.
    fn secrets() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[ab]{4,7}|[ab/ \"é\n]{4,12}|[0-9ab]{36}", 1..5)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn nothing_leaks_for_any_chunking(
            secrets in secrets(),
            pieces in prop::collection::vec((any::<Index>(), any::<Index>(), "[ab/ .\n\u{0}\u{1b}\u{200b}\\[m]{0,6}"), 1..12),
            cuts in prop::collection::vec(any::<Index>(), 0..20),
        ) {
            let redactor = Redactor::new(secrets.iter().map(String::as_str));
            let forms: Vec<String> = secrets.iter().flat_map(|s| forms::of(s)).collect();
            let mut text = String::new();
            for (form, cut, filler) in &pieces {
                text.push_str(filler);
                if !forms.is_empty() {
                    // Whole forms, and starts of forms.
                    let form: Vec<char> = form.get(&forms).chars().collect();
                    let keep = form.len() - cut.index(form.len()) * usize::from(cut.index(3) == 0);
                    text.extend(form.iter().take(keep));
                }
            }
            let whole = redactor.text(&text);
            for form in &forms {
                prop_assert!(!whole.contains(form.as_str()), "{form:?} leaks in {whole:?}");
            }
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                chunks.push(&bytes[from..cut]);
                from = cut;
            }
            prop_assert_eq!(stream(&redactor, &chunks), whole);
        }
    }
}
