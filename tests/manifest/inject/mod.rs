//! A failure of every step, before, in the middle of and after its effect, in each mode
//! of `on_error`: eight machines, with the engine, the journal and the simulator as they
//! are, and tofu, ssh and ansible as doubles that do their calls against the simulator.
//!
//! By itself a test takes some cases by chance; `HL_TEST_EVERY=1` takes all of them
//! (`scripts/proof manifests`).

mod doubles;
mod room;
mod wrapped;

use hl::plan::{OnFailure, Outcome};
use proptest::test_runner::{Config, TestRunner};

use self::room::{NODES, Room};
use crate::l2::stage::is_sealed;

/// When a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Nothing of it was done.
    Before,
    /// Its program was cut off in what it did.
    Middle,
    /// All of it was done, and nobody heard of it.
    After,
}

/// A step of a node that fails once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) step: String,
    pub(super) when: When,
}

const STEPS: [&str; 10] = [
    "init",
    "resolve",
    "clear",
    "plan",
    "apply",
    "start",
    "wait",
    "inventory",
    "ssh",
    "converge",
];
const WHENS: [When; 3] = [When::Before, When::Middle, When::After];
const MODES: [OnFailure; 3] = [OnFailure::Stop, OnFailure::Continue, OnFailure::Rollback];

/// How many cases are taken by chance.
const CASES: u32 = 12;

fn case(node: usize, step: usize, when: usize, mode: usize) -> (Fault, OnFailure) {
    // Only nodes with a spec are converged: each other one.
    let node = if STEPS[step] == "converge" {
        node & !1
    } else {
        node
    };
    let step = format!("n{node}/{}", STEPS[step]);
    let when = WHENS[when];
    (Fault { step, when }, MODES[mode])
}

#[test]
fn every_failure_ends_as_its_mode_says() {
    if !is_sealed(
        "manifest::inject::every_failure_ends_as_its_mode_says",
        "unshare",
    ) {
        return;
    }
    let room = Room::new();
    let whole = room.unbroken();
    let judge = |(fault, mode): (Fault, OnFailure)| {
        room.begin();
        let before = room.world();
        let failed = room.create(mode, Some(&fault));
        assert_eq!(failed.outcome, Outcome::Failed, "{fault:?} {mode:?}");
        match mode {
            OnFailure::Rollback => {
                assert_eq!(room.world(), before, "{fault:?} {mode:?}");
                assert_eq!(room.states(), [] as [String; 0], "{fault:?} {mode:?}");
            }
            OnFailure::Stop | OnFailure::Continue => {
                if mode == OnFailure::Continue {
                    // All but the one that failed are as the manifest says.
                    let done = failed.completed.len();
                    assert_eq!(done, NODES - 1, "{fault:?}: {:?}", failed.completed);
                }
                let resumed = room.resume(&failed.run);
                assert_eq!(
                    resumed.outcome,
                    Outcome::Succeeded,
                    "{fault:?} {mode:?}: {:?}",
                    resumed.errors
                );
                assert_eq!(room.end(), whole, "{fault:?} {mode:?}");
            }
        }
    };
    if std::env::var_os("HL_TEST_EVERY").is_some() {
        for mode in 0..MODES.len() {
            for step in 0..STEPS.len() {
                for when in 0..WHENS.len() {
                    for node in 0..NODES {
                        judge(case(node, step, when, mode));
                    }
                }
            }
        }
        return;
    }
    let mut runner = TestRunner::new(Config::with_cases(CASES));
    let all = (0..NODES, 0..STEPS.len(), 0..WHENS.len(), 0..MODES.len());
    let result = runner.run(&all, |(node, step, when, mode)| {
        judge(case(node, step, when, mode));
        Ok(())
    });
    result.unwrap();
}

/// A machine that fits by id and name and is not of this run stays.
#[test]
fn a_rollback_leaves_what_it_did_not_make() {
    if !is_sealed(
        "manifest::inject::a_rollback_leaves_what_it_did_not_make",
        "unshare",
    ) {
        return;
    }
    let room = Room::new();
    room.begin();
    room.create(OnFailure::Stop, None);
    let made = room.world();
    // Everything is there: the next run makes nothing, and undoes nothing.
    let fault = Fault {
        step: "n4/converge".to_owned(),
        when: When::Before,
    };
    let failed = room.create(OnFailure::Rollback, Some(&fault));
    assert_eq!(failed.outcome, Outcome::Failed);
    assert_eq!(room.world(), made);
    assert_eq!(room.states().len(), NODES);
}
