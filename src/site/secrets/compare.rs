//! Two texts of the same secrets: what differs, by name only.

use std::collections::{BTreeMap, BTreeSet};

use crate::shape::{Node, Value};

/// Values by their path of keys.
pub(super) type Leaves = BTreeMap<String, String>;

/// All values of a tree.
pub(super) fn leaves(node: &Node) -> Leaves {
    let mut all = Leaves::new();
    collect(node, "", &mut all);
    all
}

fn collect(node: &Node, path: &str, all: &mut Leaves) {
    let value = match &node.value {
        Value::Map(map) => {
            for entry in map {
                let dot = if path.is_empty() { "" } else { "." };
                collect(&entry.value, &format!("{path}{dot}{}", entry.key), all);
            }
            return;
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, &format!("{path}[{index}]"), all);
            }
            return;
        }
        Value::Null => return,
        Value::Text(text) => format!("'{text}"),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
    };
    all.insert(path.to_owned(), value);
}

/// The names whose values are not the same, or that only one of them has.
pub(super) fn differing(one: &Leaves, other: &Leaves) -> Vec<String> {
    let names: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    names
        .into_iter()
        .filter(|name| one.get(*name) != other.get(*name))
        .cloned()
        .collect()
}

/// Whether both have the same comments, wherever they stand: SOPS lays the
/// lines out anew.
pub(super) fn same_comments(one: &str, other: &str) -> bool {
    fn comments(text: &str) -> Vec<&str> {
        let mut all: Vec<_> = text
            .lines()
            .filter_map(|line| {
                let line = line.trim_start();
                let (_, comment) = line
                    .strip_prefix('#')
                    .map(|comment| ("", comment))
                    .or_else(|| line.split_once(" #"))?;
                Some(comment.trim())
            })
            .collect();
        all.sort_unstable();
        all
    }
    comments(one) == comments(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Source;
    use crate::site::yaml::Document;

    fn of(text: &str) -> Leaves {
        leaves(&Document::parse(Source::new("s.yaml", text)).unwrap().root)
    }

    #[test]
    fn names_of_what_differs() {
        let one = of("api_tokens: {a: x, b: \"1\"}\nlist: [p, q]\nnone: null\n");
        let other = of("list:\n- p\n- r\napi_tokens:\n  b: 1\n  a: x\nnew: y\n");
        assert_eq!(differing(&one, &one), Vec::<String>::new());
        assert_eq!(differing(&one, &other), ["api_tokens.b", "list[1]", "new"]);
    }

    #[test]
    fn comments_count_wherever_they_stand() {
        let one = "# top\na: 1  # why\nb:\n  # in\n  c: 2\n";
        let other = "# top\n# why\na: 1\nb:\n    # in\n    c: 2\n";
        assert!(same_comments(one, other));
        assert!(!same_comments(one, "# top\na: 1\n"));
    }
}
