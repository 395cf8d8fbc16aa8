//! Scenarios that are gone: verbs do what they did.

use crate::diag::{Exit, Failure, say};

/// Prefixes of names, and the manifest that is made instead.
const RETIRED: [(&str, &str); 3] = [
    ("vm-", "n1-basic"),
    ("nested-pve-", "n2-quick"),
    ("recursive-pve-", "MANIFEST"),
];

/// What they ended in, and the verb.
const VERBS: [(&str, &str); 3] = [
    ("constructor", "create"),
    ("destructor", "destroy"),
    ("roundtrip", "test"),
];

/// What replaces a name that is gone.
pub(super) fn retired(name: &str) -> Option<Failure> {
    let (rest, manifest) = RETIRED
        .iter()
        .find_map(|(prefix, manifest)| Some((name.strip_prefix(prefix)?, manifest)))?;
    let (_, verb) = VERBS.iter().find(|(end, _)| *end == rest)?;
    let command = format!("{verb} -M {manifest} -H HOST");
    let message = format!("scenario `{name}` is gone: a verb does what it did");
    Some(Failure::message(Exit::Unknown, message).help(say("instead: ").hl(command)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_names_its_verb() {
        for (name, command) in [
            ("vm-constructor", "`hl create -M n1-basic -H HOST`"),
            ("vm-destructor", "`hl destroy -M n1-basic -H HOST`"),
            ("nested-pve-roundtrip", "`hl test -M n2-quick -H HOST`"),
            (
                "recursive-pve-constructor",
                "`hl create -M MANIFEST -H HOST`",
            ),
        ] {
            let failure = retired(name).unwrap();
            assert_eq!(failure.exit, Exit::Unknown);
            assert!(failure.diagnostics[0].help[0].contains(command), "{name}");
        }
        for other in ["vm-", "vm-wait", "nested-pve-", "pve-setup"] {
            assert!(retired(other).is_none(), "{other}");
        }
    }
}
