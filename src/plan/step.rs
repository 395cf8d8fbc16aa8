//! Steps and the plan they form.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::StepId;
use super::index::Index;
use crate::diag::{Exit, Failure};

/// What happens to the rest of a plan when a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Running siblings finish, nothing new starts.
    #[default]
    Stop,
    /// What does not depend on the failure goes on.
    Continue,
    /// As `stop`; then the steps run that undo what this run made.
    Rollback,
}

/// When a `finally` step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinallyWhen {
    /// Whatever happened.
    #[default]
    Always,
    /// Unless a guard or a check let nothing begin.
    Begun,
    /// Only when every other step succeeded.
    Succeeded,
    /// Only when a step failed and the plan is rolled back.
    Undoing,
}

impl FinallyWhen {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde asks with a reference"
    )]
    fn is_always(&self) -> bool {
        *self == Self::Always
    }
}

/// Which failures are worth another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetryOn {
    /// Those the action calls transient (network, lock, rate limit).
    #[default]
    Transient,
    /// Every failure.
    Any,
}

/// How often and how patiently a failed step is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Retry {
    /// Attempts after the first one.
    pub times: u32,
    /// Seconds before the second attempt; doubles each time, at most five minutes.
    pub backoff_seconds: u64,
    /// Which failures count.
    #[serde(default)]
    pub on: RetryOn,
}

/// A limit in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Timeout(pub u64);

impl Timeout {
    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl From<Duration> for Timeout {
    /// In whole seconds, at least one.
    fn from(duration: Duration) -> Self {
        Self(duration.as_secs().max(1))
    }
}

/// What a step is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// It does its part of the work.
    #[default]
    Work,
    /// It belongs to a layer of which every step only checks: a gate for others.
    Gate,
    /// Nothing of the plan has begun before it says yes.
    Guard,
}

/// One unit of a plan: an action and its inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own")]
pub struct Step {
    /// Unique name in the plan.
    pub id: StepId,
    /// The layer it belongs to (`l0` .. `l4`), if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// The recipe it comes from, with its arguments as typed (`l1-template debian-13`).
    pub recipe: String,
    /// The node it works on, where its recipe has a parameter `node`: its
    /// variables are those of that node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The node of a manifest that it is a phase of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// One line for people; empty when the id says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// The action's name, e.g. `tofu.apply`.
    pub action: String,
    /// The action's inputs. Strings may hold `${steps.ID.KEY}`, see [`super::resolve`].
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub with: Map<String, Value>,
    /// Steps that must have succeeded (or been skipped) before this one starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<StepId>,
    /// Run only when this resolves to `true`, else the step is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Interrupted as by Ctrl-C when it takes longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<Timeout>,
    /// It has no limit, and its definition says that this is meant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_timeout: bool,
    /// Tried again after failures, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// The action shows what it would do and waits for a yes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approve: bool,
    /// What it starts may run once more when nobody knows how it ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeatable: bool,
    /// Runs at the end whatever happened, also after the first Ctrl-C.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub finally: bool,
    /// Of a `finally` step, when it runs.
    #[serde(default, skip_serializing_if = "FinallyWhen::is_always")]
    pub finally_when: FinallyWhen,
    /// The recipe of which it is a part and that goes on after a failure: when
    /// this step fails, the others of that recipe which do not need it run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
    /// What it is for.
    #[serde(skip)]
    pub purpose: Purpose,
}

/// The format version of a serialised plan.
pub const PLAN_VERSION: u32 = 1;

/// A DAG of steps with every input resolved that is known before it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Format version, [`PLAN_VERSION`].
    pub version: u32,
    /// What the user asked for, e.g. `l2-apply dev`.
    pub recipe: String,
    /// What happens when a step fails.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// The steps, in the order in which they were written.
    pub steps: Vec<Step>,
    #[serde(skip)]
    index: Index<StepId>,
}

impl Plan {
    /// A plan of these steps that stops at the first failure.
    pub fn new(recipe: impl Into<String>, steps: Vec<Step>) -> Self {
        Self {
            version: PLAN_VERSION,
            recipe: recipe.into(),
            on_failure: OnFailure::Stop,
            steps,
            index: Index::default(),
        }
    }

    /// A plan that was written as JSON. Of a newer one only the version is looked at.
    ///
    /// # Errors
    /// It is none (65), or a newer `hl` wrote it (76).
    pub fn parse(text: &str) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let wrong = |error: serde_json::Error| {
            Failure::message(Exit::Definition, format!("not a plan: {error}"))
        };
        let Version { version } = serde_json::from_str(text).map_err(wrong)?;
        if version > PLAN_VERSION {
            let message = format!("a plan in format {version}, this hl reads up to {PLAN_VERSION}");
            return Err(
                Failure::message(Exit::Newer, message).help("use the newer hl that wrote it")
            );
        }
        serde_json::from_str(text).map_err(wrong)
    }

    /// The step of that name.
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.get(self.position(id)?)
    }

    /// Where in [`Plan::steps`] the step of that name is.
    pub fn position(&self, id: &StepId) -> Option<usize> {
        self.index
            .position(self.steps.iter().map(|step| &step.id), id)
    }
}

impl Step {
    /// Whether nothing has begun when it ends badly.
    pub fn is_guard(&self) -> bool {
        self.purpose != Purpose::Work
    }

    /// Whether it is a gate.
    pub fn is_gate(&self) -> bool {
        self.purpose == Purpose::Gate
    }

    /// Whether an input is true, also where it is written as text.
    pub fn is_set(&self, input: &str) -> bool {
        match self.with.get(input) {
            Some(Value::Bool(set)) => *set,
            Some(Value::String(text)) => text == "true",
            _ => false,
        }
    }

    /// A bare step; the other fields are public.
    pub fn new(id: impl Into<StepId>, action: impl Into<String>) -> Self {
        let id = id.into();
        let recipe = id.recipe().to_owned();
        Self::of(id, action.into(), recipe)
    }

    /// The same, of a recipe whose arguments are not in the id.
    pub fn of(id: StepId, action: String, recipe: String) -> Self {
        Self {
            layer: None,
            recipe,
            id,
            node: None,
            machine: None,
            doc: String::new(),
            action,
            with: Map::new(),
            needs: Vec::new(),
            when: None,
            timeout_seconds: None,
            no_timeout: false,
            retry: None,
            approve: false,
            repeatable: false,
            finally: false,
            finally_when: FinallyWhen::Always,
            continues: None,
            purpose: Purpose::Work,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_back_and_a_newer_one_is_refused() {
        let plan = Plan::new("job", vec![Step::new("job/work", "command")]);
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(Plan::parse(&text).unwrap(), plan);
        let newer = Plan::parse(r#"{"version":2,"orchard":[]}"#).unwrap_err();
        assert_eq!(newer.exit, Exit::Newer);
        let wanted = "a plan in format 2, this hl reads up to 1";
        assert_eq!(newer.to_string(), wanted);
        for wrong in ["{}", "[", r#"{"version":1}"#] {
            assert_eq!(Plan::parse(wrong).unwrap_err().exit, Exit::Definition);
        }
    }
}
