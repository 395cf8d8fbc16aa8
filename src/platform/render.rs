//! A platform to its files, in memory. Nothing is read, nothing runs: what comes out
//! depends on `platform.yaml`, the adapters and the environment's name alone.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use minijinja::value::Serde;
use minijinja::{Environment, Value as Jinja};
use serde_json::{Map, Value, json};

use super::artifact::{Artifact, Artifacts, Parts, of_artifacts, of_value};
use super::contract;
use super::engine::{TemplateFault, engine, evaluate, is_true, render_json};
use super::lock::{Lock, LockedAdapter};
use super::model::{Adapter, Output, Provides};
use super::pipeline::Pipeline;
use super::scripts::entries;
use super::selection::{Member, Platform};
use crate::action::platform::{is_inside, mark};
use crate::diag::{Diagnostic, Exit, Failure, Place, Source};

/// What a platform is rendered to.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The files.
    pub files: Artifacts,
    /// What a bootstrap runs.
    pub pipeline: Pipeline,
    /// What it was rendered from.
    pub lock: Lock,
}

/// Renders a platform for an environment.
///
/// # Errors
/// All that is wrong in templates, two files of one path, capabilities that do not
/// fit their contracts, barriers that nobody opens (65).
pub fn render(platform: &Platform<'_>, environment: &str) -> Result<Rendered, Failure> {
    let mut work = Work {
        platform,
        environment,
        files: Artifacts::new(),
        capabilities: BTreeMap::new(),
        stages: Vec::new(),
        found: Vec::new(),
        failed: BTreeSet::new(),
    };
    for member in &platform.members {
        let needs = |failed: &BTreeSet<String>| {
            let mut all = member.requires.iter();
            all.any(|(_, provider)| failed.contains(provider))
        };
        // What it would be told is missing because of what is told already.
        if needs(&work.failed) {
            work.failed.insert(member.name().to_owned());
            continue;
        }
        let before = work.found.len();
        work.member(member);
        if work.found.len() > before {
            work.failed.insert(member.name().to_owned());
        }
    }
    work.nested();
    // What failed may have had the script.
    if work.found.is_empty() {
        work.unfilled();
    }
    let mut stages = work.stages;
    // Adapters stand in their order; a stable sort keeps it within each stage.
    stages.sort_by_key(|entry| entry.stage);
    work.found.extend(super::scripts::barriers(&stages));
    if !work.found.is_empty() {
        return Err(Failure::many(Exit::Definition, work.found));
    }
    let pipeline = Pipeline {
        mode: environment.to_owned(),
        total_steps: stages.len(),
        stages,
    };
    let mut lock = Lock::new(environment);
    lock.platform_hash = platform_hash(platform);
    lock.artifacts_hash = of_artifacts(&work.files);
    lock.pipeline_hash = pipeline_hash(&pipeline)?;
    for member in &platform.members {
        let locked = locked(member, &work.files);
        lock.adapters.insert(member.name().to_owned(), locked);
    }
    Ok(Rendered {
        files: work.files,
        pipeline,
        lock,
    })
}

/// Over the text of a pipeline.
pub(super) fn pipeline_hash(pipeline: &Pipeline) -> Result<String, Failure> {
    let text = pipeline.text()?;
    Ok(Parts::default().add(text.as_bytes()).end())
}

/// Over what `platform.yaml` says.
fn platform_hash(platform: &Platform<'_>) -> String {
    let adapters: Map<String, Value> = platform
        .file
        .adapters
        .iter()
        .map(|chosen| (chosen.name.clone(), Value::Object(chosen.given.clone())))
        .collect();
    of_value(&json!({ "platform": platform.about(), "adapters": adapters }))
}

fn locked(member: &Member<'_>, files: &Artifacts) -> LockedAdapter {
    let head = &member.adapter.definition.adapter;
    let own = files.iter();
    let own = own.filter(|(path, file)| {
        file.adapter == head.name && path.iter().next() != Some(head.name.as_str())
    });
    LockedAdapter {
        version: head.version.clone(),
        release: member.release.map(|release| release.name.clone()),
        phase: head.phase.clone(),
        group: member.adapter.group().map(str::to_owned),
        config_hash: of_value(&Value::Object(member.chosen.given.clone())),
        adapter_hash: folder_hash(member.adapter),
        root_files: own.map(|(path, _)| path.clone()).collect(),
    }
}

fn folder_hash(adapter: &Adapter) -> String {
    let mut parts = Parts::default();
    for (path, data) in &adapter.files {
        parts.add(path.as_bytes()).add(data);
    }
    parts.end()
}

struct Work<'p, 'a> {
    platform: &'p Platform<'a>,
    environment: &'p str,
    files: Artifacts,
    /// By adapter and capability: what it hands on.
    capabilities: BTreeMap<(String, String), Value>,
    stages: Vec<super::pipeline::Entry>,
    found: Vec<Diagnostic>,
    failed: BTreeSet<String>,
}

impl Work<'_, '_> {
    fn member(&mut self, member: &Member<'_>) {
        let definition = &member.adapter.definition;
        let placeholders = definition.placeholders.iter();
        let mut engine = engine(placeholders.map(|placeholder| placeholder.name.clone()));
        for (path, data) in &member.adapter.files {
            let is_template = path.starts_with("templates/")
                || definition
                    .outputs
                    .iter()
                    .any(|output| output.template == *path);
            if let (true, Ok(text)) = (is_template, std::str::from_utf8(data)) {
                // Its syntax was checked when the adapter was read, but for those that
                // are only included.
                if let Err(error) = engine.add_template_owned(path.clone(), text.to_owned()) {
                    let fault = TemplateFault::from(&error);
                    self.found.push(in_template(member.adapter, path, &fault));
                    return;
                }
            }
        }
        let base = Jinja::from(Serde(self.base(member)));
        let mut own = Map::new();
        for (index, output) in definition.outputs.iter().enumerate() {
            self.output(member, &engine, &base, index, output, &mut own);
        }
        let with_files = merged(&base, "files", &Value::Object(own));
        for (index, provides) in definition.provides.iter().enumerate() {
            self.provides(member, &engine, &with_files, index, provides);
        }
        match entries(member, &engine, &with_files) {
            Ok(entries) => self.stages.extend(entries),
            Err(found) => self.found.extend(found),
        }
    }

    /// What the templates of an adapter know. Capabilities that it does not require
    /// are not among it, so the order of others cannot matter.
    fn base(&self, member: &Member<'_>) -> Value {
        let capabilities: Map<String, Value> = member
            .requires
            .iter()
            .map(|(capability, provider)| {
                let key = (provider.clone(), capability.clone());
                let data = self.capabilities.get(&key).cloned();
                (capability.clone(), data.unwrap_or_else(|| json!({})))
            })
            .collect();
        json!({
            "platform": self.platform.about(),
            "environment": self.environment,
            "selected": self.platform.selected,
            "adapter": {
                "name": member.name(),
                "version": member.adapter.definition.adapter.version,
            },
            "release": member.release(),
            "inputs": member.inputs,
            "capabilities": capabilities,
        })
    }

    fn output(
        &mut self,
        member: &Member<'_>,
        engine: &Environment<'_>,
        base: &Jinja,
        index: usize,
        output: &Output,
        own: &mut Map<String, Value>,
    ) {
        let at = |key: &str| member.adapter.place("file", index, key);
        if let Some(when) = &output.when {
            match is_true(engine, when, base) {
                Ok(true) => {}
                Ok(false) => return,
                Err(fault) => return self.tell(at("when"), member, &fault),
            }
        }
        let items = match &output.each {
            None => vec![None],
            Some(each) => match evaluate(engine, each, base)
                .map(|list| list.try_iter().map(Iterator::collect::<Vec<_>>))
            {
                Ok(Ok(items)) => items.into_iter().map(Some).collect(),
                Ok(Err(error)) => {
                    let fault = TemplateFault::from(&error);
                    return self.tell(at("each"), member, &fault);
                }
                Err(fault) => return self.tell(at("each"), member, &fault),
            },
        };
        let template = match engine.get_template(&output.template) {
            Ok(template) => template,
            Err(error) => {
                let fault = TemplateFault::from(&error);
                return self.tell(at("template"), member, &fault);
            }
        };
        // Both are compiled once, however many items there are.
        let path_template = match engine.template_from_named_str("path", &output.path) {
            Ok(template) => template,
            Err(error) => {
                let fault = TemplateFault::from(&error);
                return self.tell(at("path"), member, &fault);
            }
        };
        for item in items {
            let context = match item {
                Some(item) => minijinja::context! { item, ..base.clone() },
                None => base.clone(),
            };
            let path = match path_template.render(context.clone()) {
                Ok(path) if is_inside(&path) => path,
                Ok(path) => {
                    let message = format!(
                        "adapter `{}` writes to `{path}`, which is no path below `generated`",
                        member.name()
                    );
                    self.found.push(Diagnostic::error(message).at(at("path")));
                    continue;
                }
                Err(error) => {
                    let fault = TemplateFault::from(&error);
                    self.tell(at("path"), member, &fault);
                    continue;
                }
            };
            match template.render(context) {
                Ok(text) => {
                    let full = if output.root {
                        Utf8PathBuf::from(&path)
                    } else {
                        Utf8Path::new(member.name()).join(&path)
                    };
                    if output.each.is_none() {
                        own.insert(path, Value::from(text.as_str()));
                    }
                    self.write(member, at("path"), full, output, text);
                }
                Err(error) => {
                    let name = error.name().unwrap_or(&output.template).to_owned();
                    let fault = TemplateFault::from(&error);
                    self.found.push(in_template(member.adapter, &name, &fault));
                    // The other items would say the same.
                    return;
                }
            }
        }
    }

    fn write(
        &mut self,
        member: &Member<'_>,
        place: Place,
        path: Utf8PathBuf,
        output: &Output,
        text: String,
    ) {
        let name = member.name();
        let others = self.platform.members.iter().map(Member::name);
        let mut others = others.filter(|other| output.root && *other != name);
        let foreign = others.find(|other| path.starts_with(other));
        let message = match self.files.entry(path) {
            Entry::Occupied(other) => {
                let (path, other) = (other.key(), &other.get().adapter);
                if other == name {
                    format!("adapter `{name}` writes `{path}` twice")
                } else {
                    format!("adapters `{other}` and `{name}` both write `{path}`")
                }
            }
            Entry::Vacant(free) if foreign.is_some() => format!(
                "adapter `{name}` writes `{}`, into the folder of adapter `{}`",
                free.key(),
                foreign.unwrap_or_default()
            ),
            Entry::Vacant(free) => {
                free.insert(Artifact {
                    adapter: name.to_owned(),
                    mode: output.bits(),
                    data: text.into_bytes(),
                });
                return;
            }
        };
        self.found.push(Diagnostic::error(message).at(place));
    }

    /// A file that stands where another one needs a directory.
    fn nested(&mut self) {
        let mut last = None;
        for (path, file) in &self.files {
            // Files of one directory stand one after another.
            if last == Some(path.parent()) {
                continue;
            }
            last = Some(path.parent());
            for above in path.ancestors().skip(1) {
                if let Some(other) = self.files.get(above) {
                    let message = format!(
                        "adapter `{}` writes `{path}`, and `{}` writes the file `{above}`",
                        file.adapter, other.adapter
                    );
                    self.found.push(Diagnostic::error(message));
                }
            }
        }
    }

    /// Placeholders that stay as they are: no script of the platform fills them.
    fn unfilled(&mut self) {
        let fills = self.stages.iter().flat_map(|entry| &entry.fills);
        let fills: BTreeSet<&str> = fills.map(String::as_str).collect();
        let platform = self.platform;
        for member in &platform.members {
            let placeholders = &member.adapter.definition.placeholders;
            for (index, placeholder) in placeholders.iter().enumerate() {
                let name = placeholder.name.as_str();
                let waits = |(_, file): &(&Utf8PathBuf, &Artifact)| {
                    let text = std::str::from_utf8(&file.data).unwrap_or_default();
                    file.adapter == member.name() && mark::names(text).contains(name)
                };
                if fills.contains(name) {
                    continue;
                }
                if let Some((path, _)) = self.files.iter().find(waits) {
                    let message = format!(
                        "adapter `{}`: no script fills placeholder `{name}`, which `{path}` waits for",
                        member.name()
                    );
                    let place = member.adapter.place("placeholder", index, "name");
                    let help = format!("name it in a script's `fills = [\"{name}\"]`");
                    self.found
                        .push(Diagnostic::error(message).at(place).help(help));
                }
            }
        }
    }

    fn provides(
        &mut self,
        member: &Member<'_>,
        engine: &Environment<'_>,
        context: &Jinja,
        index: usize,
        provides: &Provides,
    ) {
        let at = |key: &str| member.adapter.place("provides", index, key);
        let data = Value::Object(provides.data.clone());
        let data = match render_json(engine, &data, context) {
            Ok(Value::Object(data)) => data,
            Ok(_) => Map::new(),
            Err(fault) => return self.tell(at("data"), member, &fault),
        };
        for (_, message) in contract::misfits(&provides.capability, &data) {
            let message = format!("adapter `{}`: {message}", member.name());
            self.found.push(Diagnostic::error(message).at(at("data")));
        }
        let key = (member.name().to_owned(), provides.capability.clone());
        self.capabilities.insert(key, Value::Object(data));
    }

    fn tell(&mut self, place: Place, member: &Member<'_>, fault: &TemplateFault) {
        let message = format!("adapter `{}`: {}", member.name(), fault.message);
        self.found.push(Diagnostic::error(message).at(place));
    }
}

/// A context with one more name.
fn merged(base: &Jinja, name: &str, value: &Value) -> Jinja {
    let more = Jinja::from(Serde(json!({ name: value })));
    minijinja::context! { ..more, ..base.clone() }
}

/// Something that is wrong in a template, with its place in it.
fn in_template(adapter: &Adapter, path: &str, fault: &TemplateFault) -> Diagnostic {
    let message = format!("adapter `{}`: {}", adapter.name(), fault.message);
    let finding = Diagnostic::error(message);
    let Some(text) = adapter.text(path) else {
        return finding;
    };
    let folder = adapter.source.path.parent().unwrap_or(Utf8Path::new(""));
    let source = Source::new(folder.join(path), text);
    let line = fault.line.unwrap_or(1).max(1);
    let range = fault.range.clone().unwrap_or_else(|| {
        let begin: usize = text
            .split_inclusive('\n')
            .take(line - 1)
            .map(str::len)
            .sum();
        let length = text.get(begin..).and_then(|rest| rest.lines().next());
        begin..begin + length.map_or(0, str::len)
    });
    finding.at(source.at(range, ""))
}
