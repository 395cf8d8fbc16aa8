//! Holds a tree against a table. Everything that is wrong is told, and every
//! name of something else is collected.

use std::fmt;

use super::model::{Form, Format, Others, Record, Referent, Shape};
use super::node::{Entry, Map, Mark, Node, Value};
use crate::diag::{Advice, Diagnostic, Place, Source, closest, did_you_mean};

/// A name of something else.
#[derive(Debug, Clone, Copy)]
pub struct Reference<'d, N> {
    /// What it stands for.
    pub target: N,
    /// The name.
    pub name: &'d str,
    /// Where it is.
    pub node: &'d Node,
}

/// What a check found.
#[derive(Debug)]
pub struct Checked<'d, N> {
    /// In no order.
    pub errors: Vec<Diagnostic>,
    /// Keys that are close to a known one.
    pub warnings: Vec<Diagnostic>,
    /// Names of something else.
    pub references: Vec<Reference<'d, N>>,
}

/// Holds a tree against a table. `whole`: keys that are required are missed.
pub fn check<'d, N: Referent>(
    source: &Source,
    format: Format,
    root: &'d Node,
    record: &'static Record<N>,
    whole: bool,
) -> Checked<'d, N> {
    let mut checker = Checker {
        source,
        format,
        whole,
        found: Checked {
            errors: Vec::new(),
            warnings: Vec::new(),
            references: Vec::new(),
        },
    };
    match &root.value {
        Value::Map(map) => checker.record(root, map, record),
        Value::Null if !record.keys.iter().any(|key| key.required) => {}
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
            checker.wrong(root, What::File, checker.mapping());
        }
    }
    checker.found
}

/// What a value is called in a message.
#[derive(Clone, Copy)]
enum What<'a> {
    File,
    Key(&'a str),
    Item(&'a str),
}

impl What<'_> {
    /// One of what it holds.
    fn item(self) -> Self {
        match self {
            Self::Key(key) => Self::Item(key),
            Self::File | Self::Item(_) => self,
        }
    }
}

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("the file"),
            Self::Key(key) => write!(f, "`{key}`"),
            Self::Item(key) => write!(f, "an item of `{key}`"),
        }
    }
}

struct Checker<'d, 's, N> {
    source: &'s Source,
    format: Format,
    whole: bool,
    found: Checked<'d, N>,
}

impl<'d, N: Referent> Checker<'d, '_, N> {
    fn record(&mut self, node: &'d Node, map: &'d Map, record: &'static Record<N>) {
        // A required key that was mistyped is told once, where it stands.
        let mut slips = Vec::new();
        for entry in map {
            match record.key(&entry.key) {
                Some(known) => self.shape(&entry.value, known.shape, What::Key(&entry.key)),
                None => slips.extend(self.unknown(entry, record)),
            }
        }
        let whole = self.whole;
        for key in record.keys.iter().filter(|key| key.required && whole) {
            let missing = map.get(key.name).is_none_or(Node::is_null);
            if missing && !slips.contains(&key.name) {
                let table = matches!(key.shape, Shape::Record(_)) && self.format == Format::Toml;
                let name = if table {
                    format!("[{}]", key.name)
                } else {
                    key.name.to_owned()
                };
                // A key that is there but empty is the better place.
                let mark = map
                    .entry(key.name)
                    .map_or(node.mark, |entry| entry.key_mark);
                let message = format!("{} has no `{name}`", record.what);
                self.error(mark, message, first_lower(key.doc));
            }
        }
    }

    /// Gives the known key that it was meant to be, where it is an error.
    fn unknown(&mut self, entry: &'d Entry, record: &'static Record<N>) -> Option<&'static str> {
        let key = entry.key.as_str();
        let known = record.keys.iter().map(|key| key.name);
        let near = closest(key, known.clone());
        let label = format!("not a key of {}", record.what);
        let place = entry.key_mark.place(self.source, label);
        match (record.others, near) {
            (Others::Refused, _) => {
                let mut finding = Diagnostic::error(format!("unknown key `{key}`")).at(place);
                finding
                    .help
                    .extend(did_you_mean(key, known).map(Advice::from));
                self.found.errors.push(finding);
            }
            (Others::Pass, Some(near)) => {
                let warning = Diagnostic::warning(format!("unknown key `{key}` is passed through"));
                let warning = warning.at(place).help(format!("did you mean `{near}`?"));
                self.found.warnings.push(warning);
            }
            (Others::Pass, None) => {}
        }
        near.filter(|_| record.others == Others::Refused)
    }

    fn shape(&mut self, node: &'d Node, shape: Shape<N>, what: What<'_>) {
        match (shape, &node.value) {
            (Shape::Name(target), Value::Null) => {
                if let Some(expected) = target.never_null() {
                    self.wrong(node, what, expected);
                }
            }
            (Shape::Any, _) | (_, Value::Null) | (Shape::Bool | Shape::Scalar, Value::Bool(_)) => {}
            (Shape::Scalar, Value::Number(number)) if !number.is_f64() => {}
            (Shape::Text | Shape::Scalar, Value::Text(_)) if !self.is_date(node) => {}
            (Shape::Scalar, _) => {
                self.wrong(node, what, "text, a whole number, or `true` or `false`");
            }
            (Shape::Text, _) => self.wrong(node, what, "text"),
            (Shape::Filled, _) => {
                if self
                    .text(node, what, "text")
                    .is_some_and(|text| text.trim().is_empty())
                {
                    let finding = Diagnostic::error(format!("{what} is empty, expected text"));
                    self.push(node.mark, finding);
                }
            }
            (Shape::Form(form), _) => {
                if let Some(text) = self.text(node, what, form.is) {
                    self.form(node.mark, form, &what.to_string(), text);
                }
            }
            (Shape::Bool, _) => self.wrong(node, what, "`true` or `false`"),
            (Shape::Integer(low, high), value) => self.integer(node, value, what, low, high),
            (Shape::Choice(words), value) => self.choice(node, value, what, words),
            (Shape::Name(target), _) => match self.text(node, what, "a name") {
                Some("") => self.wrong(node, what, "a name"),
                Some(name) => self.found.references.push(Reference { target, name, node }),
                None => {}
            },
            (Shape::List(inner), Value::List(items)) => {
                let what = what.item();
                for item in items {
                    match (*inner, &item.value) {
                        // Nothing in a list is no item that was left out.
                        (Shape::Any, _) => {}
                        (inner, Value::Null) => self.wrong(item, what, self.expected(inner)),
                        (inner, _) => self.shape(item, inner, what),
                    }
                }
            }
            (Shape::List(_), _) => self.wrong(node, what, "a list"),
            (Shape::Record(record), Value::Map(map)) => self.record(node, map, record),
            (Shape::Keyed(inner) | Shape::Named(_, inner), Value::Map(map)) => {
                for entry in map {
                    if let Shape::Named(form, _) = shape {
                        self.form(entry.key_mark, form, "the name", &entry.key);
                    }
                    self.shape(&entry.value, *inner, What::Key(&entry.key));
                }
            }
            (Shape::Record(_) | Shape::Keyed(_) | Shape::Named(..), _) => {
                self.wrong(node, what, self.mapping());
            }
        }
    }

    fn form(&mut self, mark: Mark, form: &Form, what: &str, text: &str) {
        if let Some(finding) = (form.wrong)(what, text) {
            self.push(mark, finding);
        }
    }

    fn integer(&mut self, node: &'d Node, value: &Value, what: What<'_>, low: i64, high: i64) {
        let Value::Number(number) = value else {
            return self.wrong(node, what, "a whole number");
        };
        if number.is_f64() {
            return self.wrong(node, what, "a whole number");
        }
        if number.as_i64().is_none_or(|n| !(low..=high).contains(&n)) {
            let range = if low == high {
                low.to_string()
            } else {
                format!("{low} to {high}")
            };
            let message = format!("{what} is {number}, expected {range}");
            self.push(node.mark, Diagnostic::error(message));
        }
    }

    fn text(&mut self, node: &'d Node, what: What<'_>, expected: &str) -> Option<&'d str> {
        let text = node.text().filter(|_| !self.is_date(node));
        if text.is_none() {
            self.wrong(node, what, expected);
        }
        text
    }

    fn choice(&mut self, node: &'d Node, value: &'d Value, what: What<'_>, words: &[&str]) {
        let list = format!("`{}`", words.join("`, `"));
        let Some(text) = self.text(node, what, &format!("one of {list}")) else {
            if matches!(value, Value::Bool(_)) && words.contains(&"yes") {
                let finding = self.found.errors.last_mut();
                let quoted = "put `yes` or `no` in quotes".to_owned();
                if let Some(finding) = finding {
                    finding.help.push(quoted.into());
                }
            }
            return;
        };
        if !words.contains(&text) {
            let message = format!("{what} is `{text}`, expected one of {list}");
            let help = did_you_mean(text, words.iter().copied());
            self.error(node.mark, message, help.unwrap_or_default());
        }
    }

    fn wrong(&mut self, node: &'d Node, what: What<'_>, expected: &str) {
        let is = if node.map().is_some() {
            self.mapping()
        } else if self.is_date(node) {
            "a date"
        } else {
            node.kind()
        };
        let mut finding = Diagnostic::error(format!("{what} is {is}, expected {expected}"));
        let plain = matches!(node.value, Value::Bool(_) | Value::Number(_)) || self.is_date(node);
        if let (Format::Toml, true, What::Key(key), "text") = (self.format, plain, what, expected) {
            finding = finding.help(format!("put the value in quotes: `{key} = \"...\"`"));
        }
        self.push(node.mark, finding);
    }

    fn error(&mut self, mark: Mark, message: String, help: impl Into<Advice>) {
        self.push(mark, Diagnostic::error(message).help(help));
    }

    fn push(&mut self, mark: Mark, finding: Diagnostic) {
        let place: Place = mark.place(self.source, "");
        self.found.errors.push(finding.at(place));
    }

    /// Dates of TOML are the only text that begins with a digit.
    fn is_date(&self, node: &Node) -> bool {
        let first = || self.source.text.as_bytes().get(node.mark.start as usize);
        self.format == Format::Toml
            && node.text().is_some()
            && first().is_some_and(u8::is_ascii_digit)
    }

    fn mapping(&self) -> &'static str {
        match self.format {
            Format::Yaml => "a mapping",
            Format::Toml => "a table",
        }
    }

    /// What an item of a list is, in words.
    fn expected(&self, shape: Shape<N>) -> &'static str {
        match shape {
            Shape::Record(_) | Shape::Keyed(_) | Shape::Named(..) => self.mapping(),
            Shape::List(_) => "a list",
            Shape::Bool => "`true` or `false`",
            Shape::Integer(..) => "a number",
            Shape::Name(_) => "a name",
            Shape::Text
            | Shape::Filled
            | Shape::Form(_)
            | Shape::Scalar
            | Shape::Choice(_)
            | Shape::Any => "text",
        }
    }
}

/// A sentence as it stands behind `help:`.
fn first_lower(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}
