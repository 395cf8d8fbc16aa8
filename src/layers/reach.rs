//! Which steps `steps.` reaches in a recipe's templates.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::instances::Instance;
use super::model::Recipe;
use crate::plan::StepId;

/// The instances of a plan, as templates see them.
#[derive(Debug)]
pub(super) struct Reach {
    instances: Vec<Reachable>,
    /// The instances of each recipe.
    of: HashMap<String, Vec<usize>>,
}

#[derive(Debug)]
struct Reachable {
    /// Its name in step ids.
    name: String,
    recipe: Arc<Steps>,
    deps: Vec<usize>,
}

/// The steps of a recipe: each id, and whether it runs at the end.
#[derive(Debug)]
struct Steps(HashMap<String, bool>);

impl Reach {
    /// What the instances of a plan reach; `names` are theirs.
    pub(super) fn of(list: &[Instance<'_>], names: &[String]) -> Self {
        let mut recipes: HashMap<&str, Arc<Steps>> = HashMap::new();
        let mut of: HashMap<String, Vec<usize>> = HashMap::new();
        let mut instances = Vec::with_capacity(list.len());
        for (index, (instance, name)) in list.iter().zip(names).enumerate() {
            let recipe = instance.recipe.name.get_ref();
            let known = recipes
                .entry(recipe)
                .or_insert_with(|| Arc::new(Steps::of(instance.recipe)));
            instances.push(Reachable {
                name: name.clone(),
                recipe: Arc::clone(known),
                deps: instance.deps.clone(),
            });
            match of.get_mut(recipe) {
                Some(all) => all.push(index),
                None => {
                    of.insert(recipe.clone(), vec![index]);
                }
            }
        }
        Self { instances, of }
    }

    /// The id of a step in the plan, as the instance at `from` names it: its own
    /// steps by their ids, those of what it depends on as `recipe/step`, where
    /// that recipe runs only once among them.
    pub(super) fn find(&self, from: usize, name: &str) -> Option<StepId> {
        let (at, step) = match name.split_once('/') {
            None => (from, name),
            Some((recipe, step)) => (self.only(from, recipe)?, step),
        };
        let found = self.instances.get(at)?;
        let finally = found.recipe.0.get(step)?;
        (at == from || !finally).then(|| StepId::new(&found.name, step))
    }

    /// The one instance of a recipe among what `from` depends on.
    fn only(&self, from: usize, recipe: &str) -> Option<usize> {
        let all = self.of.get(recipe)?;
        let deps = &self.instances.get(from)?.deps;
        if let [one] = all.as_slice()
            && deps.contains(one)
        {
            return Some(*one);
        }
        let mut reach: BTreeSet<usize> = BTreeSet::new();
        let mut open = deps.clone();
        while let Some(dep) = open.pop() {
            if reach.insert(dep) {
                open.extend(self.instances.get(dep).iter().flat_map(|next| &next.deps));
            }
        }
        let mut found = all.iter().copied().filter(|index| reach.contains(index));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }
}

impl Steps {
    fn of(recipe: &Recipe) -> Self {
        let steps = recipe.steps.iter();
        Self(
            steps
                .map(|step| (step.id.get_ref().clone(), step.finally))
                .collect(),
        )
    }
}
