//! The scripts of an adapter as entries of a pipeline, and barriers between them.

use minijinja::{Environment, Value as Jinja};
use serde_json::{Map, Value};

use super::artifact::Parts;
use super::engine::{is_true, render_json};
use super::model::{Adapter, Script, Stage};
use super::pipeline::Entry;
use super::selection::Member;
use crate::diag::Diagnostic;
use crate::lab::timeouts;

/// Seconds that a script has when it says nothing.
const TIMEOUT: u64 = 300;

/// Seconds before a second attempt when it says nothing.
const BACKOFF: u64 = 5;

/// The entries of an adapter, in the order of its file.
///
/// # Errors
/// All that is wrong in their templates.
pub(super) fn entries(
    member: &Member<'_>,
    engine: &Environment<'_>,
    context: &Jinja,
) -> Result<Vec<Entry>, Vec<Diagnostic>> {
    let (mut entries, mut found) = (Vec::new(), Vec::new());
    let digest = digest(member.adapter);
    for (index, script) in member.adapter.definition.scripts.iter().enumerate() {
        let tell = |key: &str, message: &str| {
            let place = member.adapter.place("script", index, key);
            let message = format!("adapter `{}`: {message}", member.name());
            Diagnostic::error(message).at(place)
        };
        if let Some(when) = &script.when {
            match is_true(engine, when, context) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(fault) => {
                    found.push(tell("when", &fault.message));
                    continue;
                }
            }
        }
        let told = Value::Object(script.context.clone());
        match render_json(engine, &told, context) {
            Ok(Value::Object(told)) => entries.push(entry(member.name(), script, told, &digest)),
            Ok(_) => entries.push(entry(member.name(), script, Map::new(), &digest)),
            Err(fault) => found.push(tell("context", &fault.message)),
        }
    }
    if found.is_empty() {
        return Ok(entries);
    }
    Err(found)
}

fn entry(adapter: &str, script: &Script, context: Map<String, Value>, digest: &str) -> Entry {
    let seconds = |text: &str| {
        let time = timeouts::resolve(text, &std::collections::BTreeMap::new());
        time.map(|time| time.as_secs().max(1))
    };
    let retry = script.retry.as_ref();
    let backoff = retry.map(|retry| {
        let text = retry.backoff.as_deref();
        text.and_then(seconds).unwrap_or(BACKOFF)
    });
    Entry {
        name: format!("{adapter}.{}", script.name),
        adapter: adapter.to_owned(),
        stage: script.stage,
        description: script.doc.clone(),
        script: format!("{adapter}/{}", script.file),
        digest: digest.to_owned(),
        timeout: script
            .timeout
            .as_deref()
            .and_then(seconds)
            .unwrap_or(TIMEOUT),
        retries: retry.map_or(0, |retry| retry.times),
        backoff: backoff.unwrap_or_default(),
        barrier: script.barrier.clone(),
        opens: script.opens.clone(),
        secrets: script.secrets.clone(),
        makes: script.makes.clone(),
        fills: script.fills.clone(),
        tools: script.tools.clone(),
        context,
    }
}

/// The files that go where the scripts of an adapter run: all in the folders of its
/// scripts.
pub(super) fn files(adapter: &Adapter) -> impl Iterator<Item = (&str, &str)> {
    let folders: Vec<&str> = adapter
        .definition
        .scripts
        .iter()
        .map(|script| folder(&script.file))
        .collect();
    adapter.files.keys().filter_map(move |path| {
        let in_it = folders.iter().any(|own| {
            own.is_empty()
                || path
                    .strip_prefix(own)
                    .is_some_and(|rest| rest.starts_with('/'))
        });
        let text = adapter
            .text(path)
            .filter(|_| in_it && path != "adapter.toml")?;
        Some((path.as_str(), text))
    })
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn digest(adapter: &Adapter) -> String {
    let mut parts = Parts::default();
    for (path, text) in files(adapter) {
        parts.add(path.as_bytes()).add(text.as_bytes());
    }
    parts.end()
}

/// Barriers that nobody opens, or that are opened behind who waits for them.
pub(super) fn barriers(stages: &[Entry]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (at, entry) in stages.iter().enumerate() {
        let Some(barrier) = &entry.barrier else {
            continue;
        };
        let opener = stages
            .iter()
            .position(|other| other.opens.as_ref() == Some(barrier));
        let message = match opener {
            None => format!(
                "script `{}` waits for `{barrier}`, which no script of the platform opens",
                entry.name
            ),
            Some(opener) if opener >= at || entry.stage == Stage::Check => format!(
                "script `{}` waits for `{barrier}`, which `{}` opens after it",
                entry.name, stages[opener].name
            ),
            Some(_) => continue,
        };
        found.push(Diagnostic::error(message));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry_of(name: &str, stage: Stage, barrier: Option<&str>, opens: Option<&str>) -> Entry {
        Entry {
            name: name.to_owned(),
            adapter: String::new(),
            stage,
            description: String::new(),
            script: String::new(),
            digest: String::new(),
            timeout: 1,
            retries: 0,
            backoff: 0,
            barrier: barrier.map(str::to_owned),
            opens: opens.map(str::to_owned),
            secrets: Vec::new(),
            makes: Vec::new(),
            fills: Vec::new(),
            tools: Vec::new(),
            context: Map::new(),
        }
    }

    #[test]
    fn a_barrier_is_opened_before_it_is_waited_for() {
        let opens = entry_of("a", Stage::Bootstrap, None, Some("cni_ready"));
        let waits = entry_of("b", Stage::PostWork, Some("cni_ready"), None);
        let said = |stages: &[Entry]| {
            let found = barriers(stages);
            let found = found.into_iter().map(|finding| finding.message);
            found.collect::<Vec<_>>().join("; ")
        };
        assert_eq!(said(&[opens.clone(), waits.clone()]), "");
        assert!(said(&[waits.clone(), opens]).contains("opens after it"));
        assert!(said(&[waits]).contains("no script of the platform opens"));
    }
}
