//! A platform from its file: everything that is wrong with it, at once.

use serde_json::{Map, Value};

use super::adapters::Adapters;
use super::inputs::{Around, State, states, with_defaults};
use super::model::Release;
use super::platform_file::{self, PlatformFile};
use super::resolve::{Part, resolve, selected};
use super::selection::{Member, Platform, about};
use crate::diag::{Diagnostic, Exit, Failure, Source, hl};
use crate::lab::Paths;

/// The platform of a lab.
///
/// # Errors
/// There is none, or all that is wrong with it (65).
pub fn load<'a>(paths: &Paths, adapters: &'a Adapters) -> Result<Platform<'a>, Failure> {
    let source = platform_file::source(paths)?;
    let source = source.ok_or_else(|| platform_file::missing(paths))?;
    of_source(source, adapters)
}

/// The platform that a text describes.
///
/// # Errors
/// All that is wrong with it (65).
pub fn of_source(source: Source, adapters: &Adapters) -> Result<Platform<'_>, Failure> {
    let (file, mut found) = platform_file::read(source, adapters)?;
    let parts: Vec<Part<'_>> = file
        .adapters
        .iter()
        .enumerate()
        .filter_map(|(at, chosen)| {
            let adapter = adapters.get(&chosen.name)?;
            Some(Part {
                adapter,
                at,
                release: adapter
                    .release(&chosen.given)
                    .map_or(Value::Null, Release::told),
            })
        })
        .collect();
    let resolved = resolve(&file, &parts, adapters);
    let selected = selected(&parts);
    let told: Map<String, Value> = parts
        .iter()
        .map(|part| {
            let given = with_defaults(part.adapter, &file.adapters[part.at].given);
            (part.adapter.name().to_owned(), given)
        })
        .collect();
    let mut inputs = Vec::new();
    // What is derived from something wrong is wrong as well: told only when nothing
    // else is.
    let mut derived = Vec::new();
    for part in &parts {
        let around = Around {
            platform: about(&file),
            selected: selected.clone(),
            adapters: told.clone(),
            release: part.release.clone(),
        };
        let chosen = &file.adapters[part.at];
        let mut values = Map::new();
        for (input, state) in states(part.adapter, &chosen.given, &around) {
            let name = &input.name;
            let of_own = input.derive.is_none() || chosen.given.contains_key(name);
            let finding = match &state {
                State::Has(_) | State::None | State::Secret => None,
                State::Open => {
                    let message = format!("adapter `{}` has no `{name}`", chosen.name);
                    let finding = Diagnostic::error(message).at(file.place(chosen));
                    Some(finding.help(hl("platform init").say(" asks for it")))
                }
                State::Wrong(_) if chosen.wrong.contains(name) => None,
                State::Wrong(message) => {
                    let place = file.key_place(chosen, name);
                    Some(Diagnostic::error(message.as_str()).at(place))
                }
            };
            if of_own {
                found.extend(finding);
            } else {
                derived.extend(finding);
            }
            let value = match state {
                State::Has(value) => value,
                State::None | State::Secret | State::Open | State::Wrong(_) => Value::Null,
            };
            values.insert(name.clone(), value);
        }
        inputs.push(values);
    }
    if found.is_empty() && resolved.is_ok() {
        found = derived;
    }
    match resolved {
        Err(failure) => found.extend(failure.diagnostics),
        Ok(resolved) if found.is_empty() => {
            let members = resolved.order.iter().map(|index| Member {
                adapter: parts[*index].adapter,
                chosen: file.adapters[parts[*index].at].clone(),
                release: parts[*index]
                    .adapter
                    .release(&file.adapters[parts[*index].at].given),
                inputs: inputs[*index].clone(),
                requires: resolved.requires[*index].clone(),
            });
            let members = members.collect();
            return Ok(Platform {
                file,
                members,
                selected,
            });
        }
        Ok(_) => {}
    }
    Err(sorted(&file, found))
}

/// The findings in the order of the file; those of adapters behind them.
fn sorted(file: &PlatformFile, mut found: Vec<Diagnostic>) -> Failure {
    let key = |finding: &Diagnostic| {
        let place = finding.place.as_ref();
        let own = place.filter(|place| place.path() == file.source.path);
        own.map_or(usize::MAX, |place| place.span.start)
    };
    found.sort_by_key(key);
    Failure::many(Exit::Definition, found)
}
