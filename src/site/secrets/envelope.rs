//! Whether a secrets file is encrypted, told by its structure.
//!
//! Format (SOPS 3): every value is `ENC[AES256_GCM,data:..,iv:..,tag:..,type:..]`,
//! keys stay readable, and a top-level mapping `sops` at the end names for whom
//! the data key was encrypted (`age: [{recipient, enc}]`, and lists for other
//! key services), which values stay clear (`unencrypted_suffix`, ...), and the
//! file's `mac`.

use std::ops::Range;

use crate::shape::{Entry, Map, Node, Value};
use crate::site::yaml::Document;

/// Lists in `sops` that name keys of other services than age.
const OTHER_SERVICES: [&str; 6] = ["pgp", "kms", "gcp_kms", "azure_kv", "hc_vault", "hckms"];

/// Sections in which everything is secret.
const SECRET: [&str; 3] = ["api_tokens.", "passwords.", "auth."];

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// Clear text.
    Plain,
    /// Encrypted by SOPS.
    Encrypted(Envelope),
    /// Encrypted values, and no `sops` section that could open them. The
    /// place is the first such value.
    Damaged(Range<usize>),
}

/// What the `sops` section says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Envelope {
    /// Public keys of those who can open it, in the file's order.
    pub(super) age: Vec<String>,
    /// Key services other than age that can open it.
    pub(super) others: Vec<String>,
    /// Version of SOPS that wrote it.
    pub(super) version: Option<String>,
    /// Where the section begins.
    pub(super) section: Range<usize>,
    /// Where the first age recipient is.
    pub(super) first: Option<Range<usize>>,
    /// Where the `mac` is; a file without one was tampered with.
    pub(super) mac: Option<Range<usize>>,
    /// Values that are not encrypted: path of keys, place.
    pub(super) clear: Vec<(String, Range<usize>)>,
    /// Whether the file's rules leave some values clear by a pattern, so that
    /// a clear one is not known to be a mistake.
    pub(super) by_pattern: bool,
}

impl Form {
    /// Looks at a parsed file.
    pub(super) fn of(document: &Document) -> Self {
        let Some(entries) = document.root.map() else {
            return Self::Plain;
        };
        let mut section = None;
        let mut sealed = Vec::new();
        let mut clear = Vec::new();
        for entry in entries {
            if entry.key == "sops"
                && let Some(about) = entry.value.map()
                && is_section(about)
            {
                section = Some((entry, about));
            } else {
                leaves(document, &entry.value, &entry.key, &mut sealed, &mut clear);
            }
        }
        match (section, sealed.into_iter().next()) {
            (Some((entry, about)), _) => Self::Encrypted(envelope(document, entry, about, clear)),
            (None, Some(at)) => Self::Damaged(at),
            (None, None) => Self::Plain,
        }
    }
}

/// Whether there are values that anybody can read.
pub(super) fn has_clear_values(document: &Document) -> bool {
    let mut clear = Vec::new();
    leaves(document, &document.root, "", &mut Vec::new(), &mut clear);
    !clear.is_empty()
}

impl Envelope {
    /// Values that the file's rules leave in clear text, though everything in these
    /// sections is secret. Public keys may be read.
    pub(super) fn clear_secrets(&self) -> impl Iterator<Item = &(String, Range<usize>)> {
        let secret = |path: &str| SECRET.iter().any(|section| path.starts_with(section));
        self.clear.iter().filter(move |(path, _)| secret(path))
    }

    /// The file as it may be shown: `masked`, and its `sops` section, which
    /// holds nothing secret, when that is the end of the file.
    pub(super) fn excerpt(&self, text: &str, masked: &str) -> String {
        let at = self.section.start;
        match (text.get(at..), masked.get(..at)) {
            (Some(section), Some(before))
                if section
                    .lines()
                    .skip(1)
                    .all(|line| line.is_empty() || line.starts_with([' ', '\t', '-', '#'])) =>
            {
                format!("{before}{section}")
            }
            _ => masked.to_owned(),
        }
    }
}

/// A section of ours, and not a key that happens to have this name.
fn is_section(about: &Map) -> bool {
    ["mac", "version", "lastmodified", "age"]
        .iter()
        .any(|key| about.get(key).is_some())
}

fn envelope(
    document: &Document,
    entry: &Entry,
    about: &Map,
    clear: Vec<(String, Range<usize>)>,
) -> Envelope {
    let text = |key: &str| about.get(key).and_then(Node::text).map(str::to_owned);
    let mut found = Keys::default();
    keys(document, about, &mut found);
    let suffix = text("unencrypted_suffix");
    let ends = |path: &str, suffix: &str| path.split('.').any(|key| key.ends_with(suffix));
    let only = text("encrypted_suffix");
    Envelope {
        age: found.age,
        others: found.others,
        version: text("version"),
        section: document.at_key(entry, "").span,
        first: found.first,
        mac: about.entry("mac").map(|e| document.at_key(e, "").span),
        clear: clear
            .into_iter()
            .filter(|(path, _)| {
                !suffix.as_deref().is_some_and(|suffix| ends(path, suffix))
                    && only.as_deref().is_none_or(|suffix| ends(path, suffix))
            })
            .collect(),
        by_pattern: about.iter().any(|e| e.key.ends_with("_regex")),
    }
}

#[derive(Default)]
struct Keys {
    age: Vec<String>,
    others: Vec<String>,
    first: Option<Range<usize>>,
}

/// The recipients, also those in `key_groups`.
fn keys(document: &Document, about: &Map, found: &mut Keys) {
    for entry in about {
        for item in entry.value.items() {
            let Some(fields) = item.map() else {
                continue;
            };
            if entry.key == "key_groups" {
                keys(document, fields, found);
            } else if OTHER_SERVICES.contains(&entry.key.as_str()) {
                found.others.push(entry.key.clone());
            } else if entry.key == "age" {
                let recipient = fields.get("recipient");
                if let Some((node, text)) = recipient.and_then(|node| Some((node, node.text()?))) {
                    found
                        .first
                        .get_or_insert_with(|| document.at(node, "").span);
                    found.age.push(text.to_owned());
                }
            }
        }
    }
    found.others.dedup();
}

/// Encrypted and clear values below a node. Nothing, empty text and empty
/// collections stay as they are in an encrypted file.
fn leaves(
    document: &Document,
    node: &Node,
    path: &str,
    sealed: &mut Vec<Range<usize>>,
    clear: &mut Vec<(String, Range<usize>)>,
) {
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                let path = format!("{path}.{}", entry.key);
                leaves(document, &entry.value, &path, sealed, clear);
            }
        }
        Value::List(items) => {
            for item in items {
                leaves(document, item, path, sealed, clear);
            }
        }
        Value::Text(text) if is_sealed(text) => sealed.push(document.at(node, "").span),
        Value::Null => {}
        Value::Text(text) if text.is_empty() => {}
        Value::Text(_) | Value::Bool(_) | Value::Number(_) => {
            clear.push((path.to_owned(), document.at(node, "").span));
        }
    }
}

fn is_sealed(text: &str) -> bool {
    text.starts_with("ENC[") && text.ends_with(']')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Source;

    fn form(text: &str) -> Form {
        Form::of(&Document::parse(Source::new("secrets.yaml", text)).unwrap())
    }

    const SECTION: &str = "sops:\n  age:\n    - recipient: age1aaa\n      enc: x\n    - recipient: age1bbb\n      enc: y\n  lastmodified: \"2026-01-01T00:00:00Z\"\n  mac: ENC[AES256_GCM,data:x]\n  unencrypted_suffix: _unencrypted\n  version: 3.13.3\n";

    #[test]
    fn an_encrypted_file_carries_its_section_at_the_end() {
        let text = format!(
            "api_tokens:\n  a: ENC[AES256_GCM,data:x]\nnote_unencrypted: hello\nempty: \"\"\nnone: null\n{SECTION}"
        );
        let Form::Encrypted(envelope) = form(&text) else {
            panic!("{:?}", form(&text))
        };
        assert_eq!(envelope.age, ["age1aaa", "age1bbb"]);
        assert!(envelope.others.is_empty() && envelope.clear.is_empty());
        assert_eq!(envelope.version.as_deref(), Some("3.13.3"));
        assert!(envelope.mac.is_some() && !envelope.by_pattern);
        assert_eq!(text.get(envelope.first.unwrap()).unwrap(), "age1aaa");
    }

    #[test]
    fn a_clear_value_between_encrypted_ones_is_found() {
        let text =
            format!("passwords:\n  vm_root: hunter2\n  b: ENC[AES256_GCM,data:x]\n{SECTION}");
        let Form::Encrypted(envelope) = form(&text) else {
            panic!()
        };
        assert_eq!(envelope.clear.len(), 1);
        assert_eq!(envelope.clear[0].0, "passwords.vm_root");
        assert_eq!(text.get(envelope.clear[0].1.clone()).unwrap(), "hunter2");
    }

    #[test]
    fn words_are_not_structure() {
        assert_eq!(form("# sops:\napi_tokens: {a: x}\n"), Form::Plain);
        assert_eq!(form("sops: hello\n"), Form::Plain);
        assert_eq!(form("sops: {colour: blue}\n"), Form::Plain);
        assert_eq!(form(""), Form::Plain);
        assert_eq!(form("- a\n"), Form::Plain);
        assert!(matches!(
            form("passwords:\n  vm_root: ENC[AES256_GCM,data:x]\n"),
            Form::Damaged(_)
        ));
    }

    #[test]
    fn other_services_and_groups_are_named() {
        let text = "a: ENC[x]\nsops:\n  pgp:\n    - fp: 1234\n      enc: x\n  key_groups:\n    - age:\n        - recipient: age1ccc\n          enc: z\n  mac: ENC[y]\n  encrypted_regex: ^a$\n";
        let Form::Encrypted(envelope) = form(text) else {
            panic!()
        };
        assert_eq!(envelope.age, ["age1ccc"]);
        assert_eq!(envelope.others, ["pgp"]);
        assert!(envelope.by_pattern);
    }
}
