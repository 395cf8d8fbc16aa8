//! Flags that every verb and every recipe takes.

use camino::Utf8PathBuf;
use clap::builder::BoolishValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches, ValueEnum};

use crate::lab::timeouts::parse_duration;

/// What holds for each of them.
fn everywhere(arg: Arg) -> Arg {
    let takes_values = arg.get_action().takes_values();
    let arg = arg.global(true).hide_env(true);
    arg.hide_possible_values(takes_values)
}

/// Flags that every verb and every recipe takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Flags everywhere")]
#[command(mut_args(everywhere))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Globals {
    /// The lab: a directory with hl.toml [default: found upward from here]
    #[arg(long, value_name = "DIR", env = "HL_LAB")]
    pub lab: Option<Utf8PathBuf>,
    /// Change nothing: validate, read, and show what would happen
    #[arg(short = 'n', long, env = "HL_DRY_RUN", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub dry_run: bool,
    /// Return as soon as the run has begun; it goes on without a terminal (`hl runs follow`, `hl stop`)
    #[arg(long, global = true, env = "HL_DETACH", hide_env = true, value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub detach: bool,
    /// Answer yes to every approval
    #[arg(short, long, env = "HL_YES", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub yes: bool,
    /// Never ask: what needs an answer ends with exit code 77
    #[arg(long, env = "HL_NO_INPUT", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub no_input: bool,
    /// How many steps may run at once [default: 4]
    #[arg(short, long, value_name = "N", env = "HL_JOBS", value_parser = jobs)]
    pub jobs: Option<u16>,
    /// After a failure, continue with the steps that do not depend on it
    #[arg(short, long, env = "HL_KEEP_GOING", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub keep_going: bool,
    /// Interrupt the processes of a killed run, instead of waiting for them
    #[arg(long, env = "HL_INTERRUPT", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub interrupt: bool,
    /// Limit for every step instead of its own, e.g. 90s, 30m
    #[arg(long, value_name = "TIME", env = "HL_TIMEOUT", value_parser = time)]
    pub timeout: Option<String>,
    /// Limit for the whole run, e.g. 45m, 2h: then nothing new starts, and what runs is interrupted as by Ctrl-C
    #[arg(long, value_name = "TIME", env = "HL_RUN_TIMEOUT", value_parser = time)]
    pub run_timeout: Option<String>,
    /// One JSON document on stdout instead of text
    #[arg(long, env = "HL_JSON", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub json: bool,
    /// Every event as a line on stdout while it happens: json (`hl schema event`)
    #[arg(long, value_name = "FORMAT", env = "HL_EVENTS")]
    pub events: Option<EventsFormat>,
    /// Write a JUnit report of the run, also when it fails or cannot start
    #[arg(long, value_name = "FILE", env = "HL_JUNIT")]
    pub junit: Option<Utf8PathBuf>,
    /// What to show of the tools' own output: auto, live, prefix, group or quiet
    #[arg(long, value_name = "MODE", env = "HL_OUTPUT")]
    pub output: Option<OutputMode>,
    /// When to use colours: auto, always or never
    #[arg(long, value_name = "WHEN", env = "HL_COLOR")]
    pub color: Option<ColorWhen>,
    /// Only errors, and the data that was asked for
    #[arg(short, long, env = "HL_QUIET", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub quiet: bool,
    /// Show the tools' output as it comes, each line behind its step's name; -vv traces steps, children and API requests
    #[arg(short, long, action = ArgAction::Count, env = "HL_VERBOSE")]
    pub verbose: u8,
    /// Set a variable, stronger than every other source; several: --set A=1 --set B=2
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
}

impl Globals {
    /// Lays flags that were [`given`] over these.
    pub(super) fn lay_over(&mut self, given: &ArgMatches) -> Result<(), clap::Error> {
        let (set, verbose) = (std::mem::take(&mut self.set), self.verbose);
        self.update_from_arg_matches(given)?;
        self.verbose = self.verbose.max(verbose);
        let before = set.into_iter().chain(given_as_old_set(given));
        self.set.splice(0..0, before);
        Ok(())
    }
}

/// Matches without defaults: laid over other flags they change only what was
/// given.
pub(super) fn given(mut matches: ArgMatches) -> ArgMatches {
    let ids: Vec<String> = matches.ids().map(ToString::to_string).collect();
    for id in ids {
        // A flag that a verb shares with its own verbs is told here and not known.
        let is_known = matches.try_contains_id(&id).is_ok();
        if is_known && matches.value_source(&id) == Some(ValueSource::DefaultValue) {
            matches.try_clear_id(&id).ok();
        }
    }
    matches
}

/// The id of [`old_set`].
const OLD_SET: &str = "old_set";

/// `--env KEY=VALUE`, as `--set` was called before 0.2. `site`, `show` and `platform`
/// have an `--env` of their own, and so may a recipe: there this one is not.
pub(super) fn old_set() -> Arg {
    Arg::new(OLD_SET)
        .long("env")
        .hide(true)
        .value_name("KEY=VALUE")
        .action(ArgAction::Append)
        .value_parser(pair)
}

/// What was given as [`old_set`], at every depth.
fn given_as_old_set(matches: &ArgMatches) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut level = Some(matches);
    while let Some(matches) = level {
        let given = matches.try_get_many::<(String, String)>(OLD_SET);
        all.extend(given.ok().flatten().into_iter().flatten().cloned());
        level = matches.subcommand().map(|(_, matches)| matches);
    }
    all
}

/// `KEY=VALUE`
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

fn jobs(text: &str) -> Result<u16, String> {
    let jobs = text.parse().ok().filter(|jobs| *jobs > 0);
    jobs.ok_or_else(|| "expected a number from 1".to_owned())
}

/// Kept as it is written: a rehearsal hands it on.
fn time(text: &str) -> Result<String, String> {
    match parse_duration(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("expected a time such as 90s, 30m or 2h".to_owned()),
    }
}

/// `--events`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum EventsFormat {
    /// JSON Lines
    Json,
}

/// `--output`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputMode {
    /// A progress line on a terminal, steps only elsewhere; all output is in the logs
    Auto,
    /// Lines as they come
    Live,
    /// Lines as they come, each behind its step's name
    Prefix,
    /// A step's lines together when it ends
    Group,
    /// Nothing but failures
    Quiet,
}

/// `--color`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
