//! What follows a recipe's name: the recipe's own arguments, and flags that
//! every verb takes. `hl l2-apply dev --yes` must mean what it says.

use clap::{Args, Command, FromArgMatches, error::ErrorKind};

use super::args::Globals;
use crate::diag::{Exit, Failure};

/// Arguments behind a recipe's name, sorted by whose they are.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// The recipe's own, in order.
    pub args: Vec<String>,
    /// Flags of `hl`.
    pub globals: Globals,
    /// `-h` or `--help` was among them.
    pub help: bool,
}

/// Sorts the arguments. `own_options` are the long names that the recipe
/// itself takes: they win. Everything behind `--` is the recipe's.
pub(super) fn split(args: &[String], own_options: &[String]) -> Result<Tail, Failure> {
    let command = Globals::augment_args(
        Command::new("hl")
            .no_binary_name(true)
            .disable_help_flag(true),
    );
    let mut tail = Tail::default();
    let mut flags = Vec::new();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            tail.args.extend(words.cloned());
            break;
        }
        if word == "-h" || word == "--help" {
            tail.help = true;
            continue;
        }
        match takes(&command, word, own_options) {
            Takes::NotOurs => tail.args.push(word.clone()),
            Takes::Alone => flags.push(word.clone()),
            Takes::Value => {
                flags.push(word.clone());
                flags.extend(words.next().cloned());
            }
        }
    }
    let matches = command
        .try_get_matches_from(flags)
        .and_then(|m| Globals::from_arg_matches(&m));
    tail.globals = matches.map_err(|error| {
        let text = error.to_string();
        let first = text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ");
        let exit = if error.kind() == ErrorKind::DisplayHelp {
            Exit::Ok
        } else {
            Exit::Usage
        };
        Failure::message(exit, first).help("`hl --help` lists the flags that every recipe takes")
    })?;
    Ok(tail)
}

enum Takes {
    NotOurs,
    Alone,
    Value,
}

fn takes(command: &Command, word: &str, own_options: &[String]) -> Takes {
    let value_of = |arg: &clap::Arg, inline: bool| {
        if arg.get_action().takes_values() && !inline {
            Takes::Value
        } else {
            Takes::Alone
        }
    };
    if let Some(long) = word.strip_prefix("--") {
        let (name, inline) = long
            .split_once('=')
            .map_or((long, false), |(name, _)| (name, true));
        if own_options.iter().any(|own| own == name) {
            return Takes::NotOurs;
        }
        let found = command
            .get_arguments()
            .find(|arg| arg.get_long() == Some(name));
        return found.map_or(Takes::NotOurs, |arg| value_of(arg, inline));
    }
    let Some(shorts) = word.strip_prefix('-').filter(|s| !s.is_empty()) else {
        return Takes::NotOurs;
    };
    let mut letters = shorts.chars().peekable();
    while let Some(letter) = letters.next() {
        let Some(arg) = command
            .get_arguments()
            .find(|arg| arg.get_short() == Some(letter))
        else {
            return Takes::NotOurs;
        };
        if arg.get_action().takes_values() {
            return value_of(arg, letters.peek().is_some());
        }
    }
    Takes::Alone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn flags_are_taken_out_wherever_they_are() {
        let tail = split(&words("dev --yes --node pve2 -j 2 -kn --tags a,b"), &[]).unwrap();
        assert_eq!(tail.args, words("dev --node pve2 --tags a,b"));
        assert!(tail.globals.yes && tail.globals.keep_going && tail.globals.dry_run);
        assert_eq!(tail.globals.jobs, Some(2));
    }

    #[test]
    fn a_recipes_own_option_wins_and_two_dashes_end_it() {
        let tail = split(&words("--timeout 5 -- --yes"), &["timeout".to_owned()]).unwrap();
        assert_eq!(tail.args, words("--timeout 5 --yes"));
        assert!(!tail.globals.yes);
    }

    #[test]
    fn a_bad_flag_value_is_a_usage_error() {
        let failure = split(&words("-j many"), &[]).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.to_string().contains("many"), "{failure}");
    }
}
