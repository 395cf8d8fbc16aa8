//! A lab in a directory of its own, with actions of the tests.

use std::collections::BTreeMap;
use std::fs;

use camino::Utf8PathBuf;
use hl::action::{About, Action, Done, Registry, StepContext};
use hl::diag::StepError;
use hl::diag::{Failure, render};
use hl::lab::{Config, Environment, Lab, Paths, Provenance, Var};
use hl::layers::{Book, Scope, load_with};
use hl::plan::{Plan, StepId};
use hl::runs::{RecipeRequest, RunRequest};
use schemars::{JsonSchema, Schema};

/// An action of a name with inputs as `T` has them.
struct Fake(&'static str, fn() -> Schema);

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Inputs {
    dir: String,
    vars_file: Option<String>,
    mode: Option<Mode>,
    count: Option<u32>,
    args: Option<Vec<String>>,
    extra: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum Mode {
    Fast,
    Slow,
}

impl Action for Fake {
    fn about(&self) -> About {
        About {
            inputs: self.1,
            ..About::of::<()>(self.0).doc("an action of the tests")
        }
    }
    fn preview(&self, _: &StepContext<'_>) -> Result<Done, StepError> {
        Ok(Done::default())
    }
    fn run(&self, _: &StepContext<'_>) -> Result<Done, StepError> {
        Ok(Done::default())
    }
}

pub(crate) fn actions() -> Registry {
    Registry::default()
        .with(Fake("tofu.apply", || schemars::schema_for!(Inputs)))
        .with(Fake(
            "note",
            || schemars::json_schema!({"type": "object", "additionalProperties": true}),
        ))
}

/// A lab in a directory of its own.
pub(crate) struct Fixture {
    pub(crate) lab: Lab,
    pub(crate) env: Environment,
    pub(crate) registry: Registry,
    _dir: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new(layers: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        for (name, text) in layers {
            let folder = root.join("layers").join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("layer.toml"), text).unwrap();
        }
        Self {
            lab: Lab {
                paths: Paths::live(root),
                config: Config::default(),
            },
            env: Environment::default(),
            registry: actions(),
            _dir: dir,
        }
    }

    pub(crate) fn set(mut self, name: &str, value: &str, secret: bool) -> Self {
        let var = Var {
            value: value.to_owned(),
            from: Provenance::Process,
            secret,
        };
        self.env.set(name, var);
        self
    }

    pub(crate) fn load(&self) -> Result<Book, Failure> {
        load_with(&self.lab.paths, actions)
    }

    pub(crate) fn scope(&self) -> Scope<'_> {
        Scope {
            lab: &self.lab,
            env: &self.env,
            registry: &self.registry,
        }
    }

    pub(crate) fn plan(&self, words: &str) -> Result<Plan, Failure> {
        let mut words = words.split_whitespace().map(str::to_owned);
        let request = RunRequest::Recipe(RecipeRequest {
            name: words.next().unwrap_or_default(),
            args: words.collect(),
        });
        self.load()?.compile(&request, &self.scope())?.ready()
    }

    pub(crate) fn report(&self, words: &str) -> String {
        let failure = self.plan(words).unwrap_err();
        format!(
            "exit {}\n{}",
            failure.exit.code(),
            render(&failure, false, hl::diag::Commands::Live)
        )
    }
}

/// One line a step: `id <- needs`.
pub(crate) fn edges(plan: &Plan) -> String {
    let line = |step: &hl::plan::Step| {
        let needs: Vec<&str> = step.needs.iter().map(StepId::as_str).collect();
        format!("{} <- {}", step.id, needs.join(" "))
    };
    plan.steps.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub(crate) const HEAD: &str = "[layer]\nid = \"l2\"\nname = \"Instantiate\"\n";

pub(crate) fn layer(text: &str) -> String {
    format!("{HEAD}{text}")
}

pub(crate) const LAB: &[(&str, &str)] = &[
    (
        "l1-templates",
        r#"
[layer]
id = "l1"
name = "Templates"
default = "l1-all"
env = ["PVE_NODE"]

[[recipe]]
name = "l1-all"
doc = "All templates"
deps = ["l1-ensure debian-13", "l1-ensure ubuntu-24.04"]
parallel = true

[[recipe]]
name = "l1-ensure"
private = true
params = [{ name = "name", values = ["debian-13", "ubuntu-24.04"] }]
deps = ["l1-tools"]

[[recipe.step]]
id = "check"
use = "note"
doc = "Look for {{ name }}"
with = { name = "{{ name }}" }

[[recipe.step]]
id = "build"
use = "note"
when = "{{ steps.check.stale }}"
with = { dir = "{{ layer.dir }}/packer/{{ name }}", to = "{{ paths.templates }}" }
timeout = "long"
retry = { times = 2, backoff = "1m", on = "any" }

[[recipe]]
name = "l1-tools"
private = true
tools = ["packer"]
[[recipe.step]]
id = "probe"
use = "note"
"#,
    ),
    (
        "l2-instantiate",
        r#"
[layer]
id = "l2"
name = "Instantiate"
doc = "Create virtual machines"
default = "l2-apply"
env = ["PVE_NODE", "PM_TOKEN_SECRET"]
tools = ["tofu"]

[[recipe]]
name = "l2-apply"
doc = "Create or update"
params = [{ name = "env", default = "{{ lab.env }}", doc = "environment" },
          { name = "node", option = true, default = "{{ var.PVE_NODE }}" },
          { name = "parallelism", option = true, type = "int", default = 4 },
          { name = "dry", option = true, type = "bool" }]
approve = "apply"

[[recipe.step]]
id = "resolve"
use = "note"
with = { key = "{{ env }}-{{ node }}" }

[[recipe.step]]
id = "wait-lock"
use = "note"
needs = []

[[recipe.step]]
id = "apply"
use = "tofu.apply"
needs = ["wait-lock"]
with = { dir = "x", vars_file = "{{ steps.resolve.tfvars }}", count = "{{ parallelism }}", extra = { dry = "{{ dry }}", why = "{{ steps['wait-lock'].why }}!" } }
timeout = "1h30m"

[[recipe.step]]
id = "unlock"
use = "note"
finally = true
"#,
    ),
];

pub(crate) fn lab() -> Fixture {
    Fixture::new(LAB)
        .set("PVE_NODE", "polaris", false)
        .set("PM_TOKEN_SECRET", "hunter-22", true)
}
