//! A run: where it stands, what it asks, and its steps as a graph and as a list.

use std::collections::BTreeMap;
use std::io::{self, Read};

use askama::Template;
use axum::response::Response;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::extract::InPath;
use super::filters;
use super::frame::{Frame, page};
use super::graph::{Graph, graph, short};
use super::opened::{Found, Opened, opened};
use super::problem::Problem;
use super::question::Asked;
use super::shown::{State, WAITING, When, run_state, step_state, took};
use super::visitor::Reader;
use crate::app::{resume_command, say_to_run};
use crate::base::{private_read, quoted};
use crate::control::{Reply, Request, RunStatus};
use crate::diag::{Exit, Failure};
use crate::lab::Paths;
use crate::plan::{Plan, Step};
use crate::report::{RunDocument, RunState, StepRow};
use crate::runs;

/// What stands for itself in the path of a log.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'@');

/// Letters of a step's own name and of its recipe that fit into a box.
const OWN: usize = 19;
const RECIPE: usize = 14;

/// Outputs of a step that are shown; a longer value is cut.
const OUTPUTS: usize = 20;
const VALUE: usize = 200;

/// Seconds after which a browser without script loads a run that goes on again.
const AGAIN: u32 = 5;

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    frame: Frame,
    id: String,
    recipe: String,
    kind: &'static str,
    state: State,
    running: bool,
    started: When,
    took: String,
    operator: String,
    command: String,
    exit: String,
    done: usize,
    planned: usize,
    error: String,
    resume: String,
    warnings: Vec<String>,
    asked: Option<Asked>,
    /// Where in the journal this page stands.
    offset: u64,
    graph: Option<Graph>,
    steps: Vec<StepLine>,
    reported: bool,
}

/// One step.
#[derive(Debug)]
struct StepLine {
    name: String,
    /// Its own name and that of its recipe, as they fit into a box.
    short: String,
    recipe: String,
    doc: String,
    state: State,
    took: String,
    message: String,
    changed: bool,
    attempts: u32,
    /// What it waits for.
    needs: String,
    log: String,
    outputs: Vec<[String; 2]>,
    warnings: Vec<String>,
    help: Vec<String>,
    tail: Vec<String>,
}

impl StepLine {
    /// Whether there is more to tell than its line.
    fn has_more(&self) -> bool {
        !(self.outputs.is_empty()
            && self.warnings.is_empty()
            && self.help.is_empty()
            && self.tail.is_empty()
            && self.doc.is_empty()
            && self.needs.is_empty())
    }
}

/// `/runs/ID`
pub(super) async fn run(reader: Reader, InPath(id): InPath<String>) -> Result<Response, Problem> {
    let frame = reader.frame("Run");
    let shown = opened(&reader.shared, move |opened| told(opened, frame, &id)).await?;
    Ok(page(&shown))
}

fn told(opened: &Opened, mut frame: Frame, id: &str) -> Result<RunPage, Problem> {
    let clean = &opened.clean;
    let Found { paths, file } = &opened.run(id)?;
    let content = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        private_read(file)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let (run, bytes) = runs::read_by(content).map_err(|error| {
        let message = format!("cannot read the run: {error}");
        opened.problem(&Failure::message(Exit::Unknown, message))
    })?;
    let run = run.map_err(|failure| opened.problem(&failure))?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n');
    let document = RunDocument::new(paths, runs::short_id(paths, id), &run, opened.now);
    let row = &document.run;
    let running = row.outcome == RunState::Running;
    let asked = running.then(|| question(opened, paths, id)).flatten();
    let plan = runs::planned(paths, id).ok();
    let steps = steps(opened, &document, plan.as_ref());
    let done = steps
        .iter()
        .filter(|step| step.state.key == "succeeded" || step.state.key == "skipped")
        .count();
    let over = [RunState::Failed, RunState::Cancelled, RunState::Interrupted];
    let resumes = over.contains(&row.outcome) && run.header.request.is_some();
    frame.title = format!("{} · {}", clean.text(&row.recipe), row.short);
    // A word that somebody types is not taken away from them.
    frame.again = if running && asked.is_none() { AGAIN } else { 0 };
    let command: Vec<String> = row.command.iter().map(|word| quoted(word)).collect();
    Ok(RunPage {
        frame,
        id: id.to_owned(),
        recipe: clean.text(&row.recipe),
        kind: match (row.dry_run, row.rehearsal) {
            (true, _) => "dry run",
            (_, true) => "rehearsal",
            _ => "",
        },
        state: run_state(row.outcome),
        running,
        started: When::new(&row.started_at, opened.now),
        took: row.took(),
        operator: clean.text(&row.operator),
        command: clean.text(&command.join(" ")),
        exit: row.exit.map(|code| code.to_string()).unwrap_or_default(),
        done,
        planned: document.planned,
        error: clean.text(document.error.as_deref().unwrap_or_default()),
        resume: if resumes {
            resume_command(paths, id)
        } else {
            String::new()
        },
        warnings: clean.all(&document.warnings),
        asked,
        offset: whole.map_or(0, |newline| newline as u64 + 1),
        graph: plan.as_ref().and_then(graph),
        steps,
        reported: paths.logs(id).join("summary.json").is_file(),
    })
}

/// What the run asks, when it is the one that goes on.
fn question(opened: &Opened, paths: &Paths, id: &str) -> Option<Asked> {
    let caller = &opened.shared.caller;
    let reply = say_to_run(caller, paths, &Request::Status).ok()??;
    match reply {
        Reply::Status(RunStatus {
            run,
            question: Some(question),
        }) if run == id => Some(Asked::new(opened, &question)),
        Reply::Status(_) | Reply::Taken { .. } | Reply::Refused { .. } => None,
    }
}

/// The steps in the order of the plan, then those that it does not have: of a run that
/// was resumed after the lab had changed, or whose plan is gone.
fn steps(opened: &Opened, document: &RunDocument, plan: Option<&Plan>) -> Vec<StepLine> {
    let mut heard: BTreeMap<&str, &StepRow> = BTreeMap::new();
    heard.extend(document.steps.iter().map(|row| (row.name.as_str(), row)));
    let planned = plan.into_iter().flat_map(|plan| &plan.steps);
    let mut lines: Vec<StepLine> = planned
        .map(|step| {
            line(
                opened,
                &document.run.id,
                Some(step),
                heard.remove(step.id.as_str()),
            )
        })
        .collect();
    let rest = document.steps.iter();
    let rest = rest.filter(|row| heard.contains_key(row.name.as_str()));
    lines.extend(rest.map(|row| line(opened, &document.run.id, None, Some(row))));
    lines
}

fn line(opened: &Opened, run: &str, step: Option<&Step>, row: Option<&StepRow>) -> StepLine {
    let clean = &opened.clean;
    let name = row.map(|row| row.name.as_str());
    let name = name
        .or(step.map(|step| step.id.as_str()))
        .unwrap_or_default();
    let needs = step.into_iter().flat_map(|step| &step.needs);
    let needs: Vec<String> = needs.map(|need| clean.text(need.as_str())).collect();
    let all = |texts: Option<&Vec<String>>| {
        let texts = texts.into_iter().flatten();
        texts.flat_map(|text| clean.lines(text)).collect()
    };
    let outputs = row.into_iter().flat_map(|row| &row.outputs).take(OUTPUTS);
    let shown = clean.text(name);
    StepLine {
        short: short(shown.rsplit('/').next().unwrap_or_default(), OWN),
        recipe: short(
            shown.rsplit_once('/').map_or("", |(recipe, _)| recipe),
            RECIPE,
        ),
        name: shown,
        doc: clean.text(step.map_or("", |step| step.doc.as_str())),
        state: row.map_or(WAITING, |row| step_state(row.status)),
        took: took(row.and_then(|row| row.duration_seconds)),
        message: clean.text(row.map_or("", |row| row.message.as_str())),
        changed: row.is_some_and(|row| row.changed == Some(true)),
        attempts: row.map_or(0, |row| row.attempts),
        needs: needs.join(", "),
        // A step that never started said nothing.
        log: row
            .filter(|row| row.started_at.is_some())
            .map_or_else(String::new, |_| {
                format!("/runs/{run}/logs/{}", utf8_percent_encode(name, PLAIN))
            }),
        outputs: outputs
            .map(|(key, value)| {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                [clean.text(key), cut(&clean.text(&value))]
            })
            .collect(),
        warnings: all(row.map(|row| &row.warnings)),
        help: all(row.map(|row| &row.help)),
        tail: all(row.map(|row| &row.tail)),
    }
}

fn cut(text: &str) -> String {
    let mut cut: String = text.chars().take(VALUE).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}
