//! Entry: parse, dispatch, print the failure, give the exit code.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;

use super::args::{Cli, Verb};
use super::flags::Globals;
use super::session::Session;
use super::{
    access, answer, clap_errors, clean, completion, detach, graph, list, manifest, new, platform,
    recipe, rehearse, replay, reports, resume, runs, scenario, schema, serve, show, sim, site,
    spec, status, stop, templates, trust, variables, vm,
};
use crate::app::serving::Serve;
use crate::base::forbid_core_dumps;
use crate::diag::{Commands, Exit, Failure, render};
use crate::rehearse::internal_verb;
use crate::runs::ManifestVerb;

/// Parses, runs, and gives the exit code. `serve` is what `hl serve` runs.
pub fn main(serve: Serve) -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = internal_verb(args.get(1..).unwrap_or_default()) {
        return code;
    }
    // Nor can a step of a rehearsal take from this process what it has open.
    if let Err(error) = forbid_core_dumps() {
        let message = format!("cannot keep this process from being read: {error}");
        let failure = Failure::message(Exit::Bug, message);
        return ExitCode::from(without_session(&failure).code());
    }
    if completion::answer(&args) {
        return ExitCode::SUCCESS;
    }
    scenario::own_flags(&mut args);
    let words: Vec<String> = args
        .iter()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    // The commonest question takes the shortest way, without building clap.
    let lists = match words.first().map(String::as_str) {
        None => true,
        Some("list" | "-l" | "--list") => words.len() == 1,
        Some(_) => false,
    };
    let result = if lists && !has_settings() {
        with_session(Globals::default(), words, |session| {
            list::list(session, false).map(|()| Exit::Ok)
        })
    } else {
        match Cli::read(&asked_for(args), None) {
            Ok(cli) => with_session(cli.globals.clone(), words, |session| {
                // The `hl` inside of a rehearsal reports its run.
                let inner = matches!(cli.verb, Some(Verb::Rehearse(_)));
                let result = dispatch(session, cli, serve);
                match &result {
                    Err(failure) => reports::not_started(session, &session.masked(failure)),
                    Ok(_) if inner => {}
                    Ok(_) => reports::nothing_to_do(session)?,
                }
                result
            }),
            Err(error) => parse_failed(&error, words),
        }
    };
    ExitCode::from(result.code())
}

/// `hl help VERB` and `hl version`, as people type them too.
fn asked_for(mut args: Vec<OsString>) -> Vec<OsString> {
    match args.get(1).and_then(|word| word.to_str()) {
        Some("help") => {
            args.remove(1);
            args.push(OsString::from("--help"));
        }
        Some("version") => args[1] = OsString::from("--version"),
        _ => {}
    }
    spec::own_flags(&mut args);
    args
}

/// A variable that clap would read.
fn has_settings() -> bool {
    std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("HL_"))
}

fn with_session(
    globals: Globals,
    words: Vec<String>,
    run: impl FnOnce(&Session) -> Result<Exit, Failure>,
) -> Exit {
    match Session::new(globals, words) {
        Ok(session) => match run(&session) {
            Ok(exit) => exit,
            Err(failure) => {
                let failure = session.masked(&failure);
                session.fail(&failure);
                reports::annotate(&session, &failure);
                failure.exit
            }
        },
        Err(failure) => without_session(&failure),
    }
}

fn without_session(failure: &Failure) -> Exit {
    let text = render(failure, false, Commands::Live);
    drop(writeln!(std::io::stderr(), "{}", text.trim_end()));
    failure.exit
}

fn dispatch(session: &Session, cli: Cli, serve: Serve) -> Result<Exit, Failure> {
    let Some(verb) = cli.verb else {
        return list::list(session, false).map(|()| Exit::Ok);
    };
    if session.leaves() && reports::runs(&session.command) && !matches!(verb, Verb::Rehearse(_)) {
        return detach::detach(session);
    }
    match verb {
        Verb::List { names } => list::list(session, names).map(|()| Exit::Ok),
        Verb::Show(args) => show::show(session, &args).map(|()| Exit::Ok),
        Verb::Env => variables::variables(session).map(|()| Exit::Ok),
        Verb::Plan(args) => recipe::plan(session, &args),
        Verb::Up(args) => recipe::up(session, &args),
        Verb::Resume(args) => resume::resume(session, &args),
        Verb::Replay(args) => replay::replay(session, &args),
        Verb::Graph(args) => graph::graph(session, &args).map(|()| Exit::Ok),
        Verb::Rehearse(args) => rehearse::rehearse(session, &args),
        Verb::Vm { verb } => vm::vm(session, &verb),
        Verb::Templates { verb } => templates::templates(session, verb.as_ref()),
        Verb::Site(args) => site::site(session, &args),
        Verb::Serve(args) => serve::serve(session, &args, serve),
        Verb::Spec(args) => spec::spec(session, &args),
        Verb::Manifest(args) => manifest::manifest(session, &args),
        Verb::Platform(args) => platform::platform(session, &args),
        Verb::Create(args) => recipe::manifest(session, ManifestVerb::Create, &args),
        Verb::Destroy(args) => recipe::manifest(session, ManifestVerb::Destroy, &args),
        Verb::Test(args) => recipe::manifest(session, ManifestVerb::Test, &args),
        Verb::Scenario(args) => scenario::scenario(session, &args),
        Verb::Preflight(args) => scenario::preflight(session, &args),
        Verb::Doctor => scenario::doctor(session),
        Verb::Status(args) => status::status(session, &args).map(|()| Exit::Ok),
        Verb::Runs(args) => runs::runs(session, &args),
        Verb::Trust(args) => trust::trust(session, &args).map(|()| Exit::Ok),
        Verb::Approve(args) => answer::approve(session, &args),
        Verb::Reject(args) => answer::reject(session, &args),
        Verb::Stop(args) => stop::stop(session, &args),
        Verb::New { dir } => new::new(session, &dir).map(|()| Exit::Ok),
        Verb::Sim(args) => sim::sim(session, &args),
        Verb::Access => access::access(session),
        Verb::Clean { history } => clean::clean(session, history),
        Verb::Completions { shell } => completion::completions(session, shell).map(|()| Exit::Ok),
        Verb::Man => schema::man(session).map(|()| Exit::Ok),
        Verb::Schema { name } => schema::schema(session, &name).map(|()| Exit::Ok),
        Verb::Recipe(words) => recipe::recipe(session, &words),
    }
}

/// clap has its own way with help and version; all else is said in ours.
fn parse_failed(error: &clap::Error, words: Vec<String>) -> Exit {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        // A closed pipe is no failure.
        drop(error.print());
        return Exit::Ok;
    }
    with_session(Globals::default(), words, |session| {
        let failure = spec::with_own_code(clap_errors::failure(error), &session.command);
        reports::not_started(session, &session.masked(&failure));
        Err(failure)
    })
}
