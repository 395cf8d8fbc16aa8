//! Which run goes on when none is named: the one that `hl resume` takes, that
//! `hl status` names and that `hl runs prune` keeps.

use std::collections::BTreeSet;

use super::index::newest;
use super::{Ending, Entry};
use crate::diag::Failure;
use crate::lab::Paths;
use crate::plan::Outcome;

/// Runs that are looked at; an older one goes on when it is named.
const RUNS: usize = 500;

/// The run that goes on.
#[derive(Debug)]
pub enum Newest {
    /// This one.
    Open(Box<Entry>),
    /// None: the newest one succeeded, and so has all that did not before it.
    Done(String),
    /// None: there is no run that could.
    None,
}

/// The newest live run that did not succeed, unless the same succeeded since;
/// a dry run only where there is no such live one.
///
/// # Errors
/// The newest run cannot be read: what it did is not known.
pub fn open(paths: &Paths) -> Result<Newest, Failure> {
    let mut succeeded: BTreeSet<(String, bool)> = BTreeSet::new();
    let (mut newest_done, mut dry) = (None, None);
    for entry in newest(paths, Some(RUNS)).0 {
        let run = match &entry.summary {
            Ok(run) => run,
            Err(failure) if newest_done.is_none() && dry.is_none() => return Err(failure.clone()),
            Err(_) => continue,
        };
        let name = (run.header.recipe.clone(), run.header.dry_run);
        let done = matches!(
            run.ending,
            Ending::Finished {
                outcome: Outcome::Succeeded,
                ..
            }
        );
        if done {
            newest_done.get_or_insert_with(|| entry.id.clone());
            succeeded.insert(name);
        } else if run.header.request.is_some() && !succeeded.contains(&name) {
            if !run.header.dry_run {
                return Ok(Newest::Open(Box::new(entry)));
            }
            dry.get_or_insert(entry);
        }
    }
    Ok(match (dry, newest_done) {
        (Some(dry), _) => Newest::Open(Box::new(dry)),
        (None, Some(done)) => Newest::Done(done),
        (None, None) => Newest::None,
    })
}

/// The newest run that was no dry one.
pub fn newest_live(paths: &Paths) -> Option<Entry> {
    newest(paths, Some(RUNS)).0.find(|entry| {
        entry
            .summary
            .as_ref()
            .is_ok_and(|run| !run.header.dry_run && !run.header.is_legacy())
    })
}
