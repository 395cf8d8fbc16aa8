//! `hl rehearse`: the lab's own recipes, where nothing real can be reached.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::answer;
use super::args::{RehearseArgs, RehearseFlags};
use super::carried::Carried;
use super::detach::detach;
use super::dry::{announce, decide};
use super::echo::ControlEchoOff;
use super::flags::Globals;
use super::rehearsed::{Rehearsed, SealedVerb, rehearsed};
use super::session::{Session, given, usage};
use super::target::{Target, parse};
use super::{platform, recipe, replay, reports, resume, scenario};
use crate::app::{REHEARSAL, REHEARSAL_SECRETS, relay};
use crate::diag::{Exit, Failure};
use crate::lab::environment::{example, list};
use crate::lab::{self, Environment, Lab, Provenance, controller};
use crate::plan::{TEXT, wrap};
use crate::pve::rights::Objects;
use crate::rehearse::{
    self, NotRun, Refusal, Rehearsal, Relay, api_variables, invent_secret, read_faults, seed,
    serve_on_loopback,
};
use crate::report::Paint;
use crate::runs::RunRequest;
use crate::site::{Tree, spec_server};
use hl_sim::World;

pub(super) fn rehearse(session: &Session, args: &RehearseArgs) -> Result<Exit, Failure> {
    let words = if args.recipe.is_empty() {
        vec!["up".to_owned()]
    } else {
        args.recipe.clone()
    };
    match rehearsed(session, &words)? {
        Rehearsed::Over(exit) => return Ok(exit),
        Rehearsed::Sealed(live, verb) => {
            let instead = |inner: &Session| match &verb {
                SealedVerb::Plan(args) => recipe::plan(inner, args),
                SealedVerb::Bootstrap(args) => platform::platform(inner, args),
                SealedVerb::Scenario(args) => scenario::scenario(inner, args),
                SealedVerb::Preflight(args) => scenario::preflight(inner, args),
                SealedVerb::Templates => Err(usage(
                    "the builds of a rehearsal are in its world, and that cannot be opened here",
                )),
            };
            let inner = Inner {
                front: &session.globals,
                words: &words,
                is_verb: true,
                instead: &instead,
            };
            return sealed(&live, &args.flags, &inner);
        }
        Rehearsed::Run => {}
    }
    let Some(parsed) = parse(session, &words, args.flags.clone())? else {
        return Ok(Exit::Ok);
    };
    if takes_input(&parsed.target) {
        return Err(usage("a rehearsal has no standard input")
            .help("give the manifest as a file, or with `--manifest-json`"));
    }
    let idle = match &parsed.target {
        Target::Resume(args) => resume::is_idle(&parsed.session.rehearsed(), args)?,
        Target::Replay(_) => replay::is_idle(&parsed.session.rehearsed())?,
        Target::Run { .. } => false,
    };
    if idle {
        reports::nothing_to_do(&parsed.session)?;
        return Ok(Exit::Ok);
    }
    let again = |inner: &Session| recipe::recipe(inner, &parsed.words);
    let inner = Inner {
        front: &session.globals,
        words: &parsed.words,
        is_verb: false,
        instead: &again,
    };
    sealed(&parsed.session, &parsed.flags, &inner)
}

/// Whether a manifest was read from standard input: the `hl` inside reads it anew.
fn takes_input(target: &Target) -> bool {
    let Target::Run { request, .. } = target else {
        return false;
    };
    match request {
        RunRequest::Manifest(request) => request.is_from_input(),
        RunRequest::Recipe(_)
        | RunRequest::Up(_)
        | RunRequest::Scenario(_)
        | RunRequest::Platform(_) => false,
    }
}

/// Where guests ask for their spec: at the port of `spec_server`, where the lab keeps the
/// certificate by which they know the controller.
fn controller_port(lab: &Lab) -> Option<u16> {
    controller::certificate(lab)?;
    let site = lab.paths.site();
    let server = spec_server(&Tree::new(site.clone(), site))?;
    let authority = server.strip_prefix("https://")?.split('/').next()?;
    let port = match authority.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse().ok()?,
        _ => 443,
    };
    (port > 0).then_some(port)
}

/// What the `hl` inside is to do.
struct Inner<'a> {
    /// The flags in front of its words.
    front: &'a Globals,
    words: &'a [String],
    /// A verb, whose flags are among its words.
    is_verb: bool,
    /// Does it where no sealed network can be made.
    instead: &'a dyn Fn(&Session) -> Result<Exit, Failure>,
}

/// Runs `hl` in a sealed network.
fn sealed(session: &Session, asked: &RehearseFlags, inner: &Inner<'_>) -> Result<Exit, Failure> {
    if asked.ask && session.globals.yes {
        return Err(usage("`--ask` asks, and `--yes` answers").help("leave one of them out"));
    }
    let file = asked.faults.faults.as_ref();
    let file = file.map(|file| session.caller.cwd.join(file));
    let faults = read_faults(&asked.faults.fault, file.as_deref())?;
    if session.leaves() {
        return detach(&session.rehearsed());
    }
    let lab = session.lab()?;
    let dry = decide(session, &lab)?;
    let mut env = session.environment(&lab, asked.doppler)?;
    let carried = Carried::new(session, &lab, &mut env);
    // In front: those behind the recipe are among its words, and `--yes` may be.
    let in_front = dry.on && !inner.is_verb;
    let mut command = flags(inner.front, asked.ask, carried.junit(), in_front);
    let behind = session.globals.junit != inner.front.junit;
    command.extend(carried.words(inner.words, behind));
    if inner.words.first().is_some_and(|word| word == "up") {
        // A rehearsal is seen as a whole; `hl rehearse resume` goes on.
        command.push("--fresh".to_owned());
    }
    fill(session, &lab, &mut env)?;
    // It was decided here; the `hl` inside reads the same settings.
    env.set("DRY_RUN", given(dry.on));
    let exe = std::env::current_exe().map_err(|error| {
        Failure::message(
            Exit::Bug,
            format!("cannot find the program of this process: {error}"),
        )
    })?;
    let rehearsal = Rehearsal {
        lab: &lab,
        env: &env,
        command: &command,
        fresh: asked.fresh,
        faults,
        controller: controller_port(&lab),
        exe,
        quiet: session.globals.quiet || session.globals.json || session.globals.events.is_some(),
        width: Session::width(),
        asks: asked.ask,
        runtime_dir: session.caller.process.get("XDG_RUNTIME_DIR").cloned(),
        relay: session.detached.then_some(relay as Relay),
    };
    // The `hl` inside is not in the foreground: this one sees to the terminal.
    let _echo_off = session.look(String::new()).bars.then(ControlEchoOff::new);
    let exit = match rehearse::run(&rehearsal) {
        Ok(exit) => exit,
        Err(NotRun::Failed(failure)) => return Err(failure),
        Err(NotRun::Refused(refusal)) if !rehearsal.faults.is_empty() => {
            let message = format!("no rehearsal: {refusal}");
            return Err(Failure::message(Exit::Runway, message).help(
                "`--fault` and `--faults` need a sealed network: leave them out for a dry run",
            ));
        }
        Err(NotRun::Refused(refusal)) => less(session, &lab, &env, &refusal, inner.instead)?,
    };
    if exit.code() == Exit::Busy.code() {
        // The other rehearsal was named; it may wait for an answer.
        answer::tell_question(&session.rehearsed(), None);
    }
    carried.carry(session)?;
    announce(session, &dry);
    Ok(exit)
}

/// What is missing is taken from `env.example`, and said.
fn fill(session: &Session, lab: &Lab, env: &mut Environment) -> Result<(), Failure> {
    let mut taken = Vec::new();
    for (name, var) in example(lab)? {
        // What has a default is complete without the example.
        if !var.value.is_empty() && env.fill(&name, &var) && !var.secret {
            taken.push(name);
        }
    }
    if !taken.is_empty() {
        let text = format!(
            "{} from env.example; the token is invented",
            taken.join(", ")
        );
        let text = wrap(&text, TEXT, TEXT, Session::width());
        session.tell(Paint::Active, "Environment", text);
    }
    Ok(())
}

/// The flags that the inner `hl` is to have too. It is given `--yes`, unless it is to
/// ask: nothing that it changes is real.
fn flags(globals: &Globals, ask: bool, junit: Option<&Utf8Path>, dry_run: bool) -> Vec<String> {
    let mut flags: Vec<String> = Vec::new();
    for (set, flag) in [
        (!globals.no_input && !ask, "--yes"),
        (dry_run, "--dry-run"),
        (globals.no_input, "--no-input"),
        (globals.keep_going, "--keep-going"),
        (globals.json, "--json"),
        (globals.quiet, "--quiet"),
    ] {
        if set {
            flags.push(flag.to_owned());
        }
    }
    flags.extend(std::iter::repeat_n(
        "--verbose".to_owned(),
        usize::from(globals.verbose),
    ));
    let name = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
    let valued = [
        ("--jobs", globals.jobs.map(|n| n.to_string())),
        ("--timeout", globals.timeout.clone()),
        ("--run-timeout", globals.run_timeout.clone()),
        ("--events", globals.events.map(|v| name(&v))),
        ("--output", globals.output.map(|v| name(&v))),
        ("--junit", junit.map(ToString::to_string)),
        ("--color", globals.color.map(|v| name(&v))),
    ];
    for (flag, value) in valued {
        flags.extend(value.into_iter().flat_map(|value| [flag.to_owned(), value]));
    }
    flags
}

/// Without a sealed network: a simulator on loopback, and a dry run against it.
/// L0 checks it, L1 and L2 are validated, L3 and L4 are checked for syntax.
fn less(
    session: &Session,
    lab: &Lab,
    env: &Environment,
    refusal: &Refusal,
    instead: &dyn Fn(&Session) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    if env.nodes().next().is_some() {
        return Err(Failure::message(
            Exit::Runway,
            format!("no rehearsal: {refusal}"),
        )
        .help("a lab whose site has `nodes/` is rehearsed in a sealed network only: their addresses are taken as they are"));
    }
    let verb = session.palette().verb(Paint::Warn, "Limited");
    session.say(&format!("{verb} rehearsal: {refusal}"));
    session.say(&format!("{:>12} instead, a dry run against a simulator on loopback: nothing is built, nothing is converged", ""));
    let token_id = env.get("PM_TOKEN_ID").unwrap_or("hl@pve!hl").to_owned();
    let secret = invent_secret();
    let objects = Objects::from_env(env);
    let world = World::seeded(&seed(&objects, &token_id, &secret));
    let running = serve_on_loopback(world)?;
    let ca = lab.paths.rehearsal().state().join("loopback-ca.pem");
    lab::write(&ca, running.ca_pem(), 0o644)?;
    rehearse::make_keys(&lab.paths.rehearsal())?;
    // The process environment wins over every other source: no value of the real lab is left.
    let known = list(env, &BTreeMap::new()).into_iter().filter_map(|row| {
        let var = env.var(&row.name)?;
        (var.from != Provenance::Process).then(|| (row.name.clone(), var.value.clone()))
    });
    let node = api_variables(&running, ca.to_string(), token_id, secret);
    let ours = [
        ("PVE_BUILD_ADDRESS", "127.0.0.9/8,gw=127.0.0.1".to_owned()),
        ("DOPPLER", "0".to_owned()),
        (REHEARSAL, "1".to_owned()),
        (
            REHEARSAL_SECRETS,
            env.secret_names().collect::<Vec<_>>().join(","),
        ),
    ];
    let ours = node.into_iter().chain(ours);
    let ours = ours.map(|(name, value)| (name.to_owned(), value));
    let mut inner = session.with_variables(known.chain(ours));
    inner.globals.dry_run = true;
    // They are among the variables already, and would win over the simulator's.
    inner.caller.set.clear();
    // As the `hl` in a sealed network sees it: without the verb.
    if let Some(verb) = inner.command.iter().position(|word| word == "rehearse") {
        inner.command.remove(verb);
    }
    let exit = instead(&inner);
    running
        .stop()
        .map_err(|error| Failure::message(Exit::CannotWrite, error.to_string()))?;
    exit
}
