//! The shipped actions with doubles for their programs, and failures.

use std::collections::BTreeMap;
use std::sync::Arc;

use hl::action::{About, Action, Approval, Basis, Done, Registry, StepContext, builtin};
use hl::diag::StepError;
use hl::handoff::Handoff;
use hl::plan::Step;
use serde_json::Value;

use super::doubles::{Doubles, cut_off};
use super::{Fault, When};

/// An action whose programs are doubles.
struct Wrapped {
    inner: &'static dyn Action,
    doubles: Arc<Doubles>,
    faults: Vec<Fault>,
}

impl Wrapped {
    fn with<T>(&self, ctx: &StepContext<'_>, act: impl FnOnce(&StepContext<'_>) -> T) -> T {
        act(&StepContext {
            lab: ctx.lab,
            env: ctx.env,
            step: ctx.step,
            with: ctx.with.clone(),
            run_id: ctx.run_id,
            work: ctx.work.clone(),
            dry_run: ctx.dry_run,
            exec: self.doubles.as_ref(),
            emit: ctx.emit,
            cancel: ctx.cancel,
        })
    }

    fn fails(&self, ctx: &StepContext<'_>, when: When) -> bool {
        let own = |fault: &Fault| fault.step == ctx.step.id.as_str() && fault.when == when;
        self.faults.iter().any(own)
    }

    /// Does what the action does; the machine that asks for its spec hears of it.
    fn act(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let done = self.with(ctx, |ctx| self.inner.run(ctx))?;
        if ctx.step.action == "pull.snippet" {
            self.doubles
                .applies(done.outputs["digest"].as_str().unwrap());
        }
        Ok(done)
    }
}

fn injected() -> StepError {
    StepError::new("injected")
}

impl Action for Wrapped {
    fn about(&self) -> About {
        self.inner.about()
    }
    fn basis(&self, ctx: &StepContext<'_>) -> Result<Basis, StepError> {
        self.with(ctx, |ctx| self.inner.basis(ctx))
    }
    fn still_valid(
        &self,
        ctx: &StepContext<'_>,
        outputs: &BTreeMap<String, Value>,
    ) -> Result<(), String> {
        self.with(ctx, |ctx| self.inner.still_valid(ctx, outputs))
    }
    fn approval(&self, ctx: &StepContext<'_>) -> Result<Option<Approval>, StepError> {
        self.with(ctx, |ctx| self.inner.approval(ctx))
    }
    fn handoff(&self, step: &Step, dry_run: bool) -> Handoff {
        self.inner.handoff(step, dry_run)
    }
    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        self.with(ctx, |ctx| self.inner.preview(ctx))
    }
    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        if self.fails(ctx, When::Before) {
            return Err(injected());
        }
        if self.fails(ctx, When::Middle) {
            let cut = cut_off();
            let done = self.act(ctx);
            drop(cut);
            // What has no program to be cut off in has done its work, and is not heard.
            done?;
            return Err(injected());
        }
        let done = self.act(ctx)?;
        if self.fails(ctx, When::After) {
            return Err(injected());
        }
        Ok(done)
    }
}

/// Every shipped action so wrapped.
pub(super) fn registry(doubles: &Arc<Doubles>, faults: &[Fault]) -> Registry {
    let shipped: &'static Registry = Box::leak(Box::new(builtin()));
    shipped.names().fold(Registry::default(), |registry, name| {
        registry.with(Wrapped {
            inner: shipped.get(name).unwrap(),
            doubles: Arc::clone(doubles),
            faults: faults.to_vec(),
        })
    })
}
