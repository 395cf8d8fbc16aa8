//! Needs, jobs, failures, approval, retries, dry runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hl::action::{Approval, Done, Instead};
use hl::diag::{Cause, StepError};
use hl::diag::{Exit, Failure};
use hl::lab::environment::Nodes;
use hl::lab::{Environment, Provenance, Redactor, Var};
use hl::plan::{Consent, Event, EventKind, Listener, Outcome, Retry, RetryOn, Status, StepId};

use super::stage::until;
use super::support::{Fake, World, fake, lines, plan, script, statuses, step};

/// Counts how many of it run at once. None ends before `wanted` have met.
fn counting(wanted: usize, most: Arc<AtomicUsize>) -> Fake {
    let now = AtomicUsize::new(0);
    fake("count", move |_| {
        let running = now.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(running, Ordering::SeqCst);
        until(|| (most.load(Ordering::SeqCst) >= wanted).then_some(()));
        // One too many is given the time to be seen.
        std::thread::sleep(Duration::from_millis(20));
        now.fetch_sub(1, Ordering::SeqCst);
        Ok(Done::new("ok"))
    })
}

#[test]
fn as_many_at_once_as_allowed() {
    for jobs in [1, 3] {
        let most = Arc::new(AtomicUsize::new(0));
        let mut world = World::new().with(counting(jobs, Arc::clone(&most)));
        world.options.jobs = jobs;
        let steps = ["a", "b", "c", "d", "e"].map(|id| step(id, "count", &[]));
        let (result, _) = world.run(&plan(steps));
        assert_eq!(result.exit, Exit::Ok);
        assert_eq!(most.load(Ordering::SeqCst), jobs);
    }
}

#[test]
fn values_flow_and_skipped_needs_count() {
    let world = World::new()
        .with(fake("say", |ctx| {
            Ok(Done::new("said").output("word", ctx.with["say"].clone()))
        }))
        .with(fake("skip", |_| {
            Ok(Done {
                instead: Some(Instead::Skipped("nothing to do".to_owned())),
                ..Done::default()
            })
        }));
    let mut first = step("first", "say", &[]);
    first.with.insert("say".to_owned(), "hello".into());
    let mut second = script(
        "second",
        "echo ${steps.r/first.word} you",
        &["first", "not"],
    );
    second.when = Some("true".to_owned());
    let mut never = script("never", "echo no", &["second"]);
    never.when = Some("false".to_owned());
    let (result, events) = world.run(&plan([first, step("not", "skip", &[]), second, never]));
    assert_eq!(result.outcome, Outcome::Succeeded);
    assert_eq!(lines(&events), ["hello you"]);
    let ends = statuses(&result);
    assert_eq!(ends[1].2, "nothing to do");
    assert_eq!(
        (ends[3].1, ends[3].2.as_str()),
        (Status::Skipped, "its `when` is false")
    );
}

#[test]
fn a_skipped_step_says_what_the_step_found_that_it_asks() {
    let world = World::new().with(fake("check", |_| {
        Ok(Done::new("up to date: VM 101").output("stale", false))
    }));
    let mut build = script("build", "echo built", &["check"]);
    build.when = Some("${steps.r/check.stale}".to_owned());
    let (result, _) = world.run(&plan([step("check", "check", &[]), build]));
    let ends = statuses(&result);
    assert_eq!(
        (ends[1].1, ends[1].2.as_str()),
        (Status::Skipped, "up to date: VM 101")
    );
}

#[test]
fn a_value_of_a_skipped_step_is_a_clear_failure_live_and_not_planned_dry() {
    let mut first = script("first", "true", &[]);
    first.when = Some("false".to_owned());
    let user = script("user", "echo ${steps.r/first.file}", &["first"]);
    let after = step("after", "sh", &["user"]);
    let plan = plan([first, user, after]);
    let mut world = World::new();
    let (result, _) = world.run(&plan);
    let ends = statuses(&result);
    assert_eq!(
        ends[1].2,
        "`r/user` needs `file` of `r/first`, which was skipped"
    );
    assert_eq!(ends[2].2, "needs `r/user`, which failed");
    assert_eq!(result.exit, Exit::Definition);
    world.options.dry_run = true;
    let (result, _) = world.run(&plan);
    let ends = statuses(&result);
    assert_eq!(ends[1].1, Status::NotPlanned);
    assert_eq!(ends[1].2, "needs `file` of r/first, known when it has run");
    assert_eq!((ends[2].1, result.exit), (Status::Succeeded, Exit::Ok));
}

#[test]
fn a_failure_stops_or_with_keep_going_only_blocks() {
    let steps = || {
        plan([
            script("bad", "echo oh >&2; exit 4", &[]),
            script("after", "true", &["bad"]),
            script("other", "true", &[]),
        ])
    };
    let mut world = World::new();
    world.options.jobs = 1;
    let (result, events) = world.run(&steps());
    assert_eq!(
        (result.exit, result.outcome),
        (Exit::Child(4), Outcome::Failed)
    );
    let reasons: Vec<String> = statuses(&result).into_iter().map(|e| e.2).collect();
    assert_eq!(
        reasons,
        [
            "`sh` exited with code 4",
            "needs `r/bad`, which failed",
            "not started, because `r/bad` failed"
        ]
    );
    let tails: Vec<_> = events
        .iter()
        .filter_map(|e| match &e.kind {
            EventKind::StepFinished(end) if !end.tail.is_empty() => Some((&end.tail, &end.log)),
            _ => None,
        })
        .collect();
    assert_eq!(tails.len(), 1);
    assert_eq!(*tails[0].0, ["oh"]);
    let log = tails[0].1.as_deref().unwrap();
    assert_eq!(log, "state/logs/20260101-000000-test/r-bad.log");
    world.options.keep_going = true;
    let (result, _) = world.run(&steps());
    let ends: Vec<Status> = statuses(&result).into_iter().map(|e| e.1).collect();
    assert_eq!(ends, [Status::Failed, Status::Blocked, Status::Succeeded]);
}

#[test]
fn finally_runs_after_a_failure() {
    let mut last = script("last", "echo cleaned", &["bad"]);
    last.finally = true;
    let (result, events) = World::new().run(&plan([last, script("bad", "exit 3", &[])]));
    assert_eq!(lines(&events), ["cleaned"]);
    assert_eq!(result.exit, Exit::Child(3));
}

#[test]
fn approval_is_asked_once_and_no_means_77() {
    let act = fake("apply", |_| Ok(Done::new("applied")));
    let asks = Some(Approval {
        summary: vec!["1 to add".to_owned()],
        question: "apply?".to_owned(),
        ..Approval::default()
    });
    let mut world = World::new().with(Fake { asks, ..act });
    let mut apply = step("apply", "apply", &[]);
    apply.approve = true;
    let plan = plan([apply, step("after", "sh", &["apply"])]);
    world.approver.0 = false;
    let (result, events) = world.run(&plan);
    assert_eq!(
        (result.exit, result.outcome),
        (Exit::NotApproved, Outcome::Cancelled)
    );
    let ends = statuses(&result);
    assert_eq!(
        (ends[0].1, ends[0].2.as_str()),
        (Status::Cancelled, "not approved (the test)")
    );
    assert_eq!(ends[1].2, "needs `r/apply`, which was not approved");
    let asked = |events: &[Event]| {
        let asked = |e: &&Event| matches!(e.kind, EventKind::ApprovalAsked { .. });
        events.iter().filter(asked).count()
    };
    assert_eq!(asked(&events), 1);
    world.options.dry_run = true;
    assert_eq!(asked(&world.run(&plan).1), 0);
}

/// The digest of what was asked, and whether a `--yes` covered it.
fn digest(events: &[Event]) -> String {
    let digest = |e: &Event| match &e.kind {
        EventKind::ApprovalAsked { digest, .. } => digest.clone(),
        _ => None,
    };
    events.iter().find_map(digest).unwrap()
}

#[test]
fn a_yes_after_a_refusal_is_for_what_was_shown() {
    let world = |exact: &str| {
        let asks = Some(Approval {
            summary: vec!["1 to add".to_owned()],
            question: "apply?".to_owned(),
            exact: exact.into(),
            ..Approval::default()
        });
        let act = fake("apply", |_| Ok(Done::new("applied")));
        World::new().with(Fake { asks, ..act })
    };
    let mut apply = step("apply", "apply", &[]);
    apply.approve = true;
    let plan = plan([apply]);
    let mut first = world("memory 1");
    first.approver.0 = false;
    let (_, refused) = first.run(&plan);
    // The lines are the same, and what is behind them is not.
    assert_eq!(digest(&refused), digest(&world("memory 1").run(&plan).1));
    assert_ne!(digest(&refused), digest(&world("memory 2").run(&plan).1));
    for (exact, covered) in [("memory 1", true), ("memory 2", false)] {
        let mut resumed = world(exact);
        resumed.options.earlier.consent = Consent::after(&refused);
        resumed.run(&plan);
        assert_eq!(*resumed.approver.2.lock().unwrap(), [covered], "{exact}");
    }
}

#[test]
fn a_file_for_later_steps_goes_when_the_last_of_them_has_ended_however() {
    let world = World::new();
    let file = world.lab.paths.root().join("x.tfplan");
    let made = file.clone();
    let world = world.with(fake("make", move |_| {
        std::fs::write(&made, "").unwrap();
        Ok(Done::new("made")
            .output("file", made.as_str())
            .temporary(made.clone()))
    }));
    let there = file.clone();
    let world = world.with(fake("use", move |ctx| {
        assert!(there.exists());
        if ctx.with["fails"] == true {
            return Err(StepError::new("it broke"));
        }
        Ok(Done::new("used"))
    }));
    let user = |fails: bool, needs: &[&str]| {
        let mut user = step("use", "use", needs);
        user.with
            .insert("file".to_owned(), "${steps.r/make.file}".into());
        user.with.insert("fails".to_owned(), fails.into());
        user
    };
    let bad = || script("bad", "exit 3", &["make"]);
    for steps in [
        vec![step("make", "make", &[]), user(false, &[])],
        vec![step("make", "make", &[]), user(true, &[])],
        // It never starts.
        vec![step("make", "make", &[]), bad(), user(false, &["bad"])],
    ] {
        let (_, events) = world.run(&plan(steps));
        let warned = events
            .iter()
            .any(|e| matches!(e.kind, EventKind::Warning { .. }));
        assert!(!file.exists() && !warned);
    }
}

/// A recipe that goes on after a failure, as a dependency of one that does not.
#[test]
fn a_part_that_goes_on_comes_to_its_end_and_what_is_behind_it_does_not_start() {
    let mut world = World::new();
    world.options.jobs = 1;
    let mut steps: Vec<_> = ["a", "b", "c", "d"]
        .map(|id| script(id, if id == "a" { "exit 3" } else { "true" }, &[]))
        .into();
    steps[3].needs = vec![StepId::from("r/a")];
    for step in &mut steps {
        step.continues = Some("inc".to_owned());
    }
    steps.push(script("outer", "true", &["b", "c"]));
    let (result, _) = world.run(&plan(steps));
    let ends: Vec<_> = statuses(&result)
        .into_iter()
        .map(|(_, end, _)| end)
        .collect();
    let (ok, failed, blocked) = (Status::Succeeded, Status::Failed, Status::Blocked);
    assert_eq!(ends, [failed, ok, ok, blocked, blocked]);
    assert_eq!(statuses(&result)[4].2, "not started, because `r/a` failed");
}

#[test]
fn what_may_pass_is_tried_again() {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tries);
    let world = World::new().with(fake("flaky", move |_| {
        if count.fetch_add(1, Ordering::SeqCst) < 2 {
            return Err(StepError::new("busy").cause(Cause::Transient));
        }
        Ok(Done::new("at last"))
    }));
    let mut flaky = step("flaky", "flaky", &[]);
    flaky.retry = Some(Retry {
        times: 2,
        backoff_seconds: 0,
        on: RetryOn::Transient,
    });
    let (result, events) = world.run(&plan([flaky]));
    assert_eq!((result.exit, tries.load(Ordering::SeqCst)), (Exit::Ok, 3));
    let attempts: Vec<u32> = events
        .iter()
        .filter_map(|e| match e.kind {
            EventKind::StepStarted { attempt } => Some(attempt),
            _ => None,
        })
        .collect();
    assert_eq!(attempts, [1, 2, 3]);
}

#[test]
fn a_panic_is_a_bug_of_one_step() {
    let world = World::new().with(fake("bug", |ctx| {
        // A child that is not stopped would hold the run for an hour.
        let spec = hl::action::ChildSpec::new("sh", ["-c", "echo x; exec sleep 3600"]);
        ctx.exec.run(&spec, &mut |_| panic!("at the disco"))?;
        Ok(Done::new("unreachable"))
    }));
    let mut world = world;
    world.options.keep_going = true;
    let (result, _) = world.run(&plan([
        step("bug", "bug", &[]),
        script("other", "true", &[]),
    ]));
    assert_eq!(result.exit, Exit::Bug);
    let ends = statuses(&result);
    assert_eq!(ends[0].2, "a bug in action `bug`: at the disco");
    assert_eq!(ends[1].1, Status::Succeeded);
}

/// Fails at the first event of a kind.
struct FullDisk;

impl Listener for FullDisk {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        if matches!(event.kind, EventKind::ChildStarted { .. }) {
            return Err(Failure::message(Exit::CannotWrite, "no space left"));
        }
        Ok(())
    }
}

#[test]
fn a_listener_that_cannot_write_stops_the_run() {
    let world = World::new();
    let steps = plan([
        script("slow", "exec sleep 3600", &[]),
        script("next", "true", &["slow"]),
    ]);
    let result = world.run_with(&steps, &mut [&mut FullDisk]);
    assert_eq!(result.exit, Exit::CannotWrite);
    assert!(result.failure.is_some());
    let ends: Vec<Status> = statuses(&result).into_iter().map(|e| e.1).collect();
    assert_eq!(ends, [Status::Cancelled, Status::Cancelled]);
}

#[test]
fn a_plan_that_only_reads_writes_nothing() {
    let mut world = World::new();
    let look = fake("look", |ctx| {
        ctx.note("looking");
        let spec = hl::action::ChildSpec::new("sh", ["-c", "echo seen"]);
        ctx.exec.run(&spec, &mut |_| {})?.check("sh")?;
        Ok(Done::new("ok"))
    });
    world = world.with(Fake {
        reads_only: true,
        ..look
    });
    let (result, events) = world.run(&plan([step("look", "look", &[])]));
    assert_eq!(result.exit, Exit::Ok);
    assert_eq!(lines(&events), ["looking", "seen"]);
    assert_eq!(std::fs::read_dir(world.dir.path()).unwrap().count(), 0);
}

#[test]
fn a_plan_in_a_circle_is_refused_before_anything_is_said() {
    let mut a = step("a", "sh", &["b"]);
    a.needs = vec![StepId::from("r/b")];
    let (result, events) = World::new().run(&plan([a, step("b", "sh", &["a"])]));
    assert_eq!((result.exit, events.len()), (Exit::Definition, 0));
    assert!(result.failure.unwrap().to_string().contains("circle"));
}

#[test]
fn a_step_and_its_children_have_the_variables_of_its_node() {
    let vars = |storage: &str, secret: &str| {
        let var = |value: &str, secret| Var {
            value: value.to_owned(),
            from: Provenance::Default,
            secret,
        };
        let path = std::env::var("PATH").unwrap();
        BTreeMap::from([
            ("PATH".to_owned(), var(&path, false)),
            ("STORAGE".to_owned(), var(storage, false)),
            ("MY_TOKEN".to_owned(), var(secret, true)),
        ])
    };
    let mut world = World::new().with(fake("own", |ctx| {
        let storage = ctx.env.get("STORAGE").unwrap_or("none").to_owned();
        Ok(Done::new(storage.clone()).output("storage", storage))
    }));
    let nodes = Nodes {
        of: [
            ("n1".to_owned(), Ok(vars("tank", "first-secret"))),
            ("n2".to_owned(), Ok(vars("pool", "second-secret"))),
        ]
        .into(),
        ..Nodes::default()
    };
    world.env = Environment::new(vars("base", "base-secret")).with_nodes(nodes);
    world.redactor = Redactor::new(world.env.secrets());
    let own = |id: &str, node: Option<&str>| {
        let mut step = step(id, "own", &[]);
        step.node = node.map(str::to_owned);
        step
    };
    let child = |id: &str, node: &str, before: &str| {
        let text = format!("echo $STORAGE ${{steps.r/{before}.storage}} $MY_TOKEN");
        let mut step = script(id, &text, &[before]);
        step.node = Some(node.to_owned());
        step
    };
    let (result, events) = world.run(&plan([
        own("a", None),
        own("b", Some("n1")),
        own("c", Some("n2")),
        child("d", "n1", "b"),
        child("e", "n2", "c"),
    ]));
    assert_eq!(result.outcome, Outcome::Succeeded);
    let mut said = lines(&events);
    said.sort();
    assert_eq!(said, ["pool pool (secret)", "tank tank (secret)"]);
}
