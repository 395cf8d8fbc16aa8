//! What is to be run: a recipe with its arguments, `up`, or a run to go on
//! with. From words to a request.

use clap::{Args, Command, CommandFactory, FromArgMatches};

use super::args::{Cli, ReplayArgs, ResumeArgs, UpArgs};
use super::session::{Session, usage};
use super::{help, mistake, tail};
use crate::diag::{Failure, hl};
use crate::layers;
use crate::runs::{RecipeRequest, RunRequest, UpRequest};

/// A recipe, `up`, or a run to go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Run {
        request: RunRequest,
        /// An `up` that did not come to its end is archived.
        fresh: bool,
    },
    Resume(ResumeArgs),
    Replay(ReplayArgs),
}

impl Target {
    /// What has a plan of its own.
    pub(super) fn request(&self) -> Result<&RunRequest, Failure> {
        match self {
            Self::Run { request, .. } => Ok(request),
            Self::Resume(_) | Self::Replay(_) => Err(usage("`resume` and `replay` are no recipes")
                .help(
                    hl("resume --explain")
                        .say(" says what would run, ")
                        .hl("resume --dry-run")
                        .say(" tries it"),
                )),
        }
    }
}

impl From<&UpArgs> for Target {
    fn from(args: &UpArgs) -> Self {
        Self::Run {
            request: RunRequest::Up(UpRequest {
                from: args.from.clone(),
                to: args.to.clone(),
                env: args.environment.clone(),
                node: args.node.clone(),
                with: args.with.clone(),
            }),
            fresh: args.fresh,
        }
    }
}

/// What the words behind a verb say.
pub(super) struct Parsed<F> {
    /// The session with the flags among them.
    pub session: Session,
    /// What is to be run.
    pub target: Target,
    /// The verb's own flags.
    pub flags: F,
    /// The words without those.
    pub words: Vec<String>,
}

/// Reads the words behind a verb: a recipe or `up`, its arguments, and flags
/// of `hl` and of the verb among them. `None` when its help was asked for and
/// given.
pub(super) fn parse<F: Args>(
    session: &Session,
    words: &[String],
    mut flags: F,
) -> Result<Option<Parsed<F>>, Failure> {
    let Some((name, rest)) = words.split_first() else {
        return Err(usage("no recipe is named").help("`hl list` shows them"));
    };
    let verb = matches!(name.as_str(), "up" | "resume" | "replay").then(|| {
        let hl = Cli::command();
        let verb = hl.find_subcommand(name).cloned().unwrap_or_default();
        verb.name(format!("hl {name}")).no_binary_name(true)
    });
    let (book, lab);
    let mut recipe = None;
    let own: Vec<String> = if let Some(verb) = &verb {
        // Those of the verb in front win: `hl rehearse up --fresh`.
        let front = F::augment_args(Command::new("hl"));
        let front: Vec<&str> = front
            .get_arguments()
            .filter_map(clap::Arg::get_long)
            .collect();
        let options = verb.get_arguments().filter_map(clap::Arg::get_long);
        let options = options.filter(|option| !front.contains(option));
        options.map(str::to_owned).collect()
    } else {
        lab = session.lab()?;
        book = session.book()?;
        let found = book.find(name)?.1;
        recipe = Some((found, &lab.config.lab));
        let options = found.params.iter().filter(|param| param.option);
        let flags = options.map(|param| param.flag().trim_start_matches('-').to_owned());
        flags.collect()
    };
    let mut globals = session.globals.clone();
    let tail = tail::split(rest, &own, &mut globals, &mut flags)?;
    if tail.help {
        let recipe = recipe.map(|(recipe, lab)| help::command(&layers::listed(recipe), lab));
        let mut page = verb.or(recipe).unwrap_or_default();
        session.data(page.render_help().to_string().trim_start())?;
        return Ok(None);
    }
    let target = match verb {
        Some(verb) => {
            let matches = verb.try_get_matches_from(&tail.args);
            let target = matches.and_then(|matches| {
                Ok(match name.as_str() {
                    "up" => Target::from(&UpArgs::from_arg_matches(&matches)?),
                    "resume" => Target::Resume(ResumeArgs::from_arg_matches(&matches)?),
                    _ => Target::Replay(ReplayArgs::from_arg_matches(&matches)?),
                })
            });
            target.map_err(|error| mistake::failure(&error))?
        }
        None => Target::Run {
            request: RunRequest::Recipe(RecipeRequest {
                name: name.clone(),
                args: tail.args,
            }),
            fresh: false,
        },
    };
    let mut words = vec![name.clone()];
    words.extend(tail.rest);
    Ok(Some(Parsed {
        session: session.with(globals),
        target,
        flags,
        words,
    }))
}
