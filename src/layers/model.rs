//! A layer file as read: every text with its place, nothing checked beyond
//! its shape.

use camino::Utf8PathBuf;
use serde::Deserialize;
use toml::Spanned;

use crate::diag::Source;
use crate::plan::{OnFailure, RetryOn};
use crate::shape::{Map, Node};

/// A text with its place in the layer file (bytes, quotes included).
pub type Text = Spanned<String>;

/// One `layer.toml`.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The file, by its path relative to the lab.
    pub source: Source,
    /// The layer's folder relative to the lab, e.g. `layers/l2-instantiate`.
    pub dir: Utf8PathBuf,
    /// `l2`: the first word of the folder's name.
    pub id: Text,
    /// Name for people.
    pub name: String,
    /// One line of documentation.
    pub doc: String,
    /// The recipe that the layer's id stands for.
    pub default: Option<Text>,
    /// Variables that every recipe of the layer needs.
    pub env: Vec<Text>,
    /// Variables that its recipes read when they are set; documentation.
    pub optional_env: Vec<Text>,
    /// Programs that every recipe of the layer needs.
    pub tools: Vec<Text>,
    /// What its recipes write, as globs relative to the lab; `hl clean` may remove it.
    pub generates: Vec<Text>,
    /// Its recipes, as written.
    pub recipes: Vec<Recipe>,
    /// What a file of `scenarios/` says beside its recipe; none in a layer.
    pub scenario: Option<ScenarioHead>,
}

/// What `[scenario]` says that a recipe does not have.
#[derive(Debug, Clone)]
pub struct ScenarioHead {
    /// Seconds that a run usually takes.
    pub runtime: u64,
    /// A call names the machine that it works on.
    pub host_required: bool,
    /// With `--local` it runs as root.
    pub root: bool,
    /// Phases of the scenario `preflight` that come before it.
    pub preflight: Vec<Text>,
    /// It is the binary's own, or has the place of one that is.
    pub known: bool,
}

/// One `[[recipe]]`.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// What a user types.
    pub name: Text,
    /// One line of documentation.
    pub doc: String,
    /// Its parameters, as written.
    pub params: Vec<Param>,
    /// Recipes that run first, each with its arguments: `l1-ensure debian-13`.
    pub deps: Vec<Text>,
    /// Its `deps` may run at the same time.
    pub parallel: bool,
    /// Variables that it needs, besides the layer's.
    pub env: Vec<Text>,
    /// Programs that it needs, besides the layer's.
    pub tools: Vec<Text>,
    /// The step that asks before it acts.
    pub approve: Option<Text>,
    /// What happens when a step fails.
    pub on_failure: OnFailure,
    /// Not listed.
    pub private: bool,
    /// The controller's page may start it.
    pub remote: bool,
    /// Its steps, as written. Without any it is a group of its `deps`.
    pub steps: Vec<StepDef>,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParamType {
    /// Any text.
    #[default]
    String,
    /// `true` or `false`; as an option, a flag.
    Bool,
    /// A whole number.
    Int,
}

/// One parameter of a recipe.
#[derive(Debug, Clone)]
pub struct Param {
    /// Name in templates.
    pub name: Text,
    /// Used when the argument is not given; a template when it is a string.
    pub default: Option<Node>,
    /// The only values it takes; any when empty.
    pub values: Vec<Text>,
    /// One line of documentation.
    pub doc: String,
    /// Given as `--name VALUE` (or `--name`, for a bool) instead of by position.
    pub option: bool,
    /// Its type.
    pub kind: ParamType,
}

impl Param {
    /// The name as an option is typed: `--update-image` for `update_image`.
    pub fn flag(&self) -> String {
        format!("--{}", self.name.get_ref().replace('_', "-"))
    }

    /// Whether a call must give it.
    pub fn required(&self) -> bool {
        !self.option && self.default.is_none()
    }
}

/// One `[[recipe.step]]`.
#[derive(Debug, Clone)]
pub struct StepDef {
    /// Name, unique in the recipe.
    pub id: Text,
    /// One line for people; a template.
    pub doc: Option<Text>,
    /// The action.
    pub action: Text,
    /// The action's inputs; every string is a template.
    pub with: Map,
    /// Steps of this recipe that come first; absent: the step before.
    pub needs: Option<Vec<Text>>,
    /// Runs only when this template gives `true`.
    pub when: Option<Text>,
    /// A duration or a tier.
    pub timeout: Option<Text>,
    /// Tried again after failures.
    pub retry: Option<RetryDef>,
    /// May run once more when nobody knows how it ended.
    pub repeatable: bool,
    /// Runs at the end, whatever happened.
    pub finally: bool,
}

/// `retry = { times = 2, backoff = "5s", on = "transient" }`.
#[derive(Debug, Clone)]
pub struct RetryDef {
    /// Attempts after the first.
    pub times: u32,
    /// Wait before the second attempt; 5 s when absent.
    pub backoff: Option<Text>,
    /// Which failures count.
    pub on: RetryOn,
}
