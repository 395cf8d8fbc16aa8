//! A yes or no among the inputs of an action.

use schemars::JsonSchema;
use serde::Deserialize;

/// A boolean, or the text that a template makes of one.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Flag {
    Bool(bool),
    Text(String),
    #[default]
    Absent,
}

impl Flag {
    /// Whether it says yes.
    pub(super) fn is_set(&self) -> bool {
        match self {
            Self::Bool(flag) => *flag,
            Self::Text(text) => text == "true",
            Self::Absent => false,
        }
    }
}
