//! A verb of a program: which call of the API it is, and what it shows of the answer.

use std::collections::BTreeMap;

use serde_json::Value;

use super::exchange::CommandReply;
use super::node::{Node, Said};
use super::options::{Options, Takes};
use super::print::Format;
use crate::error::ApiError;
use crate::keys;
use crate::kind::Kind;
use crate::params::{Param, Params};
use crate::route::{self, Captures, Route};
use crate::vm::GuestKind;

/// A program with its verbs.
pub(super) struct Program<'a> {
    pub(super) name: &'a str,
    pub(super) verbs: &'a [&'static [Verb]],
}

impl Program<'_> {
    /// What its guests are called in paths.
    fn guests(&self) -> &'static str {
        if self.name == "pct" { "lxc" } else { "qemu" }
    }
}

/// A verb.
#[derive(Clone, Copy)]
pub(super) struct Verb {
    /// Its words; others that mean the same stand behind a `|`.
    words: &'static str,
    /// What follows, by name; one that ends in `...` takes all that is left, and one in
    /// brackets may be missing.
    args: &'static str,
    does: Does,
}

/// What a verb does.
#[derive(Clone, Copy)]
enum Does {
    /// Calls the API: method, path with what it is below, what is said beside the
    /// options, what is shown.
    Call(
        &'static str,
        [&'static str; 2],
        &'static [(&'static str, &'static str)],
        Shows,
    ),
    /// Something else, with options of its own.
    Own(&'static [Param], fn(&Node<'_>, &Given) -> Said),
}

/// What is shown of an answer, behind the log of its task.
#[derive(Clone, Copy)]
pub(super) enum Shows {
    /// Nothing.
    Nothing,
    /// All of it, as it is asked for.
    All,
    /// Lines.
    Lines(fn(&Value) -> String),
    /// Lines about what was given.
    Deed(fn(&Given, &Value) -> String),
}

/// What a command line gave.
#[derive(Debug, Default)]
pub(super) struct Given {
    args: BTreeMap<&'static str, String>,
    /// What the last argument took.
    pub(super) all: Vec<String>,
    /// Options, in order.
    pub(super) options: Vec<(String, String)>,
    pub(super) format: Format,
}

impl Given {
    /// An argument.
    pub(super) fn arg(&self, name: &str) -> &str {
        self.args.get(name).map_or("", String::as_str)
    }

    /// An option.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        let mut found = self.options.iter().rev().filter(|(own, _)| own == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

/// A verb that is a call.
pub(super) const fn call(
    words: &'static str,
    args: &'static str,
    method: &'static str,
    path: &'static str,
) -> Verb {
    Verb {
        words,
        args,
        does: Does::Call(method, ["", path], &[], Shows::Nothing),
    }
}

/// A verb that is none.
pub(super) const fn own(
    words: &'static str,
    args: &'static str,
    options: &'static [Param],
    work: fn(&Node<'_>, &Given) -> Said,
) -> Verb {
    Verb {
        words,
        args,
        does: Does::Own(options, work),
    }
}

impl Verb {
    /// The same, and this is shown.
    pub(super) const fn shows(mut self, shows: Shows) -> Self {
        if let Does::Call(_, _, _, own) = &mut self.does {
            *own = shows;
        }
        self
    }

    /// The same, and its path is below another.
    pub(super) const fn below(mut self, base: &'static str) -> Self {
        if let Does::Call(_, own, _, _) = &mut self.does {
            own[0] = base;
        }
        self
    }

    /// The same, and this is always said.
    pub(super) const fn with(mut self, fixed: &'static [(&'static str, &'static str)]) -> Self {
        if let Does::Call(_, _, own, _) = &mut self.does {
            *own = fixed;
        }
        self
    }

    /// How many words it takes from a command line, if it is meant.
    fn meant(&self, args: &[String]) -> Option<usize> {
        self.words.split('|').find_map(|words| {
            let words: Vec<&str> = words.split_whitespace().collect();
            let own = args.get(..words.len())?;
            own.iter().eq(words.iter()).then_some(words.len())
        })
    }

    fn usage(&self, program: &str) -> String {
        let words = self.words.split('|').next().unwrap_or_default();
        let args = self.args.split_whitespace();
        let args = args.map(|arg| {
            if arg.starts_with('[') {
                arg.to_owned()
            } else {
                format!("<{arg}>")
            }
        });
        let mut all = vec![program.to_owned()];
        all.extend(words.split_whitespace().map(str::to_owned));
        all.extend(args);
        format!("{} [OPTIONS]\n", all.join(" "))
    }
}

/// Runs a command line of a program.
pub(super) fn run(node: &Node<'_>, program: &Program<'_>, args: &[String]) -> Said {
    let name = program.name;
    let verbs = || program.verbs.iter().copied().flatten();
    let usages = || verbs().map(|verb| format!("       {}", verb.usage(name)));
    let usage = || {
        format!(
            "USAGE: {name} <COMMAND> [ARGS] [OPTIONS]\n{}",
            usages().collect::<String>()
        )
    };
    let first = args.first().map_or("", String::as_str);
    if matches!(first, "help" | "--help" | "-h") {
        return Ok(usage());
    }
    // A program without verbs needs none.
    if first.is_empty() && verbs().all(|verb| !verb.words.is_empty()) {
        return Err(CommandReply::failed(format!(
            "ERROR: no command specified\n{}",
            usage()
        )));
    }
    let meant = verbs()
        .filter_map(|verb| Some((verb.meant(args)?, verb)))
        .max_by_key(|(count, _)| *count);
    let Some((count, verb)) = meant else {
        return Err(CommandReply::failed(format!(
            "ERROR: unknown command '{name} {first}'\n{}",
            usage()
        )));
    };
    let words = args.get(count..).unwrap_or_default();
    let done = match verb.does {
        Does::Own(options, work) => {
            let takes = |option: &str| takes(options, None, option);
            given(verb, words, takes).and_then(|given| work(node, &given))
        }
        Does::Call(method, path, fixed, shows) => {
            let guests = program.guests();
            let pattern = format!("/{}", path.concat()).replace("{guests}", guests);
            let found = route::find(method, &pattern);
            let known = found.as_ref().ok().map(|(route, _)| *route);
            let takes = |option: &str| match known {
                Some(route) => takes(route.params, route.keys, option),
                // Nobody knows its options; the answer will be that it is not there.
                None => Some(Takes::Value),
            };
            given(verb, words, takes)
                .and_then(|given| ask(node, (method, path, guests, known), fixed, shows, &given))
        }
    };
    done.map_err(|mut reply| {
        if reply.err.starts_with("400 ") || reply.err.contains("\n400 ") {
            reply.err.push_str(&verb.usage(name));
        }
        reply
    })
}

fn takes(table: &[Param], guest: Option<GuestKind>, name: &str) -> Option<Takes> {
    if let Some(takes) = Format::takes(name) {
        return Some(takes);
    }
    let listed = table.iter().find(|param| param.name == name);
    let kind = listed.map(|param| param.kind);
    let kind = kind.or_else(|| Some(keys::find(guest?, name)?.kind))?;
    Some(if matches!(kind, Kind::Bool) {
        Takes::Flag
    } else {
        Takes::Value
    })
}

/// Takes the words behind a verb apart.
fn given(
    verb: &Verb,
    words: &[String],
    takes: impl Fn(&str) -> Option<Takes>,
) -> Result<Given, CommandReply> {
    let Options { plain, named, rest } = Options::read(words, takes)?;
    let mut given = Given::default();
    let mut plain = plain.into_iter().chain(rest);
    for name in verb.args.split_whitespace() {
        if let Some(name) = name.strip_suffix("...") {
            given.all = plain.by_ref().collect();
            // To a call it is one list.
            if !given.all.is_empty() {
                given.args.insert(name, given.all.join(","));
            }
            continue;
        }
        let optional = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        match (plain.next(), optional) {
            (Some(value), _) => given.args.insert(optional.unwrap_or(name), value),
            (None, Some(_)) => None,
            (None, None) => return Err(CommandReply::failed("400 not enough arguments")),
        };
    }
    if plain.next().is_some() {
        return Err(CommandReply::failed("400 too many arguments"));
    }
    for (name, value) in named {
        if !given.format.take(&name, &value)? {
            given.options.push((name, value));
        }
    }
    Ok(given)
}

/// Makes the call, waits for its task, and shows what is to be shown.
fn ask(
    node: &Node<'_>,
    (method, path, guests, route): (&str, [&'static str; 2], &str, Option<&'static Route>),
    fixed: &[(&str, &str)],
    shows: Shows,
    given: &Given,
) -> Said {
    let mut captures = Captures::new();
    let mut filled = String::new();
    let parts = path.into_iter().flat_map(|path| path.split('/'));
    for part in parts.filter(|part| !part.is_empty()) {
        let name = part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'));
        let value = match name {
            None => part,
            Some("guests") => guests,
            Some("node") => node.name,
            // The storage of a volume that is named whole.
            Some("storage") if !given.args.contains_key("storage") => {
                let volume = given.arg("volume");
                volume
                    .split_once(':')
                    .map_or(volume, |(storage, _)| storage)
            }
            Some(name) => given.arg(name),
        };
        if let Some(name) = name.filter(|name| *name != "guests") {
            captures.insert(name, value.to_owned());
        }
        filled.push('/');
        filled.push_str(value);
    }
    let mut params = Params::default();
    for (name, value) in fixed {
        params.set(name, *value);
    }
    for (name, value) in &given.args {
        if captures.contains_key(name) {
            continue;
        }
        // Root of a node may name a file by its path.
        let file = matches!(*name, "archive" | "ostemplate") && !value.contains(':');
        let volume = file.then(|| node.volume_at(&node.sim.world(), value));
        params.set(name, volume.flatten().unwrap_or_else(|| value.clone()));
    }
    for (name, value) in &given.options {
        params.push(name, value);
    }
    let found = match route {
        Some(route) => Ok((route, captures)),
        None => Err(ApiError::not_implemented(method, &filled)),
    };
    let answer = node.send(method, &filled, found, params)?;
    let log = node.finish(&answer)?;
    let text = match shows {
        Shows::Nothing => String::new(),
        Shows::All => given.format.show(&answer),
        Shows::Lines(lines) => lines(&answer),
        Shows::Deed(lines) => lines(given, &answer),
    };
    Ok(log + &text)
}
