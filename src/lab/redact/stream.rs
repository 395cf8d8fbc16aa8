//! Masking of bytes that come in pieces: a secret is found however the pieces
//! are cut, and nothing that may be its start is let out before that is clear.

use super::Redactor;

/// What a secret is replaced with.
const MASK: &[u8] = b"(secret)";

/// A redactor with a memory of what it was given last.
#[derive(Debug, Clone)]
pub struct RedactStream {
    redactor: Redactor,
    /// Not let out yet: it may be the start of a secret.
    held: Vec<u8>,
    /// How much of `held` is behind a mask that is already out.
    masked: usize,
}

impl RedactStream {
    pub(super) fn new(redactor: Redactor) -> Self {
        Self {
            redactor,
            held: Vec::new(),
            masked: 0,
        }
    }

    /// Takes the next bytes, and gives what can be shown by now.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let until = self.redactor.begun(&self.held);
        self.release(until)
    }

    /// The rest, when no more bytes will come.
    pub fn finish(mut self) -> Vec<u8> {
        self.release(self.held.len())
    }

    /// Lets out what is before `until`; a mask that reaches beyond it is
    /// remembered, so that it is written once.
    fn release(&mut self, until: usize) -> Vec<u8> {
        let mut out = Vec::new();
        if until == 0 {
            return out;
        }
        let mut shown = 0;
        let mut carried = 0;
        for (index, (start, end)) in self.covered().into_iter().enumerate() {
            if start >= until {
                break;
            }
            out.extend(self.held.iter().take(start).skip(shown));
            if index > 0 || self.masked == 0 {
                out.extend_from_slice(MASK);
            }
            shown = end;
            carried = end.saturating_sub(until);
        }
        out.extend(self.held.iter().take(until).skip(shown));
        self.held.drain(..until);
        self.masked = carried;
        out
    }

    /// The ranges that secrets cover, in order, with overlapping ones as one.
    /// The first is the one whose mask is already out, if there is such.
    fn covered(&self) -> Vec<(usize, usize)> {
        let mut found = self.redactor.matches(&self.held);
        if self.masked > 0 {
            found.push((0, self.masked));
        }
        found.sort_unstable();
        let mut merged: Vec<(usize, usize)> = Vec::with_capacity(found.len());
        for (start, end) in found {
            match merged.last_mut() {
                Some(last) if start < last.1 => last.1 = last.1.max(end),
                _ => merged.push((start, end)),
            }
        }
        merged
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
        assert_eq!(out, MASK);
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

    /// Few letters, so that secrets overlap and repeat; none of the mask's.
    fn secrets() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[ab]{4,7}|[ab/ \"é\n]{4,12}|[0-9ab]{36}", 1..5)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn nothing_leaks_for_any_chunking(
            secrets in secrets(),
            pieces in prop::collection::vec((any::<Index>(), any::<Index>(), "[ab/ .\n]{0,6}"), 1..12),
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
