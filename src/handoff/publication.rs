//! Which steps of a plan publish what: from a plan and how its steps ended to
//! `LAST_STEP_COMPLETED`. Nothing here reads or writes a file.

use std::collections::{BTreeMap, BTreeSet};

use super::{Handoff, Handoffs, LastStep, Stage};
use crate::plan::{Plan, Status, Step, StepId};

/// How a step ended, as far as publication goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It did its work, now or in an earlier part of the run.
    Done,
    /// There was nothing for it to do, or a dry run found that it would change
    /// something.
    Passed,
    /// It failed, was blocked, or was stopped.
    Bad,
}

impl Ended {
    /// `rests` says that an earlier result stands, `pending` that a dry run
    /// found something that a live one would change.
    pub(super) fn of(status: Status, rests: bool, pending: bool) -> Self {
        match status {
            Status::Succeeded if pending => Self::Passed,
            Status::Succeeded => Self::Done,
            Status::Skipped if rests => Self::Done,
            Status::Skipped | Status::NotPlanned => Self::Passed,
            Status::Failed | Status::Blocked | Status::Cancelled => Self::Bad,
        }
    }
}

/// The publications of one run.
#[derive(Debug, Clone, Default)]
pub(super) struct Publications {
    stages: Vec<Published>,
    ended: BTreeMap<StepId, Ended>,
}

#[derive(Debug, Clone)]
struct Published {
    says: LastStep,
    /// All of these must end well.
    all: BTreeSet<StepId>,
    /// And these must have done their work: one of them when live, each in a
    /// dry run, which else has not seen what it says.
    makers: BTreeSet<StepId>,
    dry_run: bool,
    over: bool,
}

impl Publications {
    pub(super) fn of(plan: &Plan, handoffs: &Handoffs, dry_run: bool) -> Self {
        let stages = [
            Stage::Access,
            Stage::Templates,
            Stage::Terraform,
            Stage::Ansible,
        ];
        Self {
            stages: stages
                .into_iter()
                .filter_map(|stage| Published::of(plan, handoffs, stage, dry_run))
                .collect(),
            ended: BTreeMap::new(),
        }
    }

    /// A step has ended: the publication that this completes.
    pub(super) fn end(&mut self, step: &StepId, how: Ended) -> Option<LastStep> {
        self.ended.insert(step.clone(), how);
        let ended = &self.ended;
        let complete = self
            .stages
            .iter_mut()
            .find(|stage| !stage.over && stage.is_complete(ended))?;
        complete.over = true;
        Some(complete.says)
    }
}

impl Published {
    fn of(plan: &Plan, handoffs: &Handoffs, stage: Stage, dry_run: bool) -> Option<Self> {
        let parts = plan.steps.iter().filter_map(|step| {
            let handoff = handoffs.get(&step.id)?;
            (handoff.stage == Some(stage)).then_some((step, handoff))
        });
        let parts: Vec<(&Step, &Handoff)> = parts.collect();
        let makers = parts.iter().filter(|(_, handoff)| handoff.makes.is_some());
        let recipes: BTreeSet<&str> = makers
            .clone()
            .map(|(step, _)| step.recipe.as_str())
            .collect();
        let made: Vec<Handoff> = makers.clone().map(|(_, handoff)| **handoff).collect();
        let all = parts
            .iter()
            .filter(|(step, _)| recipes.contains(step.recipe.as_str()));
        Some(Self {
            says: says(stage, &made)?,
            all: all.map(|(step, _)| step.id.clone()).collect(),
            makers: makers.map(|(step, _)| step.id.clone()).collect(),
            dry_run,
            over: false,
        })
    }

    fn is_complete(&self, ended: &BTreeMap<StepId, Ended>) -> bool {
        let how = |step: &StepId| ended.get(step).copied();
        let well = |step: &StepId| matches!(how(step), Some(Ended::Done | Ended::Passed));
        let done = |step: &StepId| how(step) == Some(Ended::Done);
        self.all.iter().all(well)
            && if self.dry_run {
                self.makers.iter().all(done)
            } else {
                self.all.iter().any(done)
            }
    }
}

/// What the stage says that these make: an apply more than its plan, and where
/// some playbooks are only checked, that they were.
fn says(stage: Stage, makers: &[Handoff]) -> Option<LastStep> {
    let all = makers.iter().filter_map(|handoff| handoff.makes);
    let says = if stage == Stage::Ansible {
        all.min()
    } else {
        all.max()
    };
    // Nothing is left for the steps behind it.
    let gone = says == Some(LastStep::TerraformApply) && makers.iter().any(|maker| maker.destroys);
    if gone {
        Some(LastStep::Templates)
    } else {
        says
    }
}

#[cfg(test)]
mod tests {
    use super::super::declared_tests::declared;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn plan(steps: &[(&str, &str)]) -> Plan {
        let steps = steps.iter().map(|(id, action)| Step::new(*id, *action));
        Plan::new("up", steps.collect())
    }

    fn up() -> Plan {
        plan(&[
            ("l0/environment", "pve.check"),
            ("l0/tofu", "tool.check"),
            ("l1/check", "template.check"),
            ("l1/build", "packer.build"),
            ("l1/publish", "template.publish"),
            ("l2/init", "tofu.init"),
            ("l2/plan", "tofu.plan"),
            ("l2/apply", "tofu.apply"),
            ("l2/outputs", "tofu.outputs"),
            ("l3/outputs", "tofu.outputs"),
            ("l3/inventory", "ansible.inventory"),
            ("l3/reachable", "ssh.wait"),
            ("l3/converge", "ansible.playbook"),
            ("l4/converge", "ansible.playbook"),
            ("l4/own", "command"),
        ])
    }

    /// What is published as these steps end one after the other.
    fn told(plan: &Plan, dry_run: bool, ends: &[(&str, Ended)]) -> Vec<(String, &'static str)> {
        let mut all = Publications::of(plan, &declared(plan, dry_run), dry_run);
        ends.iter()
            .filter_map(|(step, how)| {
                let said = all.end(&StepId::from(*step), *how)?;
                Some(((*step).to_owned(), said.as_str()))
            })
            .collect()
    }

    fn all_done(plan: &Plan) -> Vec<(&str, Ended)> {
        let ids = plan.steps.iter().map(|step| step.id.as_str());
        ids.map(|id| (id, Ended::Done)).collect()
    }

    fn said<'a>(all: &'a [(String, &'static str)]) -> Vec<(&'a str, &'static str)> {
        all.iter()
            .map(|(step, what)| (step.as_str(), *what))
            .collect()
    }

    #[test]
    fn a_whole_run_publishes_each_stage_when_its_last_step_is_done() {
        let plan = up();
        assert_eq!(
            said(&told(&plan, false, &all_done(&plan))),
            [
                ("l0/tofu", "proxmox_access"),
                ("l1/publish", "templates"),
                ("l2/outputs", "terraform_apply"),
                ("l4/converge", "ansible_apply"),
            ]
        );
        let mut ends = all_done(&plan);
        // In a dry run nothing is applied, and what it would make is not read.
        for (step, how) in &mut ends {
            if ["l2/apply", "l2/outputs"].contains(step) {
                *how = Ended::Passed;
            }
        }
        assert_eq!(
            said(&told(&plan, true, &ends)),
            [
                ("l0/tofu", "proxmox_access"),
                ("l1/publish", "templates"),
                ("l2/outputs", "terraform_plan"),
                ("l4/converge", "ansible_check"),
            ]
        );
    }

    #[test]
    fn a_dry_run_says_nothing_of_what_it_could_not_look_at() {
        let plan = up();
        let mut ends = all_done(&plan);
        for (step, how) in &mut ends {
            if step.starts_with("l1") || step.starts_with("l2") || step.starts_with("l3") {
                *how = Ended::Passed;
            }
        }
        assert_eq!(
            said(&told(&plan, true, &ends)),
            [("l0/tofu", "proxmox_access")]
        );
    }

    #[test]
    fn an_apply_without_its_outputs_is_not_published_and_ansible_not_after_half() {
        let plan = up();
        let mut ends = all_done(&plan);
        let fails = |ends: &mut Vec<(&str, Ended)>, id: &str| {
            for (step, how) in ends {
                if *step == id {
                    *how = Ended::Bad;
                }
            }
        };
        fails(&mut ends, "l4/converge");
        let last = told(&plan, false, &ends).pop().unwrap();
        assert_eq!(last.1, "terraform_apply");
        fails(&mut ends, "l2/outputs");
        let last = told(&plan, false, &ends).pop().unwrap();
        assert_eq!(last.1, "templates");
    }

    #[test]
    fn nothing_to_build_and_nothing_to_apply_are_complete() {
        let plan = plan(&[
            ("l1/check", "template.check"),
            ("l1/build", "packer.build"),
            ("l2/plan", "tofu.plan"),
            ("l2/apply", "tofu.apply"),
            ("l2/outputs", "tofu.outputs"),
        ]);
        let ends = [
            ("l1/check", Ended::Done),
            ("l1/build", Ended::Passed),
            ("l2/plan", Ended::Done),
            ("l2/apply", Ended::Passed),
            ("l2/outputs", Ended::Done),
        ];
        assert_eq!(
            said(&told(&plan, false, &ends)),
            [("l1/build", "templates"), ("l2/outputs", "terraform_apply")]
        );
    }

    #[test]
    fn reading_alone_is_no_publication() {
        let plan = plan(&[
            ("l2/outputs", "tofu.outputs"),
            ("x/tool", "tool.check"),
            ("x/wait", "ssh.wait"),
            ("t/promote", "template.promote"),
        ]);
        assert_eq!(told(&plan, false, &all_done(&plan)), []);
    }

    #[test]
    fn destroying_leaves_the_templates_and_check_mode_is_a_check() {
        let mut plan = plan(&[
            ("d/plan", "tofu.plan"),
            ("d/apply", "tofu.apply"),
            ("c/converge", "ansible.playbook"),
        ]);
        plan.steps[0].with.insert("destroy".to_owned(), json!(true));
        plan.steps[2].with.insert("check".to_owned(), json!("true"));
        assert_eq!(
            said(&told(&plan, false, &all_done(&plan))),
            [("d/apply", "templates"), ("c/converge", "ansible_check")]
        );
        assert_eq!(told(&plan, true, &all_done(&plan))[0].1, "terraform_plan");
    }

    #[test]
    fn a_status_is_judged_by_what_was_done() {
        assert_eq!(Ended::of(Status::Skipped, true, false), Ended::Done);
        assert_eq!(Ended::of(Status::Skipped, false, false), Ended::Passed);
        assert_eq!(Ended::of(Status::Succeeded, false, true), Ended::Passed);
        assert_eq!(Ended::of(Status::Cancelled, false, false), Ended::Bad);
        assert_eq!(
            LastStep::parse("ansible_apply"),
            Some(LastStep::AnsibleApply)
        );
        assert_eq!(LastStep::parse("profiles"), None);
    }

    proptest! {
        /// Whatever ends how and in which order: a stage with a bad step says
        /// nothing, and each is told at most once.
        #[test]
        fn a_failure_is_never_published(
            hows in prop::collection::vec(prop_oneof![
                Just(Ended::Done), Just(Ended::Passed), Just(Ended::Bad)], 15),
            order in Just((0usize..15).collect::<Vec<_>>()).prop_shuffle(),
            dry_run in any::<bool>(),
        ) {
            let plan = up();
            let ends: Vec<(&str, Ended)> = order
                .iter()
                .map(|i| (plan.steps[*i].id.as_str(), hows[*i]))
                .collect();
            let told = told(&plan, dry_run, &ends);
            let mut seen = BTreeSet::new();
            for (_, what) in &told {
                prop_assert!(seen.insert(*what));
            }
            let bad = |prefix: &str| ends.iter().any(|(step, how)| {
                step.starts_with(prefix) && *how == Ended::Bad && *step != "l4/own" && !step.ends_with("reachable")
            });
            prop_assert!(!bad("l0/") || !seen.contains("proxmox_access"));
            prop_assert!(!bad("l1/") || !seen.contains("templates"));
            prop_assert!(!bad("l2/") || !(seen.contains("terraform_plan") || seen.contains("terraform_apply")));
            prop_assert!(!bad("l4/") || !(seen.contains("ansible_check") || seen.contains("ansible_apply")));
        }
    }
}
