//! Ctrl-C once, twice, three times; SIGTERM and its like. Real processes.

use hl::base::Process;
use hl::plan::{Event, EventKind, Outcome, Plan, Status, Step};
use hl::runs::{Ending, read};
use rustix::process::Signal;

use super::stage::{RUN, Stage, until};
use super::support::{lines, plan, script};

/// Says which signals it gets, and ends by itself when it is released.
const HEARS: &str = "trap 'echo INT' INT; trap 'echo TERM' TERM; echo ready; \
    until [ -e released ]; do sleep 0.05; done; echo whole";

fn precious(id: &str, text: &str) -> Step {
    let mut step = script(id, text, &[]);
    step.with.insert("takes_sigterm".to_owned(), false.into());
    step
}

fn count(events: &[Event], wanted: &str) -> usize {
    lines(events).iter().filter(|line| *line == wanted).count()
}

fn ends(events: &[Event]) -> Vec<(String, Status)> {
    events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::StepFinished(end) => Some((event.step.as_ref()?.to_string(), end.status)),
            _ => None,
        })
        .collect()
}

fn finish(stage: &Stage) -> Ending {
    read(&stage.lab.paths.runs().join(format!("{RUN}.yaml")))
        .unwrap()
        .ending
}

#[test]
fn one_ctrl_c_is_one_sigint_and_cleaning_up_still_runs() {
    let mut last = script("last", "echo cleaned", &[]);
    last.finally = true;
    let next = script("next", "echo no", &["long"]);
    let mut stage = Stage::play(&plan([precious("long", HEARS), next, last]));
    stage.until_line("ready");
    let message = stage.interrupt(Signal::INT);
    assert!(
        message.contains("`sh`") && message.contains("up to 10s"),
        "{message}"
    );
    stage.until_line("INT");
    stage.release();
    let (result, events) = stage.end();
    assert_eq!(result, "130 Cancelled");
    assert_eq!((count(&events, "INT"), count(&events, "TERM")), (1, 0));
    assert_eq!((count(&events, "whole"), count(&events, "cleaned")), (1, 1));
    let wanted = [
        ("r/next".to_owned(), Status::Cancelled),
        ("r/long".to_owned(), Status::Cancelled),
        ("r/last".to_owned(), Status::Succeeded),
    ];
    assert_eq!(ends(&events), wanted);
    let ending = finish(&stage);
    assert!(
        matches!(
            ending,
            Ending::Finished {
                outcome: Outcome::Cancelled,
                exit: 130,
                ..
            }
        ),
        "{ending:?}"
    );
}

#[test]
fn a_second_ctrl_c_never_reaches_who_would_lose_its_work() {
    let mut stage = Stage::play(&plan([
        precious("tofu", HEARS),
        script("packer", HEARS, &[]),
    ]));
    until(|| (count(&stage.events(), "ready") == 2).then_some(()));
    stage.interrupt(Signal::INT);
    until(|| (count(&stage.events(), "INT") == 2).then_some(()));
    let message = stage.interrupt(Signal::INT);
    assert!(message.contains("a third Ctrl-C kills `sh`"), "{message}");
    assert!(message.contains("is in no state"), "{message}");
    stage.until_line("TERM");
    stage.release();
    let (result, events) = stage.end();
    assert_eq!(result, "130 Cancelled");
    assert_eq!((count(&events, "INT"), count(&events, "TERM")), (2, 1));
    let by = |step: &str| -> Vec<String> {
        let own = events
            .iter()
            .filter(|e| e.step.as_ref().is_some_and(|s| s.as_str() == step));
        lines(&own.cloned().collect::<Vec<_>>())
    };
    assert_eq!(by("r/tofu"), ["ready", "INT", "whole"]);
    assert_eq!(by("r/packer")[..3], ["ready", "INT", "TERM"]);
}

#[test]
fn a_third_ctrl_c_kills_the_whole_group() {
    let deaf = "trap '' INT TERM; sleep 60 & echo $!; wait; sleep 60";
    let mut last = script("last", "echo cleaned", &[]);
    last.finally = true;
    let mut stage = Stage::play(&plan([precious("deaf", deaf), last]));
    let grandchild: u32 = stage.until(|event| match &event.kind {
        EventKind::Output { line, .. } => line.parse().ok(),
        _ => None,
    });
    let grandchild = Process::of(grandchild).unwrap();
    for _ in 0..2 {
        stage.interrupt(Signal::INT);
        assert!(grandchild.is_alive());
    }
    let message = stage.interrupt(Signal::INT);
    assert!(message.starts_with("killed `sh`"), "{message}");
    let (result, events) = stage.end();
    assert_eq!(
        (result.as_str(), count(&events, "cleaned")),
        ("130 Cancelled", 0)
    );
    until(|| (!grandchild.is_alive()).then_some(()));
}

#[test]
fn sigterm_and_its_like_stop_once_and_never_escalate() {
    for signal in [
        Signal::TERM,
        Signal::HUP,
        Signal::QUIT,
        Signal::ALARM,
        Signal::USR1,
        Signal::USR2,
    ] {
        let mut long = script("long", HEARS, &[]);
        // Longer than a busy machine takes: after it a SIGTERM would be right.
        long.with.insert("grace_ms".to_owned(), 300_000.into());
        let mut stage = Stage::play(&plan([long]));
        stage.until_line("ready");
        stage.interrupt(signal);
        stage.until_line("INT");
        stage.signal(signal);
        stage.signal(Signal::TERM);
        // One that was passed on would arrive in that time.
        std::thread::sleep(std::time::Duration::from_millis(300));
        stage.release();
        let (result, events) = stage.end();
        assert_eq!(result, "143 Cancelled");
        assert_eq!((count(&events, "INT"), count(&events, "TERM")), (1, 0));
    }
}

#[test]
fn a_waiting_retry_is_not_waited_for() {
    use hl::plan::{Retry, RetryOn};
    let mut flaky = script("flaky", "exit 1", &[]);
    flaky.retry = Some(Retry {
        times: 3,
        backoff_seconds: 60,
        on: RetryOn::Any,
    });
    let mut stage = Stage::play(&Plan::new("r", vec![flaky]));
    stage.until(|event| matches!(event.kind, EventKind::StepRetried { .. }).then_some(()));
    let message = stage.interrupt(Signal::INT);
    assert!(message.contains("step `r/flaky`"), "{message}");
    let (result, events) = stage.end();
    assert_eq!(result, "130 Cancelled");
    assert_eq!(ends(&events), [("r/flaky".to_owned(), Status::Cancelled)]);
}

#[test]
fn who_asks_the_terminal_gets_none_and_does_not_wait_for_it() {
    let asks = script(
        "asks",
        "echo ready; read answer < /dev/tty || echo there is none",
        &[],
    );
    let (mut stage, _terminal) = Stage::play_on_terminal(&plan([asks]));
    stage.until_line("there is none");
    let (result, _) = stage.end();
    assert_eq!(result, "0 Succeeded");
}

#[test]
fn what_was_ignored_at_the_start_stays_ignored_and_children_still_hear() {
    use hl::plan::Timeout;
    let mut long = script("long", HEARS, &[]);
    // After the shell is ready, also on a busy machine.
    long.timeout_seconds = Some(Timeout(5));
    let mut stage = Stage::play_ignoring(&plan([long]), "INT HUP");
    stage.until_line("ready");
    stage.signal(Signal::HUP);
    stage.signal(Signal::INT);
    stage.until_line("INT");
    stage.release();
    let (result, events) = stage.end();
    // Only the timeout interrupted it.
    assert_eq!((result.as_str(), count(&events, "INT")), ("124 Failed", 1));
}

#[test]
fn after_a_run_a_signal_ends_the_process_as_ever() {
    let mut stage = Stage::play_and_linger(&plan([script("quick", "true", &[])]));
    until(|| stage.lab.paths.root().join("result").exists().then_some(()));
    stage.signal(Signal::INT);
    stage.end();
}
