//! Where the lab stands, as `hl status` tells it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;

use super::history::{ago, local};
use super::run_document::verb;
use super::{Paint, Palette, RunDocument, RunRow, RunState, StepRow};
use crate::base::{Lines, short_duration};
use crate::control::Question;
use crate::diag::Commands;
use crate::handoff::{LastRun, Made};
use crate::plan::{Status, StepState, sanitize};

/// Outstanding steps that are named; the rest is counted.
const NAMED: usize = 5;

/// `hl status --json`
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StatusDocument {
    /// `hl.status/1`
    pub schema: &'static str,
    /// The run that is going on, or the last live one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<Current>,
    /// The last live run that did all it should.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<LastRun>,
    /// What runs have made, as far as it is recorded.
    pub published: Published,
    /// What to type next.
    pub next: Next,
    /// What could not be read, and why.
    pub warnings: Vec<String>,
    /// The last runs with their steps, newest first (`--history`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<RunDocument>>,
}

/// The run that is going on, or the last live one.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Current {
    /// The run, as in the list.
    #[serde(flatten)]
    pub run: RunRow,
    /// How many steps the plan has.
    pub planned: usize,
    /// How many of them are done.
    pub done: usize,
    /// The step that runs, failed, or was cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<StepRow>,
    /// Known steps that are not done; those that were never heard of are only
    /// in the count.
    pub outstanding: Vec<String>,
    /// What it asks, while it waits for an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
    /// Whose commands answer it.
    #[serde(skip)]
    pub commands: Commands,
}

/// What runs have made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Published {
    /// Templates and images, by name.
    pub templates: Vec<PublishedTemplate>,
    /// What L2 made, by `ENV-NODE`.
    pub environments: BTreeMap<String, Made>,
    /// The handoff of the last run, `state/runs/latest.env`: paths and the last
    /// completed step.
    pub values: BTreeMap<String, String>,
}

/// A template that can be cloned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PublishedTemplate {
    /// Its name.
    pub name: String,
    /// Its build, `YYYYMMDD-HHMMSS`.
    pub stamp: String,
    /// Its number on the node, or the volume of an image.
    pub handle: String,
    /// The node.
    pub node: String,
}

/// What to type next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Next {
    /// The command.
    pub command: String,
    /// What it does.
    pub why: String,
}

impl Current {
    /// The state of a run that was told in full.
    pub fn new(run: &RunDocument) -> Self {
        let done =
            |step: &&StepRow| matches!(step.status, StepState::Ended(status) if status.is_done());
        let stuck = |step: &&StepRow| match step.status {
            StepState::Running | StepState::Interrupted => true,
            StepState::Ended(Status::Cancelled) => step.started_at.is_some(),
            StepState::Ended(status) => status == Status::Failed,
        };
        let open = run.steps.iter().filter(|step| !done(step));
        let outstanding = open.map(|step| step.name.clone()).collect();
        Self {
            run: run.run.clone(),
            planned: run.planned,
            done: run.steps.iter().filter(done).count(),
            at: run.steps.iter().find(stuck).cloned(),
            outstanding,
            question: None,
            commands: Commands::Live,
        }
    }
}

impl StatusDocument {
    /// The status for people, with local times.
    pub fn text(&self, now: Timestamp, zone: &TimeZone, palette: Palette) -> String {
        let mut page = Page {
            palette,
            out: String::new(),
        };
        match &self.current {
            Some(current) => current.lines(now, &mut page),
            None => page.line(Paint::Dim, "Nothing", "was run here yet"),
        }
        let shown = |id: &str| self.current.as_ref().is_some_and(|c| c.run.id == id);
        if let Some(last) = self.last_success.as_ref().filter(|last| !shown(&last.id)) {
            let when = local(&last.finished_at, zone);
            let text = format!("`{}` as run {}, {when}", last.recipe, last.id);
            page.line(Paint::Good, "Last success", &text);
        }
        let running = self.current.as_ref().map(|current| &current.run);
        let running = running.filter(|run| run.outcome == RunState::Running);
        self.published
            .lines(running.map(|run| run.id.as_str()), &mut page);
        for warning in &self.warnings {
            page.line(Paint::Warn, "Warning", warning);
        }
        let next = format!("`{}`  {}", self.next.command, self.next.why);
        page.line(Paint::Active, "Next", &next);
        for run in self.history.iter().flatten() {
            timeline(run, zone, &mut page);
        }
        page.out
    }
}

impl Current {
    fn lines(&self, now: Timestamp, page: &mut Page) {
        let run = &self.run;
        let verb = match run.outcome {
            RunState::Succeeded => "Succeeded",
            RunState::Failed => "Failed",
            RunState::Cancelled => "Cancelled",
            RunState::Running => "Running",
            RunState::Interrupted => "Interrupted",
        };
        let kind = if run.dry_run { " (dry run)" } else { "" };
        let since = match (run.pid, &run.ended_at) {
            (Some(pid), _) => format!("for {}, process {pid}", run.took()),
            (None, Some(end)) => format!("{}, after {}", ago(end, now), run.took()),
            (None, None) => run.took(),
        };
        let text = format!("`{}`{kind} as run {}, {since}", run.recipe, run.id);
        page.line(run.outcome.paint(), verb, &text);
        if let Some(step) = &self.at {
            let message = if step.message.is_empty() {
                String::new()
            } else {
                format!(": {}", step.message)
            };
            page.line(
                run.outcome.paint(),
                "At",
                &format!("{}{message}", step.name),
            );
        }
        if let Some(question) = &self.question {
            page.line(
                Paint::Warn,
                "Asks",
                &format!("{}: {}", question.step, question.text),
            );
            for line in &question.summary {
                page.line(Paint::Warn, "", line);
            }
            let text = format!(
                "it asked {}; the answer is about {}",
                ago(&question.since, now),
                question.digest
            );
            page.line(Paint::Dim, "", &text);
            let words = [
                ("approve", "yes"),
                ("reject", "no"),
                ("stop", "stops the run"),
            ];
            for (verb, what) in words {
                let command = self.commands.line(verb);
                page.line(Paint::Active, "Answer", &format!("`{command}`  {what}"));
            }
        }
        let left = self.planned.saturating_sub(self.done);
        if left > 0 && run.outcome != RunState::Succeeded {
            let mut names: Vec<&str> = self.outstanding.iter().map(String::as_str).collect();
            names.truncate(NAMED);
            let unnamed = left.saturating_sub(names.len());
            let more = match (unnamed, names.is_empty()) {
                (0, _) => String::new(),
                (count, true) => format!("{count} steps"),
                (count, false) => format!(" and {count} more"),
            };
            let text = format!("{}{more} of {}", names.join(", "), self.planned);
            page.line(Paint::Warn, "Outstanding", &text);
        }
    }
}

impl Published {
    /// `running`: the run in progress.
    fn lines(&self, running: Option<&str>, page: &mut Page) {
        for template in &self.templates {
            let text = format!(
                "{}  {} on {}, built {}",
                template.name, template.handle, template.node, template.stamp
            );
            page.line(Paint::Dim, "Template", &text);
        }
        for (key, made) in &self.environments {
            let text = match (&made.applying, &made.outputs_json) {
                (Some(run), _) if running == Some(run.as_str()) => {
                    format!("run {run} is at its apply; what is below is from before")
                }
                (Some(run), _) => format!("run {run} started an apply and did not record its end"),
                (None, Some(outputs)) => outputs.clone(),
                (None, None) if made.run.is_empty() => {
                    "in its state; no run tells of it".to_owned()
                }
                // A manifest's node has a run of its own for what is above L2.
                (None, None) if key.contains('/') && !made.vms.is_empty() => "made".to_owned(),
                (None, None) => "not applied to its end".to_owned(),
            };
            page.line(Paint::Dim, "Outputs", &format!("{key}  {text}"));
            for (name, vm) in &made.vms {
                let address = match vm.address.as_str() {
                    "" => "no known address",
                    address => address,
                };
                let text = format!("{name}  {address}  VM {} on {}", vm.vmid, vm.node);
                page.line(Paint::Dim, "Machine", &text);
            }
        }
        for (key, verb) in [
            ("ANSIBLE_INVENTORY_PATH", "Inventory"),
            ("LAST_STEP_COMPLETED", "Completed"),
        ] {
            if let Some(value) = self.values.get(key) {
                page.line(Paint::Dim, verb, value);
            }
        }
    }
}

/// One run with its steps, each at its time since the start.
fn timeline(run: &RunDocument, zone: &TimeZone, page: &mut Page) {
    let row = &run.run;
    let state = page.palette.paint(row.outcome.paint(), row.outcome.word());
    let kind = if row.dry_run { " (dry run)" } else { "" };
    let when = local(&row.started_at, zone);
    let recipe = sanitize(&row.recipe);
    let title = format!("\n{when}  `{recipe}`{kind} {state} after {}", row.took());
    let id = page.palette.paint(Paint::Dim, &row.short);
    page.raw(&format!("{title}  {id}"));
    let start: Option<Timestamp> = row.started_at.parse().ok();
    for step in &run.steps {
        let at = step.started_at.as_ref().and_then(|time| time.parse().ok());
        let offset = at.zip(start).map(|(at, start): (Timestamp, _)| {
            let passed = Duration::try_from(at.duration_since(start));
            format!("+{}", short_duration(passed.unwrap_or_default()))
        });
        let (paint, verb) = verb(step.status);
        let took = step.duration_seconds.map(Duration::from_secs_f64);
        let took = took.filter(|took| at.is_some() && *took >= Duration::from_millis(50));
        let took = took.map(short_duration);
        let text = format!(
            "{:>8}  {:>7}  {}",
            offset.unwrap_or_default(),
            took.unwrap_or_default(),
            sanitize(&step.name)
        );
        let verb = page.palette.verb(paint, verb);
        page.raw(&format!("{verb} {text}"));
    }
}

struct Page {
    palette: Palette,
    out: String,
}

impl Page {
    fn line(&mut self, paint: Paint, verb: &str, text: &str) {
        let verb = self.palette.verb(paint, verb);
        self.raw(&format!("{verb} {}", sanitize(text)));
    }

    fn raw(&mut self, text: &str) {
        self.out.line(text.trim_end());
    }
}
