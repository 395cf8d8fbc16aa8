//! Files that a step made for those that use what it published, such as a
//! saved plan: each goes when the last of its users has ended, however, and at
//! the end of the run at the latest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::board::uses;
use crate::base::if_there;
use crate::plan::{Plan, StepId};

/// The files of a run, and who still needs them.
#[derive(Debug, Default)]
pub(super) struct Temporary {
    /// By step: those whose outputs it uses.
    uses: BTreeMap<StepId, BTreeSet<StepId>>,
    /// By step: how many that use its outputs have not ended.
    users: BTreeMap<StepId, usize>,
    files: BTreeMap<StepId, Vec<Utf8PathBuf>>,
}

impl Temporary {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut temporary = Self::default();
        for step in &plan.steps {
            let used = uses(step);
            for used in &used {
                *temporary.users.entry(used.clone()).or_default() += 1;
            }
            temporary.uses.insert(step.id.clone(), used);
        }
        temporary
    }

    /// A step has ended, and made these files. Gives the files that could not
    /// be removed.
    pub(super) fn ended(
        &mut self,
        step: &StepId,
        made: &[Utf8PathBuf],
    ) -> Vec<(Utf8PathBuf, io::Error)> {
        let mut over = Vec::new();
        if self.users.get(step) == Some(&0) {
            over.extend(made.iter().cloned());
        } else if !made.is_empty() {
            self.files.insert(step.clone(), made.to_vec());
        }
        for used in self.uses.remove(step).unwrap_or_default() {
            if let Some(users) = self.users.get_mut(&used) {
                *users -= 1;
                if *users == 0 {
                    over.extend(self.files.remove(&used).unwrap_or_default());
                }
            }
        }
        gone(over)
    }

    /// The run is over: what is left goes, which is what nobody used.
    pub(super) fn over(&mut self) -> Vec<(Utf8PathBuf, io::Error)> {
        let left = std::mem::take(&mut self.files);
        gone(left.into_values().flatten().collect())
    }
}

/// Removes them, and gives those that could not be removed.
fn gone(files: Vec<Utf8PathBuf>) -> Vec<(Utf8PathBuf, io::Error)> {
    let removed = files.into_iter().map(|file| (remove(&file), file));
    removed
        .filter_map(|(removed, file)| Some((file, removed.err()?)))
        .collect()
}

fn remove(file: &Utf8Path) -> io::Result<()> {
    let removed = if file.is_dir() && !file.is_symlink() {
        fs::remove_dir_all(file)
    } else {
        fs::remove_file(file)
    };
    if_there(removed).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Step;

    #[test]
    fn a_file_goes_with_the_last_that_uses_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = Utf8Path::from_path(dir.path()).unwrap().join("x.tfplan");
        let mut first = Step::new("r/first", "x");
        first
            .with
            .insert("f".to_owned(), "${steps.r/plan.file}".into());
        let mut second = Step::new("r/second", "x");
        second.when = Some("${steps.r/plan.empty}".to_owned());
        let steps = vec![
            Step::new("r/plan", "x"),
            first,
            second,
            Step::new("r/z", "x"),
        ];
        let mut temporary = Temporary::new(&Plan::new("r", steps));
        let id = |id: &str| StepId::from(id);
        for (step, stays) in [
            ("r/second", true),
            ("r/plan", true),
            ("r/z", true),
            ("r/first", false),
        ] {
            let made = if step == "r/plan" {
                fs::write(&file, "").unwrap();
                vec![file.clone()]
            } else {
                Vec::new()
            };
            assert!(temporary.ended(&id(step), &made).is_empty());
            assert_eq!(file.exists(), stays && step != "r/second", "{step}");
        }
        // What no step uses goes at the end of the run, directories too.
        fs::create_dir(&file).unwrap();
        fs::write(file.join("x"), "").unwrap();
        let made = std::slice::from_ref(&file);
        assert!(temporary.ended(&id("r/z"), made).is_empty() && file.exists());
        assert!(temporary.over().is_empty() && !file.exists());
    }
}
