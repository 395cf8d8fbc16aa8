//! Progress below the text, one line for each running step.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::{Paint, Palette};
use crate::base::short_duration;
use crate::plan::StepId;

/// Redraws in a second.
const RATE: u8 = 10;
/// Columns of the time that a step has taken, with a space on both sides.
const TOOK: usize = 8;
/// What a step says of itself has at least this many columns, if it can be had.
const MESSAGE: usize = 36;

/// The progress lines on stderr.
pub(super) struct Bars {
    all: MultiProgress,
    steps: BTreeMap<StepId, ProgressBar>,
    palette: Palette,
    width: fn() -> Option<usize>,
}

impl Bars {
    /// `width` gives the columns of the terminal.
    pub(super) fn new(palette: Palette, width: fn() -> Option<usize>) -> Self {
        Self {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(RATE)),
            steps: BTreeMap::new(),
            palette,
            width,
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
        bar.set_prefix(self.prefix(step));
        bar.enable_steady_tick(Duration::from_millis(250));
        if let Some(old) = self.steps.insert(step.clone(), bar) {
            old.finish_and_clear();
        }
    }

    pub(super) fn say(&self, step: &StepId, message: &str) {
        if let Some(bar) = self.steps.get(step) {
            // The terminal may have another width by now.
            bar.set_prefix(self.prefix(step));
            bar.set_message(message.to_owned());
        }
    }

    /// `     Running l1-ensure(debian-13)/build`
    fn prefix(&self, step: &StepId) -> String {
        let (verb, name) = fitting(step, (self.width)());
        let verb = if verb {
            self.palette.verb(Paint::Active, "Running")
        } else {
            self.palette.paint(Paint::Active, ">")
        };
        format!("{verb} {name}")
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

/// What is said in front of a step's message so that the message keeps enough
/// of the line: whether the verb, and how much of the step's id.
fn fitting(step: &StepId, width: Option<usize>) -> (bool, &str) {
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(TOOK + MESSAGE));
    let whole = step.as_str().chars().count();
    match room {
        _ if 13 + whole <= room => (true, step.as_str()),
        _ if 2 + whole <= room => (false, step.as_str()),
        _ => (false, step.name()),
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        drop(self.all.clear());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_shows_less_of_the_name_and_enough_of_the_message() {
        let text = "l1-ensure(debian-13)/build";
        let step = &StepId::from(text);
        assert_eq!(fitting(step, None), (true, text));
        assert_eq!(fitting(step, Some(120)), (true, text));
        assert_eq!(fitting(step, Some(80)), (false, text));
        assert_eq!(fitting(step, Some(60)), (false, "build"));
        assert_eq!(fitting(&StepId::from("look"), Some(80)), (true, "look"));
    }
}
