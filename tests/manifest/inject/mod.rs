//! A failure of every step, before, in the middle of and after its effect, in each mode
//! of `on_error`: eight machines, with the engine, the journal and the simulator as they
//! are, and tofu, ssh and ansible as doubles that do their calls against the simulator.
//!
//! By itself a test takes some cases by chance; `HL_TEST_EVERY=1` takes all of them
//! (`scripts/proof manifests`).

mod doubles;
mod room;
mod wrapped;

use hl::diag::Exit;
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

const WHENS: [When; 3] = [When::Before, When::Middle, When::After];
const MODES: [OnFailure; 3] = [OnFailure::Stop, OnFailure::Continue, OnFailure::Rollback];

/// How many cases are taken by chance.
const CASES: u32 = 12;

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
    let steps = room.steps();
    assert!(steps.len() > 10 * NODES, "{steps:?}");
    let judge = |step: usize, when: usize, mode: usize| {
        let fault = Fault {
            step: steps[step].clone(),
            when: WHENS[when],
        };
        let mode = MODES[mode];
        room.begin();
        let before = room.world();
        let failed = room.create(mode, std::slice::from_ref(&fault));
        assert_eq!(failed.outcome, Outcome::Failed, "{fault:?} {mode:?}");
        match mode {
            OnFailure::Rollback => {
                assert_eq!(room.world(), before, "{fault:?} {mode:?}");
                assert_eq!(room.states(), [] as [String; 0], "{fault:?} {mode:?}");
            }
            OnFailure::Stop | OnFailure::Continue => {
                if mode == OnFailure::Continue {
                    // All but the one that failed are as the manifest says; none is where
                    // nothing began.
                    let guard = fault.step == "create/approve";
                    let wanted = if guard { 0 } else { NODES - 1 };
                    let done = failed.completed.len();
                    assert_eq!(done, wanted, "{fault:?}: {:?}", failed.completed);
                }
                let resumed = room.resume(&failed.id);
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
            for step in 0..steps.len() {
                for when in 0..WHENS.len() {
                    judge(step, when, mode);
                }
            }
        }
        return;
    }
    let mut runner = TestRunner::new(Config::with_cases(CASES));
    let all = (0..steps.len(), 0..WHENS.len(), 0..MODES.len());
    let result = runner.run(&all, |(step, when, mode)| {
        judge(step, when, mode);
        Ok(())
    });
    result.unwrap();
}

fn at(step: &str, when: When) -> Fault {
    Fault {
        step: step.to_owned(),
        when,
    }
}

/// A machine that fits by id and name and is not of this run stays, and so does the state
/// of one that the node does not have any more.
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
    room.create(OnFailure::Stop, &[]);
    let made = room.world();
    // Everything is there: the next run makes nothing, and undoes nothing.
    let failed = room.create(OnFailure::Rollback, &[at("n4/converge", When::Before)]);
    assert_eq!(failed.outcome, Outcome::Failed);
    assert_eq!(room.world(), made);
    assert_eq!(room.states().len(), NODES);
    room.lose(7001);
    let failed = room.create(OnFailure::Rollback, &[]);
    assert_eq!(failed.outcome, Outcome::Failed);
    assert_eq!(room.machines().len(), NODES - 1);
    assert_eq!(room.states().len(), NODES);
}

/// A run that was rolled back and is resumed makes machines anew, and converges all.
#[test]
fn a_rollback_can_be_resumed() {
    if !is_sealed("manifest::inject::a_rollback_can_be_resumed", "unshare") {
        return;
    }
    let room = Room::new();
    let whole = room.unbroken();
    room.begin();
    let before = room.world();
    let failed = room.create(OnFailure::Rollback, &[at("n7/clean", When::Before)]);
    assert_eq!(failed.outcome, Outcome::Failed);
    // Also what the container was unpacked from is gone, which the node had downloaded.
    assert_eq!(room.world(), before);
    room.converged();
    let resumed = room.resume(&failed.id);
    assert_eq!(resumed.outcome, Outcome::Succeeded, "{:?}", resumed.errors);
    assert_eq!(room.end(), whole);
    assert_eq!(room.converged(), ["n0", "n2", "n4", "n6"]);
}

/// An undo that fails is named with what it left, and does not stop the others.
#[test]
fn an_undo_that_fails_is_told() {
    if !is_sealed("manifest::inject::an_undo_that_fails_is_told", "unshare") {
        return;
    }
    let room = Room::new();
    room.begin();
    let faults = [at("n4/converge", When::Before), at("n2/undo", When::Before)];
    let failed = room.create(OnFailure::Rollback, &faults);
    assert_eq!(failed.outcome, Outcome::Failed);
    let undo = failed.errors.iter().filter(|e| e.starts_with("n2/undo: "));
    assert_eq!(undo.count(), 1, "{:?}", failed.errors);
    // What had been made of it, at the most that one.
    assert!(room.machines().iter().all(|id| *id == 7002));
    assert!(room.states().iter().all(|key| key == "eight/pve/n2"));
}

/// A test that is refused begins nothing and takes nothing away, in each mode.
#[test]
fn a_test_that_is_refused_leaves_everything() {
    if !is_sealed(
        "manifest::inject::a_test_that_is_refused_leaves_everything",
        "unshare",
    ) {
        return;
    }
    let room = Room::new();
    room.begin();
    room.create(OnFailure::Stop, &[]);
    room.lose(7001);
    let before = (room.world(), room.states(), room.records());
    for mode in MODES {
        let refused = room.test(mode);
        assert_eq!(refused.exit, Exit::NotApproved, "{:?}", refused.errors);
        let [refusal] = refused.errors.as_slice() else {
            panic!("{:?}", refused.errors);
        };
        assert!(refusal.starts_with("test/empty: "), "{refusal}");
        let now = (room.world(), room.states(), room.records());
        assert_eq!(now, before, "{mode:?}");
    }
}
