//! `adapter.toml` to an [`Adapter`]: all that is wrong with it, each with its place.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use minijinja::Environment;
use serde_json::Value;

use super::contract;
use super::engine::{self, TemplateFault};
use super::model::{Adapter, Definition, Input, Kind, Origin};
use super::table::ADAPTER;
use super::values::misfits;
use super::version::{requirement, version};
use crate::action::platform::is_inside;
use crate::base::ticked;
use crate::diag::{Advice, Diagnostic, Exit, Failure, Place, Source, did_you_mean};
use crate::lab::timeouts;
use crate::shape::{self, Node};

/// The file that defines an adapter.
pub(super) const FILE: &str = "adapter.toml";

/// The adapter in a folder. `shown` is the folder as people see it.
///
/// # Errors
/// All that is wrong with it (65).
pub(super) fn read(
    shown: &Utf8Path,
    origin: Origin,
    files: BTreeMap<String, Cow<'static, [u8]>>,
) -> Result<Adapter, Failure> {
    let path = shown.join(FILE);
    let text = files.get(FILE).map(|data| std::str::from_utf8(data));
    let text = match text {
        Some(Ok(text)) => text.to_owned(),
        Some(Err(_)) => return Err(no_adapter(&path, "it is not UTF-8")),
        None => return Err(no_adapter(&path, "there is no such file")),
    };
    let source = Source::new(path, text);
    let mut tree = None;
    let definition = shape::read::<Definition>(&source, &ADAPTER, |root, found| {
        let folder = shown.file_name().unwrap_or_default();
        let checks = Checks {
            source: &source,
            root,
            files: &files,
            found,
        };
        checks.all(folder);
        tree = Some(root.clone());
    })?;
    let root = tree.ok_or_else(|| no_adapter(&source.path, "it is empty"))?;
    Ok(Adapter {
        definition,
        origin,
        files,
        source,
        root,
    })
}

fn no_adapter(path: &Utf8Path, why: &str) -> Failure {
    Failure::message(Exit::Definition, format!("cannot read `{path}`: {why}"))
        .help("each folder of adapters holds an `adapter.toml`")
}

struct Checks<'a> {
    source: &'a Source,
    root: &'a Node,
    files: &'a BTreeMap<String, Cow<'static, [u8]>>,
    found: &'a mut Vec<Diagnostic>,
}

impl Checks<'_> {
    fn all(mut self, folder: &str) {
        self.head(folder);
        for (kind, key, what) in [
            ("release", "name", "release"),
            ("input", "name", "input"),
            ("provides", "capability", "capability"),
            ("requires", "capability", "requirement"),
            ("placeholder", "name", "placeholder"),
            ("script", "name", "script"),
        ] {
            self.duplicates(kind, key, what);
        }
        let placeholders = self.names("placeholder", "name");
        let mut engine = engine::engine(placeholders.clone());
        self.releases();
        self.inputs(&engine);
        self.provides(&engine);
        self.requires();
        self.outputs(&mut engine);
        self.scripts(&engine, &placeholders);
    }

    /// The tables of that kind.
    fn tables(&self, kind: &str) -> Vec<Node> {
        self.root
            .get(kind)
            .map(Node::items)
            .unwrap_or_default()
            .to_vec()
    }

    fn names(&self, kind: &str, key: &str) -> Vec<String> {
        let tables = self.root.get(kind).map(Node::items).unwrap_or_default();
        let names = tables.iter().filter_map(|table| table.get(key)?.text());
        names.map(str::to_owned).collect()
    }

    fn place(&self, node: &Node, label: &str) -> Place {
        node.mark.place(self.source, label)
    }

    fn tell(&mut self, node: &Node, message: impl Into<String>, help: Option<String>) {
        let place = self.place(node, "");
        let mut finding = Diagnostic::error(message).at(place);
        finding.help.extend(help.map(Advice::from));
        self.found.push(finding);
    }

    fn head(&mut self, folder: &str) {
        let Some(head) = self.root.get("adapter").cloned() else {
            return;
        };
        if let Some((node, name)) = text(&head, "name")
            && name != folder
        {
            let message = format!("adapter `{name}` does not fit its folder `{folder}`");
            self.tell(node, message, Some("rename one of them".to_owned()));
        }
        if let Some((node, text)) = text(&head, "version")
            && version(text).is_none()
        {
            let message = format!("`version` is `{text}`, expected a version such as `1.0.0`");
            self.tell(node, message, None);
        }
    }

    fn duplicates(&mut self, kind: &str, key: &str, what: &str) {
        let mut seen = BTreeSet::new();
        for table in self.tables(kind) {
            if let Some((node, name)) = text(&table, key)
                && !seen.insert(name.to_owned())
            {
                self.tell(node, format!("{what} `{name}` is defined twice"), None);
            }
        }
    }

    fn releases(&mut self) {
        let tables = self.tables("release");
        let is_default = |table: &&Node| {
            let default = table.get("default").map(Node::to_json);
            default == Some(Value::Bool(true))
        };
        if let Some(second) = tables.iter().filter(is_default).nth(1) {
            let node = second.get("default").unwrap_or(second);
            self.tell(node, "two releases are the default", None);
        }
    }

    fn inputs(&mut self, engine: &Environment<'_>) {
        for table in self.tables("input") {
            // The table says what is wrong with those that cannot be read.
            let Ok(input) = serde_json::from_value::<Input>(table.to_json()) else {
                continue;
            };
            self.input(&table, &input);
            for key in ["skip", "derive", "check"] {
                self.expression(engine, &table, key);
            }
        }
    }

    fn input(&mut self, table: &Node, input: &Input) {
        let name = &input.name;
        let at = |key: &str| table.get(key).unwrap_or(table).clone();
        if input.kind == Kind::Choice && input.choices.is_empty() {
            let message = format!("input `{name}` is a choice without `choices`");
            self.tell(&at("type"), message, None);
        }
        if input.kind == Kind::Records && input.fields.is_empty() {
            let message = format!("input `{name}` holds records without `fields`");
            self.tell(&at("type"), message, None);
        }
        if name == "version" {
            let help = "a `[[release]]` is named by `version`";
            let message = "no input can be called `version`";
            self.tell(&at("name"), message, Some(help.to_owned()));
        }
        match (input.kind == Kind::Secret, &input.variable) {
            (true, None) => {
                let message = format!("secret `{name}` names no `variable` that holds it");
                self.tell(&at("type"), message, None);
            }
            (false, Some(_)) => {
                let message = format!("input `{name}` is no secret, and has a `variable`");
                self.tell(&at("variable"), message, None);
            }
            _ => {}
        }
        if input.kind == Kind::Secret && (input.default.is_some() || input.derive.is_some()) {
            let key = if input.default.is_some() {
                "default"
            } else {
                "derive"
            };
            self.tell(
                &at(key),
                format!("secret `{name}` cannot have a `{key}`"),
                None,
            );
        } else if let Some(default) = &input.default {
            for misfit in misfits(input, default) {
                let message = format!("the default does not fit: {}", misfit.message);
                self.tell(&at("default"), message, misfit.help);
            }
        }
    }

    fn provides(&mut self, engine: &Environment<'_>) {
        for table in self.tables("provides") {
            let Some((node, capability)) = text(&table, "capability") else {
                continue;
            };
            if let Some((node, text)) = text(&table, "version") {
                if text.contains("{{") {
                    self.template(engine, node, text);
                } else if version(text).is_none() {
                    let message =
                        format!("`version` is `{text}`, expected a version such as `1.0`");
                    self.tell(node, message, None);
                }
            }
            let data = table.get("data").and_then(Node::map);
            let Some(fields) = contract::fields(capability) else {
                if let Some(data) = table.get("data") {
                    let message =
                        format!("capability `{capability}` has no contract, and hands no data on");
                    let known = ticked(contract::names());
                    self.tell(data, message, Some(format!("those that do: {known}")));
                }
                continue;
            };
            let node = node.clone();
            for (field, required) in &fields {
                if *required && data.is_none_or(|data| data.get(field).is_none()) {
                    let message =
                        format!("capability `{capability}` has no `{field}` in its `data`");
                    self.tell(&node, message, None);
                }
            }
            for entry in data.into_iter().flatten() {
                let known = || fields.iter().map(|(name, _)| *name);
                if !known().any(|name| name == entry.key) {
                    let message = format!("capability `{capability}` has no field `{}`", entry.key);
                    let place = entry.key_mark.place(self.source, "");
                    let help = did_you_mean(&entry.key, known());
                    let mut finding = Diagnostic::error(message).at(place);
                    finding.help.extend(help.map(Advice::from));
                    self.found.push(finding);
                }
                self.templates(engine, &entry.value);
            }
        }
    }

    fn requires(&mut self) {
        let provided = self.names("provides", "capability");
        for table in self.tables("requires") {
            if let Some((node, text)) = text(&table, "version")
                && requirement(text).is_none()
            {
                let message = format!(
                    "`version` is `{text}`, expected which versions do, e.g. `1.0` or `>=1.28`"
                );
                self.tell(node, message, None);
            }
            if let Some((node, capability)) = text(&table, "capability")
                && provided.iter().any(|own| own == capability)
            {
                let message = format!("the adapter requires `{capability}`, which it provides");
                self.tell(node, message, None);
            }
        }
    }

    fn outputs(&mut self, engine: &mut Environment<'static>) {
        let mut fixed = BTreeSet::new();
        for table in self.tables("file") {
            if let Some((node, path)) = text(&table, "template") {
                self.file(node, path, "template");
                let data = self.files.get(path).map(|data| std::str::from_utf8(data));
                match data {
                    Some(Ok(text)) => {
                        let added = engine.add_template_owned(path.to_owned(), text.to_owned());
                        if let Err(error) = added {
                            let fault = TemplateFault::from(&error);
                            let line = fault.line.unwrap_or(1);
                            let message = format!("line {line} of `{path}`: {}", fault.message);
                            self.tell(node, message, None);
                        }
                    }
                    Some(Err(_)) => self.tell(node, format!("`{path}` is not UTF-8"), None),
                    None => {}
                }
            }
            if let Some((node, path)) = text(&table, "path") {
                self.template(engine, node, path);
                let root = table.get("root").map(Node::to_json) == Some(Value::Bool(true));
                if !path.contains("{{") {
                    if !is_inside(path) {
                        let message = format!("`path` is `{path}`, which leads elsewhere");
                        self.tell(
                            node,
                            message,
                            Some("expected a relative path without `..`".to_owned()),
                        );
                    } else if table.get("when").is_none() && !fixed.insert((root, path.to_owned()))
                    {
                        // With `when`, it may be one or the other: rendering tells.
                        self.tell(node, format!("two files are written to `{path}`"), None);
                    }
                }
            }
            for key in ["each", "when"] {
                self.expression(engine, &table, key);
            }
        }
    }

    fn scripts(&mut self, engine: &Environment<'_>, placeholders: &[String]) {
        for table in self.tables("script") {
            if let Some((node, path)) = text(&table, "file") {
                self.file(node, path, "script");
            }
            if let Some((node, text)) = text(&table, "timeout")
                && timeouts::resolve(text, &BTreeMap::new()).is_none()
            {
                let message =
                    format!("`timeout` is `{text}`, expected a time such as `90s` or `10m`");
                self.tell(node, message, None);
            }
            if let Some((node, text)) = table.get("retry").and_then(|retry| text(retry, "backoff"))
                && timeouts::parse_duration(text).is_none()
            {
                let message = format!("`backoff` is `{text}`, expected a time such as `5s`");
                self.tell(node, message, None);
            }
            let check = text(&table, "stage").is_some_and(|(_, stage)| stage == "check");
            for key in ["makes", "fills", "opens"] {
                if let Some(node) = table.get(key).filter(|_| check) {
                    let node = node.clone();
                    self.tell(
                        &node,
                        format!(
                            "a script of stage `check` changes nothing, and cannot have `{key}`"
                        ),
                        None,
                    );
                }
            }
            let fills = table.get("fills").map(Node::items).unwrap_or_default();
            for node in fills {
                let name = node.text().unwrap_or_default();
                if !placeholders.iter().any(|known| known == name) {
                    let message = format!("`{name}` is no `[[placeholder]]`");
                    let help = did_you_mean(name, placeholders.iter().map(String::as_str));
                    self.tell(node, message, help);
                }
            }
            if let Some(context) = table.get("context") {
                for (key, what) in [
                    ("files", "are the adapter's rendered files"),
                    ("published", "are the machines that L2 made"),
                ] {
                    if context.get(key).is_some() {
                        let message = format!("`{key}` of a context {what}");
                        self.tell(context, message, Some("use another key".to_owned()));
                    }
                }
                self.templates(engine, context);
            }
            self.expression(engine, &table, "when");
        }
    }

    /// A file of the folder that is named.
    fn file(&mut self, node: &Node, path: &str, what: &str) {
        if !self.files.contains_key(path) {
            let message = format!("there is no {what} `{path}` in the adapter's folder");
            let known: Vec<&str> = self.files.keys().map(String::as_str).collect();
            let help = did_you_mean(path, known.iter().copied());
            self.tell(
                node,
                message,
                help.filter(|help| help.starts_with("did you")),
            );
        }
    }

    fn expression(&mut self, engine: &Environment<'_>, table: &Node, key: &str) {
        let Some((node, text)) = text(table, key) else {
            return;
        };
        if let Err(error) = engine.compile_expression_owned(text.to_owned()) {
            let fault = TemplateFault::from(&error);
            let message = format!("`{key}` is no expression: {}", fault.message);
            self.tell(node, message, None);
        }
    }

    fn template(&mut self, engine: &Environment<'_>, node: &Node, text: &str) {
        if let Err(error) = engine.template_from_named_str("inline", text) {
            let fault = TemplateFault::from(&error);
            self.tell(node, format!("not a template: {}", fault.message), None);
        }
    }

    /// All texts in a value.
    fn templates(&mut self, engine: &Environment<'_>, node: &Node) {
        if let Some(text) = node.text() {
            return self.template(engine, node, text);
        }
        for item in node.items() {
            self.templates(engine, item);
        }
        for entry in node.map().into_iter().flatten() {
            self.templates(engine, &entry.value);
        }
    }
}

fn text<'n>(table: &'n Node, key: &str) -> Option<(&'n Node, &'n str)> {
    let node = table.get(key)?;
    Some((node, node.text()?))
}
