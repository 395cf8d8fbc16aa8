//! Reads a TOML table key by key and collects everything that is wrong with it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Number;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::model::{Node, NodeKind, Text};
use crate::diag::{Advice, Diagnostic, Source, did_you_mean};

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

/// One table that is being read. Keys that were not asked for are unknown.
pub(super) struct Fields<'a> {
    table: &'a DeTable<'a>,
    span: Range<usize>,
    /// How people call this table, e.g. "`[layer]`".
    what: &'a str,
    known: &'static [&'static str],
}

impl<'a> Fields<'a> {
    /// Starts reading; reports keys that are not in `known`.
    pub(super) fn new(
        table: &'a DeTable<'a>,
        span: Range<usize>,
        what: &'a str,
        known: &'static [&'static str],
        findings: &mut Findings,
    ) -> Self {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                findings.error(
                    key.span(),
                    format!("unknown key `{name}`"),
                    format!("not a key of {what}"),
                    did_you_mean(name, known.iter().copied()),
                );
            }
        }
        Self {
            table,
            span,
            what,
            known,
        }
    }

    fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        debug_assert!(self.known.contains(&key), "`{key}` is not declared");
        self.table.get(key)
    }

    /// A text that must be there and not be empty.
    pub(super) fn required(&self, key: &str, findings: &mut Findings) -> Option<Text> {
        if self.get(key).is_none() {
            findings.error(
                self.span.clone(),
                format!("{} has no `{key}`", self.what),
                format!("`{key} = \"...\"` is missing here"),
                None,
            );
        }
        let text = self.text(key, findings)?;
        if text.get_ref().trim().is_empty() {
            findings.error(
                text.span(),
                format!("`{key}` is empty"),
                "expected a text",
                None,
            );
            return None;
        }
        Some(text)
    }

    /// A text.
    pub(super) fn text(&self, key: &str, findings: &mut Findings) -> Option<Text> {
        let value = self.get(key)?;
        let found = value.get_ref().as_str();
        if found.is_none() {
            wrong_type(key, value, "a string", findings);
        }
        found.map(|text| Spanned::new(value.span(), text.to_owned()))
    }

    /// A text, or "".
    pub(super) fn text_or_empty(&self, key: &str, findings: &mut Findings) -> String {
        self.text(key, findings)
            .map(Spanned::into_inner)
            .unwrap_or_default()
    }

    /// A list of texts; absent means none.
    pub(super) fn texts(&self, key: &str, findings: &mut Findings) -> Vec<Text> {
        self.texts_if_any(key, findings).unwrap_or_default()
    }

    /// A list of texts.
    pub(super) fn texts_if_any(&self, key: &str, findings: &mut Findings) -> Option<Vec<Text>> {
        let value = self.get(key)?;
        let Some(items) = value.get_ref().as_array() else {
            wrong_type(key, value, "a list of strings", findings);
            return None;
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item.get_ref().as_str() {
                Some(text) => texts.push(Spanned::new(item.span(), text.to_owned())),
                None => wrong_type(key, item, "a string", findings),
            }
        }
        Some(texts)
    }

    /// `true` or `false`; absent means `false`.
    pub(super) fn flag(&self, key: &str, findings: &mut Findings) -> bool {
        let Some(value) = self.get(key) else {
            return false;
        };
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            wrong_type(key, value, "`true` or `false`", findings);
        }
        flag.unwrap_or_default()
    }

    /// A whole number of this range.
    pub(super) fn count(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<u32>,
        findings: &mut Findings,
    ) -> Option<u32> {
        let value = self.get(key)?;
        let Some(integer) = value.get_ref().as_integer() else {
            wrong_type(key, value, "a whole number", findings);
            return None;
        };
        let number = u32::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .filter(|n| range.contains(n));
        if number.is_none() {
            findings.error(
                value.span(),
                format!("`{key} = {integer}` is out of range"),
                format!("expected {} to {}", range.start(), range.end()),
                None,
            );
        }
        number
    }

    /// One of these words; absent means the first.
    pub(super) fn word<T: Copy>(
        &self,
        key: &str,
        words: &[(&'static str, T)],
        findings: &mut Findings,
    ) -> Option<T> {
        let text = self.text(key, findings)?;
        let found = words.iter().find(|(word, _)| word == text.get_ref());
        if found.is_none() {
            let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            findings.error(
                text.span(),
                format!("`{key}` cannot be `{}`", text.get_ref()),
                format!("expected {}", either(&names)),
                crate::diag::closest(text.get_ref(), names)
                    .map(|name| format!("did you mean `{name}`?")),
            );
        }
        found.map(|(_, value)| *value)
    }

    /// A table.
    pub(super) fn table(
        &self,
        key: &str,
        findings: &mut Findings,
    ) -> Option<(&'a DeTable<'a>, Range<usize>)> {
        let value = self.get(key)?;
        let table = value.get_ref().as_table();
        if table.is_none() {
            wrong_type(key, value, "a table", findings);
        }
        table.map(|table| (table, value.span()))
    }

    /// A list of tables; absent means none.
    pub(super) fn tables(
        &self,
        key: &str,
        findings: &mut Findings,
    ) -> Vec<(&'a DeTable<'a>, Range<usize>)> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            wrong_type(key, value, "a list of tables", findings);
            return Vec::new();
        };
        let mut tables = Vec::with_capacity(items.len());
        for item in items {
            match item.get_ref().as_table() {
                Some(table) => tables.push((table, item.span())),
                None => wrong_type(key, item, "a table", findings),
            }
        }
        tables
    }

    /// Any value.
    pub(super) fn node(&self, key: &str, findings: &mut Findings) -> Option<Node> {
        node(self.get(key)?, findings)
    }

    /// All keys and values of a free table, as written.
    pub(super) fn entries(&self, key: &str, findings: &mut Findings) -> Vec<(Text, Node)> {
        match self.table(key, findings) {
            Some((table, _)) => entries(table, findings),
            None => Vec::new(),
        }
    }
}

fn entries(table: &DeTable<'_>, findings: &mut Findings) -> Vec<(Text, Node)> {
    let mut entries: Vec<_> = table
        .iter()
        .filter_map(|(key, value)| {
            let name = Spanned::new(key.span(), Cow::clone(key.get_ref()).into_owned());
            Some((name, node(value, findings)?))
        })
        .collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn node(value: &Spanned<DeValue<'_>>, findings: &mut Findings) -> Option<Node> {
    let kind = match value.get_ref() {
        DeValue::String(text) => NodeKind::String(text.clone().into_owned()),
        DeValue::Boolean(flag) => NodeKind::Bool(*flag),
        DeValue::Datetime(date) => NodeKind::String(date.to_string()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => NodeKind::Number(Number::from(number)),
            Err(_) => return bad_number(value, integer.as_str(), findings),
        },
        DeValue::Float(float) => match float.as_str().parse().ok().and_then(Number::from_f64) {
            Some(number) => NodeKind::Number(number),
            None => return bad_number(value, float.as_str(), findings),
        },
        DeValue::Array(items) => NodeKind::Array(
            items
                .iter()
                .filter_map(|item| node(item, findings))
                .collect(),
        ),
        DeValue::Table(table) => NodeKind::Table(entries(table, findings)),
    };
    Some(Node {
        span: value.span(),
        kind,
    })
}

fn bad_number(value: &Spanned<DeValue<'_>>, text: &str, findings: &mut Findings) -> Option<Node> {
    findings.error(
        value.span(),
        format!("`{text}` is not a number that fits"),
        "expected a 64-bit integer or a finite float",
        None,
    );
    None
}

fn wrong_type(key: &str, value: &Spanned<DeValue<'_>>, expected: &str, findings: &mut Findings) {
    findings.error(
        value.span(),
        format!("`{key}` has the wrong type"),
        format!(
            "expected {expected}, found {}",
            a(value.get_ref().type_str())
        ),
        None,
    );
}

fn a(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
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
            findings.error(
                name.span(),
                format!("{what} `{}` is defined twice", name.get_ref()),
                "the second one",
                None,
            );
        }
    }
}
