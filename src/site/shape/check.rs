//! Holds a document against a table. Everything that is wrong is told, and
//! every name of something else is collected.

use std::fmt;
use std::net::Ipv4Addr;

use super::model::{Others, Record, Shape};
use crate::diag::{Advice, Diagnostic, Place, closest};
use crate::site::env::Cidr;
use crate::site::tree::Kind;
use crate::site::yaml::{Document, Entry, Map, Node, Value};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::site) enum Target {
    /// A file of this kind.
    File(Kind),
    /// One of `api_tokens`.
    ApiToken,
    /// One of `ssh_keys`.
    SshKey,
}

/// A name of something else.
#[derive(Debug, Clone, Copy)]
pub(in crate::site) struct Reference<'d> {
    pub(in crate::site) target: Target,
    pub(in crate::site) name: &'d str,
    pub(in crate::site) node: &'d Node,
}

/// What a check found.
#[derive(Debug, Default)]
pub(in crate::site) struct Checked<'d> {
    /// In no order.
    pub(in crate::site) errors: Vec<Diagnostic>,
    pub(in crate::site) warnings: Vec<Diagnostic>,
    pub(in crate::site) references: Vec<Reference<'d>>,
}

/// Holds a document against a table. `whole`: keys that are required are
/// missed.
pub(in crate::site) fn check<'d>(
    document: &'d Document,
    record: &'static Record,
    whole: bool,
) -> Checked<'d> {
    let mut checker = Checker {
        document,
        whole,
        found: Checked::default(),
    };
    checker.found.errors.extend(document.faults());
    let root = &document.root;
    match &root.value {
        Value::Map(map) => checker.record(root, map, record),
        Value::Null if !record.keys.iter().any(|key| key.required) => {}
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
            checker.wrong(root, What::File, "a mapping");
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

struct Checker<'d> {
    document: &'d Document,
    whole: bool,
    found: Checked<'d>,
}

impl<'d> Checker<'d> {
    fn record(&mut self, node: &'d Node, map: &'d Map, record: &'static Record) {
        for entry in map.iter() {
            match record.key(&entry.key) {
                Some(known) => {
                    self.shape(&entry.value, known.shape, What::Key(&entry.key));
                }
                None => self.unknown(entry, record),
            }
        }
        let whole = self.whole;
        let missed = record.keys.iter().filter(|key| key.required && whole);
        for key in missed {
            if map.get(key.name).is_none_or(Node::is_null) {
                let message = format!("{} has no `{}`", record.what, key.name);
                // A key that is there but empty is the better place.
                let place = match map.entry(key.name) {
                    Some(entry) => self.document.at_key(entry, ""),
                    None => self.document.at(node, ""),
                };
                self.error(place, message, key.doc.to_lowercase());
            }
        }
    }

    fn unknown(&mut self, entry: &'d Entry, record: &'static Record) {
        let key = entry.key.as_str();
        let known = record.keys.iter().map(|key| key.name);
        let near = closest(key, known.clone());
        let place = self
            .document
            .at_key(entry, format!("not a key of {}", record.what));
        match (record.others, near) {
            (Others::Refused, near) => {
                let help = near.map_or_else(
                    || format!("known: `{}`", known.collect::<Vec<_>>().join("`, `")),
                    |near| format!("did you mean `{near}`?"),
                );
                self.error(place, format!("unknown key `{key}`"), help);
            }
            (Others::Pass, Some(near)) => {
                let warning = Diagnostic::warning(format!("unknown key `{key}` is passed through"));
                let warning = warning.at(place).help(format!("did you mean `{near}`?"));
                self.found.warnings.push(warning);
            }
            (Others::Pass, None) => {}
        }
    }

    fn shape(&mut self, node: &'d Node, shape: Shape, what: What<'_>) {
        match (shape, &node.value) {
            // Nothing instead of a posture would be a machine that proves nothing.
            (Shape::Name(Kind::Posture | Kind::SpecPosture), Value::Null) => {
                self.wrong(node, what, "the name of a posture");
            }
            (Shape::Any, _)
            | (Shape::Text, Value::Text(_))
            | (Shape::Bool, Value::Bool(_))
            | (_, Value::Null) => {}
            (Shape::Text, _) => self.wrong(node, what, "text"),
            (Shape::Bool, _) => self.wrong(node, what, "`true` or `false`"),
            (Shape::Integer(low, high), value) => self.integer(node, value, what, low, high),
            (Shape::Address, value) => {
                if let Some(text) = self.text(node, value, what, "an address such as `192.168.1.1`")
                    && text.parse::<Ipv4Addr>().is_err()
                {
                    let message = format!("{what} `{text}` is not an IPv4 address");
                    let help = "write it without a prefix, e.g. `192.168.1.1`";
                    self.error(self.document.at(node, ""), message, help);
                }
            }
            (Shape::Cidr, value) => {
                let expected = "an address such as `192.168.1.51/24`, or `dhcp`";
                if let Some(text) = self.text(node, value, what, expected)
                    && text != "dhcp"
                    && let Err(why) = text.parse::<Cidr>()
                {
                    let finding = Diagnostic::error(format!("{what} `{text}` is not valid: {why}"));
                    self.found
                        .errors
                        .push(finding.at(self.document.at(node, "")));
                }
            }
            (Shape::Url, value) => {
                let expected = "an address such as `https://192.168.1.10:8006`";
                if let Some(text) = self.text(node, value, what, expected)
                    && !is_url(text)
                {
                    let message = format!("{what} `{text}` is not an address on the web");
                    self.error(
                        self.document.at(node, ""),
                        message,
                        format!("write {expected}"),
                    );
                }
            }
            (Shape::Choice(words), value) => self.choice(node, value, what, words),
            (Shape::Name(kind), _) => self.name(node, what, Target::File(kind)),
            (Shape::ApiToken, _) => self.name(node, what, Target::ApiToken),
            (Shape::SshKey, _) => self.name(node, what, Target::SshKey),
            (Shape::List(inner), Value::List(items)) => {
                let what = what.item();
                for item in items {
                    match (*inner, &item.value) {
                        // Nothing in a list is no item that was left out.
                        (Shape::Any, _) => {}
                        (inner, Value::Null) => self.wrong(item, what, expected(inner)),
                        (inner, _) => self.shape(item, inner, what),
                    }
                }
            }
            (Shape::List(_), _) => self.wrong(node, what, "a list"),
            (Shape::Record(record), Value::Map(map)) => self.record(node, map, record),
            (Shape::Keyed(inner), Value::Map(map)) => {
                for entry in map.iter() {
                    self.shape(&entry.value, *inner, What::Key(&entry.key));
                }
            }
            (Shape::Record(_) | Shape::Keyed(_), _) => self.wrong(node, what, "a mapping"),
        }
    }

    fn integer(&mut self, node: &'d Node, value: &Value, what: What<'_>, low: i64, high: i64) {
        let Value::Number(number) = value else {
            self.wrong(node, what, "a whole number");
            return;
        };
        if number.is_f64() {
            self.wrong(node, what, "a whole number");
            return;
        }
        if number.as_i64().is_none_or(|n| !(low..=high).contains(&n)) {
            let range = if low == high {
                low.to_string()
            } else {
                format!("{low} to {high}")
            };
            let message = format!("{what} is {number}, expected {range}");
            let finding = Diagnostic::error(message).at(self.document.at(node, ""));
            self.found.errors.push(finding);
        }
    }

    fn text(
        &mut self,
        node: &'d Node,
        value: &'d Value,
        what: What<'_>,
        expected: &str,
    ) -> Option<&'d str> {
        if let Value::Text(text) = value {
            return Some(text);
        }
        self.wrong(node, what, expected);
        None
    }

    fn choice(&mut self, node: &'d Node, value: &'d Value, what: What<'_>, words: &[&str]) {
        let list = format!("`{}`", words.join("`, `"));
        let Some(text) = self.text(node, value, what, &format!("one of {list}")) else {
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
            let help = match closest(text, words.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known: {list}"),
            };
            let message = format!("{what} is `{text}`, expected one of {list}");
            self.error(self.document.at(node, ""), message, help);
        }
    }

    fn name(&mut self, node: &'d Node, what: What<'_>, target: Target) {
        match node.text() {
            Some(name) if !name.is_empty() => {
                self.found.references.push(Reference { target, name, node });
            }
            _ => self.wrong(node, what, "a name"),
        }
    }

    fn wrong(&mut self, node: &'d Node, what: What<'_>, expected: &str) {
        let message = format!("{what} is {}, expected {expected}", node.kind());
        let finding = Diagnostic::error(message).at(self.document.at(node, ""));
        self.found.errors.push(finding);
    }

    fn error(&mut self, place: Place, message: String, help: impl Into<Advice>) {
        let finding = Diagnostic::error(message).at(place).help(help);
        self.found.errors.push(finding);
    }
}

/// What an item of a list is, in words.
fn expected(shape: Shape) -> &'static str {
    match shape {
        Shape::Record(_) | Shape::Keyed(_) => "a mapping",
        Shape::List(_) => "a list",
        Shape::Bool => "`true` or `false`",
        Shape::Integer(..) => "a number",
        Shape::Name(_) | Shape::ApiToken | Shape::SshKey => "a name",
        Shape::Text | Shape::Address | Shape::Cidr | Shape::Url | Shape::Choice(_) | Shape::Any => {
            "text"
        }
    }
}

fn is_url(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    text.is_empty() || host.is_some_and(|host| !host.is_empty() && !host.contains(' '))
}
