//! A run in a process of its own, to be sent signals: this very test binary,
//! started again with one test, which does nothing in an ordinary test run.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use hl::base::Watch;
use hl::diag::{Exit, Failure};
use hl::engine::RunResult;
use hl::lab::{Config, Lab, Lock, Paths, Redactor};
use hl::plan::{Event, EventKind, Listener, Plan};
use hl::runs::{Journal, settle};
use rustix::process::{Pid, Signal, kill_process};

use super::support::{World, options};

pub(super) const ARGS: [&str; 3] = ["--exact", "engine::stage::stage", "--test-threads=1"];
pub(super) const STAGE: &str = "HL_TEST_STAGE";
pub(super) const RUN: &str = "20260101-000000-abcd";
pub(super) const SECRET: &str = "canary-9b1f";

/// The other process. With `settle` in the directory it waits for survivors,
/// else it runs `plan.json`.
#[test]
fn stage() {
    let Ok(dir) = std::env::var(STAGE) else {
        return;
    };
    let lab = lab(Utf8Path::new(&dir));
    let result = if lab.paths.root().join("settle").exists() {
        let mut said = File::create(lab.paths.root().join("said")).unwrap();
        let mut watch = Watch::start().unwrap();
        settle(
            &lab,
            &Redactor::new([SECRET]),
            false,
            &mut watch,
            &mut |notice| {
                writeln!(said, "{}", notice.message).unwrap();
            },
        )
        .map_or_else(
            |failure| (failure.exit, failure.to_string()),
            |()| (Exit::Ok, String::new()),
        )
    } else {
        let result = run(&lab);
        (result.exit, format!("{:?}", result.outcome))
    };
    let text = format!("{} {}", result.0.code(), result.1);
    fs::write(lab.paths.root().join("result"), text).unwrap();
    if lab.paths.root().join("linger").exists() {
        sleep(Duration::from_mins(10));
    }
}

fn lab(root: &Utf8Path) -> Lab {
    Lab {
        paths: Paths::live(root.canonicalize_utf8().unwrap()),
        config: Config::default(),
    }
}

fn run(lab: &Lab) -> RunResult {
    let root = lab.paths.root();
    let plan: Plan =
        serde_json::from_str(&fs::read_to_string(root.join("plan.json")).unwrap()).unwrap();
    let mut world = World::new();
    world.lab = lab.clone();
    world.options = options(RUN);
    world.redactor = Redactor::new([SECRET]);
    let _lock = Lock::take(&lab.paths, RUN).unwrap();
    let mut journal = Journal::new(&lab.paths, std::collections::BTreeMap::new(), None);
    let mut lines = Lines(File::create(root.join("events")).unwrap());
    world.run_with(&plan, &mut [&mut journal, &mut lines])
}

/// Writes every event as a line for the test to watch.
struct Lines(File);

impl Listener for Lines {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        let line = format!("{}\n", serde_json::to_string(event).unwrap());
        self.0.write_all(line.as_bytes()).unwrap();
        Ok(())
    }
}

/// The other process, and the lab that it runs in.
pub(super) struct Stage {
    pub(super) lab: Lab,
    pid: u32,
    child: Box<dyn portable_pty::Child>,
    dir: Option<tempfile::TempDir>,
}

impl Stage {
    /// Runs a plan.
    pub(super) fn play(plan: &Plan) -> Self {
        let (dir, root) = prepared(plan);
        let mut stage = Self::start(&root);
        stage.dir = Some(dir);
        stage
    }

    /// Runs a plan in a process that was started with these signals ignored,
    /// as by `nohup` or by `&` in a script.
    pub(super) fn play_ignoring(plan: &Plan, signals: &str) -> Self {
        let (dir, root) = prepared(plan);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("trap '' {signals}; exec \"$0\" \"$@\"")]);
        let mut stage = Self::spawn(&root, command.arg(std::env::current_exe().unwrap()));
        stage.dir = Some(dir);
        stage
    }

    /// Runs a plan, and then lingers with nothing to do.
    pub(super) fn play_and_linger(plan: &Plan) -> Self {
        let (dir, root) = prepared(plan);
        fs::write(root.join("linger"), "").unwrap();
        let mut stage = Self::start(&root);
        stage.dir = Some(dir);
        stage
    }

    /// Runs a plan as the foreground process of a terminal; the terminal is
    /// the second value.
    pub(super) fn play_on_terminal(plan: &Plan) -> (Self, portable_pty::PtyPair) {
        use portable_pty::{CommandBuilder, PtySize, native_pty_system};
        let terminal = native_pty_system().openpty(PtySize::default()).unwrap();
        let (dir, root) = prepared(plan);
        // With all signals as they are by default: a shell with job control may hand
        // on an ignored SIGTTIN.
        let mut command = CommandBuilder::new("env");
        command.arg("--default-signal");
        command.arg(std::env::current_exe().unwrap());
        command.args(ARGS);
        command.env(STAGE, root.as_str());
        let child = terminal.slave.spawn_command(command).unwrap();
        let stage = Self {
            lab: lab(&root),
            pid: child.process_id().unwrap(),
            child,
            dir: Some(dir),
        };
        (stage, terminal)
    }

    /// Waits for the survivors of a lab.
    pub(super) fn settle(lab: &Lab) -> Self {
        fs::write(lab.paths.root().join("settle"), "").unwrap();
        Self::start(lab.paths.root())
    }

    /// With all signals as they are by default: a test run under `nohup` would hand
    /// on an ignored SIGHUP.
    fn start(root: &Utf8Path) -> Self {
        let mut command = Command::new("env");
        command.arg("--default-signal");
        Self::spawn(root, command.arg(std::env::current_exe().unwrap()))
    }

    fn spawn(root: &Utf8Path, command: &mut Command) -> Self {
        let child = command
            .args(ARGS)
            .env(STAGE, root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        Self {
            lab: lab(root),
            pid: child.id(),
            child: Box::new(child),
            dir: None,
        }
    }

    /// Lets a child that waits for the file `released` go on.
    pub(super) fn release(&self) {
        fs::write(self.lab.paths.root().join("released"), "").unwrap();
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    pub(super) fn events(&self) -> Vec<Event> {
        let text = fs::read_to_string(self.lab.paths.root().join("events")).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Waits until an event answers.
    #[track_caller]
    pub(super) fn until<T>(&self, what: impl Fn(&Event) -> Option<T>) -> T {
        until(|| self.events().iter().find_map(&what))
    }

    #[track_caller]
    pub(super) fn until_line(&self, wanted: &str) {
        self.until(|event| match &event.kind {
            EventKind::Output { line, .. } => (line == wanted).then_some(()),
            _ => None,
        });
    }

    /// Sends a signal and waits for what is said about it.
    #[track_caller]
    pub(super) fn interrupt(&self, signal: Signal) -> String {
        let told = |events: &[Event]| -> Vec<String> {
            let messages = events.iter().filter_map(|event| match &event.kind {
                EventKind::Interrupted { message, signal } if signal != "timeout" => {
                    Some(message.clone())
                }
                _ => None,
            });
            messages.collect()
        };
        let before = told(&self.events()).len();
        self.signal(signal);
        until(|| told(&self.events()).get(before).cloned())
    }

    /// Ends it at once, without a word.
    pub(super) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().unwrap();
    }

    /// Waits for the end: exit code and outcome.
    #[track_caller]
    pub(super) fn end(&mut self) -> (String, Vec<Event>) {
        until(|| self.child.try_wait().unwrap());
        let result = fs::read_to_string(self.lab.paths.root().join("result")).unwrap();
        (result, self.events())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().unwrap();
    }
}

/// A directory with a plan to run.
fn prepared(plan: &Plan) -> (tempfile::TempDir, Utf8PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
    fs::write(root.join("plan.json"), serde_json::to_string(plan).unwrap()).unwrap();
    (dir, root)
}

/// Waits for something, a minute at most.
#[track_caller]
pub(super) fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "it did not happen"
        );
        sleep(Duration::from_millis(10));
    }
}
