//! `hl` killed with SIGKILL in the middle of a rehearsed five-layer lab, after
//! this or that journaled step transition, and resumed: the end is that of a
//! run that nobody disturbed. There is no hook in the product: the run file is
//! watched from outside.
//!
//! `scripts/kill-every` does it after every transition.

mod cut;
mod end;
mod stage;

use std::time::Duration;

use cut::Cut;
use end::End;
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

/// In the build, the apply and both playbooks, at random moments.
fn middles() -> impl Iterator<Item = Cut> {
    let mut numbers = Numbers::new("HL_KILL_SEED");
    let steps = [
        "l1-ensure/build",
        "l2-apply/apply",
        "l3-converge/converge",
        "l4-converge/converge",
    ];
    steps.into_iter().map(move |step| {
        let after = Duration::from_millis(numbers.below(LONGEST));
        Cut::Middle(step, after)
    })
}

#[test]
fn a_killed_rehearsal_comes_to_the_same_end() {
    if !ready(true, &PROGRAMS) {
        return;
    }
    let (end, transitions) = unbroken();
    let last = transitions.len();
    let cuts = [
        Cut::After(2),
        Cut::Finished("l1-ensure/build"),
        Cut::Finished("l2-apply/plan"),
        Cut::Finished("l4-converge/reachable"),
        Cut::After(last),
    ];
    for cut in cuts.into_iter().chain(middles()) {
        let at = survives(&cut, &end);
        println!("{}", at.unwrap_or_else(|| format!("{cut}: over before")));
    }
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
