//! An approval that took long is for what was shown: by then it is looked at again.

use std::collections::VecDeque;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hl::action::{About, Action, Approval, Done, Registry, StepContext};
use hl::base::Watch;
use hl::diag::{Exit, StepError};
use hl::engine::{Answer, Approver, Asked, RunResult, Setup, run};

use super::support::{World, plan, step};

/// What happened, in order.
type Log = Arc<Mutex<Vec<String>>>;

/// What there is to do.
type Node = Arc<Mutex<&'static str>>;

/// Saves a plan of what there is to do now.
struct MakePlan(Node, Log);

impl Action for MakePlan {
    fn about(&self) -> About {
        About {
            inputs: || schemars::json_schema!({ "type": "object" }),
            ..About::of::<()>("plan").stale()
        }
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let found = *self.0.lock().unwrap();
        let file = ctx.lab.paths.root().join("saved");
        fs::write(&file, found).unwrap();
        self.1.lock().unwrap().push(format!("planned {found}"));
        Ok(Done::new("planned").output("file", file.as_str()))
    }
}

/// Does what the saved plan says; an empty one needs no yes.
struct Apply(Log);

impl Action for Apply {
    fn about(&self) -> About {
        About {
            inputs: || schemars::json_schema!({ "type": "object" }),
            ..About::of::<()>("apply")
        }
    }

    fn approval(&self, ctx: &StepContext<'_>) -> Result<Option<Approval>, StepError> {
        let saved = saved(ctx);
        Ok((!saved.is_empty()).then(|| Approval {
            summary: vec![saved],
            ..Approval::default()
        }))
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let applied = format!("applied {}", saved(ctx));
        self.0.lock().unwrap().push(applied);
        Ok(Done::new("applied"))
    }
}

fn saved(ctx: &StepContext<'_>) -> String {
    fs::read_to_string(ctx.with["file"].as_str().unwrap()).unwrap()
}

/// Says yes as often as it was told to; while it thinks, the node changes.
struct Slow {
    node: Node,
    log: Log,
    changes: Mutex<VecDeque<&'static str>>,
    yes: Mutex<usize>,
}

impl Approver for Slow {
    fn ask(&self, asked: &Asked<'_>) -> Answer {
        let shown = asked.approval.summary.join(" ");
        self.log.lock().unwrap().push(format!("asked {shown}"));
        if let Some(change) = self.changes.lock().unwrap().pop_front() {
            *self.node.lock().unwrap() = change;
        }
        let mut yes = self.yes.lock().unwrap();
        let approved = *yes > 0;
        *yes = yes.saturating_sub(1);
        Answer {
            approved,
            by: "the test".to_owned(),
        }
    }
}

/// Plans `a`, asks, applies.
fn played(lasts: Duration, changes: &[&'static str], yes: usize) -> (RunResult, Vec<String>) {
    let node: Node = Arc::new(Mutex::new("a"));
    let log = Log::default();
    let mut world = World::new();
    world.options.approval_lasts = lasts;
    let registry = Registry::default()
        .with(MakePlan(Arc::clone(&node), Arc::clone(&log)))
        .with(Apply(Arc::clone(&log)));
    let approver = Slow {
        node,
        log: Arc::clone(&log),
        changes: Mutex::new(changes.iter().copied().collect()),
        yes: Mutex::new(yes),
    };
    let mut apply = step("apply", "apply", &["plan"]);
    // Named twice, it is planned once more and not twice.
    for input in ["file", "again"] {
        apply
            .with
            .insert(input.to_owned(), "${steps.r/plan.file}".into());
    }
    apply.approve = true;
    let setup = Setup {
        lab: &world.lab,
        env: &world.env,
        registry: &registry,
        redactor: &world.redactor,
        approver: &approver,
        trace: None,
        options: world.options.clone(),
    };
    let plan = plan([step("plan", "plan", &[]), apply]);
    let result = run(&plan, &setup, &mut Watch::start().unwrap(), &mut []);
    let log = log.lock().unwrap().clone();
    (result, log)
}

/// However short a question is, it takes longer than this.
const NEVER: Duration = Duration::ZERO;

#[test]
fn the_same_plan_is_applied_without_another_question() {
    let (result, log) = played(NEVER, &[], 1);
    assert_eq!(result.exit, Exit::Ok);
    assert_eq!(log, ["planned a", "asked a", "planned a", "applied a"]);
}

#[test]
fn another_plan_is_asked_about_before_it_is_applied() {
    let (result, log) = played(NEVER, &["b"], 2);
    assert_eq!(result.exit, Exit::Ok);
    let wanted = [
        "planned a",
        "asked a",
        "planned b",
        "asked b",
        "planned b",
        "applied b",
    ];
    assert_eq!(log, wanted);
    // A yes to the first is none to the second.
    let (result, log) = played(NEVER, &["b"], 1);
    assert_eq!(result.exit, Exit::NotApproved);
    assert_eq!(log, ["planned a", "asked a", "planned b", "asked b"]);
}

#[test]
fn nothing_left_to_do_needs_no_second_yes() {
    let (result, log) = played(NEVER, &[""], 1);
    assert_eq!(result.exit, Exit::Ok);
    assert_eq!(log, ["planned a", "asked a", "planned ", "applied "]);
}

#[test]
fn a_quick_answer_holds() {
    let (result, log) = played(Duration::from_mins(10), &["b"], 1);
    assert_eq!(result.exit, Exit::Ok);
    assert_eq!(log, ["planned a", "asked a", "applied a"]);
}
