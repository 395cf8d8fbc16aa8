//! The phases of one node as steps, and the steps about all of them.

use serde_json::{Map, Value, json};

use super::limits::{Limits, Tier};
use super::machine::PlannedNode;
use super::model::{ManifestGraph, ManifestNode, Mode, NodeType};
use super::settings::PlanSettings;
use crate::plan::{FinallyWhen, Purpose, Step, StepId};
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
    /// How long a step may take.
    pub(super) limits: Limits,
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
    step.timeout_seconds = Some(along.limits.of(Tier::Medium));
    step
}

/// The step that looks, at the end, whether anything is left.
/// It needs every step that removes something.
pub(super) fn left(along: &Along<'_>, nodes: &[&PlannedNode]) -> Option<Step> {
    let when = match along.settings.verb {
        ManifestVerb::Create => return None,
        ManifestVerb::Destroy => FinallyWhen::Begun,
        ManifestVerb::Test => at_end(along),
    };
    let mut step = whole(along, "left", "manifest.left", nodes);
    "nothing of it is left".clone_into(&mut step.doc);
    step.finally = true;
    step.finally_when = when;
    step.timeout_seconds = Some(along.limits.of(Tier::Medium));
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
pub(super) fn steps(along: &Along<'_>, node: PlannedNode, needs: Vec<StepId>) -> Vec<Step> {
    let Some(of_graph) = along.graph.nodes.get(node.place) else {
        return Vec::new();
    };
    let host = &along.settings.host;
    let mut phases = Phases {
        along,
        key: format!("{}/{host}/{}", along.graph.name, node.name),
        node,
        of_graph,
        steps: Vec::with_capacity(16),
        needs,
    };
    if phases.node.parent.is_some() {
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

/// An input of a step.
type Input = (&'static str, Value);

/// The steps of a node as they are written down.
struct Phases<'a> {
    along: &'a Along<'a>,
    node: PlannedNode,
    of_graph: &'a ManifestNode,
    /// `MANIFEST/HOST/NODE`
    key: String,
    steps: Vec<Step>,
    /// What the next one needs.
    needs: Vec<StepId>,
}

impl<'a> Phases<'a> {
    /// Adds a step behind the one before it. Inputs that are null are left out.
    fn add(
        &mut self,
        name: &str,
        action: &str,
        with: impl IntoIterator<Item = Input>,
        limit: Tier,
    ) -> &mut Step {
        let layer = &self.along.settings.makes;
        self.add_to(layer, name, action, with, limit)
    }

    fn add_to(
        &mut self,
        layer: &str,
        name: &str,
        action: &str,
        with: impl IntoIterator<Item = Input>,
        limit: Tier,
    ) -> &mut Step {
        let along = self.along;
        let id = StepId::new(&self.node.name, name);
        let mut step = Step::of(id, action.to_owned(), along.text.to_owned());
        step.node = Some(along.settings.host.clone());
        step.machine = Some(self.node.name.clone());
        step.layer = Some(layer.to_owned());
        for (key, value) in with {
            if !value.is_null() {
                step.with.insert(key.to_owned(), value);
            }
        }
        step.needs = std::mem::replace(&mut self.needs, vec![step.id.clone()]);
        step.timeout_seconds = Some(along.limits.of(limit));
        let at = self.steps.len();
        self.steps.push(step);
        &mut self.steps[at]
    }

    fn name(&self) -> Value {
        Value::from(self.node.name.as_str())
    }

    fn key(&self) -> Value {
        Value::from(self.key.as_str())
    }

    fn host(&self) -> Value {
        Value::from(self.along.settings.host.as_str())
    }

    fn manifest(&self) -> Value {
        Value::from(self.along.graph.name.as_str())
    }

    /// What the node is made from; it is asked for once.
    fn machine(&mut self) -> Value {
        Value::Object(std::mem::take(&mut self.node.machine))
    }

    /// What an earlier step of the node publishes.
    fn of(&self, step: &str, output: &str) -> Value {
        let parts = ["${steps.", &self.node.name, "/", step, ".", output, "}"];
        Value::from(parts.concat())
    }

    /// What the guard publishes.
    fn of_guard(&self, output: &str) -> String {
        let verb = self.along.settings.verb.name();
        format!("${{steps.{verb}/approve.{output}}}")
    }

    /// Inputs that say which state is meant.
    fn state(&self) -> [Input; 3] {
        [
            ("env", self.manifest()),
            ("node", self.host()),
            ("key", self.key()),
        ]
    }

    /// Inputs that say which machine is meant.
    fn one(&self) -> [Input; 3] {
        [
            ("manifest", self.manifest()),
            ("node", self.host()),
            ("name", self.name()),
        ]
    }

    /// Inputs that say which snippet is meant.
    fn snippet(&self) -> [Input; 3] {
        [
            ("key", self.key()),
            ("node", self.host()),
            ("name", self.name()),
        ]
    }

    fn pulls(&self) -> Option<&'a str> {
        let spec = self.of_graph.spec.as_deref()?;
        (self.of_graph.mode == Mode::Pull).then_some(spec)
    }

    fn create(&mut self) {
        let with = self.state();
        self.add("init", "tofu.init", with, Tier::Long);
        let mut from = Vec::new();
        if self.of_graph.kind == NodeType::Ct {
            let image = self.node.machine.get("image").cloned().unwrap_or_default();
            let with = [
                ("key", self.key()),
                ("node", self.host()),
                ("images", json!([image])),
            ];
            self.add("template", "ct.template", with, Tier::Extended);
            from.push(("ct_templates", self.of("template", "templates")));
        }
        if let Some(spec) = self.pulls() {
            let with = self.snippet().into_iter().chain([("spec", json!(spec))]);
            self.add("snippet", "pull.snippet", with, Tier::Medium);
            from.push(("snippets", self.of("snippet", "snippets")));
        }
        let machine = ("machine", self.machine());
        let vmids = ("vmids", json!(self.of_guard("vmids")));
        let with = self.state().into_iter().chain([machine, vmids]);
        self.add("resolve", "site.tfvars", with.chain(from), Tier::Medium);
        let with = self.one();
        self.add("clear", "machine.clear", with, Tier::Extended);
        let vars = ("vars_file", self.of("resolve", "tfvars"));
        let with = self
            .state()
            .into_iter()
            .chain([vars, ("keep", json!(true))]);
        self.add("plan", "tofu.plan", with, Tier::Long);
        let file = ("plan_file", self.of("plan", "plan_file"));
        let with = self
            .state()
            .into_iter()
            .chain([file, ("granted", json!(true))]);
        self.add("apply", "tofu.apply", with, Tier::Extended)
            .approve = true;
        let made = self.of("apply", "provisioned_vms");
        self.add("start", "vm.start", [("vms", made.clone())], Tier::Medium);
        let patience = self.along.limits.of(Tier::Medium).0 + self.more();
        let with = [("vms", made), ("patience", json!(format!("{patience}s")))];
        self.add("wait", "vm.wait", with, Tier::Long);
        self.buffer();
        let with = [
            ("key", self.key()),
            ("name", self.name()),
            ("type", json!(self.of_graph.kind.to_string())),
            ("ip", json!(self.node.ip)),
            ("addresses", self.of("wait", "addresses")),
        ];
        self.converge("inventory", "machine.inventory", with, Tier::Medium);
        let spec = self.of_graph.spec.as_deref();
        if self.along.graph.settings.verify_ssh || spec.is_some() {
            let with = [("inventory", self.of("inventory", "inventory"))];
            self.converge("ssh", "ssh.wait", with, Tier::Long);
            self.buffer();
        }
        if let Some(spec) = spec {
            self.become_spec(spec);
        }
    }

    /// The steps by which the machine becomes what its spec says.
    fn become_spec(&mut self, spec: &str) {
        let inventory = ("inventory", self.of("inventory", "inventory"));
        let spec = ("spec", json!(spec));
        match self.of_graph.mode {
            Mode::Push => {
                let playbook = ("playbook", json!(self.along.settings.playbook));
                let with = [playbook, inventory, spec, ("machine", self.name())];
                self.converge("converge", "ansible.playbook", with, Tier::Extended);
            }
            Mode::Pull => {
                let digest = ("digest", self.of("snippet", "digest"));
                let with = [inventory, ("name", self.name()), spec, digest];
                self.converge("applied", "pull.wait", with, Tier::Extended);
                let with = self.snippet();
                self.converge("clean", "pull.clean", with, Tier::Medium);
            }
        }
    }

    fn converge(
        &mut self,
        name: &str,
        action: &str,
        with: impl IntoIterator<Item = Input>,
        limit: Tier,
    ) {
        let layer = &self.along.settings.converges;
        self.add_to(layer, name, action, with, limit);
    }

    /// Seconds that the manifest gives to what waits for machines, beside its own.
    fn more(&self) -> u64 {
        u64::from(self.along.graph.settings.timeout_buffer)
    }

    fn buffer(&mut self) {
        let more = self.more();
        let limit = self
            .steps
            .last_mut()
            .and_then(|step| step.timeout_seconds.as_mut());
        if let Some(limit) = limit {
            limit.0 += more;
        }
    }

    fn verify(&mut self) {
        let with = [("inventory", self.of("inventory", "inventory"))];
        self.converge("verify", "ssh.wait", with, Tier::Medium);
    }

    /// At the end what this run made goes.
    fn remove(&mut self, name: &str, when: FinallyWhen) {
        let pulls = self.pulls().map(|_| ("pulls", json!(true)));
        let with = self.one().into_iter().chain(pulls);
        let step = self.add(name, "machine.remove", with, Tier::Extended);
        step.needs = Vec::new();
        step.finally = true;
        step.finally_when = when;
        step.repeatable = true;
    }

    fn destroy(&mut self) {
        let there = self.of_guard(&format!("{}_there", self.node.name));
        let with = self.state();
        self.add("init", "tofu.init", with, Tier::Long);
        if self.pulls().is_some() {
            let with = self.snippet();
            self.add("clean", "pull.clean", with, Tier::Medium);
        }
        let all = ("destroy", json!(true));
        let machine = ("machine", self.machine());
        let with = self.state().into_iter().chain([machine, all.clone()]);
        self.add("resolve", "site.tfvars", with, Tier::Medium);
        let vars = ("vars_file", self.of("resolve", "tfvars"));
        let with = self.state().into_iter().chain([vars, all]);
        self.add("plan", "tofu.plan", with, Tier::Long);
        let file = ("plan_file", self.of("plan", "plan_file"));
        let with = self.state().into_iter().chain([file]);
        self.add("apply", "tofu.apply", with, Tier::Extended);
        let with = self.one();
        self.add("forget", "machine.forget", with, Tier::Medium);
        // A snippet may be left of a machine that was never made.
        let of_machine = |step: &&mut Step| step.action != "pull.clean";
        for step in self.steps.iter_mut().filter(of_machine) {
            step.when = Some(there.clone());
        }
    }

    /// A machine in a Proxmox VE that is made first.
    fn inside(&mut self) {
        if self.along.settings.verb == ManifestVerb::Destroy {
            return;
        }
        let parent = ("parent", json!(self.node.parent));
        let with = [parent, ("machine", self.machine())];
        self.add("create", "machine.inside", with, Tier::Extended);
    }
}
