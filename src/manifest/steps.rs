//! The phases of one node as steps, and the steps about all of them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::machine::PlannedNode;
use super::model::{ManifestGraph, ManifestNode, Mode, NodeType};
use super::settings::PlanSettings;
use crate::plan::{FinallyWhen, Purpose, Step, StepId, Timeout};
use crate::runs::ManifestVerb;

/// The action without which nothing of a manifest begins.
pub(super) const GUARD: &str = "manifest.approve";

/// What all steps of a plan share.
pub(super) struct Along<'a> {
    pub(super) settings: &'a PlanSettings,
    pub(super) graph: &'a ManifestGraph,
    /// The command.
    pub(super) text: &'a str,
    /// What is made is undone after a failure.
    pub(super) rolls_back: bool,
}

/// The step that shows all machines and lets the plan begin.
pub(super) fn guard(along: &Along<'_>, nodes: &[&PlannedNode], needs: Vec<StepId>) -> Step {
    let verb = along.settings.verb;
    let mut step = whole(along, "approve", GUARD, nodes);
    let doc = match verb {
        ManifestVerb::Create => "every machine that is made",
        ManifestVerb::Destroy => "every machine that is destroyed",
        ManifestVerb::Test => {
            "every machine that is made and destroyed; nothing of it may be there"
        }
    };
    doc.clone_into(&mut step.doc);
    step.with.insert("verb".to_owned(), json!(verb.name()));
    step.needs = needs;
    step.approve = true;
    step.purpose = Purpose::Guard;
    step.timeout_seconds = Some(minutes(5));
    step
}

/// The step that looks, at the end, whether anything is left.
pub(super) fn left(along: &Along<'_>, nodes: &[&PlannedNode], needs: Vec<StepId>) -> Option<Step> {
    let when = match along.settings.verb {
        ManifestVerb::Create => return None,
        ManifestVerb::Destroy => FinallyWhen::Begun,
        ManifestVerb::Test => at_end(along),
    };
    let mut step = whole(along, "left", "manifest.left", nodes);
    "nothing of it is left".clone_into(&mut step.doc);
    step.needs = needs;
    step.finally = true;
    step.finally_when = when;
    step.timeout_seconds = Some(minutes(5));
    Some(step)
}

/// A step about all nodes.
fn whole(along: &Along<'_>, name: &str, action: &str, nodes: &[&PlannedNode]) -> Step {
    let settings = along.settings;
    let mut step = Step::new(StepId::new(settings.verb.name(), name), action);
    along.text.clone_into(&mut step.recipe);
    step.node = Some(settings.host.clone());
    let machine = |node: &&PlannedNode| {
        let mut machine = node.machine.clone();
        if let Some(parent) = &node.parent {
            machine.insert("parent".to_owned(), json!(parent));
        }
        Value::Object(machine)
    };
    step.with = Map::from_iter([
        ("manifest".to_owned(), json!(along.graph.name)),
        ("node".to_owned(), json!(settings.host)),
        ("machines".to_owned(), nodes.iter().map(machine).collect()),
    ]);
    step
}

/// When a test destroys what it made.
fn at_end(along: &Along<'_>) -> FinallyWhen {
    if along.graph.settings.cleanup_on_failure {
        FinallyWhen::Begun
    } else {
        FinallyWhen::Succeeded
    }
}

/// The steps of a node; the first of them needs `needs`, and each the one before it.
pub(super) fn steps(along: &Along<'_>, node: &PlannedNode, needs: Vec<StepId>) -> Vec<Step> {
    let Some(of_graph) = along.graph.nodes.get(node.place) else {
        return Vec::new();
    };
    let mut phases = Phases {
        along,
        node,
        of_graph,
        steps: Vec::with_capacity(12),
        needs,
    };
    if node.parent.is_some() {
        phases.inside();
        return phases.steps;
    }
    match along.settings.verb {
        ManifestVerb::Create => {
            phases.create();
            if along.rolls_back {
                phases.remove("undo", FinallyWhen::Undoing);
            }
        }
        ManifestVerb::Test => {
            phases.create();
            if along.graph.settings.verify_ssh {
                phases.verify();
            }
            phases.remove("destroy", at_end(along));
        }
        ManifestVerb::Destroy => phases.destroy(),
    }
    phases.steps
}

fn minutes(minutes: u64) -> Timeout {
    Timeout::from(Duration::from_mins(minutes))
}

/// The steps of a node as they are written down.
struct Phases<'a> {
    along: &'a Along<'a>,
    node: &'a PlannedNode,
    of_graph: &'a ManifestNode,
    steps: Vec<Step>,
    /// What the next one needs.
    needs: Vec<StepId>,
}

impl<'a> Phases<'a> {
    /// Adds a step behind the one before it.
    fn add(&mut self, name: &str, action: &str, with: &[(&str, Value)], limit: u64) -> &mut Step {
        let settings = self.along.settings;
        let mut step = Step::new(StepId::new(&self.node.name, name), action);
        self.along.text.clone_into(&mut step.recipe);
        step.node = Some(settings.host.clone());
        step.machine = Some(self.node.name.clone());
        step.layer = Some(settings.makes.clone());
        let with = with.iter().filter(|(_, value)| !value.is_null());
        step.with = with
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect();
        step.needs = std::mem::replace(&mut self.needs, vec![step.id.clone()]);
        step.timeout_seconds = Some(minutes(limit));
        let at = self.steps.len();
        self.steps.push(step);
        &mut self.steps[at]
    }

    fn key(&self) -> Value {
        let (graph, settings) = (self.along.graph, self.along.settings);
        json!(format!(
            "{}/{}/{}",
            graph.name, settings.host, self.node.name
        ))
    }

    /// What an earlier step of the node publishes.
    fn of(&self, step: &str, output: &str) -> Value {
        json!(format!("${{steps.{}/{step}.{output}}}", self.node.name))
    }

    /// What the guard publishes.
    fn of_guard(&self, output: &str) -> String {
        let verb = self.along.settings.verb.name();
        format!("${{steps.{verb}/approve.{output}}}")
    }

    /// Inputs that say which machine of which manifest it is.
    fn place(&self) -> [(&'static str, Value); 3] {
        [
            ("env", json!(self.along.graph.name)),
            ("node", json!(self.along.settings.host)),
            ("key", self.key()),
        ]
    }

    fn with_place(&self, more: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
        let mut with = self.place().to_vec();
        with.extend_from_slice(more);
        with
    }

    fn host(&self) -> Value {
        json!(self.along.settings.host)
    }

    fn pulls(&self) -> Option<&'a str> {
        let spec = self.of_graph.spec.as_deref()?;
        (self.of_graph.mode == Mode::Pull).then_some(spec)
    }

    fn create(&mut self) {
        let (name, ct) = (json!(self.node.name), self.of_graph.kind == NodeType::Ct);
        let image = self.node.machine.get("image").cloned().unwrap_or_default();
        let with = self.with_place(&[]);
        self.add("init", "tofu.init", &with, 10);
        let mut resolve = vec![
            ("machine", Value::Object(self.node.machine.clone())),
            ("vmids", json!(self.of_guard("vmids"))),
        ];
        if ct {
            let with = [("node", self.host()), ("images", json!([image]))];
            self.add("template", "ct.template", &with, 30);
            resolve.push(("ct_templates", self.of("template", "templates")));
        }
        if let Some(spec) = self.pulls() {
            let with = [
                ("key", self.key()),
                ("node", self.host()),
                ("name", name.clone()),
                ("spec", json!(spec)),
            ];
            self.add("snippet", "pull.snippet", &with, 5);
            resolve.push(("snippets", self.of("snippet", "snippets")));
        }
        let with = self.with_place(&resolve);
        self.add("resolve", "site.tfvars", &with, 5);
        let with = [
            ("manifest", json!(self.along.graph.name)),
            ("node", self.host()),
            ("name", name.clone()),
        ];
        self.add("clear", "machine.clear", &with, 45);
        let with = self.with_place(&[
            ("vars_file", self.of("resolve", "tfvars")),
            ("keep", json!(true)),
        ]);
        self.add("plan", "tofu.plan", &with, 30);
        let with = self.with_place(&[
            ("plan_file", self.of("plan", "plan_file")),
            ("granted", json!(true)),
        ]);
        self.add("apply", "tofu.apply", &with, 60).approve = true;
        let made = self.of("apply", "provisioned_vms");
        self.add("start", "vm.start", &[("vms", made.clone())], 5);
        let with = [("vms", made), ("patience", json!("5m"))];
        self.wait("wait", "vm.wait", &with, 10);
        let with = [
            ("key", self.key()),
            ("name", name.clone()),
            ("type", json!(self.of_graph.kind.to_string())),
            ("ip", json!(self.node.ip)),
            ("addresses", self.of("wait", "addresses")),
        ];
        self.converge("inventory", "machine.inventory", &with, 5);
        let inventory = self.of("inventory", "inventory");
        let spec = self.of_graph.spec.clone();
        if self.along.graph.settings.verify_ssh || spec.is_some() {
            let with = [("inventory", inventory.clone())];
            self.converge("ssh", "ssh.wait", &with, 15);
            self.buffer();
        }
        let Some(spec) = spec else { return };
        match self.of_graph.mode {
            Mode::Push => {
                let with = [
                    ("playbook", json!(self.along.settings.playbook)),
                    ("inventory", inventory),
                    ("spec", json!(spec)),
                    ("machine", name),
                ];
                self.converge("converge", "ansible.playbook", &with, 60);
            }
            Mode::Pull => {
                let with = [
                    ("inventory", inventory),
                    ("name", name.clone()),
                    ("spec", json!(spec)),
                    ("digest", self.of("snippet", "digest")),
                ];
                self.converge("applied", "pull.wait", &with, 60);
                let with = [("key", self.key()), ("node", self.host()), ("name", name)];
                self.converge("clean", "pull.clean", &with, 5);
            }
        }
    }

    fn converge(&mut self, name: &str, action: &str, with: &[(&str, Value)], limit: u64) {
        let layer = self.along.settings.converges.clone();
        self.add(name, action, with, limit).layer = Some(layer);
    }

    fn wait(&mut self, name: &str, action: &str, with: &[(&str, Value)], limit: u64) {
        self.add(name, action, with, limit);
        self.buffer();
    }

    /// The manifest may give what waits for machines more time.
    fn buffer(&mut self) {
        let more = u64::from(self.along.graph.settings.timeout_buffer);
        if let Some(limit) = self
            .steps
            .last_mut()
            .and_then(|step| step.timeout_seconds.as_mut())
        {
            limit.0 += more;
        }
    }

    fn verify(&mut self) {
        let with = [("inventory", self.of("inventory", "inventory"))];
        self.converge("verify", "ssh.wait", &with, 5);
    }

    /// At the end what this run made goes.
    fn remove(&mut self, name: &str, when: FinallyWhen) {
        let with = [
            ("manifest", json!(self.along.graph.name)),
            ("node", self.host()),
            ("name", json!(self.node.name)),
            ("pulls", self.pulls().map_or(Value::Null, |_| json!(true))),
        ];
        let step = self.add(name, "machine.remove", &with, 45);
        step.needs = Vec::new();
        step.finally = true;
        step.finally_when = when;
        step.repeatable = true;
    }

    fn destroy(&mut self) {
        let there = self.of_guard(&format!("{}_there", self.node.name));
        let from = self.steps.len();
        let with = self.with_place(&[]);
        self.add("init", "tofu.init", &with, 10);
        if self.pulls().is_some() {
            let with = [
                ("key", self.key()),
                ("node", self.host()),
                ("name", json!(self.node.name)),
            ];
            self.add("clean", "pull.clean", &with, 5);
        }
        let with = self.with_place(&[
            ("machine", Value::Object(self.node.machine.clone())),
            ("destroy", json!(true)),
        ]);
        self.add("resolve", "site.tfvars", &with, 5);
        let with = self.with_place(&[
            ("vars_file", self.of("resolve", "tfvars")),
            ("destroy", json!(true)),
        ]);
        self.add("plan", "tofu.plan", &with, 30);
        let with = self.with_place(&[("plan_file", self.of("plan", "plan_file"))]);
        self.add("apply", "tofu.apply", &with, 60);
        let with = [
            ("manifest", json!(self.along.graph.name)),
            ("node", self.host()),
            ("name", json!(self.node.name)),
        ];
        self.add("forget", "machine.forget", &with, 5);
        // A snippet may be left of a machine that was never made.
        let of_machine = |step: &&mut Step| step.action != "pull.clean";
        for step in self.steps[from..].iter_mut().filter(of_machine) {
            step.when = Some(there.clone());
        }
    }

    /// A machine in a Proxmox VE that is made first.
    fn inside(&mut self) {
        if self.along.settings.verb == ManifestVerb::Destroy {
            return;
        }
        let with = [
            ("parent", json!(self.node.parent)),
            ("machine", Value::Object(self.node.machine.clone())),
        ];
        self.add("create", "machine.inside", &with, 20);
    }
}
