//! `layer.toml` to recipes to plans.
//!
//! A scenario is a recipe in a file of its own: [`scenarios`] gives a book of them.
//!
//! [`load`] reads every `layers/*/layer.toml` of a lab into a [`Book`], shape
//! only, so that lists are quick. [`Book::plan`] checks everything, fills in
//! the templates and gives a [`crate::plan::Plan`]; nothing is run here.

mod args;
mod assemble;
mod book;
mod builder;
mod check;
pub mod clean;
mod compile;
mod components;
mod dep_words;
pub mod embedded;
mod fields;
pub mod graph;
mod instance_names;
mod instances;
mod justfile;
mod listing;
mod model;
mod needs;
mod old_names;
mod parse;
mod reach;
mod renamed;
mod request;
mod scenario_plan;
mod scenarios;
mod schema;
mod table;
mod template;
mod timeout;
mod verbs;

pub use assemble::refuse_secrets;
pub use book::{Book, load, load_with};
pub use instances::{Arg, ArgSource};
pub use justfile::justfile;
pub use listing::{ListedLayer, ListedParam, ListedRecipe, listed, usage};
pub use model::{Layer, Param, ParamType, Recipe, RetryDef, ScenarioHead, StepDef, Text};
pub use renamed::renamed_step;
pub use request::{Compiled, RunRecipe, Scope};
pub use scenarios::{ListedScenario, PREFLIGHT, listed_scenario, scenarios};
pub use schema::{hl_schema, layer_schema, scenario_schema};
pub use verbs::is_reserved;
