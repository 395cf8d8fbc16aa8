//! What the screen shows of runs, as it would be read.

use super::super::testing::{end_of, ended, event, info, over, plan, shown, started, watched};
use super::*;
use crate::plan::{Outcome, Status};

fn begun() -> Event {
    event(0, "", EventKind::RunStarted(info()))
}

fn note(step: &str, line: &str) -> Event {
    let kind = EventKind::Output {
        stream: Stream::Note,
        line: line.to_owned(),
    };
    event(0, step, kind)
}

fn talk(step: &str, line: &str) -> Event {
    let kind = EventKind::Output {
        stream: Stream::Stdout,
        line: line.to_owned(),
    };
    event(0, step, kind)
}

#[test]
fn a_run_is_told_line_by_line() {
    let plan = plan(&[
        "l0-runway/tls",
        "l1-ensure/check",
        "l1-ensure/build",
        "l1-ensure/publish",
    ]);
    let events = [
        begun(),
        started(0, "l0-runway/tls"),
        ended(
            10,
            "l0-runway/tls",
            Status::Succeeded,
            10,
            "the certificate is trusted",
        ),
        started(10, "l1-ensure/check"),
        talk("l1-ensure/check", "TASK OK"),
        ended(
            1210,
            "l1-ensure/check",
            Status::Succeeded,
            1200,
            "up to date: VM 101",
        ),
        ended(
            1210,
            "l1-ensure/build",
            Status::Skipped,
            0,
            "up to date: VM 101",
        ),
        ended(
            1210,
            "l1-ensure/publish",
            Status::Skipped,
            0,
            "up to date: VM 101",
        ),
        over(1210, Outcome::Succeeded, 0),
    ];
    insta::assert_snapshot!(shown(&plan, Mode::Steps, None, &events), @r"
             Running `up` as run 20260101-000000-abcd
             Checked         (1/4) l0-runway/tls  the certificate is trusted
                Done    1.2s (2/4) l1-ensure/check  up to date: VM 101
             Skipped         (4/4) l1-ensure: build, publish  up to date: VM 101
        ────────────
                  L0 cleared    0.0s  1 done
                  L1 ok         1.2s  1 done, 2 skipped
            Finished `up` in 1.2s: 2 done, 2 skipped
        ");
}

#[test]
fn a_failure_comes_last_with_what_helps_and_the_crowd_behind_it_is_short() {
    let plan = plan(&["l1-a/build", "l1-a/publish", "l2-b/plan", "l2-b/apply"]);
    let mut failed = ended(
        2000,
        "l1-a/build",
        Status::Failed,
        2000,
        "`packer build` exited with code 1",
    );
    let end = end_of(&mut failed);
    end.help.push("look at the console".to_owned());
    end.tail.push("no such\u{1b}[31m disk".to_owned());
    end.log = Some("state/logs/x/l1-a-build.log".to_owned());
    let events = [
        begun(),
        started(0, "l1-a/build"),
        failed,
        ended(
            2000,
            "l1-a/publish",
            Status::Blocked,
            0,
            "needs `l1-a/build`, which failed",
        ),
        ended(
            2000,
            "l2-b/plan",
            Status::Blocked,
            0,
            "needs `l1-a/publish`, blocked by `l1-a/build`, which failed",
        ),
        ended(
            2000,
            "l2-b/apply",
            Status::Blocked,
            0,
            "needs `l2-b/plan`, blocked by `l1-a/build`, which failed",
        ),
        over(2000, Outcome::Failed, 1),
    ];
    insta::assert_snapshot!(shown(&plan, Mode::Steps, None, &events), @r"
             Running `up` as run 20260101-000000-abcd
              Failed    2.0s (1/4) l1-a/build  `packer build` exited with code 1
             Blocked               l1-a/publish  needs `l1-a/build`, which failed
             Blocked               l2-b: plan, apply  needs `l1-a/publish`, blocked by `l1-a/build`, which failed

        error: step `l1-a/build` failed after 2.0s: `packer build` exited with code 1
          | no such disk
          = help: look at the console
          = note: full log: state/logs/x/l1-a-build.log
          = help: then run `hl up` again
        ────────────
                  L1 failed         2.0s  1 failed, 1 not run
                  L2 not reached          2 not run
              Failed `up` in 2.0s: 1 failed, 3 not run
        ");
    let quiet = shown(&plan, Mode::Quiet, None, &events);
    assert!(
        quiet.trim_start().starts_with("error: step") && !quiet.contains("Blocked"),
        "{quiet}"
    );
}

#[test]
fn a_stopped_run_says_how_to_go_on() {
    let plan = plan(&["l1-a/build", "l1-a/publish"]);
    let events = [
        begun(),
        started(0, "l1-a/build"),
        event(
            900,
            "",
            EventKind::Interrupted {
                signal: "SIGINT".to_owned(),
                message: "stopping, waiting for `packer`".to_owned(),
            },
        ),
        ended(
            900,
            "l1-a/publish",
            Status::Cancelled,
            0,
            "the run was stopped before it started",
        ),
        ended(
            1500,
            "l1-a/build",
            Status::Cancelled,
            1500,
            "`packer build` was stopped",
        ),
        over(1500, Outcome::Cancelled, 130),
    ];
    insta::assert_snapshot!(shown(&plan, Mode::Steps, None, &events), @r"
             Running `up` as run 20260101-000000-abcd
              SIGINT stopping, waiting for `packer`
           Cancelled               l1-a/publish  the run was stopped before it started
           Cancelled    1.5s (1/2) l1-a/build  `packer build` was stopped
        ────────────
           Cancelled `up` in 1.5s: 2 cancelled
                     to continue: `hl up`
        ");
}

#[test]
fn a_plan_is_shown_once_and_a_refusal_names_the_way() {
    let plan = plan(&["l2-b/plan", "l2-b/apply"]);
    let asked = |lines: &[&str]| {
        let summary = lines.iter().map(|l| (*l).to_owned()).collect();
        event(
            10,
            "l2-b/apply",
            EventKind::ApprovalAsked {
                summary,
                digest: None,
                again: false,
            },
        )
    };
    let refused = || {
        let by = "no terminal and no --yes".to_owned();
        event(
            10,
            "l2-b/apply",
            EventKind::ApprovalGiven {
                approved: false,
                by,
            },
        )
    };
    let run = |summary: &[&str]| {
        [
            started(0, "l2-b/plan"),
            note("l2-b/plan", "+ web-1"),
            note("l2-b/plan", "1 to add"),
            ended(10, "l2-b/plan", Status::Succeeded, 10, "1 to add"),
            started(10, "l2-b/apply"),
            asked(summary),
            refused(),
        ]
    };
    let same = shown(&plan, Mode::Steps, None, &run(&["+ web-1", "1 to add"]));
    insta::assert_snapshot!(same, @r"
                     + web-1
                     1 to add
                Done         (1/2) l2-b/plan  1 to add
        Not approved l2-b/apply (no terminal and no --yes)
                     to approve any changes: `hl up --yes`, which plans again and asks nothing
        ");
    for mode in [Mode::Live, Mode::Prefix, Mode::Quiet] {
        let text = shown(&plan, mode, None, &run(&["+ web-1", "1 to add"]));
        assert_eq!(text.matches("+ web-1").count(), 1, "{mode:?}: {text}");
        assert!(text.contains("hl up --yes"), "{mode:?}: {text}");
    }
    let other = shown(&plan, Mode::Steps, None, &run(&["- db-1 is destroyed"]));
    assert!(other.contains("- db-1 is destroyed"), "{other}");
}

#[test]
fn one_table_that_three_steps_read_is_shown_once() {
    let plan = plan(&["l2-b/outputs", "l3-c/outputs"]);
    let events = [
        started(0, "l2-b/outputs"),
        note("l2-b/outputs", "web-1  10.0.0.1"),
        started(0, "l3-c/outputs"),
        note("l3-c/outputs", "web-1  10.0.0.1"),
    ];
    let text = shown(&plan, Mode::Steps, None, &events);
    assert_eq!(text.matches("web-1").count(), 1, "{text}");
}

#[test]
fn output_is_shown_as_asked() {
    let plan = plan(&["l2-b/plan"]);
    let events = [
        started(0, "l2-b/plan"),
        talk("l2-b/plan", "Reading\u{1b}[2J..."),
        ended(10, "l2-b/plan", Status::Succeeded, 10, ""),
    ];
    let text = |mode| shown(&plan, mode, None, &events);
    insta::assert_snapshot!(text(Mode::Live), @r"
        Reading...
                Done         (1/1) l2-b/plan
        ");
    insta::assert_snapshot!(text(Mode::Prefix), @r"
        l2-b/plan │ Reading...
                Done         (1/1) l2-b/plan
        ");
    insta::assert_snapshot!(text(Mode::Group), @r"
          │ Reading...
                Done         (1/1) l2-b/plan
        ");
    assert!(!text(Mode::Steps).contains("Reading"));
    assert_eq!(text(Mode::Quiet), "");
}

#[test]
fn warnings_are_told_when_they_come_and_when_a_step_ends_with_them() {
    let plan = plan(&["l0-runway/tls"]);
    let mut end = ended(10, "l0-runway/tls", Status::Succeeded, 10, "trusted");
    end_of(&mut end)
        .warnings
        .push("the certificate is not verified".to_owned());
    let events = [
        begun(),
        started(0, "l0-runway/tls"),
        event(
            5,
            "l0-runway/tls",
            EventKind::Warning {
                message: "old\nsecond line".to_owned(),
            },
        ),
        end,
        over(10, Outcome::Succeeded, 0),
    ];
    insta::assert_snapshot!(shown(&plan, Mode::Steps, None, &events), @r"
             Running `up` as run 20260101-000000-abcd
             Warning old
                     second line
             Checked         (1/1) l0-runway/tls  trusted
             Warning the certificate is not verified
        ────────────
            Finished `up` in 0.0s: cleared with warnings, 1 done, 2 warnings
        ");
}

#[test]
fn long_lines_are_continued_under_their_text_on_a_terminal() {
    let plan = plan(&["l2-b/plan"]);
    let events = [
        started(0, "l2-b/plan"),
        note(
            "l2-b/plan",
            "downloading https://cloud.debian.org/images/cloud/trixie/ to local",
        ),
        ended(
            10,
            "l2-b/plan",
            Status::Succeeded,
            10,
            "a result that is longer than one line can be",
        ),
    ];
    insta::assert_snapshot!(shown(&plan, Mode::Steps, Some(60), &events), @r"
                     downloading
                       https://cloud.debian.org/images/cloud/trixie/
                       to local
                Done         (1/1) l2-b/plan  a result that is
                             longer than one line can be
        ");
}

/// Every line of a run that went wrong, in a terminal of 60 columns.
#[test]
fn no_line_of_a_failed_run_is_longer_than_a_narrow_terminal() {
    let plan = plan(&[
        "l0-runway/storage",
        "l1-ensure(debian-13)/validate",
        "l1-ensure(debian-13)/build",
        "l2-b/plan",
        "l2-b/apply",
    ]);
    let long = "the storage takes no images, expected content `images, import`";
    let mut failed = ended(
        3000,
        "l1-ensure(debian-13)/build",
        Status::Failed,
        900,
        long,
    );
    let end = end_of(&mut failed);
    end.help.push(
        "set the content of `local` to `iso,import` in Datacenter, Storage, local".to_owned(),
    );
    end.tail.push(
        "    debian-13: error reading configuration of the virtual machine 9000: no such file"
            .to_owned(),
    );
    end.log = Some("state/logs/20260101-000000-abcd/l1-build.log".to_owned());
    let events = [
        begun(),
        started(0, "l0-runway/storage"),
        ended(10, "l0-runway/storage", Status::Succeeded, 10, long),
        started(0, "l1-ensure(debian-13)/validate"),
        ended(
            90,
            "l1-ensure(debian-13)/validate",
            Status::Succeeded,
            90,
            long,
        ),
        started(0, "l1-ensure(debian-13)/build"),
        failed,
        ended(
            3000,
            "l2-b/plan",
            Status::Blocked,
            0,
            "needs `l1-ensure(debian-13)/build`, which failed",
        ),
        ended(
            3000,
            "l2-b/apply",
            Status::Cancelled,
            0,
            "the run was stopped before it started",
        ),
        over(3000, Outcome::Failed, 1),
    ];
    let text = shown(&plan, Mode::Steps, Some(60), &events);
    for line in text.lines() {
        assert!(line.chars().count() <= 60, "{line}\n\n{text}");
    }
    // Words are whole, and all of them are there.
    let flat = text.replace("  | ", " ");
    let flat: Vec<&str> = flat.split_whitespace().collect();
    let flat = flat.join(" ");
    for whole in [
        long,
        "error reading configuration of the virtual machine 9000: no such file",
        "state/logs/20260101-000000-abcd/l1-build.log",
        "2 done, 1 failed, 1 cancelled, 1 not run",
    ] {
        assert!(flat.contains(whole), "{whole}\n\n{text}");
    }
}

#[test]
fn a_step_that_takes_long_says_what_it_waits_for_and_how_long_that_usually_takes() {
    let mut plan = plan(&["l2-b/plan", "l2-b/wait", "l2-b/check", "l2-b/quick"]);
    plan.steps[1].timeout_seconds = Some(crate::plan::Timeout(600));
    plan.steps[2].doc = "the node answers".to_owned();
    let progress = |step: &str| {
        let kind = EventKind::Progress {
            message: "tofu plan, which asks the node about 2 machines".to_owned(),
            done: None,
            total: None,
        };
        event(0, step, kind)
    };
    let child = EventKind::ChildStarted {
        pid: 1,
        pid_start: 1,
        program: "sleep".to_owned(),
        spool: Vec::new(),
        number: 1,
    };
    let events = [
        started(0, "l2-b/plan"),
        progress("l2-b/plan"),
        started(0, "l2-b/wait"),
        event(0, "l2-b/wait", child),
        started(0, "l2-b/check"),
        started(0, "l2-b/quick"),
    ];
    let usual = [("l2-b/plan", 72_000), ("l2-b/quick", 6000)]
        .map(|(step, ms)| (StepId::from(step), Duration::from_millis(ms)));
    let text = waiting(&plan, usual.into(), &events, &[1, 3, 6, 7, 62]);
    insta::assert_snapshot!(text, @r"
         Running l2-b/check
         Running l2-b/plan
         Running l2-b/quick
         Running l2-b/wait
         Waiting l2-b/check: the node answers
         Waiting l2-b/plan: usually 1m 12s, tofu plan, which asks the node about 2 machines
         Waiting l2-b/quick: usually 6.0s
         Waiting l2-b/wait: 10m 00s at most, `sleep` runs
     Still going l2-b/check for 1m 02s: the node answers
     Still going l2-b/plan for 1m 02s: usually 1m 12s, tofu plan, which asks the node about 2 machines
     Still going l2-b/quick for 1m 02s: usually 6.0s
     Still going l2-b/wait for 1m 02s: 10m 00s at most, `sleep` runs
    ");
}

/// What is read some seconds after these events.
fn waiting(
    plan: &Plan,
    usual: BTreeMap<StepId, Duration>,
    events: &[Event],
    seconds: &[u64],
) -> String {
    watched(plan, Mode::Steps, None, usual, |screen| {
        for event in events {
            screen.event(event);
        }
        let now = Instant::now();
        for second in seconds {
            screen.tick(now + Duration::from_secs(*second));
        }
    })
}
