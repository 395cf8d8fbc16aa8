//! What is to be run: a recipe with its arguments, `up`, or a run to go on
//! with. From words to a request.

use clap::{Arg, Args, Command, CommandFactory, FromArgMatches};

use super::args::{Cli, ReplayArgs, ResumeArgs, UpArgs};
use super::flags::Globals;
use super::manifest::{RunArgs, request};
use super::scenario::with_limits;
use super::session::{Session, usage};
use super::{clap_errors, help, recipe_args};
use crate::diag::{Failure, hl};
use crate::layers;
use crate::report::Paint;
use crate::runs::{ManifestVerb, RecipeRequest, RunRequest, UpRequest};

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
    let session = &session.in_lab(recipe_args::lab(rest));
    let manifest = match name.as_str() {
        "create" => Some(ManifestVerb::Create),
        "destroy" => Some(ManifestVerb::Destroy),
        "test" => Some(ManifestVerb::Test),
        _ => None,
    };
    let is_verb = manifest.is_some() || matches!(name.as_str(), "up" | "resume" | "replay");
    let (mut recipe, mut renamed) = (name.clone(), None);
    let mut command = if is_verb {
        let hl = Cli::command();
        let verb = hl.find_subcommand(name).cloned().unwrap_or_default();
        verb.name(["hl", name].join(" ")).no_binary_name(true)
    } else {
        let (lab, book) = (session.lab()?, session.book()?);
        let found = book.find(name)?.1;
        renamed = book.renamed(name);
        if renamed.is_some() {
            recipe.clone_from(found.name.get_ref());
        }
        help::command(&layers::listed(found), &lab.config.lab)
    };
    // Those of the verb in front win over `up`'s: `hl rehearse up --fresh`.
    let front = F::augment_args(Command::new("hl"));
    let in_front = |long| {
        front
            .get_arguments()
            .any(|arg| arg.get_long() == Some(long))
    };
    let options = command.get_arguments().filter_map(Arg::get_long);
    let own = options.filter(|long| !is_verb || !in_front(*long));
    let own: Vec<String> = own.map(str::to_owned).collect();
    let mut globals = session.globals.clone();
    let all = Globals::augment_args(front.clone());
    let all = if manifest.is_some() {
        with_limits(all)
    } else {
        all
    };
    let tail = recipe_args::split((&front, all), rest, &own, &mut globals, &mut flags)?;
    if tail.help {
        session.data(command.render_help().to_string().trim_start())?;
        return Ok(None);
    }
    let target = if let Some(verb) = manifest {
        let matches = command.try_get_matches_from(&tail.args);
        let args = matches.and_then(|matches| RunArgs::from_arg_matches(&matches));
        let args = args.map_err(|error| clap_errors::failure(&error))?;
        Target::Run {
            request: request(session, verb, &args)?,
            fresh: false,
        }
    } else if is_verb {
        let matches = command.try_get_matches_from(&tail.args);
        let target = matches.and_then(|matches| {
            Ok(match name.as_str() {
                "up" => Target::from(&UpArgs::from_arg_matches(&matches)?),
                "resume" => Target::Resume(ResumeArgs::from_arg_matches(&matches)?),
                _ => Target::Replay(ReplayArgs::from_arg_matches(&matches)?),
            })
        });
        target.map_err(|error| clap_errors::failure(&error))?
    } else {
        Target::Run {
            request: RunRequest::Recipe(RecipeRequest {
                name: recipe.clone(),
                args: tail.args,
            }),
            fresh: false,
        }
    };
    let mut words = vec![recipe];
    words.extend(tail.rest);
    let session = session.with(globals);
    if let Some(line) = renamed {
        session.tell(Paint::Warn, "Warning", &line);
    }
    Ok(Some(Parsed {
        session,
        target,
        flags,
        words,
    }))
}
