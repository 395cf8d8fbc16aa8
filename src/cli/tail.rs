//! What follows a recipe's name: the recipe's own arguments, and flags that
//! every verb takes. `hl l2-apply dev --yes` must mean what it says.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::flags::{Globals, given_as_old_set, old_set};
use super::mistake;
use crate::diag::Failure;

/// Arguments behind a recipe's name, sorted by whose they are.
#[derive(Debug)]
pub(super) struct Tail<F> {
    /// The recipe's own, in order.
    pub args: Vec<String>,
    /// Flags of `hl`.
    pub globals: Globals,
    /// Flags of the verb in front of the recipe.
    pub flags: F,
    /// All words but the verb's flags.
    pub rest: Vec<String>,
    /// `-h` or `--help` was among them.
    pub help: bool,
}

/// Sorts the arguments behind a recipe's name; `F` are the flags of the verb
/// in front of it. `own_options` are the long names that the recipe itself
/// takes: they win. Everything behind `--` is the recipe's.
pub(super) fn split<F: Args>(args: &[String], own_options: &[String]) -> Result<Tail<F>, Failure> {
    let command = || {
        Command::new("hl")
            .no_binary_name(true)
            .disable_help_flag(true)
    };
    let verb = F::augment_args(command());
    // Their variables were read with the flags in front of the recipe, which these
    // are laid over.
    let everywhere = Globals::augment_args(command());
    let mut everywhere = everywhere.mut_args(|arg| arg.env(None::<&str>));
    let taken = own_options.iter().any(|own| own == "env")
        || verb.get_arguments().any(|arg| is_named(arg, "env"));
    if !taken {
        everywhere = everywhere.arg(old_set());
    }
    let (mut own, mut global, mut verbs, mut rest) = (vec![], vec![], vec![], vec![]);
    let mut help = false;
    let mut words = args.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            rest.push(word.clone());
            rest.extend(words.as_slice().iter().cloned());
            own.extend(words.cloned());
            break;
        }
        if word == "-h" || word == "--help" {
            help = true;
            continue;
        }
        let of_verb = takes(&verb, word, own_options);
        let of_all = takes(&everywhere, word, own_options);
        let mut flag = vec![word.clone()];
        if of_verb == Takes::Value || of_all == Takes::Value {
            flag.extend(words.next().cloned());
        }
        if of_verb != Takes::NotOurs {
            verbs.extend(flag);
            continue;
        }
        rest.extend(flag.iter().cloned());
        if of_all == Takes::NotOurs {
            own.extend(flag);
        } else {
            global.extend(flag);
        }
    }
    let matches = matches(everywhere, global)?;
    let mut globals =
        Globals::from_arg_matches(&matches).map_err(|error| mistake::failure(&error))?;
    globals.set.splice(0..0, given_as_old_set(&matches));
    Ok(Tail {
        args: own,
        globals,
        flags: read(verb, verbs)?,
        rest,
        help,
    })
}

fn read<T: Args>(command: Command, flags: Vec<String>) -> Result<T, Failure> {
    T::from_arg_matches(&matches(command, flags)?).map_err(|error| mistake::failure(&error))
}

fn matches(command: Command, flags: Vec<String>) -> Result<ArgMatches, Failure> {
    let matches = command.try_get_matches_from(flags);
    matches.map_err(|error| mistake::failure(&error))
}

fn is_named(arg: &Arg, long: &str) -> bool {
    let aliases = arg.get_all_aliases().unwrap_or_default();
    arg.get_long() == Some(long) || aliases.contains(&long)
}

/// What a word is to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    NotOurs,
    Alone,
    Value,
}

fn takes(command: &Command, word: &str, own_options: &[String]) -> Takes {
    let value_of = |arg: &Arg, inline: bool| {
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
        let found = command.get_arguments().find(|arg| is_named(arg, name));
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
    use super::super::args::{GraphFlags, GraphFormat, PlanFlags};
    use super::*;
    use crate::diag::Exit;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn flags_are_taken_out_wherever_they_are() {
        let tail: Tail<()> =
            split(&words("dev --yes --node pve2 -j 2 -kn --tags a,b"), &[]).unwrap();
        assert_eq!(tail.args, words("dev --node pve2 --tags a,b"));
        assert!(tail.globals.yes && tail.globals.keep_going && tail.globals.dry_run);
        assert_eq!(tail.globals.jobs, Some(2));
    }

    #[test]
    fn a_recipes_own_option_wins_and_two_dashes_end_it() {
        let tail: Tail<()> =
            split(&words("--timeout 5 -- --yes"), &["timeout".to_owned()]).unwrap();
        assert_eq!(tail.args, words("--timeout 5 --yes"));
        assert_eq!(tail.rest, words("--timeout 5 -- --yes"));
        assert!(!tail.globals.yes);
    }

    #[test]
    fn flags_of_the_verb_may_stand_behind_the_recipe() {
        let tail: Tail<GraphFlags> = split(&words("dev --format dot -q"), &[]).unwrap();
        assert_eq!(tail.flags.format, Some(GraphFormat::Dot));
        assert_eq!((tail.args, tail.rest), (words("dev"), words("dev -q")));
        let tail: Tail<PlanFlags> = split(&words("--exit-code"), &["exit-code".into()]).unwrap();
        assert!(!tail.flags.exit_code, "the recipe's own option wins");
    }

    #[test]
    fn a_bad_flag_value_is_a_usage_error() {
        let failure = split::<()>(&words("-j many"), &[]).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.to_string().contains("many"), "{failure}");
    }
}
