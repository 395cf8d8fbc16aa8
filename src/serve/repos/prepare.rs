//! What is served, made anew at the start and at each reload.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::candidates::{Candidate, candidates};
use super::checkout::Checkout;
use super::options::Options;
use super::scan::{Rules, scan};
use super::snapshot::{Draft, RepoSnapshot};
use crate::app::Caller;
use crate::diag::Failure;

/// What is served as repositories, as it was at the last reload.
#[derive(Debug, Default)]
pub(in crate::serve) struct Repositories {
    served: BTreeMap<String, Arc<RepoSnapshot>>,
    refused: Vec<Refused>,
}

/// A repository that was to be served and is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::serve) struct Refused {
    /// Its name.
    pub(in crate::serve) name: String,
    /// Why, with path and commit where a secret was found; never the secret.
    pub(in crate::serve) why: String,
}

impl Repositories {
    /// The names of those that are served, sorted.
    pub(in crate::serve) fn names(&self) -> Vec<String> {
        self.served.keys().cloned().collect()
    }

    /// Those that are not served.
    pub(in crate::serve) fn refused(&self) -> Vec<Refused> {
        self.refused.clone()
    }

    /// The snapshot of that name. It stays on the disk as long as it is held.
    pub(super) fn find(&self, name: &str) -> Option<Arc<RepoSnapshot>> {
        self.served.get(name).cloned()
    }
}

/// Takes snapshots of all that is to be served, and looks through them. One that
/// cannot be served is refused, and the others are served.
///
/// # Errors
/// There is no site-config, settings, variables or secrets cannot be read, or the options
/// name what is not there.
pub(in crate::serve) fn prepare(
    caller: &Caller,
    options: &Options,
) -> Result<Repositories, Failure> {
    let lab = caller.lab_if_any()?;
    let root = lab.as_ref().map(|lab| lab.paths.root());
    let site = caller.find_site(None, root)?.root;
    let rules = Rules::of(caller, lab.as_ref(), &site)?;
    let mut all = Repositories::default();
    for candidate in candidates(caller, lab.as_ref(), &site, options)? {
        let name = candidate.name.clone();
        match snapshot(caller, options, &rules, &candidate) {
            Ok(snapshot) => {
                tracing::info!(repository = %name, files = snapshot.raw().len(), "served");
                all.served.insert(name, snapshot);
            }
            Err(why) => {
                let why = rules.shown(&why);
                tracing::warn!(repository = %name, %why, "not served");
                all.refused.push(Refused { name, why });
            }
        }
    }
    options.memory.keep(&all.served);
    Ok(all)
}

fn snapshot(
    caller: &Caller,
    options: &Options,
    rules: &Rules,
    candidate: &Candidate,
) -> Result<Arc<RepoSnapshot>, String> {
    let checkout = Checkout::open(caller, &candidate.dir)?;
    let mut draft = Draft::take(caller, &checkout, options.stop())?;
    draft.state.push_str(rules.id());
    if let Some(same) = options.memory.same(&candidate.name, &draft.state) {
        return Ok(same);
    }
    draft.pack()?;
    scan(
        &draft.git,
        rules,
        options.memory.seen(),
        draft.working.as_deref(),
    )?;
    Ok(draft.done())
}
