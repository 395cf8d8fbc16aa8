//! `hl scenario NAME`: checks, then its phases.

use std::time::Duration;

use super::args::ScenarioArgs;
use super::list::{list, phases};
use super::preflight::{before, only};
use super::read::{Asked, read};
use crate::app::context_file;
use crate::cli::dry::decide;
use crate::cli::go::go_within;
use crate::cli::help;
use crate::cli::session::{Session, usage};
use crate::diag::{Exit, Failure, hl, say};
use crate::layers::{Layer, ScenarioHead, listed, listed_scenario};
use crate::report::Paint;
use crate::runs::{RunRequest, ScenarioRequest};

/// Runs it, or lists.
pub(in crate::cli) fn scenario(session: &Session, args: &ScenarioArgs) -> Result<Exit, Failure> {
    let asked = read(session, args)?;
    let session = &asked.session;
    let Some(name) = asked.name.as_deref().filter(|_| !asked.flags.list) else {
        if asked.help {
            return Err(usage("no scenario is named").help(say("").hl("scenario --help")));
        }
        return list(session, &asked.book).map(|()| Exit::Ok);
    };
    let (layer, recipe, head) = asked.book.scenario(name)?;
    if asked.help {
        let mut about = listed(recipe);
        about.usage = format!("scenario {}", about.usage);
        let more = session.text(
            hl(format!("scenario {name} --phases"))
                .say(" shows its phases, ")
                .hl("scenario --help")
                .say(" has the flags of all scenarios"),
        );
        let lab = session.lab()?.config.lab;
        let mut command = help::command(&about, &lab).after_help(more);
        session.data(command.render_help().to_string().trim_start())?;
        return Ok(Exit::Ok);
    }
    if asked.flags.phases {
        return phases(session, &listed_scenario(recipe, head)).map(|()| Exit::Ok);
    }
    run(&asked, layer, name, head)
}

fn run(asked: &Asked, layer: &Layer, name: &str, head: &ScenarioHead) -> Result<Exit, Failure> {
    let session = &asked.session;
    for line in asked
        .book
        .odd_phases()
        .iter()
        .filter(|line| line.starts_with(layer.source.path.as_str()))
    {
        session.tell(Paint::Warn, "Warning", line.as_str());
    }
    if session.leaves() {
        return crate::cli::detach::detach(session);
    }
    let context = match &asked.flags.context_file {
        Some(file) => Some(context_file::read(&session.caller.cwd.join(file))?),
        None => None,
    };
    let request = ScenarioRequest {
        name: name.to_owned(),
        args: asked.args.clone(),
        skip: asked.flags.skip.clone(),
        context,
    };
    let dry = decide(session, &session.lab()?)?;
    let loaded = session.load(true)?;
    let run = RunRequest::Scenario(request);
    let plan = loaded.plan(&run)?;
    if asked.flags.preflight {
        return only(session, &loaded, &asked.book, head, &run);
    }
    if asked.flags.local && head.root && !dry.on && !rustix::process::geteuid().is_root() {
        let message = format!("scenario `{name}` changes this machine, and needs root for it");
        return Err(Failure::message(Exit::Runway, message)
            .help(say(format!("`sudo hl scenario {name} --local`"))));
    }
    if !asked.flags.skip_preflight && !dry.on {
        before(session, &loaded, &asked.book, head, &run)?;
    }
    let origin = loaded.origin(run);
    let limit = Duration::from_secs(head.timeout());
    go_within(session, &loaded, plan, &dry, origin, Some(limit)).map(|(exit, _)| exit)
}

/// Whether it only lists: then it needs no rehearsal's world.
pub(in crate::cli) fn needs_no_world(args: &ScenarioArgs) -> bool {
    let lists = ["--list", "--phases", "--list-scenarios", "--list-phases"];
    let flags = &args.flags;
    flags.list
        || flags.phases
        || args.words.is_empty()
        || args.words.iter().any(|word| lists.contains(&word.as_str()))
}

/// The session with the flags of `hl` among the words.
///
/// # Errors
/// As of [`scenario`].
pub(in crate::cli) fn with_its_flags(
    session: &Session,
    args: &ScenarioArgs,
) -> Result<Session, Failure> {
    Ok(read(session, args)?.session)
}
