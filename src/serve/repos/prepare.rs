//! What is served is made anew at the start and at each reload, several repositories at
//! once: one that takes long holds up no other, and until it is made, what was served
//! before is.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::candidates::{Candidate, candidates};
use super::checkout::Checkout;
use super::options::Options;
use super::repositories::{RepoState, Repositories};
use super::scan::{Rules, scan};
use super::snapshot::{Draft, RepoSnapshot};
use crate::app::Caller;
use crate::diag::Failure;
use crate::lab::trace;

/// Repositories that are prepared at once.
const AT_ONCE: usize = 4;

/// Which repositories are to be served, and what must not be in them.
#[derive(Debug)]
pub(in crate::serve) struct Wanted {
    caller: Caller,
    options: Options,
    rules: Rules,
    candidates: Vec<Candidate>,
}

impl Wanted {
    /// Reads what says so. git is not asked.
    ///
    /// # Errors
    /// There is no site-config, settings, variables or secrets cannot be read, or the
    /// options name what is not there.
    pub(in crate::serve) fn read(caller: &Caller, options: &Options) -> Result<Self, Failure> {
        let lab = caller.lab_if_any()?;
        let root = lab.as_ref().map(|lab| lab.paths.root());
        let site = caller.find_site(None, root)?.root;
        Ok(Self {
            rules: Rules::of(caller, lab.as_ref(), &site)?,
            candidates: candidates(caller, lab.as_ref(), &site, options)?,
            caller: caller.clone(),
            options: options.clone(),
        })
    }

    /// What is served until all are prepared: of those that are wanted what there was
    /// before, and nothing else.
    pub(in crate::serve) fn begin(&self, before: &Repositories) -> Repositories {
        let names = self.candidates.iter().map(|candidate| &candidate.name);
        before.only(names.map(String::as_str))
    }

    /// Takes a snapshot of each and looks through it; `done` is told of each when it is
    /// prepared. One that cannot be served is refused, and the others are served.
    pub(in crate::serve) fn prepare(&self, done: impl Fn(&str, RepoState) + Sync) {
        let left = Mutex::new(self.candidates.iter());
        let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            while let Some(candidate) = next() {
                let made = self.snapshot(candidate);
                if self.options.stop().is_cancelled() {
                    return;
                }
                done(&candidate.name, self.judged(candidate, made));
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.candidates.len().min(AT_ONCE) {
                scope.spawn(trace::carried(work));
            }
        });
    }

    fn judged(&self, candidate: &Candidate, made: Result<Arc<RepoSnapshot>, String>) -> RepoState {
        let name = &candidate.name;
        match made {
            Ok(snapshot) => {
                tracing::info!(repository = %name, files = snapshot.raw().len(), "served");
                RepoState::Served(snapshot)
            }
            Err(why) => {
                let why = self.rules.shown(&why);
                tracing::warn!(repository = %name, %why, "not served");
                RepoState::Refused(why)
            }
        }
    }

    fn snapshot(&self, candidate: &Candidate) -> Result<Arc<RepoSnapshot>, String> {
        let Self { options, rules, .. } = self;
        let name = &candidate.name;
        let checkout = Checkout::open(&self.caller, &candidate.dir)?;
        let mut draft = Draft::take(&self.caller, &checkout, options.stop())?;
        draft.state.push_str(rules.id());
        let snapshot = if let Some(same) = options.memory.same(name, &draft.state) {
            same
        } else {
            draft.pack()?;
            scan(
                &draft.git,
                rules,
                options.memory.seen(),
                draft.working.as_deref(),
            )?;
            draft.done()
        };
        options.memory.keep(name, &snapshot);
        Ok(snapshot)
    }
}
