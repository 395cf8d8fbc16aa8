//! The lab's status: what runs, what was made, what to do next. It only reads files,
//! asks the run in progress what it waits for, and takes no lock.

use jiff::Timestamp;

use super::Caller;
use super::speak::say_to_run;
use crate::base::ticked;
use crate::control::{Reply, Request};
use crate::diag::{Advice, Failure, say};
use crate::handoff::{Catalog, LastRun, Latest, Made, Runtime, VmInfo};
use crate::lab::Paths;
use crate::layers;
use crate::legacy::found;
use crate::report::{
    Current, Next, Published, PublishedTemplate, RunDocument, RunState, StatusDocument,
};
use crate::runs::{self, Ending, Entry, Newest, Summary};
use crate::tofu::state::{self, STATE_FILE, State};

/// Runs that the history tells of.
const HISTORY: usize = 10;

/// Runs that are looked at first.
const FEW: usize = 20;

/// The status of the lab with these paths; with `history` the last runs too. What
/// cannot be read is among its warnings.
pub fn status(caller: &Caller, paths: &Paths, history: bool, now: Timestamp) -> StatusDocument {
    let mut document = document(paths, history, now);
    if let Some(current) = &mut document.current
        && current.run.outcome == RunState::Running
        && let Ok(Some(Reply::Status(status))) = say_to_run(caller, paths, &Request::Status)
    {
        current.question = status.question;
        current.commands = paths.commands();
    }
    document
}

/// What commands that only read say of files that wait to be taken over.
pub fn waiting(paths: &Paths) -> Option<String> {
    let found = found(paths);
    let (are, them) = match found.len() {
        0 => return None,
        1 => ("is", "it"),
        _ => ("are", "them"),
    };
    Some(format!(
        "{} {are} of an older tool: the next run that changes anything takes {them} over",
        ticked(found.iter().map(|path| paths.show(path)))
    ))
}

fn document(paths: &Paths, history: bool, now: Timestamp) -> StatusDocument {
    let mut warnings: Vec<String> = waiting(paths).into_iter().collect();
    let mut take = |failure: &Failure| warnings.push(failure.to_string());
    let runtime = Runtime::read(paths).unwrap_or_else(|failure| {
        take(&failure);
        None
    });
    let first = runs::page(paths, Some(FEW));
    for entry in &first.entries {
        if let Err(failure) = &entry.summary {
            take(failure);
        }
    }
    // Without a live run among the newest, all are looked at.
    let mut all = first.entries;
    if first.older > 0 && (!all.iter().any(is_current) || runtime.is_none()) {
        all = runs::page(paths, None).entries;
    }
    let told = |entry: &Entry| {
        let run = runs::read(&entry.path).ok()?;
        Some(RunDocument::new(paths, &entry.short, &run, now))
    };
    let current = all.iter().find(|entry| is_current(entry)).and_then(told);
    let current = current.as_ref().map(Current::new);
    let last_success = match &runtime {
        Some(runtime) => runtime.last_successful_run.clone(),
        None => all.iter().find_map(success),
    };
    let history = history.then(|| all.iter().take(HISTORY).filter_map(told).collect());
    let published = published(paths, runtime.unwrap_or_default(), &mut take);
    StatusDocument {
        schema: "hl.status/1",
        next: next(paths, current.as_ref(), open(paths).as_deref()),
        current,
        last_success,
        published,
        warnings,
        history,
    }
}

/// A run that goes on, or a live one that is over.
fn is_current(entry: &Entry) -> bool {
    entry.summary.as_ref().is_ok_and(|run| {
        run.ending == Ending::Running || !run.header.dry_run && !run.header.is_legacy()
    })
}

fn success(entry: &Entry) -> Option<LastRun> {
    let run: &Summary = entry.summary.as_ref().ok()?;
    let succeeded = RunState::from(&run.ending) == RunState::Succeeded;
    (succeeded && is_current(entry)).then(|| LastRun {
        id: entry.id.clone(),
        recipe: run.header.recipe.clone(),
        finished_at: run.last.clone().unwrap_or_default(),
    })
}

fn published(paths: &Paths, runtime: Runtime, take: &mut dyn FnMut(&Failure)) -> Published {
    let templates = Catalog::read(paths).templates.into_iter();
    let templates = templates.map(|(name, image)| PublishedTemplate {
        name,
        handle: image.handle(),
        stamp: image.stamp,
        node: image.node,
    });
    let latest = Latest::read(paths).unwrap_or_else(|failure| {
        take(&failure);
        None
    });
    let latest = latest.unwrap_or_default();
    let values = latest.iter().map(|(k, v)| (k.to_owned(), v.to_owned()));
    let mut environments = runtime.environments;
    let states = state::all(&paths.states()).into_iter();
    // The record of runs may have gone with `hl clean`, or be of another checkout.
    for (key, state) in states.filter(|(_, state)| !state.vms.is_empty()) {
        let known = environments.entry(key);
        known.or_insert_with_key(|key| held(paths, key, &state));
    }
    Published {
        templates: templates.collect(),
        environments,
        values: values.collect(),
    }
}

/// What a state holds that no run tells of.
fn held(paths: &Paths, key: &str, state: &State) -> Made {
    let vms = state.vms.iter().filter_map(|(name, vm)| {
        let address = vm.address.as_deref().and_then(|text| text.split_once('/'));
        let info = VmInfo {
            vmid: vm.vmid?,
            node: vm.node.clone(),
            address: address.map_or_else(String::new, |(address, _)| address.to_owned()),
        };
        Some((name.clone(), info))
    });
    Made {
        state: Some(paths.tofu_state(key).join(STATE_FILE).into_string()),
        vms: vms.collect(),
        ..Made::default()
    }
}

/// The run that `hl resume` goes on with.
fn open(paths: &Paths) -> Option<Box<Entry>> {
    match runs::open(paths) {
        Ok(Newest::Open(entry)) => Some(entry),
        // What cannot be read is told as a warning.
        Ok(Newest::Done(_) | Newest::None) | Err(_) => None,
    }
}

fn next(paths: &Paths, current: Option<&Current>, open: Option<&Entry>) -> Next {
    let next = |words: &str, why: Advice| Next {
        command: paths.commands().line(words),
        why: why.text(paths.commands()),
    };
    let up = || next("up", say("runs the layers in order"));
    let running = current.filter(|current| current.run.outcome == RunState::Running);
    if let Some(open) = open.filter(|_| running.is_none()) {
        let shown = current.is_some_and(|current| current.run.id == open.id);
        let recipe = open.summary.as_ref().map(|run| &run.header.recipe);
        let why = match recipe {
            Ok(recipe) if !shown => format!("resumes `{recipe}`, which did not succeed"),
            _ => "runs the steps that are not done".to_owned(),
        };
        return next(&format!("resume {}", open.short), say(why));
    }
    let Some(current) = current else {
        let book = layers::load(paths).ok();
        let runway = book.is_some_and(|book| book.find("l0-runway").is_ok());
        return if runway && !paths.is_rehearsal() {
            next("l0-runway", say("checks what is needed; then ").hl("up"))
        } else {
            up()
        };
    };
    let (run, short) = (&current.run, &current.run.short);
    match run.outcome {
        RunState::Running => next(&format!("runs follow {short}"), say("shows it live")),
        RunState::Succeeded if run.recipe.split(' ').next() == Some("up") => {
            let words = format!("plan {}", run.recipe);
            next(&words, say("shows whether anything has changed since"))
        }
        RunState::Succeeded => up(),
        // It cannot be gone on with, or the same succeeded since.
        RunState::Failed | RunState::Cancelled | RunState::Interrupted => next(
            &format!("runs show {short}"),
            say("shows what was not done; then run it again"),
        ),
    }
}
