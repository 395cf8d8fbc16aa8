//! `pvesh`: the API by its paths.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::exchange::CommandReply;
use super::node::{Node, Said};
use super::options::{Options, Takes};
use super::print::{Format, plain};
use crate::error::ApiError;
use crate::keys;
use crate::kind::Kind;
use crate::params::Params;
use crate::route::{self, Route};

/// Its commands, with the methods and the letters that `ls` has for them.
const COMMANDS: [(&str, &str, char); 4] = [
    ("get", "GET", 'r'),
    ("set", "PUT", 'w'),
    ("create", "POST", 'c'),
    ("delete", "DELETE", 'd'),
];

const USAGE: &str =
    "USAGE: pvesh get|set|create|delete|ls|usage <api_path> [OPTIONS] [FORMAT_OPTIONS]\n";

pub(super) fn run(node: &Node<'_>, args: &[String]) -> Said {
    let Some((command, words)) = args.split_first() else {
        return Err(CommandReply::failed(format!(
            "ERROR: no command specified\n{USAGE}"
        )));
    };
    if matches!(command.as_str(), "help" | "--help" | "-h") {
        return Ok(USAGE.to_owned());
    }
    let Some(path) = words.first().filter(|word| !word.starts_with('-')) else {
        return Err(CommandReply::failed(format!(
            "400 not enough arguments\n{USAGE}"
        )));
    };
    let path = route::collapse(path);
    let words = words.get(1..).unwrap_or_default();
    match command.as_str() {
        "ls" => list(node, &path),
        "usage" => usage(&path),
        other => {
            let known = COMMANDS.iter().find(|(name, ..)| *name == other);
            let Some((_, method, _)) = known else {
                return Err(CommandReply::failed(format!(
                    "ERROR: unknown command 'pvesh {other}'\n{USAGE}"
                )));
            };
            call(node, other, method, &path, words)
        }
    }
}

fn call(node: &Node<'_>, command: &str, method: &str, path: &str, words: &[String]) -> Said {
    let found = route::find(method, path);
    let route = match &found {
        Ok((route, _)) => *route,
        Err(error) => {
            // It is counted among what is not there.
            let missing = node.send(method, path, Err(error.clone()), Params::default());
            let error = missing.err().filter(|error| error.status != 501);
            return Err(error.map_or_else(|| no_handler(command, path), CommandReply::from));
        }
    };
    if path.ends_with("/upload") {
        return Err(CommandReply::failed("400 a file is uploaded over HTTP"));
    }
    let options = Options::read(words, |name| takes(route, name))?;
    if !options.plain.is_empty() || !options.rest.is_empty() {
        return Err(CommandReply::failed(format!(
            "400 too many arguments\n{USAGE}"
        )));
    }
    let mut format = Format::default();
    let mut params = Params::default();
    for (name, value) in &options.named {
        if name != "noproxy" && !format.take(name, value)? {
            params.push(name, value);
        }
    }
    let answer = node.send(method, path, found, params)?;
    let log = node.finish(&answer)?;
    Ok(log + &format.show(&answer))
}

fn takes(route: &Route, name: &str) -> Option<Takes> {
    let listed = route.params.iter().find(|param| param.name == name);
    let kind = listed.map(|param| param.kind);
    let kind = kind.or_else(|| Some(keys::find(route.keys?, name)?.kind));
    match kind {
        Some(Kind::Bool) => Some(Takes::Flag),
        Some(_) => Some(Takes::Value),
        None if name == "noproxy" => Some(Takes::Flag),
        // What the path says may be repeated.
        None if matches!(name, "node" | "vmid" | "storage") => Some(Takes::Value),
        None => Format::takes(name),
    }
}

fn no_handler(command: &str, path: &str) -> CommandReply {
    let there = COMMANDS
        .iter()
        .any(|(_, method, _)| route::find(method, path).is_ok());
    CommandReply::failed(if there {
        format!("no '{command}' handler for '{path}'")
    } else {
        format!("no such resource '{path}'")
    })
}

/// What stands below a path: what the table of routes has, and what the index names.
fn list(node: &Node<'_>, path: &str) -> Said {
    let mut found: BTreeSet<String> = BTreeSet::new();
    let mut named = false;
    for (_, pattern) in route::endpoints() {
        match below(&pattern, path) {
            Some(part) if part.starts_with('{') => named = true,
            Some(part) => {
                found.insert(part.to_owned());
            }
            None => {}
        }
    }
    if named {
        let index = node.call("GET", path, Params::default())?;
        for item in index.as_array().into_iter().flatten() {
            let keys = [
                "vmid", "node", "storage", "poolid", "userid", "groupid", "roleid", "realm",
            ];
            let id = keys.iter().find_map(|key| item.get(*key));
            found.extend(id.map(plain));
        }
    }
    if found.is_empty() {
        return Err(no_handler("ls", path));
    }
    let line = |name: &String| {
        let own = route::collapse(&format!("{path}/{name}"));
        let deep = route::endpoints()
            .iter()
            .any(|(_, pattern)| below(pattern, &own).is_some());
        let letters = COMMANDS.iter().map(|(_, method, letter)| {
            if route::find(method, &own).is_ok() {
                *letter
            } else {
                '-'
            }
        });
        let letters: String = letters.collect();
        let kind = if deep { 'D' } else { '-' };
        format!("{kind}{letters}        {name}\n")
    };
    Ok(found.iter().map(line).collect())
}

/// The part of a pattern that follows a path, if the path leads there.
fn below<'p>(pattern: &'p str, path: &str) -> Option<&'p str> {
    let mut parts = pattern.split('/').filter(|part| !part.is_empty());
    for own in path.split('/').filter(|part| !part.is_empty()) {
        let part = parts.next()?;
        if part != own && !part.starts_with('{') {
            return None;
        }
    }
    parts.next()
}

fn usage(path: &str) -> Said {
    let mut text = String::new();
    for (command, method, _) in COMMANDS {
        let Ok((route, _)) = route::find(method, path) else {
            continue;
        };
        let params = route.params.iter().map(|param| {
            if param.required {
                format!(" --{} <value>", param.name)
            } else {
                format!(" [--{} <value>]", param.name)
            }
        });
        let params: String = params.collect();
        writeln!(text, "USAGE: pvesh {command} {path}{params}").ok();
    }
    if text.is_empty() {
        return Err(ApiError::die(format!("no such resource '{path}'")).into());
    }
    Ok(text)
}
