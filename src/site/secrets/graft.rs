//! Clear values in the places of the encrypted file: what is wrong with a
//! value is told with the line that the user's file has.

use crate::shape::{Node, Value};

/// Puts the values of `clear` into the tree of the encrypted file, which has
/// the same keys, and takes the `sops` section away.
pub(super) fn graft(sealed: &mut Node, clear: &Node) {
    if let Value::Map(map) = &mut sealed.value {
        *map = std::mem::take(map).without("sops");
    }
    lay(sealed, clear);
}

fn lay(sealed: &mut Node, clear: &Node) {
    match (&mut sealed.value, &clear.value) {
        (Value::Map(into), Value::Map(from)) => {
            for entry in into.entries_mut() {
                if let Some(value) = from.get(&entry.key) {
                    lay(&mut entry.value, value);
                }
            }
        }
        (Value::List(into), Value::List(from)) => {
            for (into, from) in into.iter_mut().zip(from) {
                lay(into, from);
            }
        }
        (value, from) => *value = from.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Source;
    use crate::site::yaml::Document;

    #[test]
    fn values_are_clear_and_places_are_those_of_the_file() {
        let read = |text: &str| Document::parse_secret(Source::new("s.yaml", text)).unwrap();
        let mut sealed = read(
            "# a comment\n\napi_tokens:\n  pve: ENC[x]\nkeys:\n  - ENC[a]\n  - ENC[b]\nnone: null\nsops:\n  mac: ENC[y]\n",
        );
        let clear =
            read("{\"api_tokens\": {\"pve\": \"a!b=c\"},\n\t\"keys\": [1, true], \"none\": null}");
        graft(&mut sealed.root, &clear.root);
        let token = sealed.root.get("api_tokens").unwrap().get("pve").unwrap();
        assert_eq!(token.text(), Some("a!b=c"));
        assert_eq!(token.mark.line, 4);
        assert!(sealed.root.get("sops").is_none());
        let keys = sealed.root.get("keys").unwrap().items();
        assert!(matches!(keys[1].value, Value::Bool(true)));
    }
}
