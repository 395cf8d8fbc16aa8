//! Which step may start, and which never will: pure bookkeeping.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{self, Course, CourseEvent, FinallyWhen, OnFailure, Plan, Status, StepId};
use crate::plan::{dependents, references};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Ended(Status),
}

#[derive(Debug)]
struct Item {
    id: StepId,
    needs: Vec<usize>,
    /// How many of `needs` have not ended.
    unmet: usize,
    finally: bool,
    finally_when: FinallyWhen,
    guard: bool,
    /// The recipe whose other steps go on when this one fails.
    continues: Option<String>,
    state: State,
    /// What to say of its end: `failed`, `was not approved`.
    how: &'static str,
    /// For a blocked step, the one that is to blame in the end.
    culprit: Option<usize>,
}

/// A step that will not start any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WontStart {
    pub(super) index: usize,
    pub(super) status: Status,
    pub(super) reason: String,
}

/// The state of every step. An event costs as much as the steps that depend on
/// it, and not as much as the plan.
#[derive(Debug)]
pub(super) struct Board {
    items: Vec<Item>,
    /// For each step, those that need it.
    dependents: Vec<Vec<usize>>,
    /// Waiting steps whose needs have all ended, but `finally` ones.
    ready: BTreeSet<usize>,
    /// The same for `finally` steps, which wait for all others besides.
    ready_at_end: BTreeSet<usize>,
    /// Waiting steps that may never start; [`Board::settle`] decides.
    doubtful: BTreeSet<usize>,
    /// Steps that have not ended: all, and all but `finally` ones.
    open: usize,
    main_open: usize,
    mode: OnFailure,
    /// Where the run stands as a whole: it decides what starts.
    course: Course,
    /// The first failure of each recipe that goes on, and (`None`) of all
    /// others: nothing outside of that recipe starts but `finally` steps.
    failures: BTreeMap<Option<String>, usize>,
    /// Why nothing new starts, when the run was stopped.
    why: String,
}

impl Board {
    /// All steps waiting. The plan has been [`checked`](super::run).
    pub(super) fn new(plan: &Plan, keep_going: bool) -> Self {
        let needs = plan::needs(plan, needs);
        let dependents = dependents(&needs);
        let steps = plan.steps.iter().zip(needs);
        let items: Vec<Item> = steps
            .map(|(step, needs)| Item {
                id: step.id.clone(),
                unmet: needs.len(),
                needs,
                finally: step.finally,
                finally_when: step.finally_when,
                guard: step.is_guard(),
                continues: step.continues.clone(),
                state: State::Waiting,
                how: "",
                culprit: None,
            })
            .collect();
        let mut board = Self {
            dependents,
            ready: BTreeSet::new(),
            ready_at_end: BTreeSet::new(),
            doubtful: BTreeSet::new(),
            open: items.len(),
            main_open: items.iter().filter(|item| !item.finally).count(),
            items,
            mode: match plan.on_failure {
                OnFailure::Stop if keep_going => OnFailure::Continue,
                mode @ (OnFailure::Stop | OnFailure::Continue | OnFailure::Rollback) => mode,
            },
            course: Course::default(),
            failures: BTreeMap::new(),
            why: String::new(),
        };
        for index in 0..board.items.len() {
            board.note_if_ready(index);
        }
        board.doubt_the_end();
        board
    }

    /// The first step, as written, that may start now. Call
    /// [`Board::settle`] before.
    pub(super) fn ready(&self) -> Option<usize> {
        let at_end = self.ready_at_end.first().filter(|_| self.main_open == 0);
        self.ready.first().or(at_end).copied()
    }

    /// A step starts.
    pub(super) fn start(&mut self, index: usize) {
        self.items[index].state = State::Running;
        self.ready.remove(&index);
        self.ready_at_end.remove(&index);
    }

    /// A step that had started ended. `how` completes "which ...".
    pub(super) fn end(&mut self, index: usize, status: Status, how: &'static str) {
        let item = &self.items[index];
        if !item.finally && !fulfils(status) {
            let event = if item.guard {
                CourseEvent::Refused
            } else if status == Status::Cancelled {
                CourseEvent::Cancelled
            } else {
                CourseEvent::Failed
            };
            self.course = self.course.next(self.mode, event);
        }
        self.ended(index, status, how);
        if !self.items[index].finally && !fulfils(status) && self.mode != OnFailure::Continue {
            self.failed(index);
        }
    }

    /// The run is stopped, once or (`hard`) again; the first `why` stays.
    pub(super) fn stop(&mut self, hard: bool, why: &str) {
        if self.why.is_empty() {
            why.clone_into(&mut self.why);
        }
        let event = if hard {
            CourseEvent::StopNow
        } else {
            CourseEvent::Stop
        };
        self.course = self.course.next(self.mode, event);
        self.doubtful = (0..self.items.len()).collect();
    }

    /// Ends every step that will never start, in the plan's order as far as
    /// one does not follow from another.
    pub(super) fn settle(&mut self) -> Vec<WontStart> {
        let mut settled = Vec::new();
        while let Some(index) = self.doubtful.pop_first() {
            if let Some(never) = self.wont_start(index) {
                self.ended(index, never.status, "was not started");
                settled.push(never);
            }
        }
        settled
    }

    /// Every step has ended.
    pub(super) fn is_over(&self) -> bool {
        self.open == 0
    }

    /// Marks the end of a step, and looks at those that need it.
    fn ended(&mut self, index: usize, status: Status, how: &'static str) {
        let item = &mut self.items[index];
        item.state = State::Ended(status);
        item.how = how;
        self.open -= 1;
        self.main_open -= usize::from(!item.finally);
        if !item.finally {
            self.doubt_the_end();
        }
        self.ready.remove(&index);
        self.ready_at_end.remove(&index);
        for dependent in std::mem::take(&mut self.dependents[index]) {
            self.items[dependent].unmet -= 1;
            self.note_if_ready(dependent);
            if !fulfils(status) {
                self.doubtful.insert(dependent);
            }
        }
    }

    fn note_if_ready(&mut self, index: usize) {
        let item = &self.items[index];
        if item.unmet == 0 && item.state == State::Waiting {
            let ready = if item.finally {
                &mut self.ready_at_end
            } else {
                &mut self.ready
            };
            ready.insert(index);
        }
    }

    /// Once all others have ended it is known which steps of the end run.
    fn doubt_the_end(&mut self) {
        if self.main_open == 0 {
            let items = self.items.iter().enumerate();
            let at_end = items.filter(|(_, item)| item.finally);
            self.doubtful.extend(at_end.map(|(index, _)| index));
        }
    }

    /// Stops all that does not go on after this failure. A second one of the
    /// same recipe stops nothing more.
    fn failed(&mut self, index: usize) {
        let recipe = self.items[index].continues.clone();
        if let Entry::Vacant(first) = self.failures.entry(recipe) {
            first.insert(index);
            self.doubtful = (0..self.items.len()).collect();
        }
    }

    fn wont_start(&mut self, index: usize) -> Option<WontStart> {
        let item = &self.items[index];
        if item.state != State::Waiting {
            return None;
        }
        let never = |status, reason| {
            Some(WontStart {
                index,
                status,
                reason,
            })
        };
        let stopped = match self.course {
            Course::Over => true,
            Course::Stopped => !item.finally,
            Course::Forward
            | Course::Refused
            | Course::Barred
            | Course::Damaged
            | Course::Halting
            | Course::Undoing => false,
        };
        if stopped {
            return never(Status::Cancelled, format!("{} before it started", self.why));
        }
        if item.finally {
            let when = item.finally_when;
            let known = self.main_open == 0 && !self.course.ends_with(when);
            return known
                .then(|| self.course.why_not(when).to_owned())
                .and_then(|why| never(Status::Skipped, why));
        }
        let bad = item.needs.iter().copied().find(
            |need| matches!(self.items[*need].state, State::Ended(status) if !fulfils(status)),
        );
        if let Some(bad) = bad {
            let need = &self.items[bad];
            let root = need.culprit.unwrap_or(bad);
            let culprit = &self.items[root];
            let reason = if root == bad {
                format!("needs `{}`, which {}", need.id, need.how)
            } else {
                format!(
                    "needs `{}`, blocked by `{}`, which {}",
                    need.id, culprit.id, culprit.how
                )
            };
            self.items[index].culprit = Some(root);
            return never(Status::Blocked, reason);
        }
        // In a recipe that goes on, its own failures stop only what needs them.
        let stops = |recipe: &Option<String>| recipe.is_none() || *recipe != item.continues;
        let mut failures = self.failures.iter().filter(|_| !self.course.starts());
        let culprit = failures.find(|(recipe, _)| stops(recipe));
        if let Some((_, &culprit)) = culprit {
            let culprit_item = &self.items[culprit];
            let reason = format!(
                "not started, because `{}` {}",
                culprit_item.id, culprit_item.how
            );
            self.items[index].culprit = Some(culprit);
            return never(Status::Blocked, reason);
        }
        None
    }
}

/// What a step waits for: what it says it needs, and the steps whose values it
/// uses.
pub(super) fn needs(step: &plan::Step) -> BTreeSet<StepId> {
    let mut needs: BTreeSet<StepId> = step.needs.iter().cloned().collect();
    needs.extend(uses(step));
    needs
}

/// The steps whose values a step uses.
pub(super) fn uses(step: &plan::Step) -> BTreeSet<StepId> {
    let when = step.when.clone().map(serde_json::Value::String);
    let values = step.with.values().chain(when.as_ref());
    values
        .flat_map(|value| references(value).into_iter().map(|(id, _)| id))
        .collect()
}

/// Whether a step that ended so lets those that need it start.
fn fulfils(status: Status) -> bool {
    match status {
        Status::Succeeded | Status::Skipped | Status::NotPlanned => true,
        Status::Failed | Status::Blocked | Status::Cancelled => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Step;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    struct Case {
        steps: Vec<(Vec<usize>, bool, Status)>,
        /// The recipe that each step goes on with.
        continues: Vec<Option<u8>>,
        jobs: usize,
        keep_going: bool,
        stop_after: Option<usize>,
    }

    fn cases() -> impl Strategy<Value = Case> {
        let status = prop_oneof![
            4 => Just(Status::Succeeded),
            1 => Just(Status::Skipped),
            1 => Just(Status::NotPlanned),
            2 => Just(Status::Failed),
        ];
        let step = (
            prop::collection::vec(0usize..10, 0..3),
            prop::bool::weighted(0.15),
            status,
        );
        (
            prop::collection::vec(step, 1..10),
            prop::collection::vec(prop::option::of(0u8..2), 10),
            1usize..4,
            any::<bool>(),
            prop::option::of(0usize..10),
        )
            .prop_map(|(mut steps, continues, jobs, keep_going, stop_after)| {
                for i in 0..steps.len() {
                    // Needs point backwards, and nothing needs a finally step but another.
                    let finally: Vec<bool> = steps.iter().map(|s| s.1).collect();
                    let own = finally[i];
                    steps[i].0.retain(|n| *n < i && (own || !finally[*n]));
                }
                Case {
                    steps,
                    continues,
                    jobs,
                    keep_going,
                    stop_after,
                }
            })
    }

    fn plan(case: &Case) -> Plan {
        let steps = case
            .steps
            .iter()
            .enumerate()
            .map(|(i, (needs, finally, _))| {
                let mut step = Step::new(format!("r/{i}"), "fake");
                step.needs = needs
                    .iter()
                    .map(|n| StepId::from(format!("r/{n}")))
                    .collect();
                step.finally = *finally;
                step.continues = case.continues[i].map(|recipe| recipe.to_string());
                step
            });
        Plan::new("r", steps.collect())
    }

    /// Plays a case; gives the end of every step and what was started in which order.
    fn play(case: &Case) -> (Vec<(Status, String)>, Vec<usize>) {
        let plan = plan(case);
        let mut board = Board::new(&plan, case.keep_going);
        let mut ends = vec![None; plan.steps.len()];
        let (mut started, mut running, mut finished) = (Vec::new(), Vec::new(), 0);
        loop {
            for never in board.settle() {
                assert!(ends[never.index].is_none());
                ends[never.index] = Some((never.status, never.reason));
            }
            while running.len() < case.jobs
                && let Some(next) = board.ready()
            {
                for need in &case.steps[next].0 {
                    assert!(
                        ends[*need].is_some(),
                        "{next} started before its need {need}"
                    );
                }
                board.start(next);
                running.push(next);
                started.push(next);
            }
            if board.is_over() {
                break;
            }
            assert!(!running.is_empty(), "stuck: {board:?}");
            let done = running.remove(0);
            let status = case.steps[done].2;
            board.end(done, status, "failed");
            ends[done] = Some((status, String::new()));
            finished += 1;
            if case.stop_after == Some(finished) {
                board.stop(false, "the run was stopped");
            }
        }
        (ends.into_iter().map(Option::unwrap).collect(), started)
    }

    proptest! {
        #[test]
        fn every_step_ends_and_finally_always_runs(case in cases()) {
            let (ends, started) = play(&case);
            for (i, (needs, finally, _)) in case.steps.iter().enumerate() {
                if *finally {
                    prop_assert!(started.contains(&i));
                }
                let unmet = needs.iter().any(|n| !fulfils(ends[*n].0));
                if !*finally && unmet {
                    prop_assert!(!started.contains(&i));
                    prop_assert!(matches!(ends[i].0, Status::Blocked | Status::Cancelled));
                }
                if case.keep_going && case.stop_after.is_none() && !unmet {
                    prop_assert!(started.contains(&i), "{} could have run", i);
                }
                if ends[i].0 == Status::Blocked {
                    prop_assert!(ends[i].1.contains("failed"), "{}", ends[i].1);
                }
            }
        }

        #[test]
        fn a_failure_stops_all_but_the_recipe_that_goes_on(mut case in cases()) {
            (case.keep_going, case.stop_after) = (false, None);
            let (ends, started) = play(&case);
            let recipe = |i: usize| case.continues[i];
            let failed = |f: usize| ends[f].0 == Status::Failed && !case.steps[f].1;
            for (i, (needs, finally, _)) in case.steps.iter().enumerate() {
                let outside = |f: usize| recipe(f).is_none() || recipe(f) != recipe(i);
                let unmet = needs.iter().any(|n| !fulfils(ends[*n].0));
                let stopped = (0..ends.len()).any(|f| failed(f) && outside(f));
                if !*finally && !unmet && !stopped {
                    prop_assert!(started.contains(&i), "{} could have run", i);
                }
                // With one job, what comes behind a failure is not started.
                let at = |step: usize| started.iter().position(|s| *s == step);
                if let (1, false, Some(own)) = (case.jobs, finally, at(i)) {
                    let earlier = (0..ends.len()).filter(|f| at(*f).is_some_and(|at| at < own));
                    for other in earlier {
                        prop_assert!(!failed(other) || !outside(other), "{} after {}", i, other);
                    }
                }
            }
        }

        #[test]
        fn one_job_without_failures_runs_everything_in_order(mut case in cases()) {
            case.jobs = 1;
            case.stop_after = None;
            for step in &mut case.steps {
                step.2 = Status::Succeeded;
                step.1 = false;
                step.0.clear();
            }
            let (_, started) = play(&case);
            prop_assert_eq!(started, (0..case.steps.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn reasons_name_the_culprit() {
        let case = Case {
            steps: vec![
                (vec![], false, Status::Failed),
                (vec![0], false, Status::Succeeded),
                (vec![1], false, Status::Succeeded),
                (vec![], false, Status::Succeeded),
            ],
            continues: vec![None; 4],
            jobs: 1,
            keep_going: false,
            stop_after: None,
        };
        let reasons: Vec<String> = play(&case).0.into_iter().map(|e| e.1).collect();
        assert_eq!(
            reasons,
            [
                "",
                "needs `r/0`, which failed",
                "needs `r/1`, blocked by `r/0`, which failed",
                "not started, because `r/0` failed",
            ]
        );
    }

    #[test]
    fn a_value_that_is_used_is_a_need() {
        let mut user = Step::new("r/b", "fake");
        user.with.insert("x".to_owned(), "${steps.r/a.file}".into());
        user.when = Some("${steps.r/c.there}".to_owned());
        assert_eq!(needs(&user), ["r/a", "r/c"].map(StepId::from).into());
    }
}
