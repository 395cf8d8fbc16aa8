//! A run as a person watches it: one line a step on stderr, progress below it
//! on a terminal, a sign of life each minute elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Paint, Palette, Tally, failed_step, summary};
use crate::plan::{Event, EventKind, Plan, Status, StepId, Stream, sanitize, short_duration};

/// What is shown of the tools' own output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: progress on a terminal, steps only elsewhere.
    Steps,
    /// Lines as they come.
    Live,
    /// Lines as they come, behind the step's name.
    Prefix,
    /// A step's lines together when it ends.
    Group,
    /// Nothing but failures.
    Quiet,
}

/// A step is announced when it takes longer than this.
const WORTH_A_LINE: Duration = Duration::from_secs(2);
/// Time between signs of life where there is no terminal.
const HEARTBEAT: Duration = Duration::from_mins(1);

struct Running {
    since: Instant,
    announced: bool,
    heartbeat: Instant,
    bar: Option<ProgressBar>,
    message: String,
    lines: Vec<String>,
}

struct Screen {
    plan: Plan,
    mode: Mode,
    palette: Palette,
    dry_run: bool,
    again: Option<String>,
    bars: Option<MultiProgress>,
    out: Box<dyn Write + Send>,
    running: BTreeMap<StepId, Running>,
    tally: Tally,
    quiet_now: bool,
    /// Notes that are on the screen.
    notes: BTreeSet<String>,
}

/// The listener for people.
#[expect(
    missing_debug_implementations,
    reason = "holds a writer and progress bars"
)]
pub struct Terminal {
    screen: Arc<Mutex<Screen>>,
    over: Arc<AtomicBool>,
    ticker: Option<JoinHandle<()>>,
}

impl Terminal {
    /// A listener that writes to `out`. With `tty` it draws progress bars on
    /// stderr. `again` is the command that continues after a failure.
    pub fn new(
        plan: Plan,
        mode: Mode,
        palette: Palette,
        tty: bool,
        again: Option<String>,
        out: Box<dyn Write + Send>,
    ) -> Self {
        let bars = (tty && mode != Mode::Quiet)
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        let screen = Arc::new(Mutex::new(Screen {
            plan,
            mode,
            palette,
            dry_run: false,
            again,
            bars,
            out,
            running: BTreeMap::new(),
            tally: Tally::default(),
            quiet_now: false,
            notes: BTreeSet::new(),
        }));
        let over = Arc::new(AtomicBool::new(false));
        let ticker = spawn({
            let (screen, over) = (Arc::clone(&screen), Arc::clone(&over));
            move || {
                while !over.load(Ordering::Relaxed) {
                    sleep(Duration::from_millis(250));
                    screen.lock().unwrap_or_else(PoisonError::into_inner).tick();
                }
            }
        });
        Self {
            screen,
            over,
            ticker: Some(ticker),
        }
    }

    /// Takes an event.
    pub fn event(&mut self, event: &Event) {
        self.screen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .event(event);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(ticker) = self.ticker.take() {
            // A ticker that panicked has nothing left to say.
            drop(ticker.join());
        }
    }
}

impl Screen {
    fn event(&mut self, event: &Event) {
        self.tally.take(event);
        match (&event.kind, &event.step) {
            (EventKind::RunStarted(info), _) => {
                self.dry_run = info.dry_run;
                if self.mode != Mode::Quiet {
                    let what = if info.dry_run {
                        "Planning"
                    } else if info.rehearsal {
                        "Rehearsing"
                    } else {
                        "Running"
                    };
                    let id = if info.id.is_empty() {
                        String::new()
                    } else {
                        format!(" as run {}", info.id)
                    };
                    let text = format!(
                        "{} `{}`{id}",
                        self.palette.verb(Paint::Active, what),
                        sanitize(&info.recipe)
                    );
                    self.line(&text);
                }
            }
            (EventKind::StepStarted { attempt }, Some(step)) => self.started(step, *attempt),
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
                let message = format!("{}{counted}", sanitize(message));
                if let Some(running) = self.running.get_mut(step) {
                    if let Some(bar) = &running.bar {
                        bar.set_message(message.clone());
                    }
                    running.message = message;
                }
            }
            (EventKind::Warning { message }, _) => self.warn(message),
            (EventKind::ApprovalAsked { summary }, _) => {
                // A plan that was just shown is not shown twice.
                let shown = summary.iter().all(|line| self.notes.contains(line));
                for line in summary.iter().filter(|_| !shown) {
                    let text = format!("{:>12} {}", "", sanitize(line));
                    self.line(&text);
                }
                self.pause(true);
            }
            (EventKind::ApprovalGiven { approved, by }, Some(step)) => {
                self.pause(false);
                if self.mode != Mode::Quiet {
                    let (paint, verb) = if *approved {
                        (Paint::Good, "Approved")
                    } else {
                        (Paint::Warn, "Not approved")
                    };
                    let text = format!("{} {step} ({by})", self.palette.verb(paint, verb));
                    self.line(&text);
                    if !approved && by != "terminal" {
                        let again = self.again.as_deref().unwrap_or("hl");
                        let text =
                            format!("{:>12} to approve what is shown above: `{again} --yes`", "");
                        self.line(&text);
                    }
                }
            }
            (
                EventKind::StepRetried {
                    attempt,
                    error,
                    wait_seconds,
                },
                Some(step),
            ) => {
                let text = format!(
                    "{} {step}: {}; trying again in {wait_seconds}s",
                    self.palette.verb(Paint::Warn, &format!("Try {attempt}")),
                    sanitize(error)
                );
                self.line(&text);
            }
            (EventKind::Interrupted { signal, message }, _) => {
                let text = format!(
                    "{} {}",
                    self.palette.verb(Paint::Warn, signal),
                    sanitize_lines(message)
                );
                self.line(&text);
            }
            (
                EventKind::StepFinished {
                    status,
                    summary,
                    duration_ms,
                    warnings,
                    ..
                },
                Some(step),
            ) => {
                self.finished(step, *status, summary, Duration::from_millis(*duration_ms));
                for warning in warnings {
                    self.warn(warning);
                }
            }
            (EventKind::RunFinished { .. }, _) => self.over(),
            _ => {}
        }
    }

    fn warn(&mut self, message: &str) {
        if self.mode != Mode::Quiet {
            let text = format!(
                "{} {}",
                self.palette.verb(Paint::Warn, "Warning"),
                sanitize_lines(message)
            );
            self.line(&text);
        }
    }

    fn started(&mut self, step: &StepId, attempt: u32) {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            let template = "{prefix} {elapsed:>5} {wide_msg}";
            bar.set_style(
                ProgressStyle::with_template(template)
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar.set_prefix(format!(
                "{} {step}",
                self.palette.verb(Paint::Active, "Running")
            ));
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        let now = Instant::now();
        let fresh = Running {
            since: now,
            announced: false,
            heartbeat: now,
            bar,
            message: String::new(),
            lines: Vec::new(),
        };
        if attempt == 1 || !self.running.contains_key(step) {
            self.running.insert(step.clone(), fresh);
        }
    }

    fn output(&mut self, step: &StepId, stream: Stream, line: &str) {
        let line = sanitize(line);
        match self.mode {
            Mode::Live => self.line(&line),
            Mode::Prefix => {
                let text = format!(
                    "{} {} {line}",
                    self.palette.paint(Paint::Dim, step),
                    self.palette.paint(Paint::Dim, "│")
                );
                self.line(&text);
            }
            Mode::Group => {
                if let Some(running) = self.running.get_mut(step) {
                    running.lines.push(line);
                }
            }
            Mode::Steps | Mode::Quiet => {
                // What is on the screen already is not said again by a later step.
                if stream == Stream::Note
                    && self.mode == Mode::Steps
                    && self.notes.insert(line.clone())
                {
                    let text = format!("{:>12} {line}", "");
                    self.line(&text);
                }
            }
        }
    }

    fn finished(&mut self, step: &StepId, status: Status, summary: &str, took: Duration) {
        let running = self.running.remove(step);
        if let Some(bar) = running.as_ref().and_then(|running| running.bar.as_ref()) {
            bar.finish_and_clear();
        }
        if self.mode == Mode::Quiet {
            return;
        }
        let runway = self
            .plan
            .step(step)
            .is_some_and(|s| s.layer.as_deref() == Some("l0"));
        let (paint, verb) = match status {
            Status::Succeeded if self.dry_run => (Paint::Good, "Planned"),
            Status::Succeeded => (Paint::Good, "Done"),
            Status::Failed => (Paint::Bad, "Failed"),
            Status::Skipped => (Paint::Dim, "Skipped"),
            Status::Blocked if runway => (Paint::Warn, "Not checked"),
            Status::Blocked => (Paint::Warn, "Blocked"),
            Status::Cancelled => (Paint::Warn, "Cancelled"),
            Status::NotPlanned => (Paint::Warn, "Not planned"),
        };
        let total = self.plan.steps.len();
        let width = total.to_string().len();
        let took = if took < Duration::from_millis(50) {
            String::new()
        } else {
            short_duration(took)
        };
        let result = if summary.is_empty() {
            String::new()
        } else {
            format!("  {}", sanitize(summary))
        };
        let text = format!(
            "{} {:>7} {} {step}{result}",
            self.palette.verb(paint, verb),
            took,
            self.palette.paint(
                Paint::Dim,
                format_args!("({:>width$}/{total})", self.tally.ended.len())
            ),
        );
        if let Some(running) = running.filter(|running| !running.lines.is_empty()) {
            for line in &running.lines {
                let text = format!("  {} {line}", self.palette.paint(Paint::Dim, "│"));
                self.line(&text);
            }
        }
        self.line(&text);
    }

    fn over(&mut self) {
        if let Some(bars) = self.bars.take() {
            // The terminal may be gone; there is nobody left to tell.
            drop(bars.clear());
        }
        let failed: Vec<_> = self
            .tally
            .ended
            .iter()
            .filter(|e| e.status == Status::Failed)
            .cloned()
            .collect();
        let last = failed.len().saturating_sub(1);
        for (index, ended) in failed.iter().enumerate() {
            let again = if index == last {
                self.again.clone()
            } else {
                None
            };
            let text = failed_step(ended, again.as_deref(), self.palette);
            self.line("");
            self.line(text.trim_end());
        }
        if self.mode != Mode::Quiet {
            let text = summary(&self.plan, &self.tally, self.dry_run, self.palette);
            self.line(text.trim_end());
        }
    }

    /// Signs of life for steps that take long.
    fn tick(&mut self) {
        if self.bars.is_some() || self.quiet_now || self.mode == Mode::Quiet {
            return;
        }
        let mut lines = Vec::new();
        for (step, running) in &mut self.running {
            let took = running.since.elapsed();
            if !running.announced && took >= WORTH_A_LINE {
                running.announced = true;
                lines.push(format!(
                    "{} {step}",
                    self.palette.verb(Paint::Active, "Running")
                ));
            } else if running.heartbeat.elapsed() >= HEARTBEAT {
                running.heartbeat = Instant::now();
                let doing = if running.message.is_empty() {
                    String::new()
                } else {
                    format!(": {}", running.message)
                };
                let verb = self.palette.verb(Paint::Active, "Still going");
                lines.push(format!("{verb} {step} for {}{doing}", short_duration(took)));
            }
        }
        for line in lines {
            self.line(&line);
        }
    }

    /// Takes the bars off the screen while a question is asked.
    fn pause(&mut self, pause: bool) {
        self.quiet_now = pause;
        if let Some(bars) = &self.bars {
            let target = if pause {
                ProgressDrawTarget::hidden()
            } else {
                ProgressDrawTarget::stderr_with_hz(10)
            };
            if pause {
                drop(bars.clear());
            }
            bars.set_draw_target(target);
        }
    }

    fn line(&mut self, text: &str) {
        // A closed terminal must not stop the run.
        match &self.bars {
            Some(bars) if !self.quiet_now => drop(bars.println(text)),
            _ => drop(writeln!(self.out, "{text}")),
        }
    }
}

fn sanitize_lines(text: &str) -> String {
    text.lines()
        .map(sanitize)
        .collect::<Vec<_>>()
        .join("\n             ")
}
