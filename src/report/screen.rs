//! What a person sees of a run: events in, lines out.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::{Duration, Instant};

use super::bars::Bars;
use super::github;
use super::not_started_group::NotStartedGroup;
use super::{Level, Look, Mode, Paint, annotation};
use crate::base::short_duration;
use crate::plan::{
    Event, EventKind, Plan, Resumed, RunInfo, StepId, Stream, TEXT, Tally, sanitize, wrap,
};

/// A step is announced when it takes longer than this.
const WORTH_A_LINE: Duration = Duration::from_secs(2);
/// A step that takes longer than this says what it waits for.
const WORTH_A_REASON: Duration = Duration::from_secs(5);
/// Time between signs of life where there is no terminal.
const HEARTBEAT: Duration = Duration::from_mins(1);

pub(super) struct Running {
    since: Instant,
    announced: bool,
    explained: bool,
    heartbeat: Instant,
    /// The program that it started last.
    program: Option<String>,
    message: String,
    pub(super) lines: Vec<String>,
}

pub(super) struct Screen {
    pub(super) plan: Plan,
    pub(super) look: Look,
    pub(super) info: Option<RunInfo>,
    /// It goes on with a run that was begun by another command.
    pub(super) resumed: bool,
    /// Asked is whether to run again what may have done its work.
    pub(super) asks_again: bool,
    pub(super) bars: Option<Bars>,
    out: Box<dyn Write + Send>,
    pub(super) running: BTreeMap<StepId, Running>,
    pub(super) tally: Tally,
    /// A question is open: lines wait.
    pub(super) asking: bool,
    pub(super) held: Vec<String>,
    /// Notes that were told, by action: a table that three steps read from one
    /// state is shown once.
    pub(super) told: BTreeSet<(String, String)>,
    pub(super) unstarted: Option<NotStartedGroup>,
}

impl Screen {
    pub(super) fn new(plan: Plan, look: Look, out: Box<dyn Write + Send>) -> Self {
        let bars =
            (look.bars && look.mode != Mode::Quiet).then(|| Bars::new(look.palette, look.width));
        Self {
            plan,
            look,
            info: None,
            resumed: false,
            asks_again: false,
            bars,
            out,
            running: BTreeMap::new(),
            tally: Tally::default(),
            asking: false,
            held: Vec::new(),
            told: BTreeSet::new(),
            unstarted: None,
        }
    }

    pub(super) fn event(&mut self, event: &Event) {
        self.tally.take(event);
        match (&event.kind, &event.step) {
            (EventKind::RunStarted(info) | EventKind::Resumed(Resumed { info, .. }), _) => {
                self.resumed = matches!(event.kind, EventKind::Resumed(_));
                self.begun(info);
            }
            (EventKind::StepStarted { .. }, Some(step)) => self.started(step),
            (EventKind::Output { stream, line }, Some(step)) => self.output(step, *stream, line),
            (
                EventKind::Progress {
                    message,
                    done,
                    total,
                },
                Some(step),
            ) => {
                let counted = match (done, total) {
                    (Some(done), Some(total)) => format!(" ({done}/{total})"),
                    _ => String::new(),
                };
                let message: Vec<String> = message.lines().map(sanitize).collect();
                let message = format!("{}{counted}", message.join(" "));
                if let Some(running) = self.running.get_mut(step) {
                    running.message = message;
                }
                self.say(step);
            }
            (EventKind::ChildStarted { program, .. }, Some(step)) => {
                if let Some(running) = self.running.get_mut(step) {
                    running.program = Some(sanitize(program));
                }
            }
            (EventKind::Warning { message }, _) => self.warning(message),
            (EventKind::ApprovalAsked { summary, again, .. }, _) => {
                self.asks_again = *again;
                self.asked(summary);
            }
            (EventKind::ApprovalGiven { approved, by }, Some(step)) => {
                self.answered(step, *approved, by);
            }
            (
                EventKind::StepRetried {
                    attempt,
                    error,
                    wait_seconds,
                },
                Some(step),
            ) if self.look.mode != Mode::Quiet => self.line(
                Paint::Warn,
                &format!("Try {attempt}"),
                &format!("{step}: {error}; trying again in {wait_seconds}s"),
            ),
            (EventKind::Interrupted { signal, message }, _) => {
                self.flush();
                let text = self.text(Paint::Warn, signal, message);
                self.print(&text);
            }
            (EventKind::StepFinished(end), Some(step)) => {
                self.finished(step, end);
                for warning in &end.warnings {
                    self.warning(warning);
                }
            }
            (EventKind::RunFinished { .. }, _) => self.over(),
            _ => {}
        }
    }

    fn begun(&mut self, info: &RunInfo) {
        if self.look.mode != Mode::Quiet {
            let verb = match info {
                RunInfo { dry_run: true, .. } => "Planning",
                RunInfo {
                    rehearsal: true, ..
                } => "Rehearsing",
                _ => "Running",
            };
            let id = if info.id.is_empty() {
                String::new()
            } else {
                format!(" as run {}", info.id)
            };
            self.line(Paint::Active, verb, &format!("`{}`{id}", info.recipe));
        }
        self.info = Some(info.clone());
    }

    fn started(&mut self, step: &StepId) {
        if self.running.contains_key(step) {
            return;
        }
        if let Some(bars) = &mut self.bars {
            bars.start(step);
        }
        let now = Instant::now();
        let running = Running {
            since: now,
            announced: false,
            explained: false,
            heartbeat: now,
            program: None,
            message: String::new(),
            lines: Vec::new(),
        };
        self.running.insert(step.clone(), running);
    }

    fn output(&mut self, step: &StepId, stream: Stream, line: &str) {
        let line = sanitize(line);
        let note = stream == Stream::Note;
        let action = self.plan.step(step).map(|step| step.action.clone());
        let fresh = !note || self.told.insert((action.unwrap_or_default(), line.clone()));
        match self.look.mode {
            Mode::Live => self.show(&line),
            Mode::Prefix => {
                let dim = |text| self.look.palette.paint(Paint::Dim, text);
                let text = format!("{} {} {line}", dim(step.as_str()), dim("│"));
                self.show(&text);
            }
            Mode::Group => {
                if let Some(running) = self.running.get_mut(step) {
                    running.lines.push(line);
                }
            }
            Mode::Steps if note && fresh => {
                self.show(&self.indented(&line));
            }
            Mode::Steps | Mode::Quiet => {}
        }
    }

    fn warning(&mut self, message: &str) {
        if self.look.github {
            self.command(&annotation(Level::Warning, "", None, message));
        } else if self.look.mode != Mode::Quiet {
            self.line(Paint::Warn, "Warning", message);
        }
    }

    /// Signs of life for steps that take long.
    pub(super) fn tick(&mut self, now: Instant) {
        self.flush();
        if self.asking || self.look.mode == Mode::Quiet {
            return;
        }
        let late = |since: Instant, limit| now.saturating_duration_since(since) >= limit;
        let explain: Vec<StepId> = self
            .running
            .iter_mut()
            .filter(|(_, running)| !running.explained && late(running.since, WORTH_A_REASON))
            .map(|(step, running)| {
                running.explained = true;
                step.clone()
            })
            .collect();
        if self.bars.is_some() {
            for step in &explain {
                self.say(step);
            }
            return;
        }
        let mut lines = Vec::new();
        for (step, running) in &mut self.running {
            if !running.announced && late(running.since, WORTH_A_LINE) {
                running.announced = true;
                lines.push(("Running", step.to_string()));
            }
        }
        for step in &explain {
            let reason = self.reason(step);
            if !reason.is_empty() {
                lines.push(("Waiting", format!("{step}: {reason}")));
            }
        }
        let mut beats = Vec::new();
        for (step, running) in &mut self.running {
            if late(running.heartbeat, HEARTBEAT) {
                running.heartbeat = now;
                beats.push((step.clone(), now.saturating_duration_since(running.since)));
            }
        }
        for (step, took) in beats {
            let reason = match self.reason(&step) {
                reason if reason.is_empty() => reason,
                reason => format!(": {reason}"),
            };
            let text = format!("{step} for {}{reason}", short_duration(took));
            lines.push(("Still going", text));
        }
        for (verb, text) in lines {
            self.line(Paint::Active, verb, &text);
        }
    }

    /// Says on the progress line of a step what it does.
    fn say(&self, step: &StepId) {
        if let (Some(bars), Some(running)) = (&self.bars, self.running.get(step)) {
            if running.explained {
                bars.say(step, &self.reason(step));
            } else {
                bars.say(step, &running.message);
            }
        }
    }

    /// What a step waits for, and how long that usually takes; at most, where
    /// no earlier run tells.
    fn reason(&self, step: &StepId) -> String {
        let Some(running) = self.running.get(step) else {
            return String::new();
        };
        let planned = self.plan.step(step);
        let limit = planned.and_then(|step| step.timeout_seconds);
        let time = match (self.look.usual.get(step), limit) {
            (Some(usual), _) => Some(format!("usually {}", short_duration(*usual))),
            (None, Some(limit)) => Some(format!("{} at most", short_duration(limit.duration()))),
            (None, None) => None,
        };
        let what = match (&running.program, planned.map(|step| step.doc.as_str())) {
            _ if !running.message.is_empty() => Some(running.message.clone()),
            (Some(program), _) => Some(format!("`{program}` runs")),
            (None, Some(doc)) if !doc.is_empty() => Some(sanitize(doc)),
            (None, _) => None,
        };
        let parts: Vec<String> = time.into_iter().chain(what).collect();
        parts.join(", ")
    }

    /// Tells of the steps that did not start.
    pub(super) fn flush(&mut self) {
        let Some(crowd) = self.unstarted.take() else {
            return;
        };
        let text = self.step_text(
            crowd.status,
            &crowd.steps[0],
            Duration::ZERO,
            crowd.ended,
            &crowd.name(),
            &crowd.reason,
        );
        self.show(&text);
    }

    /// A line of a step's text, without a verb.
    pub(super) fn indented(&self, line: &str) -> String {
        let text = wrap(line, TEXT, TEXT + 2, (self.look.width)());
        format!("{:>12} {text}", "")
    }

    /// A verb and its text, from someone else's hand.
    fn text(&self, paint: Paint, verb: &str, text: &str) -> String {
        let verb = self.look.palette.verb(paint, verb);
        let lines: Vec<String> = text
            .lines()
            .map(|line| wrap(&sanitize(line), TEXT, TEXT, (self.look.width)()))
            .collect();
        format!("{verb} {}", lines.join("\n             "))
    }

    pub(super) fn line(&mut self, paint: Paint, verb: &str, text: &str) {
        let text = self.text(paint, verb, text);
        self.show(&text);
    }

    /// Shows a line in its turn.
    pub(super) fn show(&mut self, text: &str) {
        self.flush();
        if self.asking {
            self.held.push(text.to_owned());
        } else {
            self.print(text);
        }
    }

    /// Writes at once. A closed terminal must not stop the run.
    pub(super) fn print(&mut self, text: &str) {
        if self.look.github {
            self.raw(&github::neutral(text));
        } else {
            self.raw(text);
        }
    }

    /// Writes a command of GitHub Actions; nobody is asked anything there.
    pub(super) fn command(&mut self, text: &str) {
        self.flush();
        self.raw(text);
    }

    fn raw(&mut self, text: &str) {
        match &self.bars {
            Some(bars) if !self.asking => bars.print(text),
            _ => drop(writeln!(self.out, "{text}")),
        }
    }
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
