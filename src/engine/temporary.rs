//! Files that a step made for those that use what it published, such as a
//! saved plan: each goes when the last of its users has ended, however.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};

use camino::{Utf8Path, Utf8PathBuf};

use super::board::uses;
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
        match self.users.get(step) {
            // What nobody in the plan uses is for its user.
            None => {}
            Some(0) => over.extend(made.iter().cloned()),
            Some(_) => {
                self.files.insert(step.clone(), made.to_vec());
            }
        }
        for used in self.uses.remove(step).unwrap_or_default() {
            if let Some(users) = self.users.get_mut(&used) {
                *users -= 1;
                if *users == 0 {
                    over.extend(self.files.remove(&used).unwrap_or_default());
                }
            }
        }
        over.into_iter()
            .filter_map(|file| Some((remove(&file).err()?, file)))
            .map(|(why, file)| (file, why))
            .collect()
    }
}

fn remove(file: &Utf8Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
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
        // What nobody in the plan uses is its user's.
        fs::write(&file, "").unwrap();
        temporary.ended(&id("r/z"), std::slice::from_ref(&file));
        assert!(file.exists());
    }
}
