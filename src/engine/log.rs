//! A step's log: what its children and the action said, redacted, 0600.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use camino::Utf8PathBuf;

use crate::base::private_append;
use crate::lab::spool;
use crate::plan::{Plan, StepId};

/// A file that is made when the first line comes; its directory is there. Every line is written at
/// once, so that another terminal can follow it.
pub(super) struct Log {
    path: Option<Utf8PathBuf>,
    file: Mutex<Option<File>>,
}

impl Log {
    /// A log at this path; `None` keeps nothing.
    pub(super) fn new(path: Option<Utf8PathBuf>) -> Self {
        Self {
            path,
            file: Mutex::new(None),
        }
    }

    /// Where it is, or will be.
    pub(super) fn path(&self) -> Option<&Utf8PathBuf> {
        self.path.as_ref()
    }

    /// Where it is, once something was written.
    pub(super) fn written(&self) -> Option<&Utf8PathBuf> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.is_some().then_some(self.path.as_ref()).flatten()
    }

    /// Adds a line that is already redacted, and leaves it as it is.
    pub(super) fn line(&self, line: &mut String) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            *file = Some(private_append(path)?);
        }
        // In one write, and without a copy: lines may be long.
        line.push('\n');
        let written = file
            .as_mut()
            .map_or(Ok(()), |file| file.write_all(line.as_bytes()));
        line.pop();
        written
    }
}

/// A file name for every step, different ones for different steps: `NAME.log` is what
/// it said.
pub fn slugs(plan: &Plan) -> BTreeMap<StepId, String> {
    let mut used = BTreeSet::new();
    let mut slugs = BTreeMap::new();
    for step in &plan.steps {
        let slug = spool::slug(step.id.as_str());
        let mut name = slug.clone();
        let mut number = 2;
        while !used.insert(name.clone()) {
            name = format!("{slug}-{number}");
            number += 1;
        }
        slugs.insert(step.id.clone(), name);
    }
    slugs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Step;

    #[test]
    fn steps_never_share_a_log() {
        let steps = ["a-b/c", "a/b-c", "a/b/c"].map(|id| Step::new(id, "x"));
        let slugs = slugs(&Plan::new("r", steps.to_vec()));
        let names: BTreeSet<_> = slugs.values().cloned().collect();
        assert_eq!(
            names,
            ["a-b-c", "a-b-c-2", "a-b-c-3"].map(str::to_owned).into()
        );
    }
}
