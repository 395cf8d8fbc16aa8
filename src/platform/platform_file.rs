//! `platform.yaml`: which adapters there are, and what each is told.

use std::fs;
use std::io::ErrorKind;

use serde_json::{Map, Value};

use super::adapters::Adapters;
use super::model::{Adapter, Kind};
use super::table::{PLATFORM, is_app_name, is_name};
use super::values::misfits;
use crate::base::ticked;
use crate::diag::{Advice, Diagnostic, Exit, Failure, Place, Source, did_you_mean, say};
use crate::lab::Paths;
use crate::shape::{self, Entry, Format, Mark, Nothing};
use crate::site::parse_yaml;

/// Its name, in `platform/`.
pub const FILE: &str = "platform.yaml";

/// No platform is near this size.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// `platform.yaml` as read.
#[derive(Debug, Clone)]
pub struct PlatformFile {
    /// The file.
    pub source: Source,
    /// Whose platform it is.
    pub organization: String,
    /// Its name.
    pub app_name: String,
    /// The adapters, in the order of the file.
    pub adapters: Vec<Chosen>,
}

/// An adapter of the file.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Its name.
    pub name: String,
    /// What it is told, as written.
    pub given: Map<String, Value>,
    /// Where its name is.
    pub mark: Mark,
    /// Where each of its keys is.
    pub keys: Vec<(String, Mark)>,
    /// Keys whose values do not fit.
    pub wrong: Vec<String>,
}

impl PlatformFile {
    /// The place of an adapter's name.
    pub(super) fn place(&self, chosen: &Chosen) -> Place {
        chosen.mark.place(&self.source, "")
    }

    /// The place of one of its keys, or of its name.
    pub(super) fn key_place(&self, chosen: &Chosen, key: &str) -> Place {
        let own = chosen.keys.iter().find(|(name, _)| name == key);
        own.map_or(chosen.mark, |(_, mark)| *mark)
            .place(&self.source, "")
    }

    /// An adapter of it.
    pub fn get(&self, name: &str) -> Option<&Chosen> {
        self.adapters.iter().find(|chosen| chosen.name == name)
    }
}

/// The file of the lab; nothing where there is none.
///
/// # Errors
/// It cannot be read (65).
pub fn source(paths: &Paths) -> Result<Option<Source>, Failure> {
    let path = paths.platform().join(FILE);
    let shown = paths.show(&path);
    let cannot = |why: String| {
        let message = format!("cannot read `{shown}`: {why}");
        Failure::message(Exit::Definition, message)
    };
    match fs::metadata(&path) {
        Ok(meta) if meta.len() > MOST_BYTES => {
            return Err(cannot("it is larger than 4 MB".to_owned()));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Ok(_) | Err(_) => {}
    }
    let text = fs::read_to_string(&path).map_err(|error| cannot(error.to_string()))?;
    Ok(Some(Source::new(shown, text)))
}

/// That there is no file.
pub(super) fn missing(paths: &Paths) -> Failure {
    let shown = paths.show(&paths.platform().join(FILE));
    Failure::message(Exit::Definition, format!("there is no `{shown}`"))
        .help(say("make one: ").hl("platform init"))
}

/// What could be read of a file, and all that is wrong with it.
///
/// # Errors
/// It is no YAML, or is no platform at all (65).
pub(super) fn read(
    source: Source,
    adapters: &Adapters,
) -> Result<(PlatformFile, Vec<Diagnostic>), Failure> {
    let yaml = parse_yaml(source.clone())?;
    let mut found = yaml.errors;
    let checked = shape::check::<Nothing>(&source, Format::Yaml, &yaml.root, &PLATFORM, true);
    found.extend(checked.errors);
    let text = |key: &str| {
        let node = yaml.root.get("platform").and_then(|about| about.get(key));
        node.and_then(|node| Some((node, node.text()?)))
    };
    let (organization, app_name) = (text("organization"), text("app_name"));
    if let (Some((_, organization)), Some((node, app_name))) = (organization, app_name) {
        // What is no name at all was told already.
        if is_name(app_name) && !is_app_name(organization, app_name) {
            let message = format!(
                "`app_name` is `{app_name}`, expected `{organization}` or `{organization}-NAME`"
            );
            found.push(Diagnostic::error(message).at(node.mark.place(&source, "")));
        }
    }
    let mut file = PlatformFile {
        organization: organization.map_or_else(String::new, |(_, text)| text.to_owned()),
        app_name: app_name.map_or_else(String::new, |(_, text)| text.to_owned()),
        source,
        adapters: Vec::new(),
    };
    let entries = yaml.root.get("adapters").and_then(|node| node.map());
    for entry in entries.into_iter().flatten() {
        let chosen = chosen(entry);
        match adapters.get(&entry.key) {
            Some(adapter) => {
                let wrong = check(&file.source, entry, adapter, &mut found);
                file.adapters.push(Chosen { wrong, ..chosen });
            }
            None => found.push(unknown(&file.source, entry, adapters)),
        }
    }
    if entries.is_some_and(|entries| entries.iter().next().is_none()) {
        let message = "the platform has no adapters";
        let place = yaml.root.get("adapters").map(|node| node.mark);
        let place = place.unwrap_or_default().place(&file.source, "");
        found.push(Diagnostic::error(message).at(place));
    }
    Ok((file, found))
}

fn chosen(entry: &Entry) -> Chosen {
    let map = entry.value.map();
    let entries = || map.into_iter().flatten();
    let given = entries().filter(|entry| !entry.value.is_null());
    Chosen {
        name: entry.key.clone(),
        given: given
            .map(|entry| (entry.key.clone(), entry.value.to_json()))
            .collect(),
        mark: entry.key_mark,
        keys: entries()
            .map(|entry| (entry.key.clone(), entry.key_mark))
            .collect(),
        wrong: Vec::new(),
    }
}

fn unknown(source: &Source, entry: &Entry, adapters: &Adapters) -> Diagnostic {
    let message = format!("there is no adapter `{}`", entry.key);
    let mut finding = Diagnostic::error(message).at(entry.key_mark.place(source, ""));
    let help = did_you_mean(&entry.key, adapters.names());
    finding.help.extend(help.map(Advice::from));
    finding
}

/// Holds what an adapter is told against its inputs; gives the keys that do not fit.
fn check(
    source: &Source,
    entry: &Entry,
    adapter: &Adapter,
    found: &mut Vec<Diagnostic>,
) -> Vec<String> {
    let definition = &adapter.definition;
    let mut wrong = Vec::new();
    for entry in entry.value.map().into_iter().flatten() {
        if entry.value.is_null() {
            continue;
        }
        if entry.key == "version" {
            let releases: Vec<&str> = definition
                .releases
                .iter()
                .map(|r| r.name.as_str())
                .collect();
            let text = entry.value.text();
            if text.is_none_or(|text| !releases.contains(&text)) {
                let what = text.map_or_else(
                    || format!("{}, expected text", entry.value.kind()),
                    |text| format!("`{text}`, which `{}` does not know", adapter.name()),
                );
                let place = entry.value.mark.place(source, "");
                let mut finding = Diagnostic::error(format!("`version` is {what}")).at(place);
                if !releases.is_empty() {
                    finding = finding.help(format!("known: {}", ticked(&releases)));
                }
                found.push(finding);
                wrong.push(entry.key.clone());
            }
            continue;
        }
        let input = definition
            .inputs
            .iter()
            .find(|input| input.name == entry.key);
        let Some(input) = input else {
            let names = definition.inputs.iter().map(|input| input.name.as_str());
            let known = names.chain(["version"]);
            let message = format!(
                "unknown key `{}` of adapter `{}`",
                entry.key,
                adapter.name()
            );
            let mut finding = Diagnostic::error(message).at(entry.key_mark.place(source, ""));
            let help = did_you_mean(&entry.key, known);
            finding.help.extend(help.map(Advice::from));
            found.push(finding);
            continue;
        };
        if input.kind == Kind::Secret {
            found.push(misplaced(
                source,
                entry,
                adapter.name(),
                input.variable.as_deref(),
            ));
            wrong.push(entry.key.clone());
            continue;
        }
        for misfit in misfits(input, &entry.value.to_json()) {
            let mut node = &entry.value;
            for part in &misfit.path {
                let inner = match part.parse::<usize>() {
                    Ok(at) => node.items().get(at),
                    Err(_) => node.get(part),
                };
                node = inner.unwrap_or(node);
            }
            let private = misfit.message.contains("private key");
            let place = if private {
                hidden(source, node.mark)
            } else {
                node.mark.place(source, "")
            };
            let mut finding = Diagnostic::error(misfit.message).at(place);
            finding.help.extend(misfit.help.map(Advice::from));
            found.push(finding);
            wrong.push(entry.key.clone());
        }
    }
    wrong
}

/// That no adapter is told a secret by the file, which is committed and shown.
///
/// # Errors
/// One is, or the file cannot be read (65).
pub fn holds_no_secret(paths: &Paths, adapters: &Adapters) -> Result<(), Failure> {
    let Some(source) = source(paths)? else {
        return Ok(());
    };
    let yaml = parse_yaml(source.clone())?;
    let mut found = Vec::new();
    let chosen = yaml.root.get("adapters").and_then(|node| node.map());
    for chosen in chosen.into_iter().flatten() {
        let Some(adapter) = adapters.get(&chosen.key) else {
            continue;
        };
        for input in &adapter.definition.inputs {
            let given = chosen.value.map().and_then(|map| map.entry(&input.name));
            let given = given.filter(|entry| !entry.value.is_null());
            if let (Kind::Secret, Some(entry)) = (input.kind, given) {
                let variable = input.variable.as_deref();
                found.push(misplaced(&source, entry, adapter.name(), variable));
            }
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(Failure::many(Exit::Definition, found))
}

/// A secret in the file: its value is not shown.
fn misplaced(source: &Source, entry: &Entry, adapter: &str, variable: Option<&str>) -> Diagnostic {
    let message = format!("`{}` of adapter `{adapter}` is a secret", entry.key);
    let finding = Diagnostic::error(message).at(hidden(source, entry.value.mark));
    let variable = variable.unwrap_or_default();
    finding
        .help(
            say(format!(
                "take it out of this file and give it as `{variable}`: "
            ))
            .hl("platform init")
            .say(" asks for it and keeps it"),
        )
        .note("it may be in the history of the repository: make a new one")
}

/// A place whose text is not shown.
fn hidden(source: &Source, mark: Mark) -> Place {
    let range = mark.range();
    let text: Vec<u8> = source
        .text
        .bytes()
        .enumerate()
        .map(|(at, byte)| {
            if range.contains(&at) && byte != b'\n' {
                b'*'
            } else {
                byte
            }
        })
        .collect();
    let text = String::from_utf8(text).unwrap_or_default();
    mark.place(&Source::new(source.path.clone(), text), "")
}
