//! Changes to `platform.yaml` as text: comments, order and style of the rest stay.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::diag::Source;
use crate::shape::{self, Entry, Node};
use crate::site::parse_yaml;

/// Why a text cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unchanged(pub(super) String);

/// The text with a value at the end of the way, whose mappings are made where they
/// are not there.
pub(super) fn set(text: &str, way: &[&str], value: &Value) -> Result<String, Unchanged> {
    let root = tree(text)?;
    let changed = match way.split_first() {
        Some((key, rest)) => in_map(text, None, &root, key, rest, value)?,
        None => return Err(Unchanged("no key is named".to_owned())),
    };
    if says(&changed, &meant(&root.to_json(), way, Some(value))) {
        return Ok(changed);
    }
    Err(Unchanged(format!(
        "`{}` cannot be written into its style",
        way.join(".")
    )))
}

/// The text without a key.
pub(super) fn remove(text: &str, way: &[&str]) -> Result<String, Unchanged> {
    let root = tree(text)?;
    let Some((last, above)) = way.split_last() else {
        return Ok(text.to_owned());
    };
    let mut node = Some(&root);
    for key in above {
        node = node.and_then(|node| node.get(key));
    }
    let Some((node, entry)) = node.and_then(|node| Some((node, node.map()?.entry(last)?))) else {
        return Ok(text.to_owned());
    };
    let cut = if is_flow(text, node) {
        in_flow(text, node, entry)
    } else {
        let begin = line_start(text, entry.key_mark.range().start);
        let end = line_end(text, entry_end(text, entry));
        begin..(end + 1).min(text.len())
    };
    let mut out = text.to_owned();
    out.replace_range(cut, "");
    if says(&out, &meant(&root.to_json(), way, None)) {
        return Ok(out);
    }
    Err(Unchanged(format!(
        "`{}` cannot be taken out of its style",
        way.join(".")
    )))
}

/// Where an entry of a flow mapping is, with the comma that goes with it.
fn in_flow(text: &str, node: &Node, entry: &Entry) -> Range<usize> {
    let begin = entry.key_mark.range().start;
    let entries = || node.map().into_iter().flatten();
    let key = |entry: &Entry| entry.key_mark.range().start;
    if let Some(next) = entries().map(key).find(|key| *key > begin) {
        return begin..next;
    }
    let before = entries().take_while(|entry| key(entry) < begin).last();
    let begin = before.map_or(begin, |before| {
        if before.value.is_null() {
            before.key_mark.range().end
        } else {
            node_end(text, &before.value)
        }
    });
    begin..node.mark.range().end.saturating_sub(1)
}

/// Whether a text is read as this, and nothing of it was lost.
fn says(text: &str, meant: &Value) -> bool {
    tree(text).is_ok_and(|after| same(&after.to_json(), meant))
}

/// What is said once a key has this value, or is gone.
fn meant(of: &Value, way: &[&str], value: Option<&Value>) -> Value {
    let Some((key, rest)) = way.split_first() else {
        return value.cloned().unwrap_or_default();
    };
    let mut map = of.as_object().cloned().unwrap_or_default();
    if rest.is_empty() && value.is_none() {
        map.remove(*key);
    } else {
        let inner = meant(map.get(*key).unwrap_or(&Value::Null), rest, value);
        map.insert((*key).to_owned(), inner);
    }
    Value::Object(map)
}

/// Whether two say the same; a mapping without entries is nothing in block style.
fn same(one: &Value, other: &Value) -> bool {
    let is_empty = |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let has = |(key, value): (&String, &Value)| {
                other.get(key).is_some_and(|other| same(value, other))
            };
            one.len() == other.len() && one.iter().all(has)
        }
        _ => one == other || (is_empty(one) && is_empty(other)),
    }
}

fn tree(text: &str) -> Result<Node, Unchanged> {
    let source = Source::new("platform.yaml", text);
    let file = parse_yaml(source).map_err(|failure| Unchanged(failure.to_string()))?;
    match file.errors.first() {
        None => Ok(file.root),
        Some(error) => Err(Unchanged(error.message.clone())),
    }
}

/// Sets a key of a mapping; `own` is the entry that the mapping is the value of, with its
/// indent, which one in a flow mapping has none of.
fn in_map(
    text: &str,
    own: Option<(&Entry, Option<usize>)>,
    node: &Node,
    key: &str,
    rest: &[&str],
    value: &Value,
) -> Result<String, Unchanged> {
    let entries: Vec<&Entry> = node.map().into_iter().flatten().collect();
    let flow = is_flow(text, node);
    if let Some(entry) = entries.iter().copied().find(|entry| entry.key == key) {
        let indent = column(text, entry.key_mark.range().start);
        return match rest.split_first() {
            Some((next, rest)) if entry.value.map().is_some() || entry.value.is_null() => {
                let indent = (!flow).then_some(indent);
                in_map(text, Some((entry, indent)), &entry.value, next, rest, value)
            }
            Some(_) => Err(Unchanged(format!("`{key}` is no mapping"))),
            None => Ok(replaced(text, entry, indent, value, flow)),
        };
    }
    let written = nested(rest, value);
    if flow && !entries.is_empty() {
        let end = node.mark.range().end.saturating_sub(1);
        let mut out = text.to_owned();
        out.insert_str(end, &format!(", {key}: {}", inline(&written)));
        return Ok(out);
    }
    if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
        let indent = column(text, first.key_mark.range().start);
        let at = line_end(text, entry_end(text, last));
        let mut out = text.to_owned();
        out.insert_str(at, &format!("\n{}", block(indent, key, &written)));
        return Ok(out);
    }
    // An empty mapping, or nothing.
    match own {
        None => {
            let gap = if text.is_empty() || text.ends_with('\n') {
                ""
            } else {
                "\n"
            };
            Ok(format!("{text}{gap}{}\n", block(0, key, &written)))
        }
        Some((entry, None)) => {
            let inner = Map::from_iter([(key.to_owned(), written)]);
            Ok(replaced(text, entry, 0, &Value::Object(inner), true))
        }
        Some((entry, Some(indent))) => {
            let begin = entry.key_mark.range().end;
            let end = if entry.value.is_null() {
                text.get(begin..)
                    .and_then(|rest| rest.find(':'))
                    .map_or(begin, |colon| begin + colon + 1)
            } else {
                node.mark.range().end
            };
            let mut out = text.to_owned();
            let inner = block(indent + 2, key, &written);
            // A comment behind it stays on its line.
            let tail = line_end(text, end);
            let comment = text.get(end..tail).unwrap_or_default().to_owned();
            out.replace_range(begin..tail, &format!(":{comment}\n{inner}"));
            Ok(out)
        }
    }
}

/// The rest of a way as mappings around a value.
fn nested(rest: &[&str], value: &Value) -> Value {
    rest.iter().rev().fold(value.clone(), |inner, key| {
        let mut map = Map::new();
        map.insert((*key).to_owned(), inner);
        Value::Object(map)
    })
}

fn replaced(text: &str, entry: &Entry, indent: usize, value: &Value, flow: bool) -> String {
    let begin = entry.key_mark.range().end;
    let end = if entry.value.is_null() {
        text.get(begin..)
            .and_then(|rest| rest.find(':'))
            .map_or(begin, |colon| begin + colon + 1)
    } else {
        entry_end(text, entry)
    };
    let mut out = text.to_owned();
    let written = if flow {
        format!(": {}", inline(value))
    } else {
        behind(indent, value)
    };
    out.replace_range(begin..end, &written);
    out
}

/// `key: value` at an indent, without a newline at its end.
fn block(indent: usize, key: &str, value: &Value) -> String {
    format!("{}{key}{}", " ".repeat(indent), behind(indent, value))
}

/// What stands behind a key.
fn behind(indent: usize, value: &Value) -> String {
    let inner = " ".repeat(indent + 2);
    match value {
        Value::Object(map) if !map.is_empty() => {
            let lines = map.iter().map(|(key, value)| block(indent + 2, key, value));
            format!(":\n{}", lines.collect::<Vec<_>>().join("\n"))
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let lines = items
                .iter()
                .map(|item| format!("{inner}- {}", inline(item)));
            format!(":\n{}", lines.collect::<Vec<_>>().join("\n"))
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => format!(": {}", inline(value)),
    }
}

/// A value on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let pairs = name_first(map)
                .into_iter()
                .map(|(key, value)| format!("{key}: {}", inline(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// What it is called stands in front.
fn name_first(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut all: Vec<_> = map.iter().collect();
    all.sort_by_key(|(key, _)| *key != "name");
    all
}

/// Whether a text is read as itself without quotes, by YAML 1.1 too.
fn is_plain(text: &str) -> bool {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/+-".contains(c);
    // No number has two dots: an address needs no quotes.
    let is_no_number = text.starts_with(|c: char| c.is_ascii_alphabetic())
        || (text.starts_with(|c: char| c.is_ascii_digit()) && text.matches('.').count() > 1);
    is_no_number && text.chars().all(plain) && !words.contains(&text.to_ascii_lowercase().as_str())
}

fn is_flow(text: &str, node: &Node) -> bool {
    let first = text.as_bytes().get(node.mark.range().start);
    matches!(first, Some(b'{' | b'['))
        && matches!(node.value, shape::Value::Map(_) | shape::Value::List(_))
}

/// Where an entry ends: behind the last thing in it.
fn entry_end(text: &str, entry: &Entry) -> usize {
    if entry.value.is_null() && entry.value.mark.range().end <= entry.key_mark.range().end {
        return line_end(text, entry.key_mark.range().end);
    }
    node_end(text, &entry.value)
}

fn node_end(text: &str, node: &Node) -> usize {
    let range = node.mark.range();
    let inner = if is_flow(text, node) {
        None
    } else {
        match &node.value {
            shape::Value::List(items) => items.last().map(|item| node_end(text, item)),
            shape::Value::Map(map) => map.iter().last().map(|entry| entry_end(text, entry)),
            shape::Value::Null
            | shape::Value::Bool(_)
            | shape::Value::Number(_)
            | shape::Value::Text(_) => None,
        }
    };
    inner.unwrap_or_else(|| trimmed(text, range))
}

/// The end without white space, which a block scalar has behind it.
fn trimmed(text: &str, range: Range<usize>) -> usize {
    let own = text.get(range.clone()).unwrap_or_default();
    range.start + own.trim_end().len()
}

fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.rfind('\n').map_or(0, |newline| newline + 1)
}

/// Where the line of a byte ends, without its newline.
fn line_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.find('\n').map_or(text.len(), |newline| at + newline)
}

fn column(text: &str, at: usize) -> usize {
    at - line_start(text, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TEXT: &str = "\
# ours
version: \"1.0\"
platform: {organization: acme, app_name: acme-lab} # one line
adapters:
  # the cluster
  k3s:
    version: v1.36.4+k3s1 # pinned
    nodes:
      # first
      - {name: a, ip: 10.0.0.1}
    cidr: 10.42.0.0/16 # ours

  sops: {}
  # the end
";

    #[test]
    fn what_is_in_a_line_stays_in_it() {
        let text = "adapters: {a: {x: 1}, b: {}, c: }\n";
        let text = set(text, &["adapters", "b", "version"], &json!("1.2.3")).unwrap();
        let text = set(&text, &["adapters", "d"], &json!({})).unwrap();
        let text = set(&text, &["adapters", "d", "of", "it"], &json!(true)).unwrap();
        assert_eq!(
            text,
            "adapters: {a: {x: 1}, b: {version: 1.2.3}, c: , d: {of: {it: true}}}\n"
        );
    }

    #[test]
    fn comments_stay_whatever_is_set() {
        let set = |text: &str, way: &[&str], value: Value| set(text, way, &value).unwrap();
        let mut text = TEXT.to_owned();
        text = set(&text, &["platform", "app_name"], json!("acme-prod"));
        text = set(&text, &["platform", "organization"], json!("acme"));
        text = set(
            &text,
            &["adapters", "k3s", "version"],
            json!("v1.37.0+k3s1"),
        );
        text = set(&text, &["adapters", "k3s", "cidr"], json!("10.43.0.0/16"));
        text = set(&text, &["adapters", "k3s", "api"], json!("yes"));
        text = set(&text, &["adapters", "sops", "path"], json!("secrets/"));
        text = set(&text, &["adapters", "cilium", "pools"], json!(["a", "b"]));
        text = set(
            &text,
            &["adapters", "k3s", "nodes"],
            json!([{"ip": "10.0.0.2", "name": "b"}]),
        );
        assert_eq!(
            text,
            "\
# ours
version: \"1.0\"
platform: {organization: acme, app_name: acme-prod} # one line
adapters:
  # the cluster
  k3s:
    version: v1.37.0+k3s1 # pinned
    nodes:
      - {name: b, ip: 10.0.0.2}
    cidr: 10.43.0.0/16 # ours
    api: \"yes\"

  sops:
    path: secrets/
  cilium:
    pools: [a, b]
  # the end
"
        );
        let without = remove(&text, &["adapters", "sops"]).unwrap();
        assert!(!without.contains("sops") && without.contains("cilium:\n"));
        assert_eq!(remove(&text, &["adapters", "x"]).unwrap(), text);
    }

    #[test]
    fn an_empty_file_gets_its_first_key() {
        let text = set("# head\n", &["platform", "organization"], &json!("acme")).unwrap();
        assert_eq!(text, "# head\nplatform:\n  organization: acme\n");
        let text = set("adapters:\n", &["adapters", "k3s"], &json!({})).unwrap();
        assert_eq!(text, "adapters:\n  k3s: {}\n");
        let text = set(&text, &["adapters", "k3s", "x"], &json!(1)).unwrap();
        assert_eq!(text, "adapters:\n  k3s:\n    x: 1\n");
    }

    #[test]
    fn only_the_named_entry_goes() {
        let text = "adapters: {a: {list: [1, 2]}, b: {}, 'c d': {x: true}, e, f: {}} # mine\n";
        let without = |text: &str, key: &str| remove(text, &["adapters", key]).unwrap();
        for (key, left) in [
            ("a", "{b: {}, 'c d': {x: true}, e, f: {}}"),
            ("c d", "{a: {list: [1, 2]}, b: {}, e, f: {}}"),
            ("f", "{a: {list: [1, 2]}, b: {}, 'c d': {x: true}, e}"),
        ] {
            assert_eq!(without(text, key), format!("adapters: {left} # mine\n"));
        }
        let mut all = text.to_owned();
        for key in ["f", "b", "a", "e", "c d"] {
            all = without(&all, key);
        }
        assert_eq!(all, "adapters: {} # mine\n");
        let lines = "adapters: {\n  a: {},\n  b: {x: 1}\n}\nnext: 1\n";
        assert_eq!(without(lines, "b"), "adapters: {\n  a: {}}\nnext: 1\n");
        // What is written on lines that others share is left alone.
        assert!(remove("? adapters\n: a: 1\n  b: 2\n", &["adapters", "a"]).is_err());
        assert_eq!(remove("a:\n  b: {}\n", &["a", "b"]).unwrap(), "a:\n");
    }

    #[test]
    fn what_is_no_yaml_is_not_changed() {
        assert!(set("a: [", &["b"], &json!(1)).is_err());
        assert!(set("a: 1\n", &["a", "b"], &json!(1)).is_err());
    }
}
