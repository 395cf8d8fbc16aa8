//! The steps of a plan: ids, needs, inputs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;

use super::check::longest;
use super::instances::Instances;
use super::model::{Layer, StepDef, Text};
use super::reach::Reach;
use super::request::Scope;
use super::template::Renderer;
use super::{needs, timeout};
use crate::action::present_name;
use crate::diag::Diagnostic;
use crate::lab::timeouts;
use crate::plan::{OnFailure, Purpose, Retry, Step, StepId, Timeout};
use crate::shape::{Node, Value as Given};

/// Puts instances into a plan, each once.
pub(super) struct Builder<'a, 'b> {
    pub(super) instances: Instances<'a>,
    names: &'b [String],
    scope: &'b Scope<'b>,
    reach: Arc<Reach>,
    pub(super) steps: Vec<Step>,
    /// Where each of them is.
    places: HashMap<StepId, usize>,
    /// For each instance that is in the plan: its last steps.
    leaves: HashMap<usize, Gate>,
    /// By action: how long its inputs may be.
    limits: HashMap<String, BTreeMap<String, usize>>,
}

/// Steps that others wait for.
type Gate = Rc<BTreeSet<StepId>>;

/// An instance whose dependencies are being added.
struct Open {
    index: usize,
    /// The outermost recipe around it that goes on after a failure: it goes on
    /// with all that it depends on.
    continues: Option<usize>,
    /// What all of it comes after.
    after: Gate,
    /// What the next of it comes after.
    gate: Gate,
    next: usize,
}

impl<'a, 'b> Builder<'a, 'b> {
    /// An empty plan for these instances; `names` are theirs.
    pub(super) fn new(instances: Instances<'a>, names: &'b [String], scope: &'b Scope<'b>) -> Self {
        Self {
            reach: Arc::new(Reach::of(&instances.list, names)),
            instances,
            names,
            scope,
            steps: Vec::new(),
            places: HashMap::new(),
            leaves: HashMap::new(),
            limits: HashMap::new(),
        }
    }

    /// Adds an instance and all it depends on, unless it is there already;
    /// what is added comes after `after`. Gives its last steps.
    pub(super) fn emit(&mut self, root: usize, after: &BTreeSet<StepId>) -> Gate {
        if let Some(leaves) = self.leaves.get(&root) {
            return Rc::clone(leaves);
        }
        let mut open = vec![Open::new(
            root,
            self.continues(root),
            Rc::new(after.clone()),
        )];
        let mut last = Gate::default();
        while let Some(now) = open.last_mut() {
            let instance = &self.instances.list[now.index];
            let parallel = instance.recipe.parallel;
            let Some(dep) = instance.deps.get(now.next).copied() else {
                let (index, continues) = (now.index, now.continues);
                let gate = Rc::clone(&now.gate);
                open.pop();
                let gate = self.reduced(gate);
                last = self.own_steps(index, continues, &gate);
                self.leaves.insert(index, Rc::clone(&last));
                if let Some(outer) = open.last_mut() {
                    let parallel = self.instances.list[outer.index].recipe.parallel;
                    outer.added(&last, parallel);
                }
                continue;
            };
            now.next += 1;
            if let Some(leaves) = self.leaves.get(&dep) {
                // It was added for another one, and comes after nothing here.
                now.widen(leaves);
            } else {
                let after = if parallel { &now.after } else { &now.gate };
                let after = Rc::clone(after);
                let continues = now.continues.or_else(|| self.continues(dep));
                open.push(Open::new(dep, continues, after));
            }
        }
        last
    }

    /// The recipe itself, when it goes on after a failure.
    fn continues(&self, index: usize) -> Option<usize> {
        let recipe = self.instances.list[index].recipe;
        (recipe.on_failure == OnFailure::Continue).then_some(index)
    }

    fn own_steps(&mut self, index: usize, continues: Option<usize>, gate: &Gate) -> Gate {
        let recipe = self.instances.list[index].recipe;
        let mut renderer = self.instances.renderer(index);
        renderer.set_steps(&self.reach, index);
        let name = self.names[index].clone();
        let mut inner: BTreeSet<StepId> = BTreeSet::new();
        let mut added: Vec<(StepId, bool)> = Vec::new();
        for (position, def) in recipe.steps.iter().enumerate() {
            let mut step = self.step(index, def, &renderer);
            step.continues = continues.map(|recipe| self.names[recipe].clone());
            let own = |id: &str| StepId::new(&name, id);
            step.needs = needs::written(recipe, position)
                .into_iter()
                .map(own)
                .collect();
            for used in renderer.take_steps() {
                if used == step.id {
                    let wrong = format!("step `{}` uses its own outputs", step.id);
                    let source = &self.instances.list[index].layer.source;
                    let found = Diagnostic::error(wrong).at(source.at(def.id.span(), ""));
                    self.instances.findings.push(found);
                } else if !step.needs.contains(&used) {
                    step.needs.push(used);
                }
            }
            let has_own = step.needs.iter().any(|need| need.recipe() == name);
            if !has_own && !step.finally {
                let more = gate.iter().filter(|need| !step.needs.contains(need));
                let more: Vec<StepId> = more.cloned().collect();
                step.needs.extend(more);
            }
            if !step.finally {
                inner.extend(step.needs.iter().cloned());
            }
            added.push((step.id.clone(), step.finally));
            self.places.insert(step.id.clone(), self.steps.len());
            self.steps.push(step);
        }
        let leaves: BTreeSet<StepId> = added
            .into_iter()
            .filter(|(id, finally)| !finally && !inner.contains(id))
            .map(|(id, _)| id)
            .collect();
        if leaves.is_empty() {
            Rc::clone(gate)
        } else {
            Rc::new(leaves)
        }
    }

    fn step(&mut self, index: usize, def: &StepDef, renderer: &Renderer<'_>) -> Step {
        let id = StepId::new(&self.names[index], def.id.get_ref());
        let mut step = Step::new(id, present_name(def.action.get_ref()));
        let instance = &self.instances.list[index];
        let (layer, recipe) = (instance.layer, instance.recipe);
        // A scenario is no layer.
        let is_layer = layer.scenario.is_none();
        step.layer = is_layer.then(|| layer.id.get_ref().clone());
        step.purpose = self.purpose(layer);
        // As it is typed, for advice that names it.
        step.recipe = if is_layer || recipe.private {
            instance.text.clone()
        } else {
            format!("scenario {}", instance.text)
        };
        step.node = instance.node.as_deref().map(str::to_owned);
        let instances = &mut self.instances;
        let mut filled =
            |text: &Text| instances.filled(layer, recipe, text.get_ref(), &text.span(), renderer);
        step.doc = def.doc.as_ref().map(&mut filled).unwrap_or_default();
        step.when = def.when.as_ref().map(filled);
        for entry in &def.with {
            let (key, node) = (&entry.key, &entry.value);
            let value = self.json(index, node, renderer);
            let text = value.as_str().unwrap_or_default();
            if let Some(most) = self.longest(def.action.get_ref(), key) {
                let length = text.chars().count();
                if length > most {
                    let instances = &mut self.instances;
                    instances.refuse_long(index, key, &node.mark.range(), (length, most), text);
                }
            }
            step.with.insert(key.clone(), value);
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
        step.repeatable = def.repeatable;
        step.finally = def.finally;
        step
    }

    /// What the steps of a layer are for: it is a gate when all of them only check.
    fn purpose(&self, layer: &Layer) -> Purpose {
        let checks = |def: &StepDef| {
            let action = self.scope.registry.get(def.action.get_ref());
            action.is_some_and(|action| action.about().reads_only)
        };
        let mut steps = layer.recipes.iter().flat_map(|recipe| &recipe.steps);
        if steps.all(checks) {
            Purpose::Gate
        } else {
            Purpose::Work
        }
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
            let limit = timeouts::default(&config.timeouts).filter(|_| action.about().is_limited);
            step.timeout_seconds = limit.map(Timeout::from);
        }
    }

    /// How many characters an input of an action may have.
    fn longest(&mut self, action: &str, input: &str) -> Option<usize> {
        let registry = self.scope.registry;
        let limits = self.limits.entry(action.to_owned()).or_insert_with(|| {
            let found = registry.get(action).map(|action| (action.about().inputs)());
            found.map(|schema| longest(&schema)).unwrap_or_default()
        });
        limits.get(input).copied()
    }

    fn json(&mut self, index: usize, node: &Node, renderer: &Renderer<'_>) -> Value {
        match &node.value {
            Given::Text(text) => renderer.value(text).unwrap_or_else(|reason| {
                let instance = &self.instances.list[index];
                let (layer, recipe, span) = (instance.layer, instance.recipe, node.mark.range());
                let instances = &mut self.instances;
                Value::String(instances.unrendered(layer, recipe, text, &span, reason))
            }),
            Given::Null => Value::Null,
            Given::Bool(flag) => Value::Bool(*flag),
            Given::Number(number) => Value::Number(number.clone()),
            Given::List(items) => {
                let items = items.iter();
                items.map(|item| self.json(index, item, renderer)).collect()
            }
            Given::Map(entries) => {
                let mut json = |node| self.json(index, node, renderer);
                let entries = entries.iter();
                entries
                    .map(|entry| (entry.key.clone(), json(&entry.value)))
                    .collect()
            }
        }
    }

    /// Without those that another one of them needs anyway. Where that is much
    /// to look at they stay: they only say twice what comes first.
    fn reduced(&self, gate: Gate) -> Gate {
        if gate.len() < 2 {
            return gate;
        }
        let place = |id: &StepId| self.places.get(id).copied();
        // Needs lead to what was added before.
        let Some(lowest) = gate.iter().filter_map(place).min() else {
            return gate;
        };
        let needs_of = |at: usize| self.steps.get(at).into_iter().flat_map(|step| &step.needs);
        let mut covered: HashSet<usize> = HashSet::new();
        let mut open: Vec<usize> = gate
            .iter()
            .filter_map(place)
            .flat_map(needs_of)
            .filter_map(place)
            .collect();
        while let Some(at) = open.pop() {
            if at >= lowest && covered.insert(at) {
                if covered.len() > LOOKED_AT {
                    return gate;
                }
                open.extend(needs_of(at).filter_map(place));
            }
        }
        let stays = |id: &&StepId| place(id).is_none_or(|at| !covered.contains(&at));
        Rc::new(gate.iter().filter(stays).cloned().collect())
    }
}

/// How many steps are looked at for one recipe, so that the work grows no faster
/// than the plan.
const LOOKED_AT: usize = 4096;

impl Open {
    fn new(index: usize, continues: Option<usize>, after: Gate) -> Self {
        Self {
            index,
            continues,
            gate: Rc::clone(&after),
            after,
            next: 0,
        }
    }

    /// A dependency was added just now. In turn it came after all that was
    /// before, so what comes after it comes after that, too.
    fn added(&mut self, leaves: &Gate, parallel: bool) {
        if parallel {
            self.widen(leaves);
        } else {
            self.gate = Rc::clone(leaves);
        }
    }

    fn widen(&mut self, leaves: &Gate) {
        Rc::make_mut(&mut self.gate).extend(leaves.iter().cloned());
    }
}
