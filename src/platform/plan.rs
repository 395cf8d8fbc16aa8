//! A pipeline to a [`Plan`]: checks first and all at once, then the scripts in their
//! order.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use serde_json::{Map, Value, json};

use super::artifact::Artifacts;
use super::lock::Lock;
use super::model::Stage;
use super::pipeline::Entry;
use super::render::Rendered;
use super::scripts::files;
use super::selection::Platform;
use crate::action::platform::mark;
use crate::diag::Failure;
use crate::plan::{Plan, Retry, RetryOn, Step, StepId, Timeout};

/// The recipe that its steps are of.
const RECIPE: &str = "platform-bootstrap";

/// A bootstrap, and what it needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Bootstrap {
    /// What runs.
    pub plan: Plan,
    /// Variables with secrets, each with the scripts that want it.
    pub secrets: BTreeMap<String, BTreeSet<String>>,
    /// Programs, each with the scripts that want it.
    pub tools: BTreeMap<String, BTreeSet<String>>,
}

/// The plan of a bootstrap; `lock` is what was checked.
///
/// # Errors
/// The lock cannot be written as text (70).
pub fn bootstrap(
    platform: &Platform<'_>,
    rendered: &Rendered,
    lock: &Lock,
) -> Result<Bootstrap, Failure> {
    let extract = StepId::new(RECIPE, "extract");
    let lock_number = super::artifact::of_value(&Value::from(lock.text()?));
    let mut first = Step::new(extract.clone(), "platform.extract");
    "write the scripts to a private directory".clone_into(&mut first.doc);
    first.with.insert("files".to_owned(), scripts(platform));
    let mut steps = vec![first];
    let (mut checks, mut before) = (Vec::new(), None);
    let (mut secrets, mut tools) = (BTreeMap::new(), BTreeMap::new());
    let mut opened: BTreeMap<&str, StepId> = BTreeMap::new();
    for entry in &rendered.pipeline.stages {
        let id = StepId::new(RECIPE, &entry.name);
        let mut step = Step::new(id.clone(), "platform.script");
        step.doc.clone_from(&entry.description);
        step.timeout_seconds = Some(Timeout(entry.timeout));
        step.with = inputs(entry, &extract, &lock_number, lock, &rendered.files);
        if entry.retries > 0 {
            step.retry = Some(Retry {
                times: entry.retries,
                backoff_seconds: entry.backoff,
                on: RetryOn::Any,
            });
        }
        step.needs = if entry.stage == Stage::Check {
            vec![extract.clone()]
        } else {
            match &before {
                Some(before) => vec![StepId::clone(before)],
                None if checks.is_empty() => vec![extract.clone()],
                None => checks.clone(),
            }
        };
        if let Some(opener) = entry
            .barrier
            .as_deref()
            .and_then(|barrier| opened.get(barrier))
            && !step.needs.contains(opener)
        {
            step.needs.push(opener.clone());
        }
        if let Some(barrier) = &entry.opens {
            opened.insert(barrier, id.clone());
        }
        for secret in &entry.secrets {
            wanted(&mut secrets, secret, &entry.name);
        }
        for tool in &entry.tools {
            wanted(&mut tools, tool, &entry.name);
        }
        if entry.stage == Stage::Check {
            checks.push(id);
        } else {
            before = Some(id);
        }
        steps.push(step);
    }
    let recipe = format!("platform bootstrap --env {}", lock.environment);
    for step in &mut steps {
        step.recipe.clone_from(&recipe);
    }
    // What an earlier script of the run makes need not be there when it starts.
    let made: BTreeSet<&String> = rendered
        .pipeline
        .stages
        .iter()
        .flat_map(|entry| &entry.makes)
        .collect();
    secrets.retain(|name, _| !made.contains(name));
    Ok(Bootstrap {
        plan: Plan::new(recipe, steps),
        secrets,
        tools,
    })
}

fn wanted(of: &mut BTreeMap<String, BTreeSet<String>>, name: &str, by: &str) {
    of.entry(name.to_owned()).or_default().insert(by.to_owned());
}

/// The scripts of all adapters by `ADAPTER/PATH`.
fn scripts(platform: &Platform<'_>) -> Value {
    let mut all = Map::new();
    for member in &platform.members {
        for (path, text) in files(member.adapter) {
            all.insert(format!("{}/{path}", member.name()), Value::from(text));
        }
    }
    Value::Object(all)
}

fn inputs(
    entry: &Entry,
    extract: &StepId,
    lock_number: &str,
    lock: &Lock,
    files: &Artifacts,
) -> Map<String, Value> {
    let own = files
        .iter()
        .filter(|(_, file)| file.adapter == entry.adapter);
    let own: Vec<&Utf8PathBuf> = own.map(|(path, _)| path).collect();
    let wants = |data: &[u8]| {
        let text = std::str::from_utf8(data).unwrap_or_default();
        let names = mark::names(text);
        entry.fills.iter().any(|name| names.contains(name.as_str()))
    };
    // A value of one adapter may stand in the files of others.
    let templates = files.iter();
    let templates = templates.filter(|(_, file)| wants(&file.data));
    let templates: Vec<&Utf8PathBuf> = templates.map(|(path, _)| path).collect();
    let (adapter, name) = entry.name.split_once('.').unwrap_or(("", &entry.name));
    let inputs = json!({
        "dir": format!("${{steps.{extract}.dir}}"),
        "adapter": adapter,
        "name": name,
        "file": entry.script,
        "digest": entry.digest,
        "lock": lock_number,
        "environment": lock.environment,
        "context": entry.context,
        "secrets": entry.secrets,
        "makes": entry.makes,
        "fills": entry.fills,
        "files": own,
        "templates": templates,
        "reads": entry.stage == Stage::Check,
    });
    inputs.as_object().cloned().unwrap_or_default()
}
