//! A lab with a manifest of eight machines, a simulated node, and runs in this process.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;

use camino::Utf8Path;
use hl::app::{Ended, Host, Job, LoadedLab, Notice, Origin, ResumePlan, RunOptions};
use hl::base::{Signal, StopSource};
use hl::engine::{Answer, Approver, Asked, Options};
use hl::handoff::{NodeStatus, nodes};
use hl::lab::{Environment, Lab, Provenance, Var};
use hl::plan::{Event, Listener, OnFailure, Outcome, Plan, Status};
use hl::report::{Look, Mode, Palette, usual};
use hl::runs::{ManifestRequest, ManifestSource, ManifestVerb, RunRequest};
use hl_sim::World;
use serde_json::Value;

use super::Fault;
use super::doubles::Doubles;
use super::wrapped::registry;
use crate::l2::stage::{CANARY, Stage, TOKEN_ID};

/// How many machines there are.
pub(super) const NODES: usize = 8;

pub(super) struct Room {
    stage: Stage,
    doubles: Arc<Doubles>,
    empty: World,
    _ssh: TcpListener,
}

/// How a run ended.
pub(super) struct Run {
    pub(super) outcome: Outcome,
    pub(super) run: String,
    pub(super) completed: Vec<String>,
    pub(super) errors: Vec<String>,
}

impl Room {
    pub(super) fn new() -> Self {
        let route = ["route", "add", "local", "0.0.0.0/0", "dev", "lo"];
        assert!(Command::new("ip").args(route).status().unwrap().success());
        let ssh = TcpListener::bind("0.0.0.0:22").unwrap();
        let stage = Stage::new();
        let node = |n: usize| {
            let spec = if n % 2 == 0 { "spec: base, " } else { "" };
            format!(
                "  - {{name: n{n}, type: vm, {spec}preset: small, image: debian-13, vmid: {}}}\n",
                7000 + n
            )
        };
        let nodes: String = (0..NODES).map(node).collect();
        let text = format!("schema_version: 2\nname: eight\nnodes:\n{nodes}");
        stage.lab.write("site/manifests/eight.yaml", &text);
        let empty = stage.sim.world();
        let doubles = Arc::new(Doubles {
            client: stage.client(),
        });
        Self {
            stage,
            doubles,
            empty,
            _ssh: ssh,
        }
    }

    /// Everything is as it was before any run.
    pub(super) fn begin(&self) {
        for dir in [".states", ".build", "state", "reports"] {
            std::fs::remove_dir_all(self.stage.lab.path(dir)).ok();
        }
        self.stage.sim.change(|world| world.clone_from(&self.empty));
    }

    fn lab(&self) -> Lab {
        let root = Utf8Path::from_path(self.stage.lab.root()).unwrap();
        Lab::read(root.to_owned()).unwrap()
    }

    fn loaded(&self, fault: Option<&Fault>) -> LoadedLab {
        let lab = self.lab();
        let book = Rc::new(hl::layers::load(&lab.paths).unwrap());
        let mut env = Environment::default();
        let ca = self.stage.lab.path("ca.pem").display().to_string();
        let home = self.stage.lab.root().display().to_string();
        for (name, value, secret) in [
            (
                "PVE_ACCESS_HOST",
                format!("https://{}", self.stage.sim.addr()),
                false,
            ),
            ("PVE_CA_FILE", ca, false),
            ("PM_TOKEN_ID", TOKEN_ID.to_owned(), false),
            ("PM_TOKEN_SECRET", CANARY.to_owned(), true),
            ("PVE_NODE", "pve".to_owned(), false),
            ("PVE_STORAGE_VM", "local-lvm".to_owned(), false),
            ("PATH", self.programs(), false),
            ("HOME", home, false),
        ] {
            let from = Provenance::Process;
            env.set(
                name,
                Var {
                    value,
                    from,
                    secret,
                },
            );
        }
        let mut loaded = LoadedLab::new(lab, book, env);
        loaded.registry = registry(&self.doubles, fault);
        loaded
    }

    /// A directory in which each program is there; none of them is started.
    fn programs(&self) -> String {
        let dir = self.stage.lab.path("bin");
        for name in ["tofu", "ansible-playbook", "ssh", "ssh-keyscan"] {
            let file = dir.join(name);
            if !file.exists() {
                std::fs::create_dir_all(&dir).unwrap();
                std::os::unix::fs::symlink("/bin/false", file).unwrap();
            }
        }
        dir.display().to_string()
    }

    pub(super) fn create(&self, mode: OnFailure, fault: Option<&Fault>) -> Run {
        let loaded = self.loaded(fault);
        let request = RunRequest::Manifest(ManifestRequest {
            verb: ManifestVerb::Create,
            host: "pve".to_owned(),
            source: ManifestSource::Name("eight".to_owned()),
            on_error: Some(mode),
            skip_preflight: true,
        });
        let plan = loaded.plan(&request).unwrap();
        let origin = loaded.origin(request);
        run(&loaded, plan, origin)
    }

    pub(super) fn resume(&self, id: &str) -> Run {
        let lab = self.lab();
        let past = hl::runs::find(&lab.paths, id).unwrap();
        let resumed = ResumePlan::new(past, None, false, || Ok(self.loaded(None))).unwrap();
        let (loaded, plan, origin) = resumed.into_parts();
        run(&loaded, plan, origin)
    }

    /// The node without what a run may leave: tasks, and the ids of what comes next.
    pub(super) fn world(&self) -> Value {
        let mut world = serde_json::to_value(self.stage.sim.world()).unwrap();
        let map = world.as_object_mut().unwrap();
        map.retain(|key, _| !key.contains("task") && !key.starts_with("next"));
        world
    }

    /// What an unbroken run comes to.
    pub(super) fn unbroken(&self) -> Value {
        self.begin();
        let run = self.create(OnFailure::Stop, None);
        assert_eq!(run.outcome, Outcome::Succeeded, "{:?}", run.errors);
        assert_eq!(run.completed.len(), NODES);
        self.end()
    }

    /// Machines and states, without what is of one run alone.
    pub(super) fn end(&self) -> Value {
        let world = self.stage.sim.world();
        let vms = world.vms.iter().filter(|(_, vm)| !vm.is_template());
        let vms: BTreeMap<u32, (String, bool)> = vms
            .map(|(id, vm)| (*id, (vm.name().to_owned(), vm.run.is_some())))
            .collect();
        serde_json::json!([vms, self.states(), world.volumes.len()])
    }

    /// The keys of the states that hold something.
    pub(super) fn states(&self) -> Vec<String> {
        let states = self.stage.lab.path(".states");
        let states = Utf8Path::from_path(&states).unwrap().to_owned();
        let all = hl::tofu::state::all(&states).into_iter();
        all.filter(|(_, state)| state.resources > 0)
            .map(|(key, _)| key)
            .collect()
    }
}

fn run(loaded: &LoadedLab, plan: Plan, origin: Origin) -> Run {
    let job = Job {
        lab: &loaded.lab,
        env: &loaded.env,
        registry: &loaded.registry,
        plan,
        dry_run: false,
        journal: true,
        origin,
        options: RunOptions {
            engine: Options {
                jobs: 4,
                ..Options::default()
            },
            interrupt: false,
            waits: false,
            runtime_dir: None,
            listener: None,
            flags: BTreeMap::new(),
            trace: None,
        },
    };
    let ended = hl::app::run(&job, &Nobody, &mut Never).unwrap();
    assert!(ended.failure.is_none(), "{:?}", ended.failure);
    Run::of(&ended)
}

impl Run {
    fn of(ended: &Ended) -> Self {
        let completed = nodes(&ended.plan, &ended.tally).into_iter();
        let completed = completed.filter(|node| node.status == NodeStatus::Completed);
        let failed = ended
            .tally
            .ended()
            .filter(|one| one.end.status == Status::Failed);
        Self {
            outcome: ended.tally.finished.unwrap().0,
            run: ended.run.clone().unwrap(),
            completed: completed.map(|node| node.name).collect(),
            errors: failed
                .map(|one| format!("{}: {}", one.step, one.end.summary))
                .collect(),
        }
    }
}

/// Nobody stops it.
struct Never;

impl StopSource for Never {
    fn arrived(&mut self) -> Option<Signal> {
        None
    }
}

/// Says yes, and hears nothing.
struct Nobody;

impl Approver for Nobody {
    fn ask(&self, _: &Asked<'_>) -> Answer {
        Answer {
            approved: true,
            by: "the test".to_owned(),
        }
    }
}

struct Deaf;

impl Listener for Deaf {
    fn event(&mut self, _: &Event) -> Result<(), hl::diag::Failure> {
        Ok(())
    }
}

impl Host for Nobody {
    fn notice(&self, _: Notice) {}
    fn look(&self) -> Look {
        Look {
            mode: Mode::Quiet,
            palette: Palette { color: false },
            bars: false,
            width: || None,
            github: false,
            again: None,
            resume: None,
            usual: usual(BTreeMap::new),
        }
    }
    fn watch(&self, _: &Plan, _: Look) -> Box<dyn Listener> {
        Box::new(Deaf)
    }
    fn approver(&self) -> &dyn Approver {
        self
    }
}
