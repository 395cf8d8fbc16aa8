//! Approvals that were given late, or never: the real tofu plans again, and a plan
//! that waited when its `hl` was killed does not stay.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hl::app::{Caller, LoadedLab};
use hl::base::{Process, Watch};
use hl::diag::Exit;
use hl::engine::{self, Answer, Approver, Asked, Options, Setup};
use hl::lab::Redactor;
use hl::lab::trust::User;
use hl::layers;
use hl::runs::{RecipeRequest, RunRequest, new_id};
use rustix::process::{Pid, Signal, kill_process};

use super::approvals::plans;
use super::stage::{Stage, sealed};

/// Somebody edits the description of a machine on the node.
fn edited(stage: &Stage, vmid: u32) {
    stage.sim.change(|world| {
        let config = &mut world.vms.get_mut(&vmid).unwrap().config;
        config.insert("description".to_owned(), "edited by hand".to_owned());
    });
}

fn is_edited(stage: &Stage, vmid: u32) -> bool {
    stage.sim.world().vms[&vmid].config["description"] == "edited by hand"
}

/// Answers as it was told to; while it thinks of the first question, a machine may
/// be edited.
struct Slow<'a> {
    stage: &'a Stage,
    edits: Option<u32>,
    answers: &'a [bool],
    asked: Mutex<Vec<String>>,
}

impl Approver for Slow<'_> {
    fn ask(&self, asked: &Asked<'_>) -> Answer {
        let mut before = self.asked.lock().unwrap();
        if before.is_empty()
            && let Some(vmid) = self.edits
        {
            edited(self.stage, vmid);
        }
        before.push(asked.approval.summary.join("\n"));
        Answer {
            approved: self.answers[before.len() - 1],
            by: "the test".to_owned(),
        }
    }
}

/// `hl l2-apply dev`, where every approval takes too long: how it ended, and what
/// was asked.
fn late(stage: &Stage, edits: Option<u32>, answers: &[bool]) -> (Exit, Vec<String>) {
    let command = stage.hl("").command();
    let envs = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value?.to_str()?.to_owned())));
    let process: BTreeMap<String, String> = envs.collect();
    let root = stage.lab.root().to_str().unwrap();
    let caller = Caller {
        user: User::of(&process),
        process,
        cwd: root.into(),
        lab: Some(root.into()),
        set: Vec::new(),
    };
    let lab = caller.lab().unwrap();
    let env = caller.variables(&lab, false).unwrap().env;
    let (env, _) = caller.with_nodes(&lab, &env).unwrap();
    let book = Rc::new(layers::load(&lab.paths).unwrap());
    let loaded = LoadedLab::new(lab, book, env);
    let request = RunRequest::Recipe(RecipeRequest {
        name: "l2-apply".to_owned(),
        args: vec!["dev".to_owned()],
    });
    let plan = loaded.plan(&request).unwrap();
    let redactor = Redactor::new(loaded.env.secrets());
    let approver = Slow {
        stage,
        edits,
        answers,
        asked: Mutex::default(),
    };
    let setup = Setup {
        lab: &loaded.lab,
        env: &loaded.env,
        registry: &loaded.registry,
        redactor: &redactor,
        approver: &approver,
        trace: None,
        options: Options {
            run_id: new_id(),
            jobs: 4,
            keeper: Some(env!("CARGO_BIN_EXE_hl").into()),
            approval_lasts: Duration::ZERO,
            ..Options::default()
        },
    };
    let result = engine::run(&plan, &setup, &mut Watch::start().unwrap(), &mut []);
    (result.exit, approver.asked.into_inner().unwrap())
}

#[test]
fn what_is_applied_late_is_what_was_approved() {
    if !sealed("late::what_is_applied_late_is_what_was_approved", "tofu") {
        return;
    }
    let stage = Stage::new();
    stage.applied();
    // Planned again, and the same: no second question.
    edited(&stage, 5101);
    let (exit, asked) = late(&stage, None, &[true]);
    assert_eq!(exit, Exit::Ok, "{asked:?}");
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(!is_edited(&stage, 5101));
    // The node changed meanwhile: what would be done now was never approved.
    edited(&stage, 5101);
    let (exit, asked) = late(&stage, Some(5102), &[true, false]);
    assert_eq!(exit, Exit::NotApproved, "{asked:?}");
    assert_eq!(asked.len(), 2);
    assert!(asked[0].contains("web-1") && !asked[0].contains("app-1"));
    assert!(asked[1].contains("web-1") && asked[1].contains("app-1"));
    assert!(is_edited(&stage, 5101) && is_edited(&stage, 5102));
    assert!(plans(&stage).is_empty());
    stage.is_clean();
}

#[test]
fn a_plan_that_waited_is_gone_after_the_next_start() {
    if !sealed(
        "late::a_plan_that_waited_is_gone_after_the_next_start",
        "tofu",
    ) {
        return;
    }
    let stage = Stage::new();
    let layer = "layers/l2-instantiate/layer.toml";
    let other = "\n[[recipe]]\nname = \"other\"\ndoc = \"changes something else\"\n\n\
         [[recipe.step]]\nid = \"work\"\nuse = \"command\"\nwith = { argv = [\"true\"] }\n";
    let text = stage.lab.read(layer) + other;
    stage.lab.write(layer, &text);
    let settings = stage.lab.read("hl.toml") + "\n[approval]\ntimeout = \"5m\"\n";
    stage.lab.write("hl.toml", &settings);
    stage.hl("l2-apply dev --detach").exits(0);
    until("it asks", || {
        let status = stage.hl("status --json").exits(0).json();
        status["current"]["question"].is_object()
    });
    assert_eq!(plans(&stage).len(), 1);
    let holder = holder(&stage);
    let pid = Pid::from_raw(i32::try_from(holder.pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    until("it is gone", || !holder.is_alive());
    // What only looks does not clear up.
    stage.hl("plan other").exits(0);
    assert_eq!(plans(&stage).len(), 1);
    stage.hl("other").exits(0);
    assert!(plans(&stage).is_empty());
    // And what was shown can be approved still: it is planned anew.
    stage.hl("resume --yes").exits(0).says(&["2 added"]);
    assert!(plans(&stage).is_empty());
    stage.is_clean();
}

/// Waits at most two minutes.
#[track_caller]
fn until(what: &str, there: impl Fn() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(began.elapsed() < Duration::from_mins(2), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The process that holds the lab.
fn holder(stage: &Stage) -> Process {
    let lock: serde_json::Value = serde_json::from_str(&stage.lab.read("state/lock")).unwrap();
    Process {
        pid: lock["pid"].as_u64().unwrap().try_into().unwrap(),
        start: lock["pid_start"].as_u64().unwrap(),
    }
}
