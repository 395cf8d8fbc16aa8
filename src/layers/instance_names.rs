//! What the instances of recipes are called in step ids.

use std::collections::{HashMap, HashSet};

use minijinja::Value;

use super::instances::Instance;

/// The name of every instance in step ids: the recipe's, with arguments
/// where the plan has it more than once.
pub(super) fn names(instances: &[Instance<'_>]) -> Vec<String> {
    let mut twins: HashMap<&str, Vec<&Instance<'_>>> = HashMap::new();
    for instance in instances {
        let recipe = instance.recipe.name.get_ref();
        twins.entry(recipe).or_default().push(instance);
    }
    let differing: HashMap<&str, Vec<bool>> = twins
        .into_iter()
        .filter(|(_, twins)| twins.len() > 1)
        .map(|(recipe, twins)| (recipe, differing(&twins)))
        .collect();
    let mut names: Vec<String> = Vec::with_capacity(instances.len());
    let mut taken: HashSet<String> = HashSet::new();
    // How often a name was wanted that was taken.
    let mut numbers: HashMap<String, usize> = HashMap::new();
    for instance in instances {
        let recipe = instance.recipe.name.get_ref();
        let wanted = match differing.get(recipe.as_str()) {
            Some(differ) => format!("{recipe}({})", distinguishing(instance, differ).join(",")),
            None => recipe.clone(),
        };
        let mut name = wanted.clone();
        while !taken.insert(name.clone()) {
            let number = numbers.entry(wanted.clone()).or_insert(1);
            *number += 1;
            name = format!("{wanted}#{number}");
        }
        names.push(name);
    }
    names
}

/// Which parameters do not have the same value in all instances of a recipe.
fn differing(twins: &[&Instance<'_>]) -> Vec<bool> {
    let Some((first, others)) = twins.split_first() else {
        return Vec::new();
    };
    let values = first.values.iter().enumerate();
    values
        .map(|(index, value)| {
            others
                .iter()
                .any(|twin| twin.values.get(index) != Some(value))
        })
        .collect()
}

/// The longest piece of a name that is made from an argument: the names of
/// steps become names of files.
const LONGEST: usize = 40;

/// The values in which an instance differs from its twins; options that are
/// empty are left out.
fn distinguishing(instance: &Instance<'_>, differ: &[bool]) -> Vec<String> {
    let clean = |value: &Value| -> String {
        value
            .to_string()
            .chars()
            .take(LONGEST)
            .map(|c| match c {
                c if c.is_alphanumeric() || "._:@+=-".contains(c) => c,
                _ => '_',
            })
            .collect()
    };
    let params = instance.recipe.params.iter().zip(instance.values.iter());
    params
        .zip(differ)
        .filter(|(_, differs)| **differs)
        .filter(|((param, value), _)| !param.option || value.is_true())
        .map(|((param, value), _)| {
            if param.option {
                format!("{}={}", param.name.get_ref(), clean(value))
            } else {
                clean(value)
            }
        })
        .collect()
}
