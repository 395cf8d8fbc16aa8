//! `hl preflight` and `hl doctor`: checks of a machine, alone or before a scenario.

use super::args::PreflightArgs;
use crate::app::{DryRun, LoadedLab};
use crate::base::count;
use crate::cli::go::go;
use crate::cli::session::Session;
use crate::diag::{Exit, Failure, hl};
use crate::layers::{Arg, Book, PREFLIGHT, Recipe, ScenarioHead};
use crate::runs::{RunRequest, ScenarioRequest};
use crate::site::Tree;

/// The scenario whose phases are the checks.
const CHECKS: &str = PREFLIGHT;
/// The same for this machine, with the versions of tools.
const DOCTOR: &str = "doctor";

/// The action of those checks that ask a node's API.
const API: &str = "pve.check";
/// The check that asks the machine itself.
const MACHINE: &str = "reach_machine";

/// `hl preflight`
pub(in crate::cli) fn preflight(session: &Session, args: &PreflightArgs) -> Result<Exit, Failure> {
    let mut own = session.clone();
    own.globals.json |= args.json_output;
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    let valued = [
        ("host", args.host.clone()),
        ("remote", args.remote.clone()),
        ("cores", number(args.cores)),
        ("memory", number(args.memory)),
        ("disk", number(args.disk)),
    ];
    let mut words: Vec<String> = valued
        .into_iter()
        .filter_map(|(name, value)| Some(format!("--{name}={}", value?)))
        .collect();
    for (set, flag) in [(args.local, "--local"), (args.nested, "--nested")] {
        if set {
            words.push(flag.to_owned());
        }
    }
    check(&own, CHECKS, words)
}

/// `hl doctor`
pub(in crate::cli) fn doctor(session: &Session) -> Result<Exit, Failure> {
    check(session, DOCTOR, Vec::new())
}

fn check(session: &Session, name: &str, args: Vec<String>) -> Result<Exit, Failure> {
    let loaded = session.load(true)?;
    known(&loaded, &args)?;
    let request = request(name, args, Vec::new());
    run(session, &loaded, request)
}

fn request(name: &str, args: Vec<String>, skip: Vec<String>) -> RunRequest {
    RunRequest::Scenario(ScenarioRequest {
        name: name.to_owned(),
        args,
        skip,
        context: None,
    })
}

/// They only read: a dry run of them is one as any other.
fn run(session: &Session, loaded: &LoadedLab, request: RunRequest) -> Result<Exit, Failure> {
    let plan = loaded.plan(&request)?;
    let origin = loaded.origin(request);
    let dry = DryRun::forced(session.globals.dry_run);
    go(session, loaded, plan, &dry, origin).map(|(exit, _)| exit)
}

/// The host that the checks of a machine are told is one of the site's.
///
/// # Errors
/// There is no such host (66). What is wrong with its files is told by its checks.
fn known(loaded: &LoadedLab, args: &[String]) -> Result<(), Failure> {
    let value = |option: &str| args.iter().find_map(|word| word.strip_prefix(option));
    let is_local = args.iter().any(|word| word == "--local");
    // An address with its user says all.
    let says_all = value("--remote=").is_some_and(|address| address.contains('@'));
    let Some(host) = value("--host=").filter(|_| !is_local && !says_all) else {
        return Ok(());
    };
    let site = loaded.lab.paths.site();
    let tree = Tree::new(site.clone(), loaded.lab.paths.show(&site));
    match tree.resolve_host(host, None) {
        Err(failure) if failure.exit == Exit::Unknown => Err(failure),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The checks of a scenario that is asked for, and nothing else.
pub(super) fn only(
    session: &Session,
    loaded: &LoadedLab,
    book: &Book,
    head: &ScenarioHead,
    asked: &RunRequest,
) -> Result<Exit, Failure> {
    match of_scenario(loaded, book, head, asked)? {
        Some((request, _)) => run(session, loaded, request),
        None => Ok(Exit::Ok),
    }
}

/// The checks that come before a scenario that is asked for.
///
/// # Errors
/// One of them failed (69), what failed has been told; there is no such host (66).
pub(super) fn before(
    session: &Session,
    loaded: &LoadedLab,
    book: &Book,
    head: &ScenarioHead,
    asked: &RunRequest,
) -> Result<(), Failure> {
    let Some((request, checks)) = of_scenario(loaded, book, head, asked)? else {
        return Ok(());
    };
    // There is one document, and it is the scenario's.
    let mut quiet = session.clone();
    quiet.globals.json = false;
    quiet.globals.events = None;
    quiet.globals.junit = None;
    let exit = run(&quiet, loaded, request)?;
    session.reported.set(false);
    if exit == Exit::Ok {
        return Ok(());
    }
    let checks = count(checks, "check");
    let message = format!("nothing was begun: of {checks} not all passed");
    Err(Failure::message(exit, message)
        .help(hl("preflight").say(" runs them alone; `--skip-preflight` leaves them out")))
}

/// The request for those checks that the scenario names and for what these need, with
/// how many they are. They are told what the scenario itself is: its options, and what the
/// context file says for them.
fn of_scenario(
    loaded: &LoadedLab,
    book: &Book,
    head: &ScenarioHead,
    asked: &RunRequest,
) -> Result<Option<(RunRequest, usize)>, Failure> {
    if head.preflight.is_empty() {
        return Ok(None);
    }
    let (_, checks, _) = book.scenario(CHECKS)?;
    let wanted = wanted(checks, head);
    let is_wanted = |id: &str| wanted.contains(&id);
    let ids = checks.steps.iter().map(|step| step.id.get_ref());
    let left = ids.filter(|id| !is_wanted(id)).cloned().collect();
    let compiled = loaded.compile(asked)?;
    let own = compiled.recipes.last();
    let args = own.map(|recipe| recipe.args.as_slice()).unwrap_or_default();
    let mut steps = checks.steps.iter();
    let asks_api = steps.any(|step| step.action.get_ref() == API && is_wanted(step.id.get_ref()));
    let mut words = told(args, asks_api);
    // A lab's own checks may take less.
    words.retain(|word| takes(checks, word));
    if is_wanted(MACHINE) {
        known(loaded, &words)?;
    }
    Ok(Some((request(CHECKS, words, left), wanted.len())))
}

/// The checks that a scenario names, with those that they need.
fn wanted<'r>(checks: &'r Recipe, head: &'r ScenarioHead) -> Vec<&'r str> {
    let mut wanted: Vec<&str> = Vec::new();
    let mut open: Vec<&str> = head
        .preflight
        .iter()
        .map(|id| id.get_ref().as_str())
        .collect();
    while let Some(id) = open.pop() {
        if wanted.contains(&id) {
            continue;
        }
        wanted.push(id);
        let of_it = checks.steps.iter().find(|step| step.id.get_ref() == id);
        let needs = of_it.and_then(|step| step.needs.as_ref());
        open.extend(
            needs
                .into_iter()
                .flatten()
                .map(|need| need.get_ref().as_str()),
        );
    }
    wanted
}

/// What the checks are told of a scenario's arguments. A node is named only where its API
/// is asked: what is wrong with the variables of a node is nothing to the other checks.
fn told(args: &[Arg], asks_api: bool) -> Vec<String> {
    let value = |name: &str| {
        let arg = args.iter().find(|arg| arg.name == name)?;
        let text = arg.value.as_str().map(str::to_owned);
        let text = text.unwrap_or_else(|| arg.value.to_string());
        Some(text).filter(|text| !text.is_empty())
    };
    let node = args.iter().any(|arg| arg.name == "node");
    let named = [
        ("host", value("host")),
        ("remote", value("remote").or_else(|| value("vm_ip"))),
        (
            "node",
            if asks_api {
                value("node")
            } else {
                Some("-".to_owned())
            },
        ),
    ];
    let named = named.into_iter();
    let mut words: Vec<String> = named
        .filter_map(|(name, value)| Some(format!("--{name}={}", value?)))
        .collect();
    if value("local").is_some_and(|text| text == "true") {
        words.push("--local".to_owned());
    }
    // The scenario says by itself on which node it works.
    if asks_api && node {
        words.push("--api".to_owned());
    }
    words
}

/// Whether there is such an option.
fn takes(checks: &Recipe, word: &str) -> bool {
    let option = word.split('=').next().unwrap_or(word);
    checks
        .params
        .iter()
        .any(|param| param.option && param.flag() == option)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::layers::ArgSource;

    #[test]
    fn checks_are_told_the_machine_and_the_node_where_its_api_is_asked() {
        let arg = |name: &str, value: serde_json::Value| Arg {
            name: name.to_owned(),
            value,
            from: ArgSource::Given,
        };
        let mut args = vec![
            arg("host", json!("")),
            arg("remote", json!("")),
            arg("vm_ip", json!("192.0.2.9")),
            arg("local", json!(false)),
            arg("templates", json!("one")),
        ];
        assert_eq!(told(&args, false), ["--remote=192.0.2.9", "--node=-"]);
        assert_eq!(told(&args, true), ["--remote=192.0.2.9"]);
        args.push(arg("node", json!("kestrel")));
        args[1].value = json!("ops@192.0.2.8");
        args[3].value = json!(true);
        assert_eq!(
            told(&args, true),
            [
                "--remote=ops@192.0.2.8",
                "--node=kestrel",
                "--local",
                "--api"
            ]
        );
    }
}
