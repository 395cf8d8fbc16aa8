//! Approvals of a run that nobody sits at: the question is laid out, and answered
//! from anywhere on the machine.

use std::time::Duration;

use jiff::Timestamp;

use crate::base::short_duration;
use crate::control::{Desk, Question, Verdict};
use crate::engine::{Answer, Approver, Asked};
use crate::lab::Redactor;

/// Asks at the desk of a detached run.
pub(super) struct Remote<'a> {
    /// Who answers in advance, as `--yes` does.
    pub(super) host: &'a dyn Approver,
    pub(super) desk: &'a Desk,
    pub(super) redactor: &'a Redactor,
    /// How long an answer is waited for.
    pub(super) limit: Duration,
}

impl Approver for Remote<'_> {
    fn ask(&self, asked: &Asked<'_>) -> Answer {
        let answer = self.host.ask(asked);
        if answer.approved {
            return answer;
        }
        let now = Timestamp::now();
        let text = |text: &String| self.redactor.shown(text);
        let question = Question {
            step: asked.step.id.clone(),
            text: text(&asked.approval.question),
            summary: asked.approval.summary.iter().map(text).collect(),
            type_word: asked.approval.type_word.clone(),
            digest: asked.digest.to_owned(),
            since: now.to_string(),
            until: now.checked_add(self.limit).unwrap_or(now).to_string(),
        };
        let refused = |by: String| Answer {
            approved: false,
            by,
        };
        match self.desk.ask(question, self.limit, asked.stopped) {
            Verdict::Given { approved, by } => Answer { approved, by },
            Verdict::TimedOut => {
                refused(format!("no answer within {}", short_duration(self.limit)))
            }
            Verdict::Stopped => refused("the run was stopped".to_owned()),
        }
    }
}
