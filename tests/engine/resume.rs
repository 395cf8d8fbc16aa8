//! A run that goes on, cut anywhere: what had succeeded is not done again, and
//! the rest is done once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hl::action::Done;
use hl::engine::PriorRun;
use hl::plan::{EventKind, Outcome, Plan, Status, Tally};
use proptest::prelude::*;

use super::support::{World, fake, plan, step};

type Count = Arc<Mutex<BTreeMap<String, usize>>>;

/// A world whose action `work` counts how often each step did it, and publishes
/// what it was given and what it is called.
fn world(count: &Count) -> World {
    let count = Arc::clone(count);
    World::new().with(fake("work", move |ctx| {
        let id = ctx.step.id.to_string();
        *count.lock().unwrap().entry(id.clone()).or_default() += 1;
        let given = ctx.with.get("given").cloned().unwrap_or_default();
        Ok(Done::new("worked").output("made", format!("{id}({given})")))
    }))
}

/// A plan of which each step uses what some before it made.
fn plans() -> impl Strategy<Value = Plan> {
    prop::collection::vec(prop::collection::vec(0usize..8, 0..3), 1..8).prop_map(|uses| {
        plan(uses.into_iter().enumerate().map(|(i, used)| {
            let mut new = step(&format!("s{i}"), "work", &[]);
            let used = used.into_iter().filter(|n| *n < i);
            let given: Vec<String> = used.map(|n| format!("${{steps.r/s{n}.made}}")).collect();
            new.with.insert("given".to_owned(), given.into());
            new
        }))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn cut_anywhere_every_step_succeeds_in_the_end(plan in plans(), cut in 0usize..40, jobs in 1usize..4) {
        let whole = Count::default();
        let (unbroken, events) = world(&whole).run(&plan);
        let first: Vec<_> = events.into_iter().take(cut).collect();
        let done: Vec<String> = first
            .iter()
            .filter(|event| matches!(event.kind, EventKind::StepFinished(_)))
            .filter_map(|event| Some(event.step.as_ref()?.to_string()))
            .collect();

        let count = Count::default();
        let mut world = world(&count);
        world.options.jobs = jobs;
        world.options.resumes = Some(BTreeMap::new());
        world.options.earlier = PriorRun { steps: Tally::of(&first).past(), ..PriorRun::default() };
        let (result, events) = world.run(&plan);
        prop_assert_eq!(result.outcome, Outcome::Succeeded);
        prop_assert!(matches!(events[0].kind, EventKind::Resumed(_)));
        let count = count.lock().unwrap();
        for (step, before) in result.steps.iter().zip(&unbroken.steps) {
            let id = step.id.to_string();
            let again = count.get(&id).copied().unwrap_or_default();
            prop_assert_eq!(again, usize::from(!done.contains(&id)), "{}", id);
            // What it published is there for those that use it, done or not.
            prop_assert_eq!(&step.end.outputs, &before.end.outputs);
        }
    }
}

#[test]
fn another_value_runs_what_uses_it_and_only_that() {
    let count = Count::default();
    let mut source = step("source", "work", &[]);
    source.with.insert("given".to_owned(), "a".into());
    let mut user = step("user", "work", &[]);
    user.with
        .insert("given".to_owned(), "${steps.r/source.made}".into());
    let other = step("other", "work", &["source"]);
    let mut plan = plan([source, user, other]);
    let (_, events) = world(&count).run(&plan);

    plan.steps[0].with.insert("given".to_owned(), "b".into());
    let mut world = world(&count);
    world.options.earlier.steps = Tally::of(&events).past();
    let (result, events) = world.run(&plan);
    let statuses: Vec<Status> = result.steps.iter().map(|step| step.end.status).collect();
    assert_eq!(
        statuses,
        [Status::Succeeded, Status::Succeeded, Status::Skipped]
    );

    // And once more: now everything is as it was.
    world.options.earlier.steps = Tally::of(&events).past();
    let (result, _) = world.run(&plan);
    assert!(
        result
            .steps
            .iter()
            .all(|step| step.end.status == Status::Skipped)
    );
    assert_eq!(
        result.steps[1].end.outputs["made"],
        "r/user(\"r/source(\\\"b\\\")\")"
    );
}

#[test]
fn a_secret_that_was_published_is_not_written_down_so_its_step_runs_again() {
    let mut world = World::new().with(fake("leak", |_| {
        Ok(Done::new("x").output("token", "canary-9b1f"))
    }));
    world.redactor = hl::lab::Redactor::new(["canary-9b1f"]);
    let plan = plan([step("a", "leak", &[])]);
    let (_, events) = world.run(&plan);
    world.options.earlier.steps = Tally::of(&events).past();
    let (result, _) = world.run(&plan);
    assert_eq!(result.steps[0].end.status, Status::Succeeded);
    assert_eq!(result.steps[0].end.outputs["token"], "canary-9b1f");
}
