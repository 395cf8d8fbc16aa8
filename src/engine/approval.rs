//! What a step is about to do is approved before it does it, and approved anew
//! when the answer took so long that it may be something else by then.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::{Value, json};

use super::control::Clock;
use super::inputs::inputs;
use super::question::{Question, ask};
use super::redacted::value;
use super::step::Attempts;
use crate::action::{Approval, StepContext};
use crate::base::Cancelled;
use crate::diag::{Cause, Exit, StepError, say};
use crate::plan::{Fingerprint, references};

impl Attempts<'_, '_> {
    /// Asks until what would be done is what was approved. While a person thinks,
    /// the `clock` of the attempt stands still.
    pub(super) fn approve(
        &self,
        ctx: &StepContext<'_>,
        approved: &mut Option<Approval>,
        clock: Clock,
    ) -> Result<(), StepError> {
        while let Some(approval) = self.action.approval(ctx)?
            && approved.as_ref() != Some(&approval)
        {
            self.control.clock(Clock::Off);
            let asked = Instant::now();
            self.ask(&approval)?;
            *approved = Some(approval);
            self.control.clock(clock);
            if asked.elapsed() < self.run.setup.options.approval_lasts {
                break;
            }
            self.renew(ctx)?;
        }
        Ok(())
    }

    fn ask(&self, approval: &Approval) -> Result<(), StepError> {
        let digest = self.digest(approval);
        let consent = &self.run.setup.options.earlier.consent;
        let question = Question {
            approval,
            covered: consent.covers(&self.step.id, &digest),
            digest,
            again: false,
        };
        let stopped = || self.control.stopped().is_some();
        let answer = ask(self.run, self.step_output, &question, &stopped);
        if stopped() {
            return Err(Cancelled.into());
        }
        if answer.approved {
            return Ok(());
        }
        let help = if approval.in_person {
            say("run it on a terminal to be asked, or with `--detach`: then answer with ")
                .hl("approve")
        } else {
            "run it on a terminal to be asked, or with `--yes` to approve what it finds".into()
        };
        Err(StepError::new(format!("not approved ({})", answer.by))
            .cause(Cause::Cancelled)
            .exit(Exit::NotApproved)
            .help(help))
    }

    /// Runs the steps again whose results this one is given and do not keep: the plan
    /// that was shown may not be what is to be done by now.
    fn renew(&self, ctx: &StepContext<'_>) -> Result<(), StepError> {
        let given = references(&Value::Object(self.step.with.clone()));
        let given: BTreeSet<_> = given.into_iter().map(|(id, _)| id).collect();
        for step in given.iter().filter_map(|id| self.run.plan.step(id)) {
            let Some(action) = self.run.setup.registry.get(&step.action) else {
                continue;
            };
            if !action.about().stale {
                continue;
            }
            let Ok(with) = inputs(self.run, step) else {
                continue;
            };
            self.step_output
                .note(format!("the approval took long: {} runs again", step.id));
            action.run(&StepContext {
                step,
                with,
                ..self.context(ctx.env, ctx.emit, ctx.cancel)
            })?;
        }
        Ok(())
    }

    /// The same whenever the same is to be approved. No digest of a secret is
    /// written down.
    fn digest(&self, approval: &Approval) -> String {
        let Approval {
            summary,
            question,
            type_word,
            exact,
            // Who answers is no part of what is done.
            in_person: _,
        } = approval;
        let shown = json!([summary, question, type_word, exact]);
        let shown = value(shown, self.run.bus.redactor());
        let nothing = BTreeMap::new();
        Fingerprint::new(self.action.about().name, &shown, &nothing, &nothing).to_string()
    }
}
