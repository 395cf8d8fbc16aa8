//! `hl` killed with SIGKILL in the middle of a rehearsed five-layer lab, after
//! this or that journaled step transition, and resumed: the end is that of a
//! run that nobody disturbed. There is no hook in the product: the run file is
//! watched from outside.
//!
//! `scripts/kill-every` does it after every transition.

mod cut;
mod end;
mod manifest;
mod stage;

use std::sync::OnceLock;
use std::time::Duration;

use cut::Cut;
use end::End;
use rstest::rstest;
use stage::Stage;

use crate::e2e::ready;
use crate::support::Numbers;

/// About as long as the longest child works, in milliseconds.
const LONGEST: u64 = 4000;

const PROGRAMS: [&str; 5] = [
    "packer",
    "tofu",
    "ansible-playbook",
    "unshare",
    "ssh-keygen",
];

/// A run that nobody disturbs: how it ends, and its transitions in order.
fn unbroken() -> (End, Vec<String>) {
    let stage = Stage::new();
    stage.hl("rehearse").exits(0);
    (End::of(&stage), stage.transitions())
}

/// Kills a run there, resumes it, and compares. Gives what was cut, for people;
/// `None` when the run was over before.
fn survives(cut: &Cut, unbroken: &End) -> Option<String> {
    let stage = Stage::new();
    let before = cut.make(&stage)?;
    let done = stage.transitions();
    let at = format!("{cut}, {} transitions: {}", done.len(), done.last()?);
    let resumed = stage.hl("rehearse resume").run();
    assert_eq!(resumed.code, 0, "{at}\n{}", resumed.stderr);
    let after = stage.run_file();
    assert!(after.starts_with(&before), "{at}: events were lost");
    let found = End::of(&stage);
    assert!(
        found == *unbroken,
        "{at}\n{}\n--- after the resume\n{found:#?}\n--- unbroken\n{unbroken:#?}",
        resumed.stderr
    );
    Some(at)
}

/// The steps that are killed in the middle of their work.
const WORK: [&str; 4] = [
    "l1-ensure/build",
    "l2-apply/apply",
    "l3-converge/converge",
    "l4-converge/converge",
];

/// Each of them at a random moment.
fn middles() -> [Cut; 4] {
    let mut numbers = Numbers::new("HL_KILL_SEED");
    WORK.map(|step| Cut::Middle(step, Duration::from_millis(numbers.below(LONGEST))))
}

/// The run that the tests of this process compare theirs with.
fn model() -> &'static (End, Vec<String>) {
    static MODEL: OnceLock<(End, Vec<String>)> = OnceLock::new();
    MODEL.get_or_init(unbroken)
}

/// One test each, so that they run beside one another.
#[rstest]
#[case::early(|_| Cut::After(2))]
#[case::behind_the_build(|_| Cut::Finished("l1-ensure/build"))]
#[case::behind_the_plan(|_| Cut::Finished("l2-apply/plan"))]
#[case::before_a_playbook(|_| Cut::Finished("l4-converge/reachable"))]
#[case::at_the_end(Cut::After)]
#[case::in_the_build(|_| middle("l1-ensure/build"))]
#[case::in_the_apply(|_| middle("l2-apply/apply"))]
#[case::in_the_system(|_| middle("l3-converge/converge"))]
#[case::in_the_workload(|_| middle("l4-converge/converge"))]
fn a_killed_rehearsal_comes_to_the_same_end(#[case] cut: fn(usize) -> Cut) {
    if !ready(true, &PROGRAMS) {
        return;
    }
    let (end, transitions) = model();
    let cut = cut(transitions.len());
    let at = survives(&cut, end);
    println!("{}", at.unwrap_or_else(|| format!("{cut}: over before")));
}

fn middle(step: &str) -> Cut {
    let is_of = |cut: &Cut| matches!(cut, Cut::Middle(of, _) if *of == step);
    middles().into_iter().find(is_of).unwrap()
}

/// Every transition. It takes the better part of an hour: `scripts/kill-every`.
#[test]
#[ignore = "takes the better part of an hour"]
fn after_every_transition() {
    assert!(ready(true, &PROGRAMS), "the tools and root are needed");
    let (end, transitions) = unbroken();
    println!("unbroken: {} transitions", transitions.len());
    let number = |name: &str| std::env::var(name).ok()?.parse::<usize>().ok();
    let from = number("HL_KILL_FROM").unwrap_or(1);
    let to = number("HL_KILL_TO").unwrap_or(transitions.len());
    let mut over = 0;
    for k in from..=to {
        match survives(&Cut::After(k), &end) {
            Some(at) => println!("ok {at}"),
            None => over += 1,
        }
    }
    for cut in middles() {
        match survives(&cut, &end) {
            Some(at) => println!("ok {at}"),
            None => over += 1,
        }
    }
    println!("{over} runs were over before they were killed");
}
