//! Who provides what, and who comes after whom.

use std::collections::BTreeMap;

use minijinja::value::Serde;
use serde_json::{Map, Value, json};

use super::adapters::Adapters;
use super::engine::{engine, render_json};
use super::model::Adapter;
use super::platform_file::PlatformFile;
use super::version::{requirement, version};
use crate::base::ticked;
use crate::diag::{Diagnostic, Exit, Failure};
use crate::plan::sort;

/// An adapter of the file, with its release.
pub(super) struct Part<'a> {
    pub(super) adapter: &'a Adapter,
    /// Its place in the file.
    pub(super) at: usize,
    pub(super) release: Value,
}

/// The order of the adapters, and what each requires.
pub(super) struct Resolved {
    /// Places in the file.
    pub(super) order: Vec<usize>,
    /// By place in the file: capability and the name of its provider.
    pub(super) requires: Vec<Vec<(String, String)>>,
}

/// The adapter of each group. A group with several has none: that is a finding of
/// [`resolve`].
pub(super) fn selected(parts: &[Part<'_>]) -> Map<String, Value> {
    let mut all = Map::new();
    for (group, members) in groups(parts) {
        if let [only] = members.as_slice() {
            all.insert(group, Value::from(only.adapter.name()));
        }
    }
    all
}

fn groups<'p, 'a>(parts: &'p [Part<'a>]) -> BTreeMap<String, Vec<&'p Part<'a>>> {
    let mut groups: BTreeMap<String, Vec<&Part<'a>>> = BTreeMap::new();
    for part in parts {
        if let Some(group) = part.adapter.group() {
            groups.entry(group.to_owned()).or_default().push(part);
        }
    }
    groups
}

/// Orders the adapters of a file.
///
/// # Errors
/// All that is wrong: two providers, none, the wrong version, a circle (65).
pub(super) fn resolve(
    file: &PlatformFile,
    parts: &[Part<'_>],
    adapters: &Adapters,
) -> Result<Resolved, Failure> {
    let mut found = Vec::new();
    let providers = providers(file, parts, &mut found);
    exclusive(file, parts, &providers, &mut found);
    let mut needs = vec![Vec::new(); parts.len()];
    let mut requires = vec![Vec::new(); parts.len()];
    for (index, part) in parts.iter().enumerate() {
        for (nth, wanted) in part.adapter.definition.requires.iter().enumerate() {
            let capability = wanted.capability.as_str();
            let (name, place) = (part.adapter.name(), file.place(&file.adapters[part.at]));
            let Some(offers) = providers.get(capability) else {
                let message = format!(
                    "adapter `{name}` requires capability `{capability}`, which no adapter of the platform provides"
                );
                let mut finding = Diagnostic::error(message).at(place);
                let candidates: Vec<&str> = adapters.providers(capability).collect();
                finding = finding.help(if candidates.is_empty() {
                    format!("no adapter that there is provides it: put one into `platform/adapters`, or leave `{name}` out")
                } else {
                    format!("add one that provides it: {}", ticked(candidates))
                });
                found.push(finding);
                continue;
            };
            for offer in offers {
                let does = requirement(&wanted.version)
                    .zip(version(&offer.version))
                    .is_some_and(|(wanted, offered)| wanted.matches(&offered));
                if !does {
                    let from = parts[offer.part].adapter.name();
                    let message = format!(
                        "adapter `{name}` requires `{capability}` {}, and `{from}` provides {}",
                        wanted.version, offer.version
                    );
                    let said = part.adapter.place("requires", nth, "version");
                    let (line, _) = said.line_column();
                    found.push(
                        Diagnostic::error(message)
                            .at(place.clone())
                            .help(format!("choose other versions of `{name}` or `{from}`"))
                            .note(format!("required in {}:{line}", said.path())),
                    );
                }
                needs[index].push(offer.part);
            }
            if let [offer] = offers.as_slice() {
                let from = parts[offer.part].adapter.name().to_owned();
                requires[index].push((capability.to_owned(), from));
            }
        }
    }
    let order = match sort(&needs) {
        Ok(order) => order,
        Err(circle) => {
            found.push(in_a_circle(file, parts, &circle));
            Vec::new()
        }
    };
    if !found.is_empty() {
        return Err(Failure::many(Exit::Definition, found));
    }
    Ok(Resolved { order, requires })
}

/// What an adapter offers.
struct Offer {
    part: usize,
    version: String,
}

/// By capability: who provides it.
fn providers<'p>(
    file: &PlatformFile,
    parts: &'p [Part<'_>],
    found: &mut Vec<Diagnostic>,
) -> BTreeMap<&'p str, Vec<Offer>> {
    let mut all: BTreeMap<&str, Vec<Offer>> = BTreeMap::new();
    for (index, part) in parts.iter().enumerate() {
        for provides in &part.adapter.definition.provides {
            let context = minijinja::Value::from(Serde(json!({ "release": part.release })));
            let text = Value::from(provides.version.as_str());
            let rendered = render_json(&engine([]), &text, &context);
            let version_text = match rendered {
                Ok(Value::String(text)) if version(&text).is_some() => text,
                Ok(other) => {
                    let message = format!(
                        "adapter `{}` provides `{}` in version `{other}`, which is no version",
                        part.adapter.name(),
                        provides.capability
                    );
                    let place = file.place(&file.adapters[part.at]);
                    found.push(Diagnostic::error(message).at(place));
                    continue;
                }
                Err(fault) => {
                    let message = format!(
                        "the version of `{}` that adapter `{}` provides is no template: {}",
                        provides.capability,
                        part.adapter.name(),
                        fault.message
                    );
                    let place = file.place(&file.adapters[part.at]);
                    found.push(Diagnostic::error(message).at(place));
                    continue;
                }
            };
            all.entry(&provides.capability).or_default().push(Offer {
                part: index,
                version: version_text,
            });
        }
    }
    all
}

/// Two providers of a capability, two adapters of a group: one finding for each set
/// of adapters.
fn exclusive(
    file: &PlatformFile,
    parts: &[Part<'_>],
    providers: &BTreeMap<&str, Vec<Offer>>,
    found: &mut Vec<Diagnostic>,
) {
    let mut told: Vec<Vec<usize>> = Vec::new();
    let group_of = |index: &usize| parts[*index].adapter.group();
    for (capability, offers) in providers {
        let of: Vec<usize> = offers.iter().map(|offer| offer.part).collect();
        let [_, second, ..] = of.as_slice() else {
            continue;
        };
        if told.contains(&of) {
            continue;
        }
        let names = both(parts, &of);
        let message = format!("{names} provide capability `{capability}`, expected one adapter");
        let place = file.place(&file.adapters[parts[*second].at]);
        let groups: Vec<&str> = of.iter().filter_map(group_of).collect();
        let mut finding = Diagnostic::error(message).at(place);
        finding = finding.help(match groups.first() {
            Some(group) if groups.iter().all(|other| other == group) => {
                format!("keep one adapter of group `{group}`")
            }
            _ => "keep one of them".to_owned(),
        });
        found.push(finding);
        told.push(of);
    }
    for (group, members) in groups(parts) {
        let of: Vec<usize> = members
            .iter()
            .filter_map(|member| parts.iter().position(|part| part.at == member.at))
            .collect();
        let [_, second, ..] = of.as_slice() else {
            continue;
        };
        if told.contains(&of) {
            continue;
        }
        let message = format!("{} are of group `{group}`, expected one", both(parts, &of));
        let place = file.place(&file.adapters[parts[*second].at]);
        found.push(
            Diagnostic::error(message)
                .at(place)
                .help(format!("keep one adapter of group `{group}`")),
        );
    }
}

/// "`a` and `b`"
fn both(parts: &[Part<'_>], of: &[usize]) -> String {
    let names: Vec<String> = of
        .iter()
        .map(|index| format!("`{}`", parts[*index].adapter.name()))
        .collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

fn in_a_circle(file: &PlatformFile, parts: &[Part<'_>], circle: &[usize]) -> Diagnostic {
    let name = |index: &usize| parts[*index].adapter.name();
    let mut path: Vec<&str> = circle.iter().map(name).collect();
    path.extend(circle.first().map(name));
    let message = format!(
        "adapters require each other in a circle: {}",
        path.join(" -> ")
    );
    let mut finding = Diagnostic::error(message);
    if let Some(first) = circle.first() {
        finding = finding.at(file.place(&file.adapters[parts[*first].at]));
    }
    finding.help("leave one of them out, or take the requirement out of its adapter.toml")
}
