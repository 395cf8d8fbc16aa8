//! `hl access` against a simulated node.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hl::pve::rights::Objects;
use hl_sim::{Running, Server, ServerConfig, World};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::support::{Hl, TestLab};

const TOKEN_ID: &str = "hl@pve!hl";
const SECRET: &str = "5eed0000-1111-4222-8333-ca9a4y000001";

struct Scene {
    lab: TestLab,
    sim: Running,
}

impl Scene {
    fn new() -> Self {
        let seed = hl::rehearse::seed(&Objects::default(), TOKEN_ID, SECRET);
        let sim = Server::start(ServerConfig::new(World::seeded(&seed))).unwrap();
        let lab = TestLab::shipped();
        lab.write("ca.pem", sim.ca_pem());
        Self { lab, sim }
    }

    /// `hl` with nothing set but whom to trust.
    fn bare(&self, words: &str) -> Hl {
        self.lab.hl(words).env("PVE_CA_FILE", "ca.pem")
    }

    /// `hl` with the access in its environment.
    fn hl(&self, words: &str) -> Hl {
        self.bare(words)
            .env("PVE_ACCESS_HOST", self.sim.addr().to_string())
            .env("PVE_NODE", "pve")
            .env("PM_TOKEN_ID", TOKEN_ID)
            .env("PM_TOKEN_SECRET", SECRET)
            .env("PVE_STORAGE_VM", "local-lvm")
    }

    fn file(&self) -> String {
        self.lab.read("state/proxmox.env")
    }
}

fn holders(root: &Path, text: &str) -> Vec<String> {
    let mut dirs = vec![root.to_owned()];
    let mut found = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(text) {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn it_is_proved_kept_published_and_then_used() {
    let scene = Scene::new();
    scene.lab.write(
        "state/proxmox.env",
        "# by hand\nPVE_BRIDGE=vmbr0\nPVE_NODE=old\n",
    );
    let ran = scene.hl("access").exits(0);
    // The sixth variable is not asked for here, and L0 wants it.
    ran.says(&[
        "wrote state/proxmox.env",
        "add `PVE_BUILD_ADDRESS=...` to `.env`",
        "`hl l0-runway` checks the rest",
    ]);
    let url = format!("https://{}", scene.sim.addr());
    let file = scene.file();
    for line in [
        format!("PROXMOX_API_URL=\"{url}\""),
        "PROXMOX_NODE=\"pve\"".to_owned(),
        format!("PROXMOX_TOKEN_ID=\"{TOKEN_ID}\""),
        format!("PROXMOX_TOKEN_SECRET=\"{SECRET}\""),
        "PROXMOX_STORAGE_VM=\"local-lvm\"".to_owned(),
        "PVE_BRIDGE=\"vmbr0\"".to_owned(),
        "PVE_CA_FILE=\"ca.pem\"".to_owned(),
    ] {
        assert!(file.lines().any(|found| found == line), "{line} in\n{file}");
    }
    assert!(!file.contains("PVE_NODE="), "{file}");
    let mode = fs::metadata(scene.lab.path("state/proxmox.env")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o7777, 0o600);
    let latest = scene.lab.read("state/runs/latest.env");
    for line in [
        format!("PROXMOX_API_URL=\"{url}\""),
        "PROXMOX_NODE=\"pve\"".to_owned(),
        format!("PROXMOX_TOKEN_ID=\"{TOKEN_ID}\""),
        "LAST_STEP_COMPLETED=\"proxmox_access\"".to_owned(),
    ] {
        assert!(latest.contains(&line), "{line} in\n{latest}");
    }
    assert_eq!(holders(scene.lab.root(), SECRET), ["state/proxmox.env"]);
    assert!(!ran.stderr.contains(SECRET) && !ran.stdout.contains(SECRET));

    // From now on the file says it, and L0 touches no state.
    let shown = scene.lab.hl("env").exits(0);
    shown.says(&["state/proxmox.env:", "pve"]);
    assert!(!shown.stdout.contains(SECRET), "{}", shown.stdout);
    let before = holders(scene.lab.root(), "");
    let latest = scene.lab.read("state/runs/latest.env");
    let runway = scene.lab.hl("l0-runway").run();
    assert!(
        runway.stderr.contains("l0-runway/token"),
        "{}",
        runway.stderr
    );
    for name in ["PVE_ACCESS_HOST", "PM_TOKEN_SECRET", "PVE_STORAGE_VM"] {
        assert!(
            !runway.stderr.contains(&format!("`{name}` is not set")),
            "{}",
            runway.stderr
        );
    }
    assert_eq!(holders(scene.lab.root(), ""), before);
    assert_eq!(scene.lab.read("state/runs/latest.env"), latest);
}

#[test]
fn what_does_not_work_is_not_kept() {
    let scene = Scene::new();
    scene.hl("access").exits(0);
    let before = scene.file();
    for (name, value) in [
        ("PM_TOKEN_SECRET", "00000000-0000-4000-8000-000000000000"),
        ("PVE_NODE", "no-such-node"),
        ("PVE_STORAGE_VM", "no-such-storage"),
        ("PVE_ACCESS_HOST", "127.0.0.1:1"),
    ] {
        let ran = scene.hl("access").env(name, value).exits(69);
        ran.says(&["Not saved state/proxmox.env"]);
        assert_eq!(scene.file(), before, "{name}");
        let latest = scene.lab.read("state/runs/latest.env");
        assert!(latest.contains("FAILURE_STEP=\"access/"), "{latest}");
        assert!(
            latest.contains("LAST_STEP_COMPLETED=\"proxmox_access\""),
            "{latest}"
        );
    }
    // A dry run proves it and keeps nothing.
    fs::remove_file(scene.lab.path("state/proxmox.env")).unwrap();
    scene
        .hl("access -n")
        .exits(0)
        .says(&["would write state/proxmox.env"]);
    assert!(!scene.lab.path("state/proxmox.env").exists());
}

#[test]
fn without_anyone_to_ask_all_that_is_missing_is_named() {
    let scene = Scene::new();
    for words in ["access", "access --no-input", "access --yes"] {
        let ran = scene.bare(words).env("PVE_NODE", "pve").exits(77);
        ran.says(&[
            "`PVE_ACCESS_HOST`, `PM_TOKEN_ID`, `PM_TOKEN_SECRET`, `PVE_STORAGE_VM` are not set",
        ]);
        assert!(!scene.lab.path("state").exists(), "{words}");
    }
}

#[test]
fn on_a_terminal_it_asks_and_shows_no_secret() {
    let scene = Scene::new();
    let command = scene
        .bare("access")
        .env("PVE_NODE", "pve")
        .env("TERM", "xterm")
        .command();
    let mut builder = CommandBuilder::new(command.get_program());
    builder.args(command.get_args());
    builder.cwd(command.get_current_dir().unwrap());
    builder.env_clear();
    for (name, value) in command.get_envs() {
        builder.env(name, value.unwrap());
    }
    let size = PtySize {
        rows: 40,
        cols: 160,
        ..PtySize::default()
    };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut child = pair.slave.spawn_command(builder).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut writer = pair.master.take_writer().unwrap();
    let screen = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&screen);
    let reading = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count) = reader.read(&mut buffer) {
            if count == 0 {
                break;
            }
            let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
            seen.lock().unwrap().push_str(&text);
        }
    });
    for (question, answer) in [
        (
            "Address of the node's API:",
            format!("https://{}", scene.sim.addr()),
        ),
        ("Name of the node:", String::new()),
        ("API token", TOKEN_ID.to_owned()),
        ("The token's secret:", SECRET.to_owned()),
        ("Storage for the machines' disks:", "local-lvm".to_owned()),
    ] {
        let start = Instant::now();
        while !screen.lock().unwrap().contains(question) {
            assert!(
                start.elapsed() < Duration::from_mins(1),
                "never asked: {question}\n{}",
                screen.lock().unwrap()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        write!(writer, "{answer}\r").unwrap();
        writer.flush().unwrap();
    }
    let code = child.wait().unwrap().exit_code();
    drop((writer, pair.master));
    reading.join().unwrap();
    let screen = screen.lock().unwrap().clone();
    assert_eq!(code, 0, "{screen}");
    assert!(!screen.contains(SECRET), "{screen}");
    let file = scene.file();
    assert!(
        file.contains(SECRET) && file.contains("PROXMOX_NODE=\"pve\""),
        "{file}"
    );
}
