//! An adapter as read from its folder.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::diag::{Place, Source};
use crate::shape::Node;

/// Where an adapter's folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// In this binary.
    Shipped,
    /// In `platform/adapters/` of the lab.
    Lab,
}

/// An adapter: its definition, and the files of its folder.
#[derive(Debug, Clone)]
pub struct Adapter {
    /// What `adapter.toml` says.
    pub definition: Definition,
    /// Where its folder is.
    pub origin: Origin,
    /// All files of its folder by path, `adapter.toml` too.
    pub files: BTreeMap<String, Cow<'static, [u8]>>,
    /// `adapter.toml`, for findings.
    pub source: Source,
    /// `adapter.toml` as a tree, for places.
    pub root: Node,
}

impl Adapter {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.definition.adapter.name
    }

    /// The place of a key of the `index`th table of that kind.
    pub fn place(&self, kind: &str, index: usize, key: &str) -> Place {
        let table = self.root.get(kind).map(Node::items);
        let table = table.and_then(|tables| tables.get(index));
        let node = table.and_then(|table| table.get(key)).or(table);
        let mark = node.unwrap_or(&self.root).mark;
        mark.place(&self.source, "")
    }

    /// The text of one of its files.
    pub fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(self.files.get(path)?).ok()
    }

    /// The name of its group.
    pub fn group(&self) -> Option<&str> {
        let group = self.definition.adapter.group.as_ref();
        group.map(|group| group.name.as_str())
    }

    /// Whether it provides a capability.
    pub fn provides(&self, capability: &str) -> bool {
        let mut all = self.definition.provides.iter();
        all.any(|provides| provides.capability == capability)
    }

    /// The release that `version` names, else the default.
    pub fn release(&self, given: &Map<String, Value>) -> Option<&Release> {
        let named = given.get("version").and_then(Value::as_str);
        let mut releases = self.definition.releases.iter();
        named
            .and_then(|name| releases.find(|release| release.name == name))
            .or_else(|| self.default_release())
    }

    /// The release that is taken when none is named.
    pub fn default_release(&self) -> Option<&Release> {
        let releases = &self.definition.releases;
        let default = releases.iter().find(|release| release.default);
        default.or_else(|| releases.first())
    }
}

/// `adapter.toml`
#[derive(Debug, Clone, Deserialize)]
pub struct Definition {
    /// `[adapter]`
    pub adapter: Head,
    /// `[[release]]`
    #[serde(default, rename = "release")]
    pub releases: Vec<Release>,
    /// `[[input]]`
    #[serde(default, rename = "input")]
    pub inputs: Vec<Input>,
    /// `[[provides]]`
    #[serde(default)]
    pub provides: Vec<Provides>,
    /// `[[requires]]`
    #[serde(default)]
    pub requires: Vec<Requires>,
    /// `[[placeholder]]`
    #[serde(default, rename = "placeholder")]
    pub placeholders: Vec<Placeholder>,
    /// `[[file]]`
    #[serde(default, rename = "file")]
    pub outputs: Vec<Output>,
    /// `[[script]]`
    #[serde(default, rename = "script")]
    pub scripts: Vec<Script>,
}

/// `[adapter]`
#[derive(Debug, Clone, Deserialize)]
pub struct Head {
    /// Its name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// A label for people.
    pub phase: String,
    /// Name for people; empty: its name.
    #[serde(default)]
    pub title: String,
    /// One line of documentation.
    #[serde(default)]
    pub doc: String,
    /// The group of adapters that exclude each other.
    #[serde(default)]
    pub group: Option<Group>,
}

/// `group` of an adapter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Lower numbers are asked first.
    #[serde(default)]
    pub order: u32,
    /// What `init` asks.
    #[serde(default)]
    pub prompt: String,
    /// This adapter is offered first.
    #[serde(default)]
    pub default: bool,
    /// The group may stay without an adapter.
    #[serde(default)]
    pub optional: bool,
}

/// A version of the product.
#[derive(Debug, Clone, Deserialize)]
pub struct Release {
    /// The version.
    pub name: String,
    /// Taken when none is named.
    #[serde(default)]
    pub default: bool,
    /// What templates read as `release.KEY`.
    #[serde(default)]
    pub values: Map<String, Value>,
}

impl Release {
    /// It as templates read it: its values, and its `name`.
    pub(super) fn told(&self) -> Value {
        let mut all = self.values.clone();
        all.insert("name".to_owned(), Value::from(self.name.as_str()));
        Value::Object(all)
    }
}

/// The type of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One text.
    #[default]
    Text,
    /// A text that is only in a variable.
    Secret,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// One of `choices`.
    Choice,
    /// A list of texts.
    List,
    /// A list of mappings.
    Records,
}

/// What a text must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Lower-case letters, digits and `-`.
    Name,
    /// An address of IPv4 or IPv6.
    Ip,
    /// A network.
    Cidr,
    /// `HOST:PORT`.
    Endpoint,
    /// A name of DNS.
    Hostname,
    /// `http://` or `https://`, `ssh://`, `git@`.
    Url,
    /// 64 hexadecimal digits.
    Hex64,
    /// A bucket of S3.
    Bucket,
    /// A path without `..`.
    Path,
    /// A public key of age.
    Age,
}

/// What of the lab is suggested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suggest {
    /// Proxmox nodes.
    Nodes,
    /// Environments of the site-config.
    Environments,
    /// Machines that L2 published.
    Machines,
}

/// `[[input]]`
#[derive(Debug, Clone, Deserialize)]
pub struct Input {
    /// Its key in `platform.yaml`.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// What `init` asks; empty: its name.
    #[serde(default)]
    pub prompt: String,
    /// What is said below the question.
    #[serde(default)]
    pub help: String,
    /// Its value when nobody gives one.
    #[serde(default)]
    pub default: Option<Value>,
    /// It may stay without a value.
    #[serde(default)]
    pub optional: bool,
    /// `init` asks although there is a default.
    #[serde(default)]
    pub ask: bool,
    /// What a choice may be.
    #[serde(default)]
    pub choices: Vec<String>,
    /// What each text must be.
    #[serde(default)]
    pub format: Option<Format>,
    /// The least number, or the fewest items.
    #[serde(default)]
    pub min: Option<i64>,
    /// The greatest number, or the most items.
    #[serde(default)]
    pub max: Option<i64>,
    /// The keys of each record.
    #[serde(default)]
    pub fields: Vec<Field>,
    /// An expression: true, and there is no value.
    #[serde(default)]
    pub skip: Option<String>,
    /// An expression that gives the value.
    #[serde(default)]
    pub derive: Option<String>,
    /// An expression over `value` that must be true.
    #[serde(default)]
    pub check: Option<String>,
    /// What is said when it is not.
    #[serde(default)]
    pub message: Option<String>,
    /// What of the lab is suggested.
    #[serde(default)]
    pub suggest: Option<Suggest>,
    /// The variable of a secret.
    #[serde(default)]
    pub variable: Option<String>,
}

/// A key of a record.
#[derive(Debug, Clone, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(default, rename = "type")]
    pub kind: Kind,
    /// What a text must be.
    #[serde(default)]
    pub format: Option<Format>,
    /// What a choice may be.
    #[serde(default)]
    pub choices: Vec<String>,
    /// It may be absent.
    #[serde(default)]
    pub optional: bool,
}

/// `[[provides]]`
#[derive(Debug, Clone, Deserialize)]
pub struct Provides {
    /// The capability.
    pub capability: String,
    /// Its version; a template.
    pub version: String,
    /// Its fields; strings are templates.
    #[serde(default)]
    pub data: Map<String, Value>,
}

/// `[[requires]]`
#[derive(Debug, Clone, Deserialize)]
pub struct Requires {
    /// The capability.
    pub capability: String,
    /// Which versions do.
    pub version: String,
}

/// `[[placeholder]]`
#[derive(Debug, Clone, Deserialize)]
pub struct Placeholder {
    /// Its name.
    pub name: String,
    /// What the value is.
    pub doc: String,
}

/// `[[file]]`
#[derive(Debug, Clone, Deserialize)]
pub struct Output {
    /// A file of the folder.
    pub template: String,
    /// Where it is written; a template.
    pub path: String,
    /// Below `generated` itself.
    #[serde(default)]
    pub root: bool,
    /// An expression that gives a list.
    #[serde(default)]
    pub each: Option<String>,
    /// An expression: only when true.
    #[serde(default)]
    pub when: Option<String>,
    /// Its mode, octal.
    #[serde(default)]
    pub mode: Option<String>,
}

impl Output {
    /// Its permission bits.
    pub fn bits(&self) -> u32 {
        let mode = self.mode.as_deref().unwrap_or("0644");
        u32::from_str_radix(mode, 8).unwrap_or(0o644)
    }
}

/// When a script runs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, serde::Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Before everything, all at once; changes nothing.
    Check,
    /// Prepares.
    PreWork,
    /// The main work.
    Bootstrap,
    /// Waits, and finishes.
    PostWork,
    /// Proves that it works.
    Validation,
}

/// `[[script]]`
#[derive(Debug, Clone, Deserialize)]
pub struct Script {
    /// Its name, unique in the adapter.
    pub name: String,
    /// When it runs.
    pub stage: Stage,
    /// A file of the folder.
    pub file: String,
    /// What it does, in one line.
    pub doc: String,
    /// Its limit.
    #[serde(default)]
    pub timeout: Option<String>,
    /// Programs that it calls.
    #[serde(default)]
    pub tools: Vec<String>,
    /// Variables with secrets that it needs.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Secrets that it makes.
    #[serde(default)]
    pub makes: Vec<String>,
    /// Placeholders whose values it finds.
    #[serde(default)]
    pub fills: Vec<String>,
    /// What it is told; strings are templates.
    #[serde(default)]
    pub context: Map<String, Value>,
    /// An expression: only when true.
    #[serde(default)]
    pub when: Option<String>,
    /// What must be reached before it starts.
    #[serde(default)]
    pub barrier: Option<String>,
    /// What is reached when it has succeeded.
    #[serde(default)]
    pub opens: Option<String>,
    /// It is tried again after a failure.
    #[serde(default)]
    pub retry: Option<ScriptRetry>,
}

/// `retry` of a script.
#[derive(Debug, Clone, Deserialize)]
pub struct ScriptRetry {
    /// Attempts after the first.
    #[serde(default = "four")]
    pub times: u32,
    /// Wait before the second attempt.
    #[serde(default)]
    pub backoff: Option<String>,
}

fn four() -> u32 {
    4
}
