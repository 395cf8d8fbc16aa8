//! What a person sees of a run: events in, lines out.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::{Duration, Instant};

use super::bars::Bars;
use super::unstarted::Unstarted;
use super::wrap::{TEXT, wrap};
use super::{Look, Mode, Paint, Tally, failed_step, summary};
use crate::diag::Exit;
use crate::plan::{
    Event, EventKind, Outcome, Plan, RunInfo, Status, StepId, Stream, sanitize, short_duration,
};

/// A step is announced when it takes longer than this.
const WORTH_A_LINE: Duration = Duration::from_secs(2);
/// Time between signs of life where there is no terminal.
const HEARTBEAT: Duration = Duration::from_mins(1);
/// Where the count of a step's line begins: behind verb and duration.
const COUNT: usize = TEXT + 8;

struct Running {
    since: Instant,
    announced: bool,
    heartbeat: Instant,
    message: String,
    lines: Vec<String>,
}

pub(super) struct Screen {
    plan: Plan,
    look: Look,
    info: Option<RunInfo>,
    bars: Option<Bars>,
    out: Box<dyn Write + Send>,
    running: BTreeMap<StepId, Running>,
    tally: Tally,
    /// A question is open: lines wait.
    asking: bool,
    held: Vec<String>,
    /// Notes that were told, by action: a table that three steps read from one
    /// state is shown once.
    told: BTreeSet<(String, String)>,
    unstarted: Option<Unstarted>,
}

impl Screen {
    pub(super) fn new(plan: Plan, look: Look, out: Box<dyn Write + Send>) -> Self {
        let bars = (look.bars && look.mode != Mode::Quiet).then(|| Bars::new(look.palette));
        Self {
            plan,
            look,
            info: None,
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
            (EventKind::RunStarted(info), _) => self.begun(info),
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
                if let Some(bars) = &self.bars {
                    bars.say(step, &message);
                }
                if let Some(running) = self.running.get_mut(step) {
                    running.message = message;
                }
            }
            (EventKind::Warning { message }, _) => self.warning(message),
            (EventKind::ApprovalAsked { summary }, _) => self.asked(summary),
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
            (EventKind::StepFinished { warnings, .. }, Some(step)) => {
                self.finished(step);
                for warning in warnings {
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
            heartbeat: now,
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
                let text = wrap(&line, TEXT, TEXT + 2, (self.look.width)());
                self.show(&format!("{:>12} {text}", ""));
            }
            Mode::Steps | Mode::Quiet => {}
        }
    }

    fn warning(&mut self, message: &str) {
        if self.look.mode != Mode::Quiet {
            self.line(Paint::Warn, "Warning", message);
        }
    }

    /// A plan that was just shown is not shown twice.
    fn asked(&mut self, summary: &[String]) {
        let lines: Vec<String> = summary.iter().map(|line| sanitize(line)).collect();
        let quiet = self.look.mode == Mode::Quiet;
        let shown = |line: &String| self.told.iter().any(|(_, told)| told == line);
        if quiet || !lines.iter().all(shown) {
            for line in lines {
                self.show(&format!("{:>12} {line}", ""));
            }
        }
        self.flush();
        self.asking = true;
        if let Some(bars) = &self.bars {
            bars.hide();
        }
    }

    fn answered(&mut self, step: &StepId, approved: bool, by: &str) {
        self.asking = false;
        if let Some(bars) = &self.bars {
            bars.show();
        }
        for text in std::mem::take(&mut self.held) {
            self.print(&text);
        }
        if approved && self.look.mode == Mode::Quiet {
            return;
        }
        let (paint, verb) = if approved {
            (Paint::Good, "Approved")
        } else {
            (Paint::Warn, "Not approved")
        };
        self.line(paint, verb, &format!("{step} ({by})"));
        if !approved && by != "terminal" {
            let again = self.look.again.as_deref().unwrap_or("hl");
            let how = format!("to approve what is shown above: `{again} --yes`");
            self.line(paint, "", &how);
        }
    }

    fn finished(&mut self, id: &StepId) {
        if let Some(bars) = &mut self.bars {
            bars.end(id);
        }
        let running = self.running.remove(id);
        let Some(step) = self.tally.ended.last().cloned() else {
            return;
        };
        if self.look.mode == Mode::Quiet {
            return;
        }
        let ended = self.tally.ended.len();
        if running.is_none() && step.duration.is_zero() && step.status != Status::NotPlanned {
            let crowd = self.unstarted.as_mut();
            if !crowd.is_some_and(|crowd| crowd.join(&step, ended)) {
                self.flush();
                self.unstarted = Some(Unstarted::new(&step, ended));
            }
            return;
        }
        for line in running.iter().flat_map(|running| &running.lines) {
            let bar = self.look.palette.paint(Paint::Dim, "│");
            self.show(&format!("  {bar} {line}"));
        }
        self.flush();
        let text = self.step_text(
            step.status,
            id,
            step.duration,
            ended,
            id.as_str(),
            &step.summary,
        );
        self.show(&text);
    }

    /// `        Done    1.2s ( 3/17) l0-runway/tls  the certificate is trusted`
    fn step_text(
        &self,
        status: Status,
        step: &StepId,
        took: Duration,
        ended: usize,
        name: &str,
        result: &str,
    ) -> String {
        let planned = self.plan.step(step);
        let runway = planned.is_some_and(|s| s.layer.as_deref() == Some("l0"));
        let dry = self.info.as_ref().is_some_and(|info| info.dry_run);
        let (paint, verb) = match status {
            Status::Succeeded if runway => (Paint::Good, "Checked"),
            Status::Succeeded if dry => (Paint::Good, "Planned"),
            Status::Succeeded => (Paint::Good, "Done"),
            Status::Failed => (Paint::Bad, "Failed"),
            Status::Skipped => (Paint::Dim, "Skipped"),
            Status::Blocked if runway => (Paint::Warn, "Not checked"),
            Status::Blocked => (Paint::Warn, "Blocked"),
            Status::Cancelled => (Paint::Warn, "Cancelled"),
            Status::NotPlanned => (Paint::Warn, "Not planned"),
        };
        let took = if took < Duration::from_millis(50) {
            String::new()
        } else {
            short_duration(took)
        };
        let total = self.plan.steps.len();
        let digits = total.to_string().len();
        let count = format!("({ended:>digits$}/{total})");
        let result = if result.is_empty() {
            String::new()
        } else {
            format!("  {}", sanitize(result))
        };
        format!(
            "{} {took:>7} {} {}",
            self.look.palette.verb(paint, verb),
            self.look.palette.paint(Paint::Dim, &count),
            wrap(
                &format!("{name}{result}"),
                COUNT + count.len() + 1,
                COUNT,
                (self.look.width)()
            ),
        )
    }

    fn over(&mut self) {
        self.flush();
        if let Some(bars) = self.bars.take() {
            drop(bars);
        }
        let (outcome, exit, _) = self.tally.finished.unwrap_or_default();
        let again = self.look.again.clone();
        let failed: Vec<_> = self
            .tally
            .ended
            .iter()
            .filter(|e| e.status == Status::Failed)
            .cloned()
            .collect();
        for (index, ended) in failed.iter().enumerate() {
            let again = again.as_deref().filter(|_| index + 1 == failed.len());
            let text = failed_step(ended, again, self.look.palette);
            self.print("");
            self.print(text.trim_end());
        }
        if self.look.mode == Mode::Quiet {
            return;
        }
        if let Some(info) = &self.info {
            let text = summary(&self.plan, &self.tally, info, self.look.palette);
            self.print(text.trim_end());
        }
        if let Some(again) = again
            && outcome == Outcome::Cancelled
            && exit != Exit::NotApproved.code()
        {
            self.line(Paint::Active, "", &format!("to go on: `{again}`"));
        }
    }

    /// Signs of life for steps that take long.
    pub(super) fn tick(&mut self) {
        self.flush();
        if self.bars.is_some() || self.asking || self.look.mode == Mode::Quiet {
            return;
        }
        let mut lines = Vec::new();
        for (step, running) in &mut self.running {
            let took = running.since.elapsed();
            if !running.announced && took >= WORTH_A_LINE {
                running.announced = true;
                lines.push(("Running", step.to_string()));
            } else if running.heartbeat.elapsed() >= HEARTBEAT {
                running.heartbeat = Instant::now();
                let doing = if running.message.is_empty() {
                    String::new()
                } else {
                    format!(": {}", running.message)
                };
                let text = format!("{step} for {}{doing}", short_duration(took));
                lines.push(("Still going", text));
            }
        }
        for (verb, text) in lines {
            self.line(Paint::Active, verb, &text);
        }
    }

    /// Tells of the steps that did not start.
    fn flush(&mut self) {
        let Some(crowd) = self.unstarted.take() else {
            return;
        };
        let first = format!("{}/{}", crowd.recipe, crowd.steps[0]);
        let step = StepId::from(first.trim_start_matches('/'));
        let text = self.step_text(
            crowd.status,
            &step,
            Duration::ZERO,
            crowd.ended,
            &crowd.name(),
            &crowd.reason,
        );
        self.show(&text);
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

    fn line(&mut self, paint: Paint, verb: &str, text: &str) {
        let text = self.text(paint, verb, text);
        self.show(&text);
    }

    /// Shows a line in its turn.
    fn show(&mut self, text: &str) {
        self.flush();
        if self.asking {
            self.held.push(text.to_owned());
        } else {
            self.print(text);
        }
    }

    /// Writes at once. A closed terminal must not stop the run.
    fn print(&mut self, text: &str) {
        match &self.bars {
            Some(bars) if !self.asking => bars.print(text),
            _ => drop(writeln!(self.out, "{text}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ended, event, info, over, plan, shown, started};
    use super::*;

    fn begun() -> Event {
        event(0, "", EventKind::RunStarted(info()))
    }

    fn note(step: &str, line: &str) -> Event {
        let kind = EventKind::Output {
            stream: Stream::Note,
            line: line.to_owned(),
        };
        event(0, step, kind)
    }

    fn talk(step: &str, line: &str) -> Event {
        let kind = EventKind::Output {
            stream: Stream::Stdout,
            line: line.to_owned(),
        };
        event(0, step, kind)
    }

    #[test]
    fn a_run_is_told_line_by_line() {
        let plan = plan(&[
            "l0-runway/tls",
            "l1-ensure/check",
            "l1-ensure/build",
            "l1-ensure/publish",
        ]);
        let events = [
            begun(),
            started(0, "l0-runway/tls"),
            ended(
                10,
                "l0-runway/tls",
                Status::Succeeded,
                10,
                "the certificate is trusted",
            ),
            started(10, "l1-ensure/check"),
            talk("l1-ensure/check", "TASK OK"),
            ended(
                1210,
                "l1-ensure/check",
                Status::Succeeded,
                1200,
                "up to date: VM 101",
            ),
            ended(
                1210,
                "l1-ensure/build",
                Status::Skipped,
                0,
                "up to date: VM 101",
            ),
            ended(
                1210,
                "l1-ensure/publish",
                Status::Skipped,
                0,
                "up to date: VM 101",
            ),
            over(1210, Outcome::Succeeded, 0),
        ];
        insta::assert_snapshot!(shown(&plan, Mode::Steps, None, &events), @r"
             Running `up` as run 20260101-000000-abcd
             Checked         (1/4) l0-runway/tls  the certificate is trusted
                Done    1.2s (2/4) l1-ensure/check  up to date: VM 101
             Skipped         (4/4) l1-ensure: build, publish  up to date: VM 101
        ────────────
                  L0 cleared    0.0s  1 done
                  L1 ok         1.2s  1 done, 2 skipped
            Finished `up` in 1.2s: 2 done, 2 skipped
        ");
    }

    #[test]
    fn a_failure_comes_last_with_what_helps_and_the_crowd_behind_it_is_short() {
        let plan = plan(&["l1-a/build", "l1-a/publish", "l2-b/plan", "l2-b/apply"]);
        let mut failed = ended(
            2000,
            "l1-a/build",
            Status::Failed,
            2000,
            "`packer build` exited with code 1",
        );
        if let EventKind::StepFinished {
            help, tail, log, ..
        } = &mut failed.kind
        {
            help.push("look at the console".to_owned());
            tail.push("no such\u{1b}[31m disk".to_owned());
            *log = Some("state/logs/x/l1-a-build.log".to_owned());
        }
        let events = [
            begun(),
            started(0, "l1-a/build"),
            failed,
            ended(
                2000,
                "l1-a/publish",
                Status::Blocked,
                0,
                "needs `l1-a/build`, which failed",
            ),
            ended(
                2000,
                "l2-b/plan",
                Status::Blocked,
                0,
                "needs `l1-a/publish`, blocked by `l1-a/build`, which failed",
            ),
            ended(
                2000,
                "l2-b/apply",
                Status::Blocked,
                0,
                "needs `l2-b/plan`, blocked by `l1-a/build`, which failed",
            ),
            over(2000, Outcome::Failed, 1),
        ];
        insta::assert_snapshot!(shown(&plan, Mode::Steps, None, &events), @r"
             Running `up` as run 20260101-000000-abcd
              Failed    2.0s (1/4) l1-a/build  `packer build` exited with code 1
             Blocked         (2/4) l1-a/publish  needs `l1-a/build`, which failed
             Blocked         (4/4) l2-b: plan, apply  needs `l1-a/publish`, blocked by `l1-a/build`, which failed

        error: step `l1-a/build` failed after 2.0s: `packer build` exited with code 1
          | no such disk
          = help: look at the console
          = note: full log: state/logs/x/l1-a-build.log
          = help: then run `hl up` again
        ────────────
                  L1 failed         2.0s  1 failed, 1 not run
                  L2 not reached          2 not run
              Failed `up` in 2.0s: 1 failed, 3 not run
        ");
        let quiet = shown(&plan, Mode::Quiet, None, &events);
        assert!(
            quiet.trim_start().starts_with("error: step") && !quiet.contains("Blocked"),
            "{quiet}"
        );
    }

    #[test]
    fn a_stopped_run_says_how_to_go_on() {
        let plan = plan(&["l1-a/build", "l1-a/publish"]);
        let events = [
            begun(),
            started(0, "l1-a/build"),
            event(
                900,
                "",
                EventKind::Interrupted {
                    signal: "SIGINT".to_owned(),
                    message: "stopping, waiting for `packer`".to_owned(),
                },
            ),
            ended(
                900,
                "l1-a/publish",
                Status::Cancelled,
                0,
                "the run was stopped before it started",
            ),
            ended(
                1500,
                "l1-a/build",
                Status::Cancelled,
                1500,
                "`packer build` was stopped",
            ),
            over(1500, Outcome::Cancelled, 130),
        ];
        insta::assert_snapshot!(shown(&plan, Mode::Steps, None, &events), @r"
             Running `up` as run 20260101-000000-abcd
              SIGINT stopping, waiting for `packer`
           Cancelled         (1/2) l1-a/publish  the run was stopped before it started
           Cancelled    1.5s (2/2) l1-a/build  `packer build` was stopped
        ────────────
           Cancelled `up` in 1.5s: 2 cancelled
                     to go on: `hl up`
        ");
    }

    #[test]
    fn a_plan_is_shown_once_and_a_refusal_names_the_way() {
        let plan = plan(&["l2-b/plan", "l2-b/apply"]);
        let asked = |lines: &[&str]| {
            let summary = lines.iter().map(|l| (*l).to_owned()).collect();
            event(10, "l2-b/apply", EventKind::ApprovalAsked { summary })
        };
        let refused = || {
            let by = "no terminal and no --yes".to_owned();
            event(
                10,
                "l2-b/apply",
                EventKind::ApprovalGiven {
                    approved: false,
                    by,
                },
            )
        };
        let run = |summary: &[&str]| {
            [
                started(0, "l2-b/plan"),
                note("l2-b/plan", "+ web-1"),
                note("l2-b/plan", "1 to add"),
                ended(10, "l2-b/plan", Status::Succeeded, 10, "1 to add"),
                started(10, "l2-b/apply"),
                asked(summary),
                refused(),
            ]
        };
        let same = shown(&plan, Mode::Steps, None, &run(&["+ web-1", "1 to add"]));
        insta::assert_snapshot!(same, @r"
                     + web-1
                     1 to add
                Done         (1/2) l2-b/plan  1 to add
        Not approved l2-b/apply (no terminal and no --yes)
                     to approve what is shown above: `hl up --yes`
        ");
        for mode in [Mode::Live, Mode::Prefix, Mode::Quiet] {
            let text = shown(&plan, mode, None, &run(&["+ web-1", "1 to add"]));
            assert_eq!(text.matches("+ web-1").count(), 1, "{mode:?}: {text}");
            assert!(text.contains("hl up --yes"), "{mode:?}: {text}");
        }
        let other = shown(&plan, Mode::Steps, None, &run(&["- db-1 is destroyed"]));
        assert!(other.contains("- db-1 is destroyed"), "{other}");
    }

    #[test]
    fn one_table_that_three_steps_read_is_shown_once() {
        let plan = plan(&["l2-b/outputs", "l3-c/outputs"]);
        let events = [
            started(0, "l2-b/outputs"),
            note("l2-b/outputs", "web-1  10.0.0.1"),
            started(0, "l3-c/outputs"),
            note("l3-c/outputs", "web-1  10.0.0.1"),
        ];
        let text = shown(&plan, Mode::Steps, None, &events);
        assert_eq!(text.matches("web-1").count(), 1, "{text}");
    }

    #[test]
    fn output_is_shown_as_asked() {
        let plan = plan(&["l2-b/plan"]);
        let events = [
            started(0, "l2-b/plan"),
            talk("l2-b/plan", "Reading\u{1b}[2J..."),
            ended(10, "l2-b/plan", Status::Succeeded, 10, ""),
        ];
        let text = |mode| shown(&plan, mode, None, &events);
        insta::assert_snapshot!(text(Mode::Live), @r"
        Reading...
                Done         (1/1) l2-b/plan
        ");
        insta::assert_snapshot!(text(Mode::Prefix), @r"
        l2-b/plan │ Reading...
                Done         (1/1) l2-b/plan
        ");
        insta::assert_snapshot!(text(Mode::Group), @r"
          │ Reading...
                Done         (1/1) l2-b/plan
        ");
        assert!(!text(Mode::Steps).contains("Reading"));
        assert_eq!(text(Mode::Quiet), "");
    }

    #[test]
    fn warnings_are_told_when_they_come_and_when_a_step_ends_with_them() {
        let plan = plan(&["l0-runway/tls"]);
        let mut end = ended(10, "l0-runway/tls", Status::Succeeded, 10, "trusted");
        if let EventKind::StepFinished { warnings, .. } = &mut end.kind {
            warnings.push("the certificate is not verified".to_owned());
        }
        let events = [
            begun(),
            started(0, "l0-runway/tls"),
            event(
                5,
                "l0-runway/tls",
                EventKind::Warning {
                    message: "old\nsecond line".to_owned(),
                },
            ),
            end,
            over(10, Outcome::Succeeded, 0),
        ];
        insta::assert_snapshot!(shown(&plan, Mode::Steps, None, &events), @r"
             Running `up` as run 20260101-000000-abcd
             Warning old
                     second line
             Checked         (1/1) l0-runway/tls  trusted
             Warning the certificate is not verified
        ────────────
            Finished `up` in 0.0s: cleared with warnings, 1 done, 2 warnings
        ");
    }

    #[test]
    fn long_lines_are_continued_under_their_text_on_a_terminal() {
        let plan = plan(&["l2-b/plan"]);
        let events = [
            started(0, "l2-b/plan"),
            note(
                "l2-b/plan",
                "downloading https://cloud.debian.org/images/cloud/trixie/ to local",
            ),
            ended(
                10,
                "l2-b/plan",
                Status::Succeeded,
                10,
                "a result that is longer than one line can be",
            ),
        ];
        insta::assert_snapshot!(shown(&plan, Mode::Steps, Some(60), &events), @r"
                     downloading
                       https://cloud.debian.org/images/cloud/trixie/
                       to local
                Done         (1/1) l2-b/plan  a result that is
                             longer than one line can be
        ");
    }
}
