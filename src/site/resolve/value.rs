//! Values in their order, each with its origin.

use std::fmt;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Number;

use crate::diag::{Diagnostic, Place};
use crate::shape::{self, Mark, Node};
use crate::site::secrets::{Secret, Secrets};
use crate::site::yaml::Document;

/// What a question was answered with.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The answer.
    pub value: Object,
    /// What the user should know: secrets that are not there.
    pub warnings: Vec<Diagnostic>,
}

/// A value.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text that may be seen.
    Text(String),
    /// From `secrets.yaml`: printing it shows `(secret)`.
    Secret(Secret),
    /// A list.
    List(Vec<Traced>),
    /// A mapping.
    Map(Object),
}

/// A value and where it is from.
#[derive(Debug, Clone)]
pub struct Traced {
    /// The value.
    pub value: Value,
    /// Where it is from.
    pub origin: Origin,
}

/// Where a value is from.
#[derive(Clone)]
pub enum Origin {
    /// A value in a file.
    File(At),
    /// Counted from a value in a file: `vmid_base` and the place in the list.
    Counted(At, usize),
    /// A line of `secrets.yaml`.
    Secret(Arc<Utf8Path>, usize),
    /// Given on the command line.
    Given,
    /// What holds when no file says otherwise.
    Default,
}

/// A value's place in a file.
#[derive(Clone)]
pub struct At {
    document: Arc<Document>,
    mark: Mark,
}

impl At {
    /// The file, the bytes, a label under them.
    pub fn place(&self, label: impl Into<String>) -> Place {
        self.document.place(self.mark, label)
    }
}

impl Origin {
    /// A node of a file.
    pub(super) fn of(document: &Arc<Document>, node: &Node) -> Self {
        Self::File(At {
            document: Arc::clone(document),
            mark: node.mark,
        })
    }

    /// Counted from a node of a file.
    pub(super) fn counted(document: &Arc<Document>, node: &Node, steps: usize) -> Self {
        Self::Counted(
            At {
                document: Arc::clone(document),
                mark: node.mark,
            },
            steps,
        )
    }

    /// The place, when it is in a file that may be shown.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::File(at) | Self::Counted(at, _) => Some(at.place("")),
            Self::Secret(..) | Self::Given | Self::Default => None,
        }
    }

    /// The file, when there is one.
    pub fn file(&self) -> Option<Utf8PathBuf> {
        match self {
            Self::File(at) | Self::Counted(at, _) => Some(at.document.source().path.clone()),
            Self::Secret(file, _) => Some(file.to_path_buf()),
            Self::Given | Self::Default => None,
        }
    }

    /// The line in the file, from 1.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::File(at) | Self::Counted(at, _) => Some(at.mark.line as usize),
            Self::Secret(_, line) => Some(*line),
            Self::Given | Self::Default => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(at) => write!(f, "{}:{}", at.document.source().path, at.mark.line),
            Self::Counted(at, steps) => {
                write!(
                    f,
                    "{}:{} + {steps}",
                    at.document.source().path,
                    at.mark.line
                )
            }
            Self::Secret(file, line) => write!(f, "{file}:{line}"),
            Self::Given => f.write_str("command line"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.document.source().path, self.mark.line)
    }
}

/// A mapping in its order. Few keys: it is searched from the front.
#[derive(Debug, Clone, Default)]
pub struct Object(Vec<(String, Traced)>);

impl Object {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Traced> {
        let found = self.0.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value)
    }

    /// The text of a key, when it is one that may be seen.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// The items of a key; nothing when it is no list.
    pub fn items(&self, key: &str) -> &[Traced] {
        match self.get(key).map(|traced| &traced.value) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    /// The keys with their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Traced)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets a key: at its place when it is there, else at the end.
    pub fn set(&mut self, key: &str, value: Traced) {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    /// Adds a key that is not there yet; otherwise it stays as it is.
    pub(super) fn add(&mut self, key: &str, value: impl FnOnce() -> Traced) {
        if self.get(key).is_none() {
            self.0.push((key.to_owned(), value()));
        }
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Traced> {
        let found = self.0.iter_mut().find(|(name, _)| name == key);
        found.map(|(_, value)| value)
    }
}

impl Traced {
    /// A value that no file gives.
    pub fn default(value: Value) -> Self {
        Self {
            value,
            origin: Origin::Default,
        }
    }

    /// The default text.
    pub fn default_text(text: &str) -> Self {
        Self::default(Value::Text(text.to_owned()))
    }

    /// A value of the command line.
    pub(super) fn given(value: Value) -> Self {
        Self {
            value,
            origin: Origin::Given,
        }
    }

    /// A number with steps added, which knows where it was counted from.
    #[must_use]
    pub(super) fn counted_on(self, steps: usize) -> Self {
        let Value::Number(number) = &self.value else {
            return self;
        };
        let sum = u64::try_from(steps).ok();
        let sum = sum.and_then(|steps| number.as_u64()?.checked_add(steps));
        let origin = match self.origin {
            Origin::File(at) => Origin::Counted(at, steps),
            Origin::Counted(at, before) => Origin::Counted(at, before.saturating_add(steps)),
            other @ (Origin::Secret(..) | Origin::Given | Origin::Default) => other,
        };
        Self {
            value: sum.map_or(Value::Null, |sum| Value::Number(Number::from(sum))),
            origin,
        }
    }

    /// A node of a file, with all that is in it.
    pub(in crate::site) fn of(document: &Arc<Document>, node: &Node) -> Self {
        let value = match &node.value {
            shape::Value::Null => Value::Null,
            shape::Value::Bool(value) => Value::Bool(*value),
            shape::Value::Number(number) => Value::Number(number.clone()),
            shape::Value::Text(text) => Value::Text(text.clone()),
            shape::Value::List(items) => {
                Value::List(items.iter().map(|item| Self::of(document, item)).collect())
            }
            shape::Value::Map(map) => Value::Map(Object(
                map.iter()
                    .map(|entry| (entry.key.clone(), Self::of(document, &entry.value)))
                    .collect(),
            )),
        };
        Self {
            value,
            origin: Origin::of(document, node),
        }
    }

    /// A secret; empty text when it is not there.
    pub(super) fn secret(secrets: Option<&Secrets>, secret: Option<&Secret>) -> Self {
        match (secrets, secret) {
            (Some(secrets), Some(secret)) => Self {
                value: Value::Secret(secret.clone()),
                origin: Origin::Secret(Arc::from(secrets.file.as_path()), secret.line()),
            },
            _ => Self::default_text(""),
        }
    }

    /// Its text, when it is one that may be seen.
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value {
            return Some(text);
        }
        None
    }

    /// Its keys, when it is a mapping.
    pub fn map(&self) -> Option<&Object> {
        if let Value::Map(map) = &self.value {
            return Some(map);
        }
        None
    }

    /// Whether it is nothing.
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }
}
