//! `hl --scenario NAME ...`: how scenarios are named where there is no verb.

use std::ffi::OsString;

use clap::{Arg, Args, Command};

use super::args::{PreflightArgs, ScenarioFlags};
use super::limits::with_limits;
use crate::cli::flags::Globals;

/// A flag that stands for a verb, among the words.
#[derive(Debug, Default)]
struct Found {
    /// `--scenario`, with the value that is part of its word.
    scenario: Option<(usize, Option<OsString>)>,
    list: Option<usize>,
    preflight: Option<usize>,
}

/// Puts the verb in front, where only a flag names it: `--scenario NAME` and `-S NAME`
/// (`scenario NAME`), `--list-scenarios` (`scenario --list`), `--preflight`
/// (`preflight`). Behind a verb or a recipe such flags are its own.
pub(in crate::cli) fn own_flags(args: &mut Vec<OsString>) {
    let found = find(args);
    if let Some((at, attached)) = found.scenario {
        args.remove(at);
        let name = attached.or_else(|| {
            let next = args.get(at).filter(|word| *word != "--");
            next.is_some().then(|| args.remove(at))
        });
        front(args, "scenario", name);
    } else if let Some(at) = found.list {
        args.remove(at);
        front(args, "scenario", Some("--list".into()));
    } else if let Some(at) = found.preflight {
        args.remove(at);
        front(args, "preflight", None);
    }
}

/// Looks through the flags in front of the first word that is neither a flag nor the
/// value of one.
fn find(args: &[OsString]) -> Found {
    let mut found = Found::default();
    // The parser is only built for words that begin with a flag.
    let is_flag = |word: &OsString| word.to_str().is_some_and(|word| word.starts_with('-'));
    if !args.get(1).is_some_and(is_flag) {
        return found;
    }
    let flags = Flags::new();
    let mut at = 1;
    while let Some(word) = args.get(at).and_then(|word| word.to_str()) {
        if word == "--" || word == "-" || !word.starts_with('-') {
            break;
        }
        let here = at;
        at += 1;
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            match name {
                "scenario" => {
                    at += usize::from(value.is_none());
                    let value = value.map(OsString::from);
                    found.scenario.get_or_insert((here, value));
                }
                "list-scenarios" => found.list = found.list.or(Some(here)),
                "preflight" => found.preflight = found.preflight.or(Some(here)),
                _ => at += usize::from(value.is_none() && flags.long_takes_value(name)),
            }
        } else if let Some(name) = word.strip_prefix("-S") {
            at += usize::from(name.is_empty());
            let name = name.strip_prefix('=').unwrap_or(name);
            let name = (!name.is_empty()).then(|| OsString::from(name));
            found.scenario.get_or_insert((here, name));
        } else {
            at += usize::from(flags.shorts_want_value(word));
        }
    }
    found
}

/// The flags that may stand there, for whether they take a value.
struct Flags([Command; 2]);

impl Flags {
    fn new() -> Self {
        let scenario = ScenarioFlags::augment_args(Command::new("hl"));
        let scenario = with_limits(Globals::augment_args(scenario));
        Self([scenario, PreflightArgs::augment_args(Command::new("hl"))])
    }

    fn any(&self, is: impl Fn(&Arg) -> bool) -> bool {
        let mut all = self.0.iter().flat_map(Command::get_arguments);
        all.any(|arg| is(arg) && arg.get_action().takes_values())
    }

    fn long_takes_value(&self, name: &str) -> bool {
        self.any(|arg| {
            let aliases = arg.get_all_aliases().unwrap_or_default();
            arg.get_long() == Some(name) || aliases.contains(&name)
        })
    }

    /// `-vC`: the last one wants a value. What stands behind the first that does is it.
    fn shorts_want_value(&self, word: &str) -> bool {
        let mut shorts = word.chars().skip(1);
        let takes = |short: &char| self.any(|arg| arg.get_short() == Some(*short));
        shorts.find(takes).is_some() && shorts.next().is_none()
    }
}

fn front(args: &mut Vec<OsString>, verb: &str, name: Option<OsString>) {
    let words = std::iter::once(verb.into()).chain(name);
    args.splice(1..1, words);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let mut args: Vec<OsString> = text.split_whitespace().map(OsString::from).collect();
        own_flags(&mut args);
        let words: Vec<&str> = args.iter().filter_map(|word| word.to_str()).collect();
        words.join(" ")
    }

    #[test]
    fn a_flag_that_names_a_scenario_is_a_verb() {
        for (typed, meant) in [
            ("hl -S pve-setup --local", "hl scenario pve-setup --local"),
            (
                "hl --local --scenario pve-setup -v",
                "hl scenario pve-setup --local -v",
            ),
            (
                "hl --scenario=pve-setup -t 60",
                "hl scenario pve-setup -t 60",
            ),
            ("hl --list-scenarios --json", "hl scenario --list --json"),
            ("hl --preflight --host x", "hl preflight --host x"),
            ("hl -S x --preflight", "hl scenario x --preflight"),
            ("hl -S", "hl scenario"),
            ("hl -Spve-setup -n", "hl scenario pve-setup -n"),
            ("hl -nv -S=pve-setup", "hl scenario pve-setup -nv"),
            ("hl -H kestrel --preflight", "hl preflight -H kestrel"),
            ("hl --cores 4 --preflight", "hl preflight --cores 4"),
            ("hl --lab x -t 5 -S y", "hl scenario y --lab x -t 5"),
            ("hl --lab=x -vt 5 -S y", "hl scenario y --lab=x -vt 5"),
            ("hl -n zz --scenario hi", "hl -n zz --scenario hi"),
            ("hl -j4 zz -S hi", "hl -j4 zz -S hi"),
            ("hl -H --preflight zz", "hl -H --preflight zz"),
            ("hl -S -- x", "hl scenario -- x"),
            ("hl l2-apply --scenario x", "hl l2-apply --scenario x"),
            ("hl -- --scenario x", "hl -- --scenario x"),
            ("hl", "hl"),
        ] {
            assert_eq!(read(typed), meant);
        }
    }
}
