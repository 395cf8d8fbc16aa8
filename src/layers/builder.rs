//! The steps of a plan: ids, needs, inputs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::instances::Instances;
use super::model::{Node, NodeKind, StepDef};
use super::request::Scope;
use super::template::Renderer;
use super::{needs, timeout};
use crate::diag::Diagnostic;
use crate::lab::timeouts;
use crate::plan::{Retry, Step, StepId, Timeout};

/// Puts instances into a plan, each once.
pub(super) struct Builder<'a, 'b> {
    pub(super) instances: Instances<'a>,
    pub(super) names: &'b [String],
    pub(super) scope: &'b Scope<'b>,
    pub(super) steps: Vec<Step>,
    /// For each instance that is in the plan: its last steps.
    pub(super) leaves: BTreeMap<usize, BTreeSet<StepId>>,
}

impl Builder<'_, '_> {
    /// Adds an instance and all it depends on, unless it is there already;
    /// what is added comes after `after`. Gives its last steps.
    pub(super) fn emit(&mut self, index: usize, after: &BTreeSet<StepId>) -> BTreeSet<StepId> {
        if let Some(leaves) = self.leaves.get(&index) {
            return leaves.clone();
        }
        let mut gate = after.clone();
        let recipe = self.instances.list[index].recipe;
        for dep in self.instances.list[index].deps.clone() {
            let leaves = if recipe.parallel {
                self.emit(dep, after)
            } else {
                self.emit(dep, &gate.clone())
            };
            gate.extend(leaves);
        }
        let gate = self.reduced(&gate);
        let leaves = self.own_steps(index, &gate);
        self.leaves.insert(index, leaves.clone());
        leaves
    }

    fn own_steps(&mut self, index: usize, gate: &BTreeSet<StepId>) -> BTreeSet<StepId> {
        let recipe = self.instances.list[index].recipe;
        let mut renderer = self.instances.list[index].renderer.clone();
        renderer.set_steps(self.visible(index));
        let mut inner: BTreeSet<StepId> = BTreeSet::new();
        let mut added: Vec<(StepId, bool)> = Vec::new();
        for (position, def) in recipe.steps.iter().enumerate() {
            let mut step = self.step(index, def, &renderer);
            let own = |id: &str| StepId(format!("{}/{id}", self.names[index]));
            step.needs = needs::written(recipe, position)
                .into_iter()
                .map(own)
                .collect();
            for used in renderer.take_steps() {
                let used = StepId(used);
                if used == step.id {
                    self.instances.findings.push(
                        Diagnostic::error(format!("step `{}` uses its own outputs", step.id)).at(
                            self.instances.list[index]
                                .layer
                                .source
                                .at(def.id.span(), ""),
                        ),
                    );
                } else if !step.needs.contains(&used) {
                    step.needs.push(used);
                }
            }
            let prefix = format!("{}/", self.names[index]);
            let has_own = step
                .needs
                .iter()
                .any(|need| need.as_str().starts_with(&prefix));
            if !has_own && !step.finally {
                for need in gate {
                    if !step.needs.contains(need) {
                        step.needs.push(need.clone());
                    }
                }
            }
            if !step.finally {
                inner.extend(step.needs.iter().cloned());
            }
            added.push((step.id.clone(), step.finally));
            self.steps.push(step);
        }
        let leaves: BTreeSet<StepId> = added
            .into_iter()
            .filter(|(id, finally)| !finally && !inner.contains(id))
            .map(|(id, _)| id)
            .collect();
        if leaves.is_empty() {
            gate.clone()
        } else {
            leaves
        }
    }

    fn step(&mut self, index: usize, def: &StepDef, renderer: &Renderer<'_>) -> Step {
        let id = format!("{}/{}", self.names[index], def.id.get_ref());
        let mut step = Step::new(id, def.action.get_ref().as_str());
        let (layer, recipe) = {
            let instance = &self.instances.list[index];
            (instance.layer, instance.recipe)
        };
        step.layer = Some(layer.id.get_ref().clone());
        step.recipe.clone_from(&self.instances.list[index].text);
        step.node.clone_from(&self.instances.list[index].node);
        if let Some(doc) = &def.doc {
            let text = doc.get_ref();
            step.doc = self
                .instances
                .filled(layer, recipe, text, &doc.span(), renderer);
        }
        if let Some(when) = &def.when {
            let text = when.get_ref();
            step.when = Some(
                self.instances
                    .filled(layer, recipe, text, &when.span(), renderer),
            );
        }
        for (key, node) in &def.with {
            let value = self.json(index, node, renderer);
            step.with.insert(key.get_ref().clone(), value);
        }
        self.limit(&mut step, def);
        step.retry = def.retry.as_ref().map(|retry| Retry {
            times: retry.times,
            backoff_seconds: retry
                .backoff
                .as_ref()
                .and_then(|text| timeout::seconds(text.get_ref()))
                .unwrap_or(5),
            on: retry.on,
        });
        step.approve = recipe.approve.as_ref() == Some(&def.id);
        step.finally = def.finally;
        step
    }

    /// What its definition says, else the default for what `hl` does itself.
    fn limit(&self, step: &mut Step, def: &StepDef) {
        let config = &self.scope.lab.config;
        if let Some(text) = &def.timeout {
            // What is wrong with it has been reported.
            let limit = timeout::resolve(text.get_ref(), Some(config));
            step.no_timeout = limit == Ok(None);
            step.timeout_seconds = limit.ok().flatten().map(Timeout);
        } else if let Some(action) = self.scope.registry.get(&step.action) {
            let limit = timeouts::default(&config.timeouts).filter(|_| action.is_limited());
            step.timeout_seconds = limit.map(Timeout::from);
        }
    }

    fn json(&mut self, index: usize, node: &Node, renderer: &Renderer<'_>) -> Value {
        match &node.kind {
            NodeKind::String(text) => match renderer.value(text) {
                Ok(value) => value,
                Err(reason) => {
                    let instance = &self.instances.list[index];
                    let (layer, recipe) = (instance.layer, instance.recipe);
                    Value::String(
                        self.instances
                            .unrendered(layer, recipe, text, &node.span, reason),
                    )
                }
            },
            NodeKind::Bool(flag) => Value::Bool(*flag),
            NodeKind::Number(number) => Value::Number(number.clone()),
            NodeKind::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.json(index, item, renderer))
                    .collect(),
            ),
            NodeKind::Table(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, item)| (key.get_ref().clone(), self.json(index, item, renderer)))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// What `steps.` reaches: the recipe's own steps by id, and those of what
    /// it depends on as `recipe/step` where that recipe runs only once.
    fn visible(&self, index: usize) -> BTreeMap<String, String> {
        let mut reach: BTreeSet<usize> = BTreeSet::new();
        let mut open = self.instances.list[index].deps.clone();
        while let Some(dep) = open.pop() {
            if reach.insert(dep) {
                open.extend(&self.instances.list[dep].deps);
            }
        }
        let mut ids = BTreeMap::new();
        for dep in &reach {
            let recipe = self.instances.list[*dep].recipe;
            let twins = reach
                .iter()
                .filter(|other| self.instances.list[**other].recipe.name == recipe.name)
                .count();
            for step in recipe
                .steps
                .iter()
                .filter(|step| twins == 1 && !step.finally)
            {
                let id = step.id.get_ref();
                ids.insert(
                    format!("{}/{id}", recipe.name.get_ref()),
                    format!("{}/{id}", self.names[*dep]),
                );
            }
        }
        for step in &self.instances.list[index].recipe.steps {
            let id = step.id.get_ref();
            ids.insert(id.clone(), format!("{}/{id}", self.names[index]));
        }
        ids
    }

    /// Without those that another one of them needs anyway.
    fn reduced(&self, steps: &BTreeSet<StepId>) -> BTreeSet<StepId> {
        let index: BTreeMap<&StepId, &Step> = self.steps.iter().map(|s| (&s.id, s)).collect();
        let mut covered: BTreeSet<&StepId> = BTreeSet::new();
        let mut open: Vec<&StepId> = steps
            .iter()
            .filter_map(|id| index.get(id))
            .flat_map(|step| &step.needs)
            .collect();
        while let Some(id) = open.pop() {
            if covered.insert(id)
                && let Some(step) = index.get(id)
            {
                open.extend(&step.needs);
            }
        }
        steps
            .iter()
            .filter(|id| !covered.contains(id))
            .cloned()
            .collect()
    }
}
