//! What follows a recipe's name: the recipe's own arguments, and flags that
//! every verb takes. `hl l2-apply dev --yes` must mean what it says.

use camino::Utf8PathBuf;
use clap::{Arg, Args, Command};

use super::clap_errors;
use super::flags::{Globals, given, old_set};
use crate::diag::Failure;

/// Words behind a recipe's name, sorted by whose they are.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// The recipe's own, in order.
    pub args: Vec<String>,
    /// All but the flags of the verb in front of the recipe.
    pub rest: Vec<String>,
    /// `-h` or `--help` was among them.
    pub help: bool,
}

/// Sorts the words behind a recipe's name, and lays the flags among them over
/// those in front: `verb` has those of the verb, `command` has these and those of `hl`.
/// `own_options` are the long names that the recipe itself takes: they win. Everything
/// behind `--` is the recipe's.
pub(super) fn split<F: Args>(
    (verb, command): (&Command, Command),
    words: &[String],
    own_options: &[String],
    globals: &mut Globals,
    flags: &mut F,
) -> Result<Tail, Failure> {
    // Their variables were read with the flags in front of the recipe.
    let mut command = command
        .no_binary_name(true)
        .disable_help_flag(true)
        .mut_args(|arg| arg.env(None::<&str>));
    if named(verb, "env").is_none() && own_options.iter().all(|own| own != "env") {
        command = command.arg(old_set());
    }
    let mut tail = Tail::default();
    let mut ours = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            tail.rest.push(word.clone());
            tail.rest.extend(words.as_slice().iter().cloned());
            tail.args.extend(words.cloned());
            break;
        }
        if word == "-h" || word == "--help" {
            tail.help = true;
            continue;
        }
        let found = find(&command, word, own_options);
        let mut all = vec![word.clone()];
        if found.is_some_and(|(_, value_follows)| value_follows) {
            all.extend(words.next().cloned());
        }
        let is_verbs =
            |(arg, _): (&Arg, bool)| verb.get_arguments().any(|own| own.get_id() == arg.get_id());
        if !found.is_some_and(is_verbs) {
            tail.rest.extend(all.iter().cloned());
        }
        if found.is_some() {
            ours.extend(all);
        } else {
            tail.args.extend(all);
        }
    }
    let read = command.try_get_matches_from(ours).and_then(|matches| {
        let given = given(matches);
        flags.update_from_arg_matches(&given)?;
        globals.lay_over(&given)
    });
    read.map_err(|error| clap_errors::failure(&error))?;
    Ok(tail)
}

/// The lab that the words name, which must be known before the recipe can be. The
/// word is never the recipe's own: no parameter may be called `lab`.
pub(super) fn lab(words: &[String]) -> Option<Utf8PathBuf> {
    let mut named = None;
    let mut words = words.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if word == "--lab" {
            named = words.next().map(String::as_str);
        } else if let Some(dir) = word.strip_prefix("--lab=") {
            named = Some(dir);
        }
    }
    named.map(Utf8PathBuf::from)
}

fn named<'c>(command: &'c Command, long: &str) -> Option<&'c Arg> {
    command.get_arguments().find(|arg| {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        arg.get_long() == Some(long) || aliases.contains(&long)
    })
}

/// The flag of the command that a word is, and whether the next word is its value.
fn find<'c>(command: &'c Command, word: &str, own_options: &[String]) -> Option<(&'c Arg, bool)> {
    let takes_value = |arg: &Arg| arg.get_action().takes_values();
    if let Some(long) = word.strip_prefix("--") {
        let name = long.split_once('=').map_or(long, |(name, _)| name);
        if own_options.iter().any(|own| own == name) {
            return None;
        }
        let arg = named(command, name)?;
        return Some((arg, takes_value(arg) && name == long));
    }
    let mut letters = word.strip_prefix('-')?.chars();
    let mut found = None;
    while let Some(letter) = letters.next() {
        let mut all = command.get_arguments();
        let arg = all.find(|arg| arg.get_short() == Some(letter))?;
        if takes_value(arg) {
            return Some((arg, letters.as_str().is_empty()));
        }
        found = Some((arg, false));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::args::{GraphFlags, PlanFlags};
    use super::super::flags::OutputMode;
    use super::super::graph_format::GraphFormat;
    use super::*;
    use crate::diag::Exit;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn behind<F: Args>(
        words: &[String],
        own: &[String],
        globals: &mut Globals,
        flags: &mut F,
    ) -> Result<Tail, Failure> {
        let verb = F::augment_args(Command::new("hl"));
        let command = Globals::augment_args(verb.clone());
        split((&verb, command), words, own, globals, flags)
    }

    fn sorted<F: Args + Default>(text: &str, own: &[&str]) -> (Tail, Globals, F) {
        let own: Vec<String> = own.iter().map(|own| (*own).to_owned()).collect();
        let (mut globals, mut flags) = (Globals::default(), F::default());
        let tail = behind(&words(text), &own, &mut globals, &mut flags).unwrap();
        (tail, globals, flags)
    }

    #[test]
    fn flags_are_taken_out_wherever_they_are() {
        let (tail, globals, ()) = sorted("dev --yes --node pve2 -j 2 -kn --tags a,b", &[]);
        assert_eq!(tail.args, words("dev --node pve2 --tags a,b"));
        assert!(globals.yes && globals.keep_going && globals.dry_run);
        assert_eq!(globals.jobs, Some(2));
    }

    #[test]
    fn a_recipes_own_option_wins_and_two_dashes_end_it() {
        let (tail, globals, ()) = sorted("--timeout 5 -- --yes", &["timeout"]);
        assert_eq!(tail.args, words("--timeout 5 --yes"));
        assert_eq!(tail.rest, words("--timeout 5 -- --yes"));
        assert!(!globals.yes);
    }

    #[test]
    fn flags_of_the_verb_may_stand_behind_the_recipe() {
        let (tail, _, flags) = sorted::<GraphFlags>("dev --format dot -q", &[]);
        assert_eq!(flags.format, Some(GraphFormat::Dot));
        assert_eq!((tail.args, tail.rest), (words("dev"), words("dev -q")));
        let (_, _, flags) = sorted::<PlanFlags>("--exit-code", &["exit-code"]);
        assert!(!flags.exit_code, "the recipe's own option wins");
    }

    #[test]
    fn flags_behind_are_laid_over_those_in_front() {
        let front = "--yes --set A=1 --output live -vv --timeout 5m";
        let (_, mut globals, mut flags) =
            sorted::<GraphFlags>(&format!("{front} --format dot"), &[]);
        let more = words("--set A=2 --output quiet -v --quiet --env A=3");
        behind(&more, &[], &mut globals, &mut flags).unwrap();
        assert!(globals.yes && globals.quiet && globals.verbose == 2);
        assert_eq!(globals.output, Some(OutputMode::Quiet));
        assert_eq!(globals.timeout.as_deref(), Some("5m"));
        let set: Vec<&str> = globals
            .set
            .iter()
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(set, ["1", "3", "2"]);
        assert_eq!(flags.format, Some(GraphFormat::Dot));
    }

    #[test]
    fn a_bad_flag_value_is_a_usage_error() {
        let failure = behind(&words("-j many"), &[], &mut Globals::default(), &mut ()).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.to_string().contains("many"), "{failure}");
    }
}
