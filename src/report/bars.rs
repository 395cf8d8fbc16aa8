//! Progress below the text, one line for each running step.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::{Paint, Palette};
use crate::plan::{StepId, short_duration};

/// Redraws in a second.
const RATE: u8 = 10;

/// The progress lines on stderr.
pub(super) struct Bars {
    all: MultiProgress,
    steps: BTreeMap<StepId, ProgressBar>,
    palette: Palette,
}

impl Bars {
    pub(super) fn new(palette: Palette) -> Self {
        Self {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(RATE)),
            steps: BTreeMap::new(),
            palette,
        }
    }

    pub(super) fn start(&mut self, step: &StepId) {
        let bar = self.all.add(ProgressBar::new_spinner());
        bar.set_style(
            ProgressStyle::with_template("{prefix} {took} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner())
                .with_key("took", |state: &ProgressState, out: &mut dyn Write| {
                    // Whole seconds: they do not flicker.
                    let took = Duration::from_secs(state.elapsed().as_secs());
                    // What cannot be drawn is drawn the next time.
                    write!(out, "{:>6}", short_duration(took).replace(".0s", "s"))
                        .unwrap_or_default();
                }),
        );
        let verb = self.palette.verb(Paint::Active, "Running");
        bar.set_prefix(format!("{verb} {step}"));
        bar.enable_steady_tick(Duration::from_millis(250));
        if let Some(old) = self.steps.insert(step.clone(), bar) {
            old.finish_and_clear();
        }
    }

    pub(super) fn say(&self, step: &StepId, message: &str) {
        if let Some(bar) = self.steps.get(step) {
            bar.set_message(message.to_owned());
        }
    }

    pub(super) fn end(&mut self, step: &StepId) {
        if let Some(bar) = self.steps.remove(step) {
            bar.finish_and_clear();
        }
    }

    /// Writes text above the progress. The terminal may be gone: nobody is
    /// left to tell.
    pub(super) fn print(&self, text: &str) {
        drop(self.all.println(text));
    }

    /// Takes the progress off the screen, for a question.
    pub(super) fn hide(&self) {
        drop(self.all.clear());
        self.all.set_draw_target(ProgressDrawTarget::hidden());
    }

    pub(super) fn show(&self) {
        self.all
            .set_draw_target(ProgressDrawTarget::stderr_with_hz(RATE));
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        drop(self.all.clear());
    }
}
