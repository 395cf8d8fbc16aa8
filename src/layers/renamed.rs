//! Names that changed in 0.2: layer files and users may use the old ones until
//! 0.3, and a line names the new one.

use crate::plan::StepId;

/// Recipes of the shipped layers: the old name and the new one.
const RECIPES: &[(&str, &str)] = &[("l2-reset", "l2-forget")];
/// The version that no longer knows the old names.
const UNTIL: &str = "0.3";

/// The other name of a renamed recipe: the layer files of a lab have one of them.
pub(super) fn other_name(name: &str) -> Option<&'static str> {
    let mut names = RECIPES
        .iter()
        .flat_map(|(old, new)| [(*old, *new), (*new, *old)]);
    names.find(|(one, _)| *one == name).map(|(_, other)| other)
}

/// A step under the other name of its recipe, when the recipe was renamed.
pub fn renamed_step(step: &StepId) -> Option<StepId> {
    let recipe = step.recipe();
    let (name, args) = recipe.split_at(recipe.find('(').unwrap_or(recipe.len()));
    let other = other_name(name)?;
    Some(StepId::new(&format!("{other}{args}"), step.name()))
}

/// Whether a recipe had this name before 0.2.
pub(super) fn is_old(name: &str) -> bool {
    RECIPES.iter().any(|(old, _)| *old == name)
}

/// Names the new name of an action or a recipe.
pub(super) fn now_called(old: &str, new: &str) -> String {
    format!("`{old}` is now called `{new}`; the old name works until {UNTIL}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_go_by_both_names_of_their_recipe() {
        let other = |step: &str| renamed_step(&StepId::from(step));
        assert_eq!(
            other("l2-reset/forget"),
            Some(StepId::from("l2-forget/forget"))
        );
        assert_eq!(
            other("l2-forget(dev,pve)/init"),
            Some(StepId::from("l2-reset(dev,pve)/init"))
        );
        assert_eq!(other("l2-apply/init"), None);
        assert_eq!(other("l2-reset"), None);
    }
}
