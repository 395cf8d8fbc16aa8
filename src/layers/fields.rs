//! Findings in a layer file, and what is read from its tree: its table says
//! what is wrong with what is left out here.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;

use super::model::Text;
use crate::diag::{Advice, Diagnostic, Source};
use crate::shape::Node;

/// Findings in one file.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) source: Source,
    pub(super) list: Vec<Diagnostic>,
}

impl Findings {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            list: Vec::new(),
        }
    }

    /// Adds an error at a place.
    pub(super) fn error(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: Option<String>,
    ) {
        let mut found = Diagnostic::error(message).at(self.source.at(span, label));
        found.help.extend(help.map(Advice::from));
        self.list.push(found);
    }
}

/// A text, when there is one.
pub(super) fn text(node: &Node, key: &str) -> Option<Text> {
    node.get(key).and_then(placed)
}

/// A text that is not blank.
pub(super) fn filled(node: &Node, key: &str) -> Option<Text> {
    text(node, key).filter(|text| !text.get_ref().trim().is_empty())
}

/// A text, or "".
pub(super) fn text_or_empty(node: &Node, key: &str) -> String {
    let text = node.get(key).and_then(Node::text);
    text.unwrap_or_default().to_owned()
}

/// The texts of a list; absent means none.
pub(super) fn texts(node: &Node, key: &str) -> Vec<Text> {
    items(node, key).iter().filter_map(placed).collect()
}

/// The items of a list; absent means none.
pub(super) fn items<'a>(node: &'a Node, key: &str) -> &'a [Node] {
    node.get(key).map(Node::items).unwrap_or_default()
}

/// A value as a type with a default: a flag, a number, one of some words.
pub(super) fn value<T: DeserializeOwned>(node: &Node, key: &str) -> Option<T> {
    serde_json::from_value(node.get(key)?.to_json()).ok()
}

fn placed(node: &Node) -> Option<Text> {
    let text = node.text()?;
    Some(Spanned::new(node.mark.range(), text.to_owned()))
}

/// "`a`, `b` or `c`".
pub(super) fn either(names: &[&str]) -> String {
    join(names, "or")
}

/// "`a`, `b` and `c`".
pub(super) fn join(names: &[&str], last: &str) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [head @ .., tail] => format!("{} {last} {tail}", head.join(", ")),
    }
}

/// Reports every name that appears twice.
pub(super) fn duplicates<'a>(
    what: &str,
    names: impl IntoIterator<Item = &'a Text>,
    findings: &mut Findings,
) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.get_ref().as_str()) {
            let wrong = format!("{what} `{}` is defined twice", name.get_ref());
            findings.error(name.span(), wrong, "the second one", None);
        }
    }
}
