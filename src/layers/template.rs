//! Strings of layer files: minijinja with strict undefined values, and the
//! names they may use.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, Value, ValueKind};
use minijinja::{Environment as Engine, Error, UndefinedBehavior, escape_formatter};

use super::model::Layer;
use super::reach::Reach;
use crate::lab::variables::is_secret;
use crate::lab::{Environment, Lab};
use crate::plan::StepId;

/// Whether a text is more than itself.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// The one engine for all templates.
pub(super) fn engine() -> Engine<'static> {
    let mut engine = Engine::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_syntax(
        SyntaxConfig::builder()
            .keep_trailing_newline(true)
            .build()
            .unwrap_or_default(),
    );
    // Booleans read as TOML, `when` and flags write them.
    engine.set_formatter(|out, state, value| {
        if value.kind() == ValueKind::Bool {
            out.write_str(if value.is_true() { "true" } else { "false" })?;
            return Ok(());
        }
        escape_formatter(out, state, value)
    });
    engine
}

/// What is wrong with a template, and where in its text (bytes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TemplateError {
    pub(super) message: String,
    pub(super) range: Option<Range<usize>>,
}

impl From<&Error> for TemplateError {
    fn from(error: &Error) -> Self {
        let mut message = error.kind().to_string();
        if let Some(detail) = error.detail() {
            message = format!("{message}: {detail}");
        }
        Self {
            message,
            range: error.range(),
        }
    }
}

/// Names a template uses that it does not define itself: `env`, `var.PVE_NODE`,
/// `steps.plan.file`; sorted. Fails when its syntax is wrong.
pub(super) fn names(engine: &Engine<'_>, text: &str) -> Result<Vec<String>, TemplateError> {
    let template = engine
        .template_from_str(text)
        .map_err(|error| TemplateError::from(&error))?;
    let globals: BTreeSet<&str> = engine.globals().map(|(name, _)| name).collect();
    let mut names: Vec<String> = template
        .undeclared_variables(true)
        .into_iter()
        .filter(|name| !globals.contains(name.as_str()))
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// What the templates of one plan looked up.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    /// Variables that are not set.
    pub(super) missing: BTreeSet<String>,
    /// Secret variables.
    pub(super) refused: BTreeSet<String>,
    /// Steps (as they are named in the plan) whose outputs are used.
    pub(super) steps: BTreeSet<StepId>,
    /// Steps that there are not.
    pub(super) unknown_steps: BTreeSet<String>,
    /// Outputs, as they are referred to in the plan.
    pub(super) outputs: BTreeSet<String>,
}

type Shared = Arc<Mutex<Lookups>>;

/// Renders the strings of one recipe. Clones share what they looked up.
#[derive(Clone)]
pub(super) struct Renderer<'e> {
    engine: &'e Engine<'static>,
    context: BTreeMap<String, Value>,
    lookups: Shared,
}

/// Why a string has no value yet.
#[derive(Debug)]
pub(super) enum Unrendered {
    /// The template is wrong.
    Wrong(TemplateError),
    /// It puts these secret variables into the plan.
    Secret(BTreeSet<String>),
    /// It uses outputs of steps that there are not.
    UnknownStep(String),
    /// It works with an output (`${steps.ID.KEY}`) that only a run knows.
    Computed(String),
    /// These variables are not set.
    Missing(BTreeSet<String>),
}

impl<'e> Renderer<'e> {
    /// A renderer that knows `var`, `lab` and `paths`.
    pub(super) fn new(engine: &'e Engine<'static>, lab: &Lab, env: &Environment) -> Self {
        let lookups = Shared::default();
        let vars = Vars::of(env, &lookups);
        let paths = &lab.paths;
        let show = |path: camino::Utf8PathBuf| Value::from(paths.show(&path).into_string());
        let context = BTreeMap::from([
            ("var".to_owned(), Value::from_object(vars)),
            (
                "lab".to_owned(),
                Value::from_pairs([
                    ("name", Value::from(lab.config.lab.name.as_str())),
                    ("env", Value::from(lab.config.lab.env.as_str())),
                    ("root", Value::from(paths.root().as_str())),
                ]),
            ),
            (
                "paths".to_owned(),
                Value::from_pairs([
                    ("build", show(paths.build())),
                    ("state", show(paths.state())),
                    ("templates", show(paths.templates())),
                    ("site", show(paths.site())),
                    ("reports", show(paths.reports())),
                ]),
            ),
        ]);
        Self {
            engine,
            context,
            lookups,
        }
    }

    /// The same, inside a layer.
    pub(super) fn in_layer(&self, layer: &Layer) -> Self {
        let mut renderer = self.clone();
        let about = [
            ("id", layer.id.get_ref().as_str()),
            ("name", layer.name.as_str()),
            ("dir", layer.dir.as_str()),
        ];
        let about = about.map(|(key, text)| (key, Value::from(text)));
        renderer.set("layer", Value::from_pairs(about));
        renderer
    }

    /// These variables as the value of `var`.
    pub(super) fn vars(&self, env: &Environment) -> Value {
        Value::from_object(Vars::of(env, &self.lookups))
    }

    /// Adds a parameter's value.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.context.insert(name.to_owned(), value);
    }

    /// Makes `steps.ID.KEY` known: what the instance at `from` reaches.
    pub(super) fn set_steps(&mut self, reach: &Arc<Reach>, from: usize) {
        let steps = Steps {
            reach: Arc::clone(reach),
            from,
            lookups: Arc::clone(&self.lookups),
        };
        self.set("steps", Value::from_object(steps));
    }

    /// The text with its templates filled in.
    pub(super) fn text(&self, text: &str) -> Result<String, Unrendered> {
        if !is_template(text) {
            return Ok(text.to_owned());
        }
        let result = self.engine.render_str(text, &self.context);
        self.judge(result, |text, output| text.contains(output))
    }

    /// The value of a string: a single `{{ expression }}` keeps its type.
    pub(super) fn value(&self, text: &str) -> Result<serde_json::Value, Unrendered> {
        let inner = text
            .strip_prefix("{{")
            .and_then(|rest| rest.strip_suffix("}}"))
            .filter(|inner| !inner.contains("{{") && !inner.contains("}}"))
            .filter(|inner| !inner.starts_with(['-', '+']) && !inner.ends_with(['-', '+']));
        let Some(inner) = inner else {
            return self.text(text).map(serde_json::Value::String);
        };
        // Rendered first: its errors point into the text as written.
        self.text(text)?;
        let value = self
            .engine
            .compile_expression(inner)
            .and_then(|expression| expression.eval(&self.context));
        let value = self.judge(value, |value, output| value.to_string().contains(output))?;
        serde_json::to_value(&value).map_err(|error| {
            Unrendered::Wrong(TemplateError {
                message: error.to_string(),
                range: None,
            })
        })
    }

    /// Names of steps whose outputs were used since the last call.
    pub(super) fn take_steps(&self) -> BTreeSet<StepId> {
        std::mem::take(&mut self.lock().steps)
    }

    /// What a result is worth. An output that was looked up must be `in_it` as
    /// it is: whatever else a template does with it works on its name, not on
    /// its value.
    fn judge<T>(
        &self,
        result: Result<T, Error>,
        in_it: impl Fn(&T, &str) -> bool,
    ) -> Result<T, Unrendered> {
        let mut lookups = self.lock();
        let outputs = std::mem::take(&mut lookups.outputs);
        let missing = std::mem::take(&mut lookups.missing);
        let refused = std::mem::take(&mut lookups.refused);
        let unknown = std::mem::take(&mut lookups.unknown_steps);
        if !refused.is_empty() {
            return Err(Unrendered::Secret(refused));
        }
        match result {
            Ok(done) => match outputs.into_iter().find(|output| !in_it(&done, output)) {
                Some(output) => Err(Unrendered::Computed(output)),
                None => Ok(done),
            },
            Err(error) => Err(if let Some(step) = unknown.into_iter().next() {
                Unrendered::UnknownStep(step)
            } else if missing.is_empty() {
                Unrendered::Wrong(TemplateError::from(&error))
            } else {
                Unrendered::Missing(missing)
            }),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lookups> {
        self.lookups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `var.NAME`
#[derive(Debug)]
struct Vars {
    env: Environment,
    lookups: Shared,
}

impl Vars {
    fn of(env: &Environment, lookups: &Shared) -> Self {
        Self {
            env: env.clone(),
            lookups: Arc::clone(lookups),
        }
    }
}

impl Object for Vars {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        match self.env.var(name) {
            found if is_secret(name) || found.is_some_and(|var| var.secret) => {
                lookups.refused.insert(name.to_owned());
                None
            }
            Some(var) if !var.value.is_empty() => Some(Value::from(var.value.as_str())),
            _ => {
                lookups.missing.insert(name.to_owned());
                None
            }
        }
    }
}

/// `steps.ID`
#[derive(Debug)]
struct Steps {
    reach: Arc<Reach>,
    from: usize,
    lookups: Shared,
}

impl Object for Steps {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let id = key.as_str()?;
        let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(step) = self.reach.find(self.from, id) else {
            lookups.unknown_steps.insert(id.to_owned());
            return None;
        };
        lookups.steps.insert(step.clone());
        Some(Value::from_object(Outputs {
            step,
            lookups: Arc::clone(&self.lookups),
        }))
    }
}

/// `steps.ID.KEY`: known only when the step has run.
#[derive(Debug)]
struct Outputs {
    step: StepId,
    lookups: Shared,
}

impl Object for Outputs {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        let output = format!("${{steps.{}.{key}}}", self.step);
        let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        lookups.outputs.insert(output.clone());
        Some(Value::from(output))
    }
}
