//! Runs that are told event by event, and what they leave published.

use super::super::declared_tests::declared;
use super::*;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

struct World {
    _guard: tempfile::TempDir,
    paths: Paths,
}

impl World {
    fn new() -> Self {
        let guard = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(guard.path()).unwrap());
        Self {
            _guard: guard,
            paths,
        }
    }

    fn outputs_json(&self) -> Utf8PathBuf {
        self.paths.build().join("l2/dev-pve/outputs.json")
    }

    fn publisher(&self, plan: &Plan, dry_run: bool) -> Publisher {
        let identity = Identity {
            api_url: Some("https://192.168.1.10:8006".to_owned()),
            node: Some("pve".to_owned()),
            token_id: Some("hl@pve!hl".to_owned()),
        };
        let flags = BTreeMap::from([("yes".to_owned(), Value::Bool(true))]);
        let redactor = Redactor::new(["canary-7f3a"]);
        let handoffs = declared(plan, dry_run);
        let paths = &self.paths;
        Publisher::new(paths, plan, dry_run, handoffs, identity, flags, &redactor).unwrap()
    }

    /// Runs a plan in which every step ends as `end` says.
    fn run(&self, id: &str, plan: &Plan, dry_run: bool, end: impl Fn(&Step) -> (Status, Value)) {
        let mut publisher = self.publisher(plan, dry_run);
        let mut say = |step: Option<&Step>, kind: EventKind| {
            let event = Event {
                time: "2026-01-01T00:00:00.000Z".to_owned(),
                step: step.map(|step| step.id.clone()),
                kind,
            };
            publisher.event(&event).unwrap();
        };
        say(None, EventKind::RunStarted(info(id, plan, dry_run)));
        let mut outcome = Outcome::Succeeded;
        for step in &plan.steps {
            let (status, outputs) = end(step);
            say(Some(step), EventKind::StepStarted { attempt: 1 });
            if step.action == "tofu.apply" && status == Status::Failed {
                // As the action does, before it changes anything.
                std::fs::remove_file(self.outputs_json()).ok();
            }
            if step.action == "tofu.outputs" && status == Status::Succeeded && !dry_run {
                crate::lab::write(&self.outputs_json(), "{}", 0o600).unwrap();
            }
            say(Some(step), finished(status, outputs));
            if status == Status::Failed {
                outcome = Outcome::Failed;
                break;
            }
        }
        say(
            None,
            EventKind::RunFinished {
                outcome,
                exit: 0,
                duration_ms: 1,
                earlier_ms: 0,
            },
        );
    }

    fn latest(&self) -> Latest {
        Latest::read(&self.paths).unwrap().unwrap()
    }

    fn runtime(&self) -> Runtime {
        Runtime::read(&self.paths).unwrap().unwrap()
    }
}

fn info(id: &str, plan: &Plan, dry_run: bool) -> RunInfo {
    RunInfo {
        id: id.to_owned(),
        recipe: plan.recipe.clone(),
        command: vec!["hl".to_owned()],
        dry_run,
        rehearsal: false,
        steps: plan.steps.len(),
        version: "0.1.0".to_owned(),
        pid: 1,
        pid_start: 1,
        operator: "me@here".to_owned(),
        plan_digest: String::new(),
    }
}

fn finished(status: Status, outputs: Value) -> EventKind {
    EventKind::StepFinished(StepEnd {
        duration_ms: 1,
        outputs: serde_json::from_value(outputs).unwrap(),
        ..StepEnd::new(status, "why canary-7f3a | it \"is\" so\nand so")
    })
}

fn plan() -> Plan {
    let steps = [
        ("l2/init", "tofu.init"),
        ("l2/plan", "tofu.plan"),
        ("l2/apply", "tofu.apply"),
        ("l2/outputs", "tofu.outputs"),
        ("l3/inventory", "ansible.inventory"),
        ("l3/converge", "ansible.playbook"),
    ];
    Plan::new(
        "up dev",
        steps.map(|(id, action)| Step::new(id, action)).into(),
    )
}

fn well(world: &World) -> impl Fn(&Step) -> (Status, Value) {
    let outputs_json = world.outputs_json();
    move |step| {
        let outputs = match step.action.as_str() {
            "tofu.init" => json!({ "key": "dev-pve", "workdir": "/lab/w d", "state": "/lab/s" }),
            "tofu.outputs" => json!({
                "key": "dev-pve", "outputs_json": outputs_json, "state": "/lab/s",
                "machines": { "web-1": { "vmid": 101, "node": "pve", "address": "192.168.1.51" } },
            }),
            "ansible.inventory" => json!({ "inventory": "/lab/inv" }),
            _ => json!({}),
        };
        (Status::Succeeded, outputs)
    }
}

#[test]
fn a_live_run_publishes_its_paths_and_machines() {
    let world = World::new();
    world.run("20260101-000000-aaaa", &plan(), false, well(&world));
    let latest = world.latest();
    for (key, value) in [
        (latest::RUN_ID, "20260101-000000-aaaa"),
        (latest::RUN_TIMESTAMP, "2026-01-01T00:00:00.000Z"),
        (latest::DRY_RUN, "false"),
        (latest::PROXMOX_API_URL, "https://192.168.1.10:8006"),
        (latest::PROXMOX_NODE, "pve"),
        (latest::PROXMOX_TOKEN_ID, "hl@pve!hl"),
        (latest::TERRAFORM_WORKDIR, "/lab/w d"),
        (latest::TFSTATE_PATH, "/lab/s"),
        (latest::TERRAFORM_OUTPUT_JSON, world.outputs_json().as_str()),
        (latest::ANSIBLE_INVENTORY_PATH, "/lab/inv"),
        (latest::LAST_STEP_COMPLETED, "ansible_apply"),
    ] {
        assert_eq!(latest.get(key), Some(value), "{key}");
    }
    assert_eq!(latest.get(latest::FAILURE_STEP), None);
    let runtime = world.runtime();
    assert_eq!(runtime.last_outcome, Some(Outcome::Succeeded));
    assert_eq!(runtime.flags["yes"], Value::Bool(true));
    let last = runtime.last_successful_run.unwrap();
    assert_eq!(
        (last.id.as_str(), last.recipe.as_str()),
        ("20260101-000000-aaaa", "up dev")
    );
    let made = &runtime.environments["dev-pve"];
    assert_eq!(made.vms["web-1"].vmid, 101);
    assert_eq!(made.workdir.as_deref(), Some("/lab/w d"));
    assert_eq!(made.applying, None);
}

#[test]
fn a_failure_is_named_and_moves_nothing() {
    let world = World::new();
    world.run("20260101-000000-aaaa", &plan(), false, well(&world));
    let good = well(&world);
    world.run("20260101-000001-bbbb", &plan(), false, |step| {
        match step.id.as_str() {
            "l3/converge" => (Status::Failed, json!({})),
            _ => good(step),
        }
    });
    let latest = world.latest();
    assert_eq!(
        latest.get(latest::LAST_STEP_COMPLETED),
        Some("terraform_apply")
    );
    assert_eq!(latest.get(latest::FAILURE_STEP), Some("l3/converge"));
    let reason = latest.get(latest::FAILURE_REASON).unwrap();
    assert_eq!(reason, "why (secret) | it \"is\" so\nand so");
    let runtime = world.runtime();
    assert_eq!(
        runtime.current_run_id.as_deref(),
        Some("20260101-000001-bbbb")
    );
    assert_eq!(runtime.last_outcome, Some(Outcome::Failed));
    assert_eq!(
        runtime.last_successful_run.unwrap().id,
        "20260101-000000-aaaa"
    );
    // The next one clears it.
    world.run("20260101-000002-cccc", &plan(), false, well(&world));
    assert_eq!(world.latest().get(latest::FAILURE_REASON), None);
}

#[test]
fn an_apply_that_fails_takes_back_what_is_no_longer_known() {
    let world = World::new();
    world.run("20260101-000000-aaaa", &plan(), false, well(&world));
    let good = well(&world);
    world.run("20260101-000001-bbbb", &plan(), false, |step| {
        match step.action.as_str() {
            "tofu.apply" => (Status::Failed, json!({})),
            _ => good(step),
        }
    });
    assert_eq!(world.latest().get(latest::TERRAFORM_OUTPUT_JSON), None);
    assert_eq!(
        world.latest().get(latest::LAST_STEP_COMPLETED),
        Some("ansible_apply")
    );
    let made = &world.runtime().environments["dev-pve"];
    assert!(made.vms.is_empty() && made.outputs_json.is_none());
    assert_eq!(made.state.as_deref(), Some("/lab/s"));
}

#[test]
fn an_apply_that_was_killed_is_marked() {
    let world = World::new();
    world.run("20260101-000000-aaaa", &plan(), false, well(&world));
    let plan = plan();
    let mut publisher = world.publisher(&plan, false);
    let good = well(&world);
    let mut say = |step: Option<&str>, kind: EventKind| {
        let step = step.map(StepId::from);
        let time = String::new();
        publisher.event(&Event { time, step, kind }).unwrap();
    };
    say(
        None,
        EventKind::RunStarted(info("20260101-000001-bbbb", &plan, false)),
    );
    let init = good(&plan.steps[0]).1;
    say(Some("l2/init"), finished(Status::Succeeded, init));
    say(Some("l2/apply"), EventKind::StepStarted { attempt: 1 });
    let runtime = world.runtime();
    assert_eq!(runtime.last_outcome, None);
    let made = &runtime.environments["dev-pve"];
    assert_eq!(made.applying.as_deref(), Some("20260101-000001-bbbb"));
}

#[test]
fn what_was_destroyed_vanishes() {
    let world = World::new();
    world.run("20260101-000000-aaaa", &plan(), false, well(&world));
    let mut destroy = Plan::new("l2-destroy dev", plan().steps[..3].to_vec());
    destroy.steps[1]
        .with
        .insert("destroy".to_owned(), json!(true));
    world.run("20260101-000001-bbbb", &destroy, false, well(&world));
    assert!(world.runtime().environments.is_empty());
    let latest = world.latest();
    assert_eq!(latest.get(latest::TERRAFORM_OUTPUT_JSON), None);
    assert_eq!(latest.get(latest::ANSIBLE_INVENTORY_PATH), None);
    assert_eq!(latest.get(latest::LAST_STEP_COMPLETED), Some("templates"));
}

#[test]
fn a_dry_run_changes_four_keys_and_keeps_those_of_others() {
    let world = World::new();
    world.run("20260101-000000-aaaa", &plan(), false, well(&world));
    let mut before = world.latest();
    before.set("SELECTED_PROFILE", "core");
    before.set("SELECTED_APPS_INSTALL", "nala,docker");
    before.write(&world.paths).unwrap();
    let runtime = std::fs::read_to_string(world.paths.runtime()).unwrap();
    world.run("20260101-000001-bbbb", &plan(), true, |step| {
        match step.action.as_str() {
            "tofu.init" => (
                Status::Succeeded,
                json!({ "workdir": "/elsewhere", "state": "/x" }),
            ),
            "tofu.apply" => (Status::NotPlanned, json!({})),
            "ansible.inventory" => (Status::Succeeded, json!({ "inventory": "/elsewhere" })),
            _ => (Status::Succeeded, json!({})),
        }
    });
    let mut after = world.latest();
    assert_eq!(after.get(latest::DRY_RUN), Some("true"));
    assert_eq!(after.get(latest::RUN_ID), Some("20260101-000001-bbbb"));
    assert_eq!(
        after.get(latest::LAST_STEP_COMPLETED),
        Some("ansible_check")
    );
    for key in [
        latest::RUN_ID,
        latest::RUN_TIMESTAMP,
        latest::DRY_RUN,
        latest::LAST_STEP_COMPLETED,
    ] {
        before.set(key, "");
        after.set(key, "");
    }
    assert_eq!(after.text(), before.text());
    assert_eq!(
        std::fs::read_to_string(world.paths.runtime()).unwrap(),
        runtime
    );
}

#[test]
fn a_newer_snapshot_stops_the_run_and_a_broken_handoff_does_not() {
    let world = World::new();
    crate::lab::write(&world.paths.runtime(), "version: 9\n", 0o600).unwrap();
    let new = |dry_run| {
        let redactor = Redactor::default();
        let identity = Identity::default();
        Publisher::new(
            &world.paths,
            &plan(),
            dry_run,
            Handoffs::new(),
            identity,
            BTreeMap::new(),
            &redactor,
        )
    };
    assert_eq!(new(false).unwrap_err().exit, crate::diag::Exit::Newer);
    assert!(new(true).is_ok());
    crate::lab::write(&world.paths.latest_env(), "not an assignment\n", 0o600).unwrap();
    assert!(
        new(true)
            .unwrap()
            .notice()
            .unwrap()
            .contains("written again")
    );
}

/// A run whose steps are told one by one.
fn say(publisher: &mut Publisher, step: Option<&str>, kind: EventKind) {
    let step = step.map(StepId::from);
    let time = String::new();
    publisher.event(&Event { time, step, kind }).unwrap();
}

#[test]
fn a_first_apply_that_is_cut_off_is_known_with_what_the_state_holds() {
    let world = World::new();
    let plan = plan();
    let mut publisher = world.publisher(&plan, false);
    let begun = EventKind::RunStarted(info("20260101-000001-bbbb", &plan, false));
    say(&mut publisher, None, begun);
    let init = well(&world)(&plan.steps[0]).1;
    say(
        &mut publisher,
        Some("l2/init"),
        finished(Status::Succeeded, init),
    );
    let started = || EventKind::StepStarted { attempt: 1 };
    say(&mut publisher, Some("l2/apply"), started());
    // Killed now: nothing is known but that an apply began, and where.
    let runtime = world.runtime();
    let made = &runtime.environments["dev-pve"];
    assert_eq!(made.applying.as_deref(), Some("20260101-000001-bbbb"));
    assert_eq!(made.state.as_deref(), Some("/lab/s"));
    // Interrupted: what the state holds.
    let held = json!({ "provisioned_vms": [
        { "name": "web-1", "vmid": 101, "node": "pve", "address": "192.168.1.51/24" },
        { "name": "app-1", "vmid": 102, "node": "pve", "address": "dhcp" },
    ]});
    say(
        &mut publisher,
        Some("l2/apply"),
        finished(Status::Cancelled, held),
    );
    let made = &world.runtime().environments["dev-pve"];
    assert_eq!((made.applying.as_ref(), made.vms.len()), (None, 2));
    assert_eq!(made.vms["web-1"].address, "192.168.1.51");
    assert_eq!(made.vms["app-1"].address, "");
}

#[test]
fn a_first_apply_that_made_nothing_leaves_no_environment() {
    let world = World::new();
    let good = well(&world);
    world.run("20260101-000000-aaaa", &plan(), false, |step| {
        match step.action.as_str() {
            "tofu.apply" => (Status::Failed, json!({ "provisioned_vms": [] })),
            _ => good(step),
        }
    });
    assert!(world.runtime().environments.is_empty());
}

#[test]
fn the_step_that_was_interrupted_is_the_failure() {
    let world = World::new();
    let plan = plan();
    let run = |told: &[(&str, bool)]| {
        let mut publisher = world.publisher(&plan, false);
        let begun = EventKind::RunStarted(info("20260101-000001-bbbb", &plan, false));
        say(&mut publisher, None, begun);
        for (step, _) in told.iter().filter(|(_, ran)| *ran) {
            let started = EventKind::StepStarted { attempt: 1 };
            say(&mut publisher, Some(step), started);
        }
        for (step, _) in told {
            let end = finished(Status::Cancelled, json!({}));
            say(&mut publisher, Some(step), end);
        }
        let over = EventKind::RunFinished {
            outcome: Outcome::Cancelled,
            exit: 130,
            duration_ms: 1,
            earlier_ms: 0,
        };
        say(&mut publisher, None, over);
        world.latest().get(latest::FAILURE_STEP).map(str::to_owned)
    };
    // Those that never start are told first.
    let told = [
        ("l2/outputs", false),
        ("l3/inventory", false),
        ("l2/apply", true),
    ];
    assert_eq!(run(&told).as_deref(), Some("l2/apply"));
    assert_eq!(run(&told[..2]).as_deref(), Some("l2/outputs"));
}
