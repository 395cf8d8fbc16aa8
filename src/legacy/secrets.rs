//! What of an older file must never be written anywhere else: it holds
//! `WireGuard`'s private keys in clear.

use serde_json::Value;

use crate::lab::Redactor;

/// Words in the name of a key whose value is secret.
const WORDS: &[&str] = &["private", "secret", "password", "token", "preshared", "psk"];

/// Characters of a `WireGuard` key: 32 bytes in base64.
const WIREGUARD: usize = 44;

/// Masks what the files of one place must not tell.
#[derive(Debug, Clone, Default)]
pub(super) struct Mask {
    redactor: Redactor,
    /// How many different secrets the files hold.
    pub(super) count: usize,
}

impl Mask {
    /// A mask for the secrets in these trees and texts. A text is looked
    /// through even when it is no tree.
    pub(super) fn new<'a>(
        trees: impl IntoIterator<Item = &'a Value>,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut secrets = Vec::new();
        for tree in trees {
            collect(tree, false, &mut secrets);
        }
        for text in texts {
            scan(text, &mut secrets);
        }
        secrets.sort_unstable();
        secrets.dedup();
        Self {
            redactor: Redactor::new(secrets.iter().map(String::as_str)),
            count: secrets.len(),
        }
    }

    /// The text without secrets. Whatever has the form of a `WireGuard` key is
    /// taken for one.
    pub(super) fn text(&self, text: &str) -> String {
        let masked = self.redactor.text(text);
        let mut out = String::with_capacity(masked.len());
        for (word, between) in words(&masked) {
            out.push_str(if is_wireguard_key(word) {
                "(secret)"
            } else {
                word
            });
            out.push_str(between);
        }
        out
    }

    /// A public key, where it is no private one of these files.
    pub(super) fn public_key(&self, key: &str) -> Option<String> {
        (self.redactor.text(key) == key && is_wireguard_key(key)).then(|| key.to_owned())
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

fn collect(tree: &Value, secret: bool, into: &mut Vec<String>) {
    match tree {
        Value::String(text) if secret => push(text, into),
        Value::Number(number) if secret => push(&number.to_string(), into),
        Value::Array(items) => items.iter().for_each(|item| collect(item, secret, into)),
        Value::Object(fields) => {
            for (key, value) in fields {
                collect(value, secret || is_secret_name(key), into);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `private_key: VALUE` anywhere in a text, also one that is torn.
fn scan(text: &str, into: &mut Vec<String>) {
    let mut after_name = false;
    for (word, between) in words(text) {
        if after_name {
            push(word, into);
        }
        // On the same line, and not the next item's name behind an empty value.
        let leads = between.contains(':') && !between.contains([',', '}', '\n', '\r']);
        after_name = leads && is_secret_name(word);
    }
}

fn push(text: &str, into: &mut Vec<String>) {
    let text = text.trim();
    if !Redactor::is_too_short(text) {
        into.push(text.to_owned());
    }
}

/// Words as keys are made of, each with what follows it.
fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let part = |c: char| c.is_ascii_alphanumeric() || "+/=_-".contains(c);
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (word, after) = rest.split_at(rest.find(|c| !part(c)).unwrap_or(rest.len()));
        let (between, next) = after.split_at(after.find(part).unwrap_or(after.len()));
        rest = next;
        Some((word, between))
    })
}

fn is_wireguard_key(word: &str) -> bool {
    word.len() == WIREGUARD
        && word.ends_with('=')
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KEY: &str = "ZXhhbXBsZS1wcml2YXRlLWxhcHRvcC0wMDAwMDAwMDE=";
    const PUBLIC: &str = "ZXhhbXBsZS1wdWJsaWMtLWxhcHRvcC0wMDAwMDAwMDE=";

    #[test]
    fn keys_of_trees_and_of_torn_texts_are_masked() {
        let tree = json!({"wireguard_peers": {"a": {"private_key": "short-key-1"}}, "b": 1});
        let torn = format!(
            "peers: {{a: {{\"private_key\": \"{KEY}\", private_ip: \"\", ip: 10.0.0.1, token: \"\", psk: torn-k"
        );
        let mask = Mask::new([&tree], [torn.as_str()]);
        assert_eq!(mask.count, 3);
        let said = format!("made short-key-1, {KEY}; torn-k for 10.0.0.1");
        assert_eq!(
            mask.text(&said),
            "made (secret), (secret); (secret) for 10.0.0.1"
        );
        assert_eq!(mask.public_key(PUBLIC).unwrap(), PUBLIC);
        assert_eq!(mask.public_key(KEY), None);
        assert_eq!(mask.public_key("anything else"), None);
    }

    #[test]
    fn a_key_that_no_file_names_is_masked_in_a_text() {
        let mask = Mask::default();
        assert_eq!(mask.text(&format!("peer {PUBLIC}.")), "peer (secret).");
        assert_eq!(mask.text("Phase completed: a_b"), "Phase completed: a_b");
        assert_eq!(mask.text(" ö, x"), " ö, x");
    }
}
