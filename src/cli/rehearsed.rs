//! Verbs of `hl` that a rehearsal has too: `hl rehearse status`, `hl rehearse
//! plan up` ... Those that only read files need neither a sealed network nor root.

use std::ffi::OsString;

use clap::error::ErrorKind;
use serde_json::json;

use super::args::{Cli, PlanArgs, TemplatesVerb, Verb};
use super::dry::{announce, decide};
use super::platform::{self, PlatformArgs, PlatformVerb};
use super::scenario::{self, PreflightArgs, ScenarioArgs, needs_no_world, with_its_flags};
use super::session::{Session, given, usage};
use super::{answer, clap_errors, graph, runs, show, status, stop, templates, variables};
use crate::diag::{Commands, Exit, Failure, hl, is_same_in_a_rehearsal};
use crate::lab::Var;
use crate::pve::Client;
use crate::rehearse::{removable, remove, snapshot};
use crate::report::{Document, Paint};

/// What the words behind `hl rehearse` ask for.
pub(super) enum Rehearsed {
    /// It is done.
    Over(Exit),
    /// A verb that works on the simulated node, with its session.
    Sealed(Box<Session>, SealedVerb),
    /// No verb: a recipe, `up`, `resume` or `replay`.
    Run,
}

/// A verb that needs the world.
pub(super) enum SealedVerb {
    Plan(PlanArgs),
    Templates,
    Bootstrap(PlatformArgs),
    Scenario(Box<ScenarioArgs>),
    Preflight(PreflightArgs),
}

/// Verbs that are read here as they are without `rehearse`.
const VERBS: [&str; 14] = [
    "approve",
    "reject",
    "stop",
    "plan",
    "templates",
    "status",
    "runs",
    "clean",
    "show",
    "env",
    "graph",
    "platform",
    "scenario",
    "preflight",
];

/// Reads words that begin with a verb, and does what needs no world.
pub(super) fn rehearsed(session: &Session, words: &[String]) -> Result<Rehearsed, Failure> {
    let first = words.first().map(String::as_str).unwrap_or_default();
    if first == "access" {
        return Err(usage(
            "`access` cannot be rehearsed: it keeps the live node's access",
        ));
    }
    if is_same_in_a_rehearsal(first) && !first.starts_with('-') && first != "platform" {
        return Err(usage(format!("`{first}` has no rehearsal of its own")).help(hl(first)));
    }
    if !VERBS.contains(&first) {
        return Ok(Rehearsed::Run);
    }
    let typed = std::iter::once("hl").chain(words.iter().map(String::as_str));
    let typed: Vec<OsString> = typed.map(OsString::from).collect();
    let cli = match Cli::read(&typed, Some(&session.globals)) {
        Ok(cli) => cli,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            // A closed pipe is no failure.
            drop(error.print());
            return Ok(Rehearsed::Over(Exit::Ok));
        }
        Err(error) => return Err(clap_errors::failure(&error)),
    };
    let live = session.with(cli.globals);
    let inner = live.rehearsed();
    let done = match cli.verb {
        Some(Verb::Status(args)) => status::status(&inner, &args),
        Some(Verb::Runs(args)) => return told(runs::runs(&inner, &args)),
        Some(Verb::Approve(args)) => return told(answer::approve(&inner, &args)),
        Some(Verb::Reject(args)) => return told(answer::reject(&inner, &args)),
        Some(Verb::Stop(args)) => return told(stop::stop(&inner, &args)),
        Some(Verb::Show(args)) => show::show(&inner, &args),
        Some(Verb::Env) => variables::variables(&inner),
        Some(Verb::Graph(args)) => graph::graph(&inner, &args),
        Some(Verb::Clean { history: true }) => {
            return Err(
                usage("the history of rehearsals is kept by `hl rehearse clean`")
                    .help("leave `--history` out"),
            );
        }
        Some(Verb::Clean { .. }) => clean(&inner),
        Some(Verb::Templates {
            verb: verb @ (None | Some(TemplatesVerb::List | TemplatesVerb::Show { .. })),
        }) => list(&inner, verb.as_ref()),
        Some(Verb::Templates { .. }) => {
            return Ok(Rehearsed::Sealed(Box::new(live), SealedVerb::Templates));
        }
        Some(Verb::Platform(args)) => match args.verb {
            PlatformVerb::Bootstrap(_) => {
                return Ok(Rehearsed::Sealed(
                    Box::new(live),
                    SealedVerb::Bootstrap(args),
                ));
            }
            PlatformVerb::Validate | PlatformVerb::Vacuum => {
                return told(platform::platform(&inner, &args));
            }
            PlatformVerb::Init(_) | PlatformVerb::Render(_) | PlatformVerb::Eject(_) => {
                return Err(
                    usage("a rehearsal bootstraps what was rendered for the lab itself")
                        .help("leave `rehearse` out"),
                );
            }
        },
        Some(Verb::Scenario(args)) if needs_no_world(&args) => {
            return told(scenario::scenario(&inner, &args));
        }
        Some(Verb::Scenario(args)) => {
            let live = with_its_flags(&live, &args)?;
            return Ok(Rehearsed::Sealed(
                Box::new(live),
                SealedVerb::Scenario(args),
            ));
        }
        Some(Verb::Preflight(args)) => {
            return Ok(Rehearsed::Sealed(
                Box::new(live),
                SealedVerb::Preflight(args),
            ));
        }
        Some(Verb::Plan(args)) => {
            return Ok(Rehearsed::Sealed(Box::new(live), SealedVerb::Plan(args)));
        }
        _ => return Ok(Rehearsed::Run),
    };
    told(done.map(|()| Exit::Ok))
}

/// What a verb of the rehearsal came to. The live session prints a failure.
fn told(done: Result<Exit, Failure>) -> Result<Rehearsed, Failure> {
    let over = done.map(Rehearsed::Over);
    over.map_err(|failure| failure.written(Commands::Rehearsed))
}

/// Templates of the kept world.
fn list(session: &Session, verb: Option<&TemplatesVerb>) -> Result<(), Failure> {
    let lab = session.lab()?;
    let env = session.environment(&lab, false)?;
    let mut env = env.for_node(env.node())?.into_owned();
    let world = snapshot(&lab.paths)?;
    let client = match &world {
        None => None,
        Some(world) => {
            for (name, value) in world.variables() {
                let secret = name == "PM_TOKEN_SECRET";
                env.set(
                    name,
                    Var {
                        secret,
                        ..given(value)
                    },
                );
            }
            let made = Client::new(&env, &lab.paths);
            Some(made.map_err(|error| Failure::message(Exit::Runway, error.to_string()))?)
        }
    };
    templates::read(session, &lab, &env, client.as_ref(), verb)
}

/// `hl rehearse clean`: the world goes, and what rehearsals generated.
fn clean(session: &Session) -> Result<(), Failure> {
    let lab = session.lab()?;
    let dry = decide(session, &lab)?;
    let paths = removable(&lab.paths);
    let shown: Vec<_> = paths.iter().map(|path| lab.paths.show(path)).collect();
    if !dry.on {
        remove(&lab.paths)?;
    }
    if session.globals.json {
        let mut document = Document::idle("clean", dry.on);
        let found = json!({ "remove": shown });
        document.context.insert("clean".to_owned(), found);
        return session.json(&document);
    }
    let (verb, paint) = if dry.on {
        ("would remove", Paint::Bold)
    } else {
        ("Removed", Paint::Good)
    };
    let palette = session.data_palette();
    let lines = shown
        .iter()
        .map(|path| format!("{} {path}", palette.verb(paint, verb)));
    session.data(&lines.collect::<Vec<_>>().join("\n"))?;
    session.note(if shown.is_empty() {
        "nothing to remove"
    } else {
        "runs, logs and reports of rehearsals stay"
    });
    announce(session, &dry);
    Ok(())
}
