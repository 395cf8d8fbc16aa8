//! What a run was asked for, as data: enough to build its plan once more.

use serde::{Deserialize, Serialize};

/// A recipe with its arguments, or `up`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// A recipe.
    Recipe {
        /// Its name.
        name: String,
        /// Its arguments as typed, redacted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
    },
    /// The layers in order.
    Up {
        /// The environment, where one was named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        env: Option<String>,
        /// `--node`
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<String>,
        /// `--from`
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// `--to`
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        /// `--with`: optional components, this run's own.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        with: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn only_what_was_said_is_written() {
        let up = Asked::Up {
            env: Some("dev".to_owned()),
            node: None,
            from: None,
            to: Some("l3".to_owned()),
            with: vec!["metrics".to_owned()],
        };
        let json = json!({ "up": { "env": "dev", "to": "l3", "with": ["metrics"] } });
        assert_eq!(to_value(&up).unwrap(), json);
        assert_eq!(from_value::<Asked>(json).unwrap(), up);
        let recipe = Asked::Recipe {
            name: "l0".to_owned(),
            args: Vec::new(),
        };
        let json = json!({ "recipe": { "name": "l0" } });
        assert_eq!(to_value(&recipe).unwrap(), json);
        assert_eq!(from_value::<Asked>(json).unwrap(), recipe);
    }
}
