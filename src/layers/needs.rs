//! Which steps of a recipe come before which.

use super::model::Recipe;

/// The needs of one step as its layer file says: those written, or the step
/// before. A `finally` step needs nothing unless written, and nothing needs it
/// unwritten.
pub(super) fn written(recipe: &Recipe, index: usize) -> Vec<&str> {
    let Some(step) = recipe.steps.get(index) else {
        return Vec::new();
    };
    match &step.needs {
        Some(needs) => needs.iter().map(|need| need.get_ref().as_str()).collect(),
        None if step.finally => Vec::new(),
        None => recipe
            .steps
            .iter()
            .take(index)
            .rev()
            .find(|before| !before.finally)
            .map(|before| before.id.get_ref().as_str())
            .into_iter()
            .collect(),
    }
}
