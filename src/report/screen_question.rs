//! A question on the screen: what is asked, what is said of the answer, and how to
//! say yes later. Lines wait while a person thinks.

use super::screen::Screen;
use super::{Mode, Paint};
use crate::plan::{StepId, sanitize};

impl Screen {
    /// A plan that was just shown is not shown twice.
    pub(super) fn asked(&mut self, summary: &[String]) {
        let lines: Vec<String> = summary.iter().map(|line| sanitize(line)).collect();
        let quiet = self.look.mode == Mode::Quiet;
        let shown = |line: &String| self.told.iter().any(|(_, told)| told == line);
        if quiet || !lines.iter().all(shown) {
            for line in lines {
                self.show(&self.indented(&line));
            }
        }
        self.flush();
        self.asking = true;
        if let Some(bars) = &self.bars {
            bars.hide();
        }
    }

    pub(super) fn answered(&mut self, step: &StepId, approved: bool, by: &str) {
        self.asking = false;
        if let Some(bars) = &self.bars {
            bars.show();
        }
        for text in std::mem::take(&mut self.held) {
            self.print(&text);
        }
        // The user who answered no knows it.
        let said_no = !approved && by == "terminal";
        if said_no || (approved && self.look.mode == Mode::Quiet) {
            return;
        }
        let (paint, verb) = if approved {
            (Paint::Good, "Approved")
        } else {
            (Paint::Warn, "Not approved")
        };
        self.line(paint, verb, &format!("{step} ({by})"));
        if !approved {
            self.how_to_approve(step);
        }
    }

    /// What a `--yes` does: it plans again, whatever the command.
    fn how_to_approve(&mut self, step: &StepId) {
        let resume = self.look.resume.clone();
        if self.asks_again {
            if let Some(resume) = resume {
                let how = format!("to run it again: `{resume} --from {step}`");
                self.line(Paint::Warn, "", &how);
            }
            return;
        }
        let mut hows: Vec<String> = resume
            .map(|resume| {
                format!("to approve what is shown above: `{resume} --yes`, which plans again and stops if it finds anything else")
            })
            .into_iter()
            .collect();
        // A run that goes on was not begun by the command that it goes on by.
        if let Some(again) = self.look.again.as_ref().filter(|_| !self.resumed) {
            hows.push(format!(
                "to approve any changes: `{again} --yes`, which plans again and asks nothing"
            ));
        }
        for how in hows {
            self.line(Paint::Warn, "", &how);
        }
    }
}
