//! A lab in a temporary directory, actions made of closures, and a listener
//! that remembers.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use camino::Utf8PathBuf;
use hl::action::{About, Action, Approval, ChildSpec, Done, Program, Registry, StepContext};
use hl::base::Watch;
use hl::diag::Failure;
use hl::diag::StepError;
use hl::engine::{Answer, Approver, Asked, Options, RunResult, Setup, run};
use hl::lab::trace::TraceOutput;
use hl::lab::{Config, Environment, Lab, Paths, Redactor};
use hl::plan::{Event, EventKind, Listener, Plan, Status, Step, StepId};

/// What a fake action does.
pub(super) type Act = Box<dyn Fn(&StepContext<'_>) -> Result<Done, StepError> + Send + Sync>;

/// An action made of a closure.
pub(super) struct Fake {
    pub(super) name: &'static str,
    pub(super) act: Act,
    pub(super) asks: Option<Approval>,
    pub(super) reads_only: bool,
}

impl Action for Fake {
    fn about(&self) -> About {
        let about = About {
            inputs: || schemars::json_schema!({ "type": "object" }),
            ..About::of::<()>(self.name).doc("a fake")
        };
        if self.reads_only {
            about.checks()
        } else {
            about
        }
    }
    fn approval(&self, _: &StepContext<'_>) -> Result<Option<Approval>, StepError> {
        Ok(self.asks.clone())
    }
    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        (self.act)(ctx)
    }
}

pub(super) fn fake(
    name: &'static str,
    act: impl Fn(&StepContext<'_>) -> Result<Done, StepError> + Send + Sync + 'static,
) -> Fake {
    Fake {
        name,
        act: Box::new(act),
        asks: None,
        reads_only: false,
    }
}

/// `sh`: runs `with.script`, publishes its lines as `lines`.
pub(super) fn sh() -> Fake {
    fake("sh", |ctx| {
        let text = |key: &str| ctx.with[key].as_str().unwrap_or_default().to_owned();
        let mut child = ChildSpec::new("sh", ["-c".to_owned(), text("script")]);
        child.takes_sigterm = ctx.with["takes_sigterm"].as_bool().unwrap_or(true);
        if let Some(grace) = ctx.with["grace_ms"].as_u64() {
            child.grace = Duration::from_millis(grace);
        }
        let mut lines = Vec::new();
        let outcome = ctx
            .exec
            .run(&child, &mut |line| lines.push(line.text.to_owned()))?;
        outcome.check("sh")?;
        Ok(Done::new("sh done").output("lines", lines))
    })
}

/// Remembers every event.
#[derive(Default)]
pub(super) struct Memory(pub(super) Vec<Event>);

impl Listener for Memory {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        self.0.push(event.clone());
        Ok(())
    }
}

/// Answers always the same.
pub(super) struct Says(
    pub(super) bool,
    pub(super) Mutex<Vec<String>>,
    /// Whether an approval given in advance would have held.
    pub(super) Mutex<Vec<bool>>,
);

impl Approver for Says {
    fn ask(&self, asked: &Asked<'_>) -> Answer {
        self.2.lock().unwrap().push(asked.covered);
        self.1.lock().unwrap().push(asked.step.id.to_string());
        Answer {
            approved: self.0,
            by: "the test".to_owned(),
        }
    }
}

/// A lab and how to run in it.
pub(super) struct World {
    pub(super) dir: tempfile::TempDir,
    pub(super) lab: Lab,
    pub(super) registry: Registry,
    pub(super) env: Environment,
    pub(super) redactor: Redactor,
    pub(super) approver: Says,
    pub(super) trace: Option<TraceOutput>,
    pub(super) options: Options,
}

impl World {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
        Self {
            dir,
            lab: Lab {
                paths: Paths::live(root),
                config: Config::default(),
            },
            registry: Registry::default().with(sh()).with(Program::Command),
            env: Environment::default(),
            redactor: Redactor::default(),
            approver: Says(true, Mutex::default(), Mutex::default()),
            trace: None,
            options: options("20260101-000000-test"),
        }
    }

    pub(super) fn with(mut self, action: Fake) -> Self {
        self.registry = self.registry.with(action);
        self
    }

    pub(super) fn run_with(&self, plan: &Plan, listeners: &mut [&mut dyn Listener]) -> RunResult {
        let setup = Setup {
            lab: &self.lab,
            env: &self.env,
            registry: &self.registry,
            redactor: &self.redactor,
            approver: &self.approver,
            trace: self.trace.clone(),
            options: self.options.clone(),
        };
        run(plan, &setup, &mut Watch::start().unwrap(), listeners)
    }

    pub(super) fn run(&self, plan: &Plan) -> (RunResult, Vec<Event>) {
        let mut memory = Memory::default();
        let result = self.run_with(plan, &mut [&mut memory]);
        (result, memory.0)
    }

    /// The names of the files that the run left under its logs.
    pub(super) fn logs(&self) -> BTreeMap<String, String> {
        let dir = self.lab.paths.logs(&self.options.run_id);
        let Ok(entries) = dir.read_dir_utf8() else {
            return BTreeMap::new();
        };
        entries
            .map(|entry| {
                let entry = entry.unwrap();
                let text = std::fs::read_to_string(entry.path()).unwrap();
                (entry.file_name().to_owned(), text)
            })
            .collect()
    }
}

pub(super) fn options(id: &str) -> Options {
    Options {
        run_id: id.to_owned(),
        command: vec!["hl".to_owned(), "test".to_owned()],
        operator: "me@here".to_owned(),
        dry_run: false,
        jobs: 2,
        keep_going: false,
        timeout: None,
        run_timeout: None,
        spares_running: false,
        color: false,
        approval_lasts: Duration::from_mins(10),
        keeper: Some(env!("CARGO_BIN_EXE_hl").into()),
        earlier: hl::engine::PriorRun::default(),
        unattended: false,
        resumes: None,
    }
}

/// A step `r/ID` that needs `r/NEED`s.
pub(super) fn step(id: &str, action: &str, needs: &[&str]) -> Step {
    let mut step = Step::new(format!("r/{id}"), action);
    step.needs = needs
        .iter()
        .map(|n| StepId::from(format!("r/{n}")))
        .collect();
    step
}

/// A step that runs a shell script.
pub(super) fn script(id: &str, script: &str, needs: &[&str]) -> Step {
    let mut step = step(id, "sh", needs);
    step.with.insert("script".to_owned(), script.into());
    step
}

pub(super) fn plan(steps: impl IntoIterator<Item = Step>) -> Plan {
    Plan::new("r", steps.into_iter().collect())
}

pub(super) fn statuses(result: &RunResult) -> Vec<(String, Status, String)> {
    result
        .steps
        .iter()
        .map(|s| (s.id.name().to_owned(), s.end.status, s.end.summary.clone()))
        .collect()
}

/// The output lines of a step.
pub(super) fn lines(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Output { line, .. } => Some(line.clone()),
            _ => None,
        })
        .collect()
}
