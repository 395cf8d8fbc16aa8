//! What stays of a finished run for people and other tools: `summary.json` and
//! `summary.md` beside its logs and, of a live run,
//! `reports/STAMP.{passed|failed}.{json,md}`.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::markdown::{row, seconds, text};
use crate::base::json;
use crate::diag::{Exit, Failure};
use crate::handoff::{Gives, Handoffs, Hosts, Playbook, typed};
use crate::lab::{self, Paths, Redactor};
use crate::plan::{
    Ended, Event, EventKind, Listener, Outcome, Plan, RunInfo, Status, Step, StepEnd, StepId, Tally,
};

/// The listener: it writes when the run is over.
#[derive(Debug)]
pub struct RunReport {
    paths: Paths,
    plan: Plan,
    handoffs: Handoffs,
    node: Option<String>,
    resume: Option<String>,
    redactor: Redactor,
    tally: Tally,
    begun: Option<(RunInfo, String)>,
}

/// A run that is over.
struct Over<'a> {
    run: &'a RunReport,
    info: &'a RunInfo,
    host: &'a str,
    started: &'a str,
    finished: &'a str,
    outcome: Outcome,
}

impl RunReport {
    /// Reports a run of `plan`, whose steps hand on `handoffs`; `node` is the one it works on,
    /// `resume` the command that goes on with it.
    pub fn new(
        paths: &Paths,
        plan: &Plan,
        handoffs: Handoffs,
        node: Option<String>,
        resume: Option<String>,
        redactor: &Redactor,
    ) -> Self {
        Self {
            paths: paths.clone(),
            plan: plan.clone(),
            handoffs,
            node,
            resume,
            redactor: redactor.clone(),
            tally: Tally::default(),
            begun: None,
        }
    }

    fn write(&self, outcome: Outcome, finished: &str) -> Result<(), Failure> {
        let Some((info, started)) = &self.begun else {
            return Ok(());
        };
        let of_operator = info.operator.rsplit_once('@').map(|(_, host)| host);
        let over = Over {
            run: self,
            info,
            host: self.node.as_deref().or(of_operator).unwrap_or_default(),
            started,
            finished,
            outcome,
        };
        let logs = self.paths.logs(&info.id);
        let private = |name: &str, text: &str| self.put(&logs.join(name), text, 0o600);
        private("summary.json", &pretty(&over.summary())?)?;
        private("summary.md", &over.summary_text())?;
        if let Some((name, checks)) = over.ansible() {
            private(name, &pretty(&checks)?)?;
        }
        // A dry run writes nothing outside of `state/`.
        if info.dry_run {
            return Ok(());
        }
        let base = free(&self.paths, started, over.word());
        let report = pretty(&over.report())?;
        self.put(&base.with_extension("json"), &report, 0o644)?;
        self.put(&base.with_extension("md"), &over.report_text(), 0o644)
    }

    /// Events come without secrets; what stands in the plan may not.
    fn put(&self, path: &Utf8Path, text: &str, mode: u32) -> Result<(), Failure> {
        lab::write(path, self.redactor.text(text), mode)
    }
}

impl Listener for RunReport {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        self.tally.take(event);
        if let Some(info) = event.kind.begins() {
            self.begun = Some((info.clone(), event.time.clone()));
        }
        if let EventKind::RunFinished { outcome, .. } = event.kind {
            self.write(outcome, &event.time)?;
        }
        Ok(())
    }
}

fn pretty(value: &Value) -> Result<String, Failure> {
    let text = json::pretty(value).map_err(|error| {
        Failure::message(Exit::Bug, format!("cannot write the report: {error}"))
    })?;
    Ok(text + "\n")
}

/// `reports/STAMP.WORD` with an extension to come; of two runs in one second
/// the second is `STAMP-2`.
fn free(paths: &Paths, started: &str, word: &str) -> Utf8PathBuf {
    let time: Timestamp = started.parse().unwrap_or_default();
    let stamp = time
        .to_zoned(TimeZone::UTC)
        .strftime("%Y%m%d-%H%M%S")
        .to_string();
    let dir = paths.reports();
    let taken = |name: &str| {
        ["passed", "failed"].iter().any(|word| {
            let file = |end: &str| dir.join(format!("{name}.{word}.{end}")).exists();
            file("json") || file("md")
        })
    };
    let mut name = stamp.clone();
    let mut number = 2u32;
    while taken(&name) {
        name = format!("{stamp}-{number}");
        number += 1;
    }
    dir.join(format!("{name}.{word}.x"))
}

impl Over<'_> {
    fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::Succeeded => "passed",
            Outcome::Failed | Outcome::Cancelled => "failed",
        }
    }

    fn duration(&self) -> std::time::Duration {
        self.run.tally.finished.unwrap_or_default().2
    }

    fn ended(&self) -> impl Iterator<Item = Ended<'_>> {
        self.run.tally.ended()
    }

    fn failed(&self) -> impl Iterator<Item = Ended<'_>> {
        self.ended().filter(|e| e.end.status == Status::Failed)
    }

    fn step(&self, ended: Ended<'_>) -> Option<&Step> {
        self.run.plan.step(ended.step)
    }

    /// The report, as other tools of this kind write theirs.
    fn report(&self) -> Value {
        let phases: Vec<Value> = self
            .ended()
            .map(|ended| {
                json!({
                    "name": ended.step,
                    "description": self.step(ended).map_or("", |step| step.doc.as_str()),
                    "status": phase(ended.end.status),
                    "message": ended.end.summary,
                    "duration": ended.end.duration().as_secs_f64(),
                })
            })
            .collect();
        json!({
            "schema": "hl.report/1",
            "scenario": self.run.plan.recipe,
            "run": self.info.id,
            "host": self.host,
            "rehearsal": self.info.rehearsal,
            "success": self.outcome == Outcome::Succeeded,
            "started_at": self.started,
            "finished_at": self.finished,
            "duration": self.duration().as_secs_f64(),
            "phases": phases,
        })
    }

    fn report_text(&self) -> String {
        let mut out = format!("# {}\n\n", text(&self.run.plan.recipe));
        self.facts(
            &mut out,
            &[
                ("Host", self.host),
                ("Status", &self.word().to_uppercase()),
                ("Date", self.started),
                ("Duration", &seconds(self.duration())),
                ("Run", &self.info.id),
            ],
        );
        let rows = self.ended().map(|ended| {
            let mark = match phase(ended.end.status) {
                "passed" => "✅",
                "failed" => "❌",
                _ => "⏭️",
            };
            row(&[
                ended.step.as_str(),
                &format!("{mark} {}", phase(ended.end.status)),
                &seconds(ended.end.duration()),
                &ended.end.summary,
            ])
        });
        let rows: Vec<String> = rows.collect();
        // Writing to a String cannot fail.
        write!(
            out,
            "\n## Phases\n\n| Phase | Status | Duration | Message |\n|---|---|---|---|\n{}\n\n---\n\nGenerated: {}\n",
            rows.join("\n"),
            self.finished
        )
        .unwrap_or_default();
        out
    }

    #[expect(clippy::unused_self, reason = "reads like its siblings")]
    fn facts(&self, out: &mut String, facts: &[(&str, &str)]) {
        for (name, value) in facts {
            writeln!(out, "**{name}**: {}  ", text(value)).unwrap_or_default();
        }
    }

    /// `COMPLETED`, or how far it came.
    fn state(&self) -> &'static str {
        let any = self.ended().any(|e| e.end.status == Status::Succeeded);
        match self.outcome {
            Outcome::Succeeded => "COMPLETED",
            Outcome::Failed | Outcome::Cancelled if any && self.run.resume.is_some() => "RESUMABLE",
            Outcome::Failed | Outcome::Cancelled => "FAILED",
        }
    }

    fn summary(&self) -> Value {
        let steps: Vec<Value> = self
            .ended()
            .map(|ended| {
                json!({
                    "name": ended.step,
                    "action": self.step(ended).map(|step| &step.action),
                    "status": word(ended.end.status),
                    "message": ended.end.summary,
                    "artefacts": artefacts(ended.end),
                })
            })
            .collect();
        let warnings: Vec<&String> = self.ended().flat_map(|e| &e.end.warnings).collect();
        json!({
            "schema": "hl.summary/1",
            "run_id": self.info.id,
            "timestamp": self.started,
            "finished_at": self.finished,
            "command": self.info.command.join(" "),
            "recipe": self.run.plan.recipe,
            "dry_run": self.info.dry_run,
            "state": self.state(),
            "steps": steps,
            "warnings": warnings,
            "errors": self.errors(),
            "next": self.next(),
        })
    }

    fn errors(&self) -> Vec<String> {
        self.failed()
            .map(|e| format!("{}: {}", e.step, e.end.summary))
            .collect()
    }

    /// What to do now.
    fn next(&self) -> Vec<String> {
        let mut next: Vec<String> = self.failed().flat_map(|e| e.end.help.clone()).collect();
        if let ("RESUMABLE", Some(resume)) = (self.state(), &self.run.resume) {
            next.push(format!("`{resume}` resumes it"));
        }
        next
    }

    fn summary_text(&self) -> String {
        let mut out = format!("# Run {}\n\n", self.info.id);
        let command = format!("`{}`", self.info.command.join(" "));
        self.facts(
            &mut out,
            &[
                ("Command", &command),
                ("Recipe", &self.run.plan.recipe),
                ("Dry run", &self.info.dry_run.to_string()),
                ("Started", self.started),
                ("Finished", self.finished),
                ("State", self.state()),
            ],
        );
        let gate = |ended: &Ended<'_>| self.gives(ended.step) == Some(Gives::Findings);
        let (gates, actions): (Vec<_>, Vec<_>) = self.ended().partition(gate);
        let did = if self.info.dry_run {
            "Actions that would be taken"
        } else {
            "Actions taken"
        };
        for (title, steps) in [("Gates", gates), (did, actions)] {
            if steps.is_empty() {
                continue;
            }
            writeln!(
                out,
                "\n## {title}\n\n| Step | Status | Result |\n|---|---|---|"
            )
            .unwrap_or_default();
            for ended in steps {
                let cells = [
                    ended.step.as_str(),
                    word(ended.end.status),
                    &ended.end.summary,
                ];
                writeln!(out, "{}", row(&cells)).unwrap_or_default();
            }
        }
        let artefacts: Vec<String> = self
            .ended()
            .flat_map(|ended| artefacts(ended.end))
            .map(|(name, path)| format!("{name}: `{}`", path.as_str().unwrap_or_default()))
            .collect();
        for (title, lines) in [
            ("Artefacts", artefacts),
            ("Errors", self.errors()),
            ("Next", self.next()),
        ] {
            if lines.is_empty() {
                continue;
            }
            writeln!(out, "\n## {title}\n").unwrap_or_default();
            for line in lines {
                writeln!(out, "- {}", text(&line)).unwrap_or_default();
            }
        }
        out
    }

    fn gives(&self, step: &StepId) -> Option<Gives> {
        self.run.handoffs.get(step)?.gives
    }

    /// What the playbooks did, or were found to do.
    fn ansible(&self) -> Option<(&'static str, Value)> {
        let playbooks: Vec<Value> = self
            .ended()
            .filter_map(|ended| {
                let step = self.step(ended)?;
                let asked: Playbook = typed(step.with.clone());
                let did: Hosts = typed(ended.end.outputs.clone());
                (self.gives(ended.step) == Some(Gives::Hosts)).then(|| {
                    json!({
                        "step": ended.step,
                        "playbook": asked.playbook,
                        "limit": asked.limit,
                        "tags": asked.tags,
                        "check_mode": asked.check,
                        "status": word(ended.end.status),
                        "message": ended.end.summary,
                        "changed": did.changed,
                        "hosts": did.hosts,
                        "duration": ended.end.duration().as_secs_f64(),
                        "log": ended.end.log,
                    })
                })
            })
            .collect();
        let name = if self.info.dry_run {
            "ansible.check.json"
        } else {
            "ansible.apply.json"
        };
        let report = json!({
            "schema": "hl.ansible/1",
            "run_id": self.info.id,
            "dry_run": self.info.dry_run,
            "playbooks": playbooks,
        });
        (!playbooks.is_empty()).then_some((name, report))
    }
}

/// The paths that a step published, and its log.
fn artefacts(end: &StepEnd) -> Map<String, Value> {
    let paths = end.outputs.iter().filter(|(_, value)| {
        value
            .as_str()
            .is_some_and(|text| text.starts_with('/') && !text.contains('\n'))
    });
    let mut all: Map<String, Value> = paths.map(|(k, v)| (k.clone(), v.clone())).collect();
    if let Some(log) = &end.log {
        all.insert("log".to_owned(), Value::String(log.clone()));
    }
    all
}

fn phase(status: Status) -> &'static str {
    match status {
        Status::Succeeded => "passed",
        Status::Failed | Status::Cancelled => "failed",
        Status::Skipped | Status::Blocked | Status::NotPlanned => "skipped",
    }
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Succeeded => "PASS",
        Status::Failed => "FAIL",
        Status::Skipped => "SKIP",
        Status::Blocked => "BLOCKED",
        Status::Cancelled => "CANCELLED",
        Status::NotPlanned => "NOT_PLANNED",
    }
}

#[cfg(test)]
#[path = "run_report_tests.rs"]
mod tests;
