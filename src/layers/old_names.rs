//! What a lab is told about names that changed.

use std::collections::BTreeMap;

use super::book::Book;
use super::model::Text;
use super::renamed::{is_old, now_called};
use crate::action::present_name;

impl Book {
    /// What to tell a user who calls a renamed recipe by the name that this lab
    /// does not have.
    pub fn renamed(&self, word: &str) -> Option<String> {
        let name = self.called(word)?;
        Some(if is_old(word) {
            now_called(word, name)
        } else {
            format!("recipe `{word}` is still called `{name}` in this lab")
        })
    }

    /// The old names in the layer files: a line for each, with its places.
    pub fn old_names(&self) -> Vec<String> {
        let mut found: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for (layer, recipe) in self.recipes() {
            let mut note = |old, new, text: &Text| {
                let place = layer.source.at(text.span(), "");
                let (line, _) = place.line_column();
                let places = found.entry((old, new)).or_default();
                places.push(format!("{}:{line}", place.path()));
            };
            for step in &recipe.steps {
                let action = step.action.get_ref().as_str();
                let present = present_name(action);
                if present != action {
                    note(action, present, &step.action);
                }
            }
            for dep in &recipe.deps {
                let word = dep.get_ref().split_whitespace().next().unwrap_or_default();
                if let Some(name) = self.called(word).filter(|_| is_old(word)) {
                    note(word, name, dep);
                }
            }
        }
        let lines = found.into_iter();
        lines
            .map(|((old, new), places)| format!("{} ({})", now_called(old, new), places.join(", ")))
            .collect()
    }

    /// The name that this lab has for a recipe which is called by its other one.
    fn called(&self, word: &str) -> Option<&str> {
        let (_, recipe) = self.get(word)?;
        let name = recipe.name.get_ref().as_str();
        (name != word).then_some(name)
    }
}
