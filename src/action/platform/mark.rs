//! How a placeholder stands in a rendered file: `<<hl:NAME>>`, which is a plain text
//! in YAML, TOML and JSON strings.

use std::collections::{BTreeMap, BTreeSet};

const BEGIN: &str = "<<hl:";
const END: &str = ">>";

/// The mark of a placeholder.
pub fn mark(name: &str) -> String {
    format!("{BEGIN}{name}{END}")
}

/// The names of the placeholders in a text.
pub fn names(text: &str) -> BTreeSet<&str> {
    let pieces = text.split(BEGIN).skip(1);
    pieces
        .filter_map(|piece| piece.split_once(END))
        .map(|(name, _)| name)
        .collect()
}

/// The text with those values that are known in the place of their marks.
pub fn fill(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut pieces = text.split(BEGIN);
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once(END) {
            Some((name, rest)) if values.contains_key(name) => {
                out.push_str(values.get(name).map_or("", String::as_str));
                out.push_str(rest);
            }
            _ => {
                out.push_str(BEGIN);
                out.push_str(piece);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_filled_where_its_value_is_known() {
        let text = format!("a {} b {} <<hl:torn", mark("key"), mark("other"));
        assert_eq!(names(&text), ["key", "other"].into());
        let values = [("key".to_owned(), "<<hl:other>>".to_owned())].into();
        let filled = fill(&text, &values);
        assert_eq!(filled, "a <<hl:other>> b <<hl:other>> <<hl:torn");
        assert_eq!(fill("plain", &values), "plain");
    }
}
