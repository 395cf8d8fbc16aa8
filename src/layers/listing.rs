//! Recipes as lists show them: data for `hl list`, completions and the manual.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Book;
use super::model::{Param, ParamType, Recipe};
use crate::lab::LabSettings;

/// A layer with the recipes that people may call.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ListedLayer {
    /// `l2`
    pub id: String,
    /// `Instantiate`
    pub name: String,
    /// One line.
    pub doc: String,
    /// The recipe that the id stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Its recipes, as written, without private ones.
    pub recipes: Vec<ListedRecipe>,
}

/// One recipe.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ListedRecipe {
    /// What is typed.
    pub name: String,
    /// One line.
    pub doc: String,
    /// `l2-apply [ENV] [--node NODE]`
    pub usage: String,
    /// Its parameters.
    pub params: Vec<ListedParam>,
    /// The controller's page may start it, and not only a dry run of it.
    pub remote: bool,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ListedParam {
    /// Its name.
    pub name: String,
    /// One line.
    pub doc: String,
    /// `string`, `bool` or `int`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Typed as `--name`, not by position.
    pub option: bool,
    /// A call must give it.
    pub required: bool,
    /// Its default as written; may be a template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The only values it takes; any when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

impl ListedParam {
    /// What is taken when it is not given, as a person reads it: `{{ var.PVE_NODE }}` is
    /// `PVE_NODE`, `{{ lab.env }}` what `hl.toml` says. Empty where it is nothing.
    pub fn shown_default(&self, lab: &LabSettings) -> String {
        match &self.default {
            Some(Value::String(text)) if self.kind == "bool" && text == "false" => String::new(),
            Some(Value::String(text)) => expression(text, lab).to_owned(),
            Some(Value::Bool(false) | Value::Null) | None => String::new(),
            Some(value) => value.to_string(),
        }
    }
}

fn expression<'a>(text: &'a str, lab: &'a LabSettings) -> &'a str {
    let inner = text
        .strip_prefix("{{")
        .and_then(|rest| rest.strip_suffix("}}"))
        .map_or(text, str::trim);
    match inner {
        "lab.env" => &lab.env,
        "lab.name" => &lab.name,
        _ => inner.strip_prefix("var.").unwrap_or(inner),
    }
}

impl Book {
    /// The recipes as `hl list` shows them.
    pub fn list(&self) -> Vec<ListedLayer> {
        self.layers()
            .iter()
            .map(|layer| ListedLayer {
                id: layer.id.get_ref().clone(),
                name: layer.name.clone(),
                doc: layer.doc.clone(),
                default: layer.default.as_ref().map(|name| name.get_ref().clone()),
                recipes: layer
                    .recipes
                    .iter()
                    .filter(|recipe| !recipe.private)
                    .map(listed)
                    .collect(),
            })
            .collect()
    }
}

/// A recipe as it is listed.
pub fn listed(recipe: &Recipe) -> ListedRecipe {
    ListedRecipe {
        name: recipe.name.get_ref().clone(),
        doc: recipe.doc.clone(),
        usage: usage(recipe),
        params: recipe
            .params
            .iter()
            .map(|param| ListedParam {
                name: param.name.get_ref().clone(),
                doc: param.doc.clone(),
                kind: match param.kind {
                    ParamType::String => "string",
                    ParamType::Bool => "bool",
                    ParamType::Int => "int",
                },
                option: param.option,
                required: param.required(),
                default: param.default.as_ref().map(crate::shape::Node::to_json),
                values: param.values.iter().map(|v| v.get_ref().clone()).collect(),
            })
            .collect(),
        remote: recipe.remote,
    }
}

/// `l2-apply [ENV] [--node NODE]`: what a call of the recipe looks like.
pub fn usage(recipe: &Recipe) -> String {
    let mut words = vec![recipe.name.get_ref().clone()];
    let (options, positional): (Vec<&Param>, Vec<&Param>) =
        recipe.params.iter().partition(|param| param.option);
    for param in positional {
        let name = param.name.get_ref().to_uppercase();
        words.push(if param.required() {
            name
        } else {
            format!("[{name}]")
        });
    }
    for param in options {
        let name = param.name.get_ref().to_uppercase();
        words.push(match param.kind {
            ParamType::Bool => format!("[{}]", param.flag()),
            ParamType::String | ParamType::Int => format!("[{} {name}]", param.flag()),
        });
    }
    words.join(" ")
}
