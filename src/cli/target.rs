//! What is to be run: a recipe with its arguments, `up`, or a run to go on
//! with. From words to a plan.

use std::collections::BTreeMap;

use clap::{Args, Command, FromArgMatches};
use serde_json::Value;

use super::args::{ReplayArgs, ResumeArgs, UpArgs};
use super::flags::Overlay;
use super::help::help;
use super::session::{Session, usage};
use super::{mistake, tail};
use crate::action::{Registry, builtin};
use crate::diag::{Diagnostic, Exit, Failure, hl};
use crate::lab::{Environment, Lab};
use crate::layers::{self, Book, Compiled, Request, Scope, UpRequest};
use crate::plan::Plan;
use crate::runs::Asked;

/// A recipe, `up`, or a run to go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Recipe(Request),
    Up {
        request: UpRequest,
        /// An `up` that did not come to its end is archived.
        fresh: bool,
    },
    Resume(ResumeArgs),
    Replay(ReplayArgs),
}

impl Target {
    /// The same as the journal keeps it; `None` for what is not kept.
    pub(super) fn asked(&self) -> Option<Asked> {
        match self {
            Self::Recipe(request) => Some(Asked::Recipe {
                name: request.recipe.clone(),
                args: request.args.clone(),
            }),
            Self::Up { request, .. } => Some(Asked::Up {
                env: request.env.clone(),
                node: request.node.clone(),
                from: request.from.clone(),
                to: request.to.clone(),
                with: request.with.clone(),
            }),
            Self::Resume(_) | Self::Replay(_) => None,
        }
    }
}

impl From<&Asked> for Target {
    fn from(asked: &Asked) -> Self {
        match asked.clone() {
            Asked::Recipe { name, args } => Self::Recipe(Request { recipe: name, args }),
            Asked::Up {
                env,
                node,
                from,
                to,
                with,
            } => Self::Up {
                request: UpRequest {
                    from,
                    to,
                    env,
                    node,
                    with,
                },
                fresh: false,
            },
        }
    }
}

impl From<&UpArgs> for Target {
    fn from(args: &UpArgs) -> Self {
        Self::Up {
            request: UpRequest {
                from: args.from.clone(),
                to: args.to.clone(),
                env: args.environment.clone(),
                node: args.node.clone(),
                with: args.with.clone(),
            },
            fresh: args.fresh,
        }
    }
}

/// What a target needs to become a plan.
pub(super) struct Ready {
    pub lab: Lab,
    pub env: Environment,
    pub registry: Registry,
    pub book: Book,
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
pub(super) fn parse<F: Args + Overlay>(
    session: &Session,
    words: &[String],
    flags: F,
) -> Result<Option<Parsed<F>>, Failure> {
    let Some((name, rest)) = words.split_first() else {
        return Err(usage("no recipe is named").help("`hl list` shows them"));
    };
    let verb = match name.as_str() {
        "up" => Some(
            UpArgs::augment_args(Command::new("hl up").no_binary_name(true))
                .about("Run the layers in order, L0 to L4"),
        ),
        "resume" => Some(
            ResumeArgs::augment_args(Command::new("hl resume").no_binary_name(true))
                .about("Go on with a run that did not succeed: what is done stays done"),
        ),
        "replay" => Some(
            ReplayArgs::augment_args(Command::new("hl replay").no_binary_name(true))
                .about("Run the last run again, from its start or from where it stopped"),
        ),
        _ => None,
    };
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
        book = layers::load(&lab.paths)?;
        let found = book.find(name)?.1;
        recipe = Some((found, &lab.config.lab));
        let options = found.params.iter().filter(|param| param.option);
        let flags = options.map(|param| param.flag().trim_start_matches('-').to_owned());
        flags.collect()
    };
    let tail = tail::split::<F>(rest, &own)?;
    if tail.help {
        session.data(&match (verb, recipe) {
            (Some(mut verb), _) => verb.render_help().to_string(),
            (None, recipe) => recipe
                .map(|(recipe, lab)| help(&layers::listed(recipe), lab, Session::data_width()))
                .unwrap_or_default(),
        })?;
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
        None => Target::Recipe(Request {
            recipe: name.clone(),
            args: tail.args,
        }),
    };
    let mut words = vec![name.clone()];
    words.extend(tail.rest);
    Ok(Some(Parsed {
        session: session.with(tail.globals),
        target,
        flags: flags.overlaid(tail.flags),
        words,
    }))
}

impl Ready {
    /// Finds the lab, resolves its environment, reads its layers.
    pub(super) fn new(session: &Session, ask_doppler: bool) -> Result<Self, Failure> {
        let lab = session.lab()?;
        let book = layers::load(&lab.paths)?;
        let env = session.environment(&lab, ask_doppler)?;
        Ok(Self {
            lab,
            env,
            registry: builtin(),
            book,
        })
    }

    /// The target's plan, with what is known besides.
    pub(super) fn compile(&self, target: &Target) -> Result<Compiled, Failure> {
        let scope = Scope {
            lab: &self.lab,
            env: &self.env,
            registry: &self.registry,
        };
        match target {
            Target::Recipe(request) => self.book.compile(request, &scope),
            Target::Up { request, .. } => self.book.compile_up(request, &scope),
            Target::Resume(_) | Target::Replay(_) => {
                Err(usage("`resume` and `replay` are no recipes").help(
                    hl("resume --explain")
                        .say(" says what would run, ")
                        .hl("resume --dry-run")
                        .say(" tries it"),
                ))
            }
        }
    }

    /// What was asked for beside the flags of `hl`, by name, for the header of
    /// the run: the options of a recipe or of `up`.
    pub(super) fn options(&self, target: &Target) -> BTreeMap<String, Value> {
        let request = match target {
            Target::Recipe(request) => return self.book.options(request),
            Target::Up { request, .. } => request,
            Target::Resume(_) | Target::Replay(_) => return BTreeMap::new(),
        };
        let named = [
            ("node", &request.node),
            ("from", &request.from),
            ("to", &request.to),
        ];
        let given = named
            .into_iter()
            .filter_map(|(name, text)| Some((name, Value::from(text.clone()?))));
        let with = (!request.with.is_empty()).then(|| ("with", Value::from(request.with.clone())));
        given
            .chain(with)
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// The target's plan, once its variables and its tools are there.
    pub(super) fn plan(&self, target: &Target) -> Result<Plan, Failure> {
        let compiled = self.compile(target)?;
        if compiled.missing.is_empty() {
            self.require_tools(&compiled)?;
        }
        compiled.ready()
    }

    /// Every program that the plan wants is there; else one error names all.
    fn require_tools(&self, compiled: &Compiled) -> Result<(), Failure> {
        let path = self.env.get("PATH").unwrap_or_default();
        let found =
            |program: &str| which::which_in(program, Some(path), self.lab.paths.root()).is_ok();
        let missing: BTreeMap<_, _> = compiled
            .tools
            .iter()
            .filter(|(tool, _)| match self.lab.config.tools.get(*tool) {
                Some(program) => !found(program),
                None => !(found(tool) || *tool == "tofu" && found("terraform")),
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = missing.keys().map(|tool| format!("`{tool}`")).collect();
        let is = if names.len() == 1 { "is" } else { "are" };
        let mut error = Diagnostic::error(format!("{} {is} not on PATH", names.join(", ")))
            .help("install what is missing, or run `scripts/tools` in a checkout of hl and `eval \"$(scripts/tools --print-env)\"`");
        for (tool, recipes) in missing {
            let recipes: Vec<_> = recipes.iter().map(|r| format!("`{r}`")).collect();
            error = error.note(format!("`{tool}` is needed by {}", recipes.join(", ")));
        }
        Err(Failure::new(Exit::Runway, error))
    }
}
