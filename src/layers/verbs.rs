//! Words that recipes cannot take.

/// The verbs of `hl`, built or planned: a recipe of that name could never be
/// called. The command line is checked against this list by a test.
pub const RESERVED: &[&str] = &[
    "access",
    "apps",
    "clean",
    "completions",
    "create",
    "destroy",
    "doctor",
    "graph",
    "help",
    "list",
    "logs",
    "man",
    "manifest",
    "menu",
    "new",
    "plan",
    "platform",
    "preflight",
    "profile",
    "rehearse",
    "replay",
    "resume",
    "runs",
    "scenario",
    "schema",
    "serve",
    "show",
    "sim",
    "site",
    "status",
    "templates",
    "test",
    "trust",
    "up",
    "version",
];

/// Whether a word is a verb.
pub fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(RESERVED.is_sorted());
        assert!(is_reserved("up") && !is_reserved("l2-apply"));
    }
}
