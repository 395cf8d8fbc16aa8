//! A bootstrap to be done by hand: scripts, what each is told, and a page that says
//! what to type.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use minijinja::Value as Jinja;
use minijinja::value::Serde;
use serde_json::{Value, json};

use super::engine::engine;
use super::pipeline::Entry;
use super::render::Rendered;
use super::scripts::files;
use super::selection::Platform;
use crate::diag::{Exit, Failure};

const PAGE: &str = include_str!("eject.md");

/// The files of an ejected bootstrap by path, each with its mode.
pub type Ejected = BTreeMap<Utf8PathBuf, (u32, String)>;

/// The files. Paths in them are relative to the lab, where the page says to stand;
/// `dir` is where they will be, relative to it or absolute; `known_hosts` the lab's file of
/// that name; `published` the machines that L2 made.
///
/// # Errors
/// The pipeline cannot be written as text (70).
pub fn eject(
    platform: &Platform<'_>,
    rendered: &Rendered,
    dir: &str,
    known_hosts: &str,
    published: &Value,
) -> Result<Ejected, Failure> {
    let mut all = Ejected::new();
    for member in &platform.members {
        for (path, text) in files(member.adapter) {
            let target = Utf8PathBuf::from("scripts").join(member.name()).join(path);
            all.insert(target, (0o755, text.to_owned()));
        }
    }
    for entry in &rendered.pipeline.stages {
        let mut told = entry.context.clone();
        let own = rendered.files.iter();
        let own = own.filter(|(_, file)| file.adapter == entry.adapter);
        let own = own.map(|(path, _)| {
            let place = format!("platform/generated/{path}");
            (path.to_string(), Value::from(place))
        });
        told.insert("files".to_owned(), Value::Object(own.collect()));
        told.insert("published".to_owned(), published.clone());
        let text = serde_json::to_string_pretty(&told).map_err(|error| {
            Failure::message(Exit::Bug, format!("cannot write a context: {error}"))
        })?;
        let target = Utf8PathBuf::from("context").join(context(entry));
        // No secret is in it, and it is nobody else's business all the same.
        all.insert(target, (0o600, text + "\n"));
    }
    let pipeline = (0o644, rendered.pipeline.text()?);
    all.insert("pipeline.yaml".into(), pipeline);
    all.insert(
        "README.md".into(),
        (0o644, page(rendered, dir, known_hosts)?),
    );
    Ok(all)
}

/// Where the context of a script is, below `context`.
fn context(entry: &Entry) -> String {
    let name = entry.name.rsplit('.').next().unwrap_or_default();
    format!("{}/{name}.json", entry.adapter)
}

fn page(rendered: &Rendered, dir: &str, known_hosts: &str) -> Result<String, Failure> {
    let stages: Vec<Value> = rendered.pipeline.stages.iter().map(told).collect();
    let dir = if dir.starts_with('/') {
        dir.to_owned()
    } else {
        format!("$PWD/{dir}")
    };
    let context = Jinja::from(Serde(json!({
        "environment": rendered.lock.environment,
        "dir": dir,
        "known_hosts": known_hosts,
        "stages": stages,
    })));
    let page = engine([]).render_named_str("eject.md", PAGE, context);
    page.map_err(|error| Failure::message(Exit::Bug, format!("cannot write the page: {error}")))
}

/// A script as the page reads it.
fn told(entry: &Entry) -> Value {
    json!({
        "name": entry.name,
        "stage": entry.stage,
        "description": entry.description,
        "secrets": entry.secrets,
        "makes": entry.makes,
        "context_file": context(entry),
        "timeout": entry.timeout,
        "script": entry.script,
    })
}
