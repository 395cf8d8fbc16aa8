//! Words that recipes cannot take.

/// The verbs of `hl`, built or planned: a recipe of that name could never be
/// called. The command line is checked against this list by a test.
const RESERVED: &str = "\
    access approve apps clean completions create destroy diagnostics doctor env fleet fmt graph \
    help list logs man manifest menu new plan platform preflight profile rehearse reject replay \
    resume runner runs scenario schema serve show sim site spec status stop templates test trust \
    up version vm";

/// Those that a lab may have had as the name of a recipe before this version.
const SINCE: (&str, &str) = (
    "0.2",
    "approve diagnostics env fleet fmt reject runner spec stop trust vm",
);

/// Whether a word is a verb.
pub fn is_reserved(word: &str) -> bool {
    RESERVED.split(' ').any(|verb| verb == word)
}

/// Since which version a word is a verb, where that was not always so.
pub(super) fn reserved_since(word: &str) -> Option<&'static str> {
    let (version, words) = SINCE;
    words.split(' ').any(|verb| verb == word).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(RESERVED.split(' ').is_sorted());
        assert!(is_reserved("up") && is_reserved("help") && is_reserved("resume"));
        assert!(!is_reserved("l2-apply") && !is_reserved(""));
    }
}
