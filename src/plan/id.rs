//! The names of steps.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A step's name, unique in its plan: `recipe/step`, e.g. `l2-apply/plan`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct StepId(String);

impl StepId {
    /// The step `name` of `recipe`, which may have its arguments behind it:
    /// `l1-ensure(debian-13)`. The name holds no `/`.
    pub fn new(recipe: &str, name: &str) -> Self {
        debug_assert!(!name.contains('/'), "step name `{name}`");
        Self([recipe, "/", name].concat())
    }

    /// The whole name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `l2-apply` of `l2-apply/plan`; empty where there is none.
    pub fn recipe(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(recipe, _)| recipe)
    }

    /// `plan` of `l2-apply/plan`.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// Whether a user may mean this step by `text`: its whole name, or its own.
    pub fn is_called(&self, text: &str) -> bool {
        self.0 == text || self.name() == text
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for StepId {
    /// A name that was written down.
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for StepId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_come_back_and_the_text_is_theirs(recipe in "[a-z0-9(),=._-]{1,12}", name in "[a-z-]{1,8}") {
            let id = StepId::new(&recipe, &name);
            prop_assert_eq!((id.recipe(), id.name()), (recipe.as_str(), name.as_str()));
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(&json, &format!("\"{recipe}/{name}\""));
            prop_assert_eq!(serde_json::from_str::<StepId>(&json).unwrap(), id);
        }
    }

    #[test]
    fn a_name_alone_has_no_recipe() {
        let id = StepId::from("look");
        assert_eq!((id.recipe(), id.name()), ("", "look"));
        assert!(StepId::from("r/a").is_called("a") && StepId::from("r/a").is_called("r/a"));
        assert!(!StepId::from("r/ba").is_called("a"));
    }
}
