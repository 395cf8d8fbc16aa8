//! What a run was asked for, as data: enough to build its plan once more.

use serde::{Deserialize, Serialize};

/// A recipe with its arguments, or `up`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunRequest {
    /// A recipe.
    Recipe(RecipeRequest),
    /// The layers in order.
    Up(UpRequest),
}

/// A recipe that a user asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipeRequest {
    /// A recipe's name, or a layer's id for its default recipe.
    pub name: String,
    /// What was typed after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
}

/// What is run by `hl up`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpRequest {
    /// Given to every recipe that has a parameter `env`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// Given to every recipe that has a parameter `node`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// First layer; the lab's first when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Last layer; the lab's last when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Components of `hl.toml` whose recipes run too: this run's own, never
    /// inherited from an earlier one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn only_what_was_said_is_written() {
        let up = RunRequest::Up(UpRequest {
            env: Some("dev".to_owned()),
            to: Some("l3".to_owned()),
            with: vec!["metrics".to_owned()],
            ..UpRequest::default()
        });
        let json = json!({ "up": { "env": "dev", "to": "l3", "with": ["metrics"] } });
        assert_eq!(to_value(&up).unwrap(), json);
        assert_eq!(from_value::<RunRequest>(json).unwrap(), up);
        let recipe = RunRequest::Recipe(RecipeRequest {
            name: "l0".to_owned(),
            args: Vec::new(),
        });
        let json = json!({ "recipe": { "name": "l0" } });
        assert_eq!(to_value(&recipe).unwrap(), json);
        assert_eq!(from_value::<RunRequest>(json).unwrap(), recipe);
    }
}
