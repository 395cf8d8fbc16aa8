//! One run, as `hl runs show` tells it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::history::{local, plain};
use super::{Paint, Palette, RunRow, RunState, failed_step};
use crate::base::{quoted, short_duration};
use crate::lab::Paths;
use crate::plan::{Event, EventKind, Status, StepEnd, StepId, StepRun, StepState, sanitize};
use crate::runs::{Run, Summary};

/// A value of a published output longer than this is left to `--json`.
const SHORT: usize = 60;

/// `hl runs show --json`
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunDocument {
    /// `hl.run/1`
    pub schema: &'static str,
    /// The run, as in the list.
    #[serde(flatten)]
    pub run: RunRow,
    /// The version of `hl` that ran.
    pub hl_version: String,
    /// SHA-256 of the plan, hex.
    pub plan_digest: String,
    /// How many steps the plan has.
    pub planned: usize,
    /// When it was gone on with, and how.
    pub resumed: Vec<ResumeRow>,
    /// The steps, in the order in which they began.
    pub steps: Vec<StepRow>,
    /// Warnings about the run as a whole.
    pub warnings: Vec<String>,
    /// The first failure in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The steps that failed, and how, for people.
    #[serde(skip)]
    failed: Vec<(StepId, StepEnd)>,
}

/// A time that the run was gone on with.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ResumeRow {
    /// RFC 3339 in UTC.
    pub at: String,
    /// The command line, redacted.
    pub command: Vec<String>,
    /// Its flags that change what a run does.
    pub flags: BTreeMap<String, Value>,
}

/// One step of it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StepRow {
    /// `recipe/step`
    pub name: String,
    /// How it ended, or where it stands.
    pub status: StepState,
    /// RFC 3339 in UTC; absent when it did not start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// Seconds, once it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// Whether anything changed, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
    /// Result or reason.
    pub message: String,
    /// What it published.
    pub outputs: BTreeMap<String, Value>,
    /// Warnings.
    pub warnings: Vec<String>,
    /// Remedies.
    pub help: Vec<String>,
    /// Last lines of output of a failed step.
    pub tail: Vec<String>,
    /// Its log, relative to the lab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// How a step's state is shown.
pub(super) fn verb(state: StepState) -> (Paint, &'static str) {
    match state {
        StepState::Running => (Paint::Active, "Running"),
        StepState::Interrupted => (Paint::Warn, "Interrupted"),
        StepState::Ended(status) => match status {
            Status::Succeeded => (Paint::Good, "Done"),
            Status::Failed => (Paint::Bad, "Failed"),
            Status::Skipped => (Paint::Dim, "Skipped"),
            Status::Blocked => (Paint::Warn, "Blocked"),
            Status::Cancelled => (Paint::Warn, "Cancelled"),
            Status::NotPlanned => (Paint::Warn, "Not planned"),
        },
    }
}

impl RunDocument {
    /// The document of a run; `short` is enough of its id.
    pub fn new(paths: &Paths, short: &str, run: &Run, now: Timestamp) -> Self {
        let steps = run.timeline();
        let failed = steps.iter().filter(|step| step.failed());
        let failed: Vec<(StepId, StepEnd)> = failed
            .filter_map(|step| Some((step.step.clone(), step.end.clone()?)))
            .collect();
        let error = failed.first();
        let error = error.map(|(step, end)| format!("step `{step}` failed: {}", end.summary));
        let warnings = run.events.iter().filter(|event| event.step.is_none());
        let warnings = warnings.filter_map(|event| {
            if let EventKind::Warning { message } = &event.kind {
                Some(message.clone())
            } else {
                None
            }
        });
        Self {
            schema: "hl.run/1",
            run: RunRow::new(paths, short, &Summary::from(run.clone()), now),
            hl_version: run.header.hl_version.clone(),
            plan_digest: run.header.plan_digest.clone(),
            planned: run.header.steps,
            steps: steps.into_iter().map(StepRow::from).collect(),
            resumed: run.events.iter().filter_map(resumption).collect(),
            warnings: warnings.collect(),
            error,
            failed,
        }
    }

    /// The run for people, with local times.
    pub fn text(&self, zone: &TimeZone, palette: Palette) -> String {
        let mut lines = vec![self.title(palette)];
        let mut fact = |verb: &str, text: &str| {
            lines.push(format!(
                "{} {}",
                palette.verb(Paint::Dim, verb),
                sanitize(text)
            ));
        };
        let run = &self.run;
        fact(
            "Started",
            &format!("{} by {}", local(&run.started_at, zone), run.operator),
        );
        fact("Took", &self.took());
        if !run.command.is_empty() {
            fact("Command", &words(&run.command));
        }
        for resumed in &self.resumed {
            let text = format!("{}: {}", local(&resumed.at, zone), words(&resumed.command));
            fact("Resumed", &text);
        }
        fact("File", &run.file);
        let logs = self.steps.iter().filter_map(|step| step.log.as_deref());
        let mut dirs = logs.rev().filter_map(|log| log.rsplit_once('/'));
        if let Some((dir, _)) = dirs.next() {
            fact("Logs", &format!("{dir}/"));
        }
        for warning in &self.warnings {
            fact("Warning", warning);
        }
        lines.push(String::new());
        for step in &self.steps {
            step.lines(palette, &mut lines);
        }
        let unseen = self.planned.saturating_sub(self.steps.len());
        if unseen > 0 {
            let more = if self.steps.is_empty() { "" } else { " more" };
            let text = format!("{unseen}{more} did not start");
            lines.push(format!("{} {text}", palette.verb(Paint::Dim, "")));
        }
        let mut out = lines.join("\n");
        out.push('\n');
        for (step, end) in &self.failed {
            // Writing to a String cannot fail.
            write!(out, "\n{}", failed_step(step, end, None, palette, None)).unwrap_or_default();
        }
        out
    }

    fn title(&self, palette: Palette) -> String {
        let state = self.run.outcome;
        let kind = match (self.run.dry_run, self.run.rehearsal) {
            (true, _) => " (dry run)",
            (_, true) => " (rehearsal)",
            _ => "",
        };
        format!(
            "{} `{}`{kind} {}",
            palette.paint(Paint::Bold, &self.run.id),
            sanitize(&self.run.recipe),
            palette.paint(state.paint(), state.word())
        )
    }

    fn took(&self) -> String {
        let took = self.run.took();
        match (self.run.outcome, self.run.exit, self.run.pid) {
            (RunState::Running, _, Some(pid)) => format!("{took} so far, process {pid}"),
            (RunState::Interrupted, ..) => format!("{took} until its process was gone"),
            (_, Some(exit), _) => format!("{took}, exit code {exit}"),
            _ => took,
        }
    }
}

fn resumption(event: &Event) -> Option<ResumeRow> {
    if let EventKind::Resumed(resumed) = &event.kind {
        Some(ResumeRow {
            at: event.time.clone(),
            command: resumed.info.command.clone(),
            flags: resumed.flags.clone(),
        })
    } else {
        None
    }
}

fn words(command: &[String]) -> String {
    let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

impl From<StepRun> for StepRow {
    fn from(step: StepRun) -> Self {
        let duration = step.end.as_ref().map(StepEnd::duration);
        // Of one that has not ended nothing is known.
        let end = step
            .end
            .unwrap_or_else(|| StepEnd::new(Status::Skipped, ""));
        Self {
            name: step.step.to_string(),
            status: step.state,
            started_at: step.started_at,
            attempts: step.attempts,
            duration_seconds: duration.map(|duration| duration.as_secs_f64()),
            changed: end.changed,
            message: end.summary,
            outputs: end.outputs,
            warnings: end.warnings,
            help: end.help,
            tail: end.tail,
            log: end.log,
        }
    }
}

impl StepRow {
    fn lines(&self, palette: Palette, lines: &mut Vec<String>) {
        let (paint, verb) = verb(self.status);
        let took = Duration::from_secs_f64(self.duration_seconds.unwrap_or_default());
        let took = if took < Duration::from_millis(50) {
            String::new()
        } else {
            short_duration(took)
        };
        let message = if self.message.is_empty() {
            String::new()
        } else {
            format!("  {}", sanitize(&self.message))
        };
        lines.push(format!(
            "{} {took:>7} {}{message}",
            palette.verb(paint, verb),
            sanitize(&self.name)
        ));
        let mut more = |text: String| {
            let text = palette.paint(Paint::Dim, sanitize(&text));
            lines.push(format!("{:>20} {text}", ""));
        };
        if self.attempts > 1 {
            more(format!("tried {} times", self.attempts));
        }
        for warning in &self.warnings {
            more(format!("warning: {warning}"));
        }
        if !self.outputs.is_empty() {
            let outputs: Vec<String> = self.outputs.iter().map(output).collect();
            more(format!("published {}", outputs.join(", ")));
        }
    }
}

/// `name=value`, or the name alone where the value is long.
fn output((name, value): (&String, &Value)) -> String {
    let text = plain(value);
    if value.is_array() || value.is_object() || text.chars().count() > SHORT || text.contains('\n')
    {
        name.clone()
    } else {
        format!("{name}={text}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{end_of, ended, event, info, over, started};
    use super::*;
    use crate::plan::{Listener, Outcome};
    use crate::runs::{Journal, read};
    use camino::Utf8Path;

    /// What was journaled of these events, as the page tells it.
    fn told(events: &[Event]) -> (RunDocument, String) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        let mut journal = Journal::new(&paths, BTreeMap::new(), None);
        let mut info = info();
        info.steps = 5;
        journal
            .event(&event(0, "", EventKind::RunStarted(info)))
            .unwrap();
        for event in events {
            journal.event(event).unwrap();
        }
        let path = paths.runs().join("20260101-000000-abcd.yaml");
        let run = read(&path).unwrap();
        let document = RunDocument::new(&paths, "abcd", &run, Timestamp::UNIX_EPOCH);
        let text = document.text(&TimeZone::UTC, Palette { color: false });
        (document, text)
    }

    #[test]
    fn a_failed_run_is_told_step_by_step_with_what_helps() {
        let mut first = ended(1200, "l0-r/a", Status::Succeeded, 1200, "fine");
        let end = end_of(&mut first);
        end.outputs.insert("version".to_owned(), "9.1".into());
        end.outputs
            .insert("nodes".to_owned(), serde_json::json!([{ "name": "pve" }]));
        let mut second = ended(9000, "l2-b/apply", Status::Failed, 7000, "it broke");
        let end = end_of(&mut second);
        end.log = Some("state/logs/x/l2-b-apply.log".to_owned());
        end.help.push("mend it".to_owned());
        end.tail.push("last words".to_owned());
        let warning = EventKind::Warning {
            message: "slow disk".to_owned(),
        };
        let (document, text) = told(&[
            started(0, "l0-r/a"),
            first,
            started(2000, "l2-b/apply"),
            event(2500, "l2-b/apply", warning),
            event(3000, "l2-b/apply", EventKind::StepStarted { attempt: 2 }),
            second,
            ended(
                9000,
                "l2-b/outputs",
                Status::Blocked,
                0,
                "needs `l2-b/apply`",
            ),
            over(9000, Outcome::Failed, 7),
        ]);
        assert_eq!(
            document.error.as_deref(),
            Some("step `l2-b/apply` failed: it broke")
        );
        assert_eq!(
            document.steps[1].started_at.as_deref(),
            Some("2026-01-01T00:00:02Z")
        );
        insta::assert_snapshot!(text, @r"
        20260101-000000-abcd `up` failed
             Started 2026-01-01 00:00 by me@here
                Took 9.0s, exit code 7
             Command hl up
                File state/runs/20260101-000000-abcd.yaml
                Logs state/logs/x/

                Done    1.2s l0-r/a  fine
                             published nodes, version=9.1
              Failed    7.0s l2-b/apply  it broke
                             tried 2 times
                             warning: slow disk
             Blocked         l2-b/outputs  needs `l2-b/apply`
                     2 more did not start

        error: step `l2-b/apply` failed after 7.0s: it broke
          | last words
          = help: mend it
          = note: full log: state/logs/x/l2-b-apply.log
        ");
    }

    #[test]
    fn a_step_that_ran_when_its_hl_died_is_interrupted() {
        let (document, text) = told(&[started(0, "l2-b/apply")]);
        assert_eq!(document.steps[0].status, StepState::Interrupted);
        assert!(text.contains("Interrupted         l2-b/apply"), "{text}");
        assert!(text.contains("4 more did not start"), "{text}");
    }
}
