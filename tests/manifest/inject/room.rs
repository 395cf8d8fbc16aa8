//! A lab with a manifest of eight machines, a simulated node, and runs in this process.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;

use camino::Utf8Path;
use hl::app::{Ended, Host, Job, LoadedLab, Notice, Origin, ResumePlan, RunOptions};
use hl::base::{Signal, StopSource};
use hl::diag::Exit;
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
    stage: Arc<Stage>,
    doubles: Arc<Doubles>,
    empty: World,
}

/// How a run ended.
pub(super) struct Run {
    pub(super) outcome: Outcome,
    pub(super) exit: Exit,
    pub(super) id: String,
    pub(super) completed: Vec<String>,
    pub(super) errors: Vec<String>,
}

/// Machines of all kinds: every other one has a spec; one has no id, one is a container,
/// one asks for its spec itself.
fn manifest() -> String {
    let node = |n: usize| {
        let id = 7000 + n;
        let more = match n {
            5 => "type: vm".to_owned(),
            6 => format!("type: ct, spec: base, vmid: {id}"),
            7 => format!("type: vm, spec: base, vmid: {id}, execution: {{mode: pull}}"),
            n if n.is_multiple_of(2) => format!("type: vm, spec: base, vmid: {id}"),
            _ => format!("type: vm, vmid: {id}"),
        };
        format!("  - {{name: n{n}, preset: small, image: debian-13, {more}}}\n")
    };
    let nodes: String = (0..NODES).map(node).collect();
    format!("schema_version: 2\nname: eight\nnodes:\n{nodes}")
}

impl Room {
    pub(super) fn new() -> Self {
        let route = ["route", "add", "local", "0.0.0.0/0", "dev", "lo"];
        assert!(Command::new("ip").args(route).status().unwrap().success());
        let ssh = TcpListener::bind("0.0.0.0:22").unwrap();
        // Connections that nobody takes fill a queue, and the next one waits for ever.
        std::thread::spawn(move || ssh.incoming().for_each(drop));
        let stage = Arc::new(Stage::new());
        let toml = stage.lab.read("hl.toml");
        let toml = format!("{toml}\n[serve]\ncert_dir = \"keep\"\n");
        let made = hl_sim::certs::with_authority(&["192.0.2.9".to_owned()]).unwrap();
        let server = "defaults:\n  spec_server: https://192.0.2.9:44443\n";
        let lab = &stage.lab;
        lab.write("hl.toml", &toml)
            .write("keep/controller.crt", &made.cert_pem)
            .write("site/site.yaml", server)
            .write("site/manifests/eight.yaml", &manifest());
        stage.sim.change(|world| {
            let local = world.storages.get_mut("local").unwrap();
            if !local.content.iter().any(|kind| kind == "snippets") {
                local.content.push("snippets".to_owned());
            }
        });
        let doubles = Arc::new(Doubles::new(&stage));
        let empty = stage.sim.world();
        Self {
            stage,
            doubles,
            empty,
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

    fn loaded(&self, faults: &[Fault]) -> LoadedLab {
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
        loaded.registry = registry(&self.doubles, faults);
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

    fn request(verb: ManifestVerb, mode: OnFailure) -> RunRequest {
        RunRequest::Manifest(ManifestRequest {
            verb,
            host: "pve".to_owned(),
            source: ManifestSource::Name("eight".to_owned()),
            on_error: Some(mode),
            skip_preflight: true,
        })
    }

    /// The steps that make the machines, the guard first.
    pub(super) fn steps(&self) -> Vec<String> {
        let request = Self::request(ManifestVerb::Create, OnFailure::Stop);
        let plan = self.loaded(&[]).plan(&request).unwrap();
        let steps = plan.steps.iter().filter(|step| !step.finally);
        steps.map(|step| step.id.to_string()).collect()
    }

    pub(super) fn create(&self, mode: OnFailure, faults: &[Fault]) -> Run {
        self.run(ManifestVerb::Create, mode, faults)
    }

    pub(super) fn test(&self, mode: OnFailure) -> Run {
        self.run(ManifestVerb::Test, mode, &[])
    }

    fn run(&self, verb: ManifestVerb, mode: OnFailure, faults: &[Fault]) -> Run {
        let loaded = self.loaded(faults);
        let request = Self::request(verb, mode);
        let plan = loaded.plan(&request).unwrap();
        let origin = loaded.origin(request);
        run(&loaded, plan, origin)
    }

    /// The machines that were converged since this was asked last.
    pub(super) fn converged(&self) -> Vec<String> {
        self.doubles.converged().into_iter().collect()
    }

    /// A machine goes from the node, and its state stays.
    pub(super) fn lose(&self, vmid: u32) {
        self.stage.sim.change(|world| {
            world.vms.remove(&vmid).unwrap();
            world.volumes.retain(|volume| volume.vmid != Some(vmid));
        });
    }

    /// The ids on the node that are no templates.
    pub(super) fn machines(&self) -> Vec<u32> {
        let world = self.stage.sim.world();
        let vms = world.vms.iter().filter(|(_, vm)| !vm.is_template());
        vms.map(|(id, _)| *id).collect()
    }

    pub(super) fn resume(&self, id: &str) -> Run {
        let lab = self.lab();
        let past = hl::runs::find(&lab.paths, id).unwrap();
        let resumed = ResumePlan::new(past, None, false, || Ok(self.loaded(&[]))).unwrap();
        let (loaded, plan, origin) = resumed.into_parts();
        run(&loaded, plan, origin)
    }

    /// The node without what a run may leave: its tasks, and what ids are counted with.
    pub(super) fn world(&self) -> Value {
        let mut world = serde_json::to_value(self.stage.sim.world()).unwrap();
        let map = world.as_object_mut().unwrap();
        map.retain(|key, _| !["tasks", "counter"].contains(&key.as_str()));
        world
    }

    /// What an unbroken run comes to.
    pub(super) fn unbroken(&self) -> Value {
        self.begin();
        let run = self.create(OnFailure::Stop, &[]);
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

    /// What is recorded of each node.
    pub(super) fn records(&self) -> Value {
        let text = self.stage.lab.read(".states/eight/pve/execution.json");
        let record: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(record["nodes"]["n0"]["status"], "completed");
        record["nodes"].clone()
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
            exit: ended.exit,
            id: ended.run.clone().unwrap(),
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
