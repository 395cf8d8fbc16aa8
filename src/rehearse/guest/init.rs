//! PID 1 of a guest: sets up the instance as cloud-init or a container's node would,
//! starts what is enabled, answers `systemctl`, and ends everything when its holder goes
//! away.

use std::fs::{self, Permissions};
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::agent;
use super::boot::Boot;
use super::capabilities;
use super::children;
use super::client::SOCKET;
use super::cloud_init;
use super::container;
use super::custom;
use super::kernel;
use super::network;
use super::protocol::{Reply, Request};
use super::services::Services;
use super::systemctl;
use super::units::Lookup;

/// Where the sandbox leaves the boot file for PID 1.
pub(super) const BOOT_FILE: &str = "/run/hl/boot.json";
/// What `/proc/sys/kernel/random/boot_id` shows.
pub(super) const BOOT_ID: &str = "/run/hl/boot_id";
/// The line that tells the holder that the guest is up.
pub(super) const READY: &str = "ready";

/// Targets whose wants start at boot.
const BOOT_TARGETS: [&str; 5] = [
    "sysinit.target",
    "basic.target",
    "network-online.target",
    "multi-user.target",
    "graphical.target",
];

const AGENT: &str = "qemu-guest-agent.service";

/// `hl __guest-init`: never returns while the guest runs.
pub(in crate::rehearse) fn main() -> ExitCode {
    match boot() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(io::stderr(), "error: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn boot() -> Result<(), String> {
    rustix::thread::set_name(c"systemd").ok();
    let boot = Boot::read(Path::new(BOOT_FILE))?;
    // Before any thread: a thread inherits the bounding set of its maker.
    capabilities::drop_bounding(boot.network)?;
    let services = Services::new();
    let reaper = Arc::clone(&services);
    thread::spawn(move || reaper.children.reap());
    let listener =
        UnixListener::bind(SOCKET).map_err(|e| format!("cannot bind `{SOCKET}`: {e}"))?;
    fs::set_permissions(SOCKET, Permissions::from_mode(0o666)).map_err(|e| e.to_string())?;
    let (wishes, wish) = mpsc::channel();
    let server = Arc::clone(&services);
    let asked = wishes.clone();
    thread::spawn(move || serve(&server, &listener, &asked));
    // The holder's end of this pipe closes when it stops the guest, and when it dies.
    let agent_of = Arc::clone(&services);
    thread::spawn(move || {
        agent::answer(&agent_of);
        wishes.send(Wish::End).ok();
    });
    let mut first = true;
    network::hand_over();
    loop {
        kernel::boot();
        let changed = if boot.container {
            container::apply(&boot, &services)?;
            false
        } else {
            cloud_init::apply(&boot, &services)?
        };
        if changed {
            custom::prepare(&boot, &services);
        }
        start_enabled(&services, boot.agent);
        if changed {
            custom::finish(&boot, &services);
        }
        if std::mem::take(&mut first) {
            writeln!(io::stdout(), "{READY}").map_err(|e| e.to_string())?;
        }
        match wish.recv() {
            Ok(Wish::Reboot) => {
                // The caller gets the answer first.
                thread::sleep(Duration::from_millis(200));
                services.forget_all();
                stop_everything();
                empty_run();
                new_boot_id();
            }
            Ok(Wish::End) | Err(_) => {
                services.forget_all();
                stop_everything();
                return Ok(());
            }
        }
    }
}

/// What PID 1 is to do next.
#[derive(Debug, Clone, Copy)]
enum Wish {
    Reboot,
    End,
}

/// `/run` and `/tmp` do not outlive a boot; what is ours in there stays.
fn empty_run() {
    const OURS: [&str; 5] = ["hl", "lock", "sshd", "systemd", "user"];
    for dir in ["/run", "/tmp"] {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if dir == "/run" && OURS.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                fs::remove_dir_all(entry.path()).ok();
            } else {
                fs::remove_file(entry.path()).ok();
            }
        }
    }
}

/// Programs that wait for a reboot look whether this has changed.
fn new_boot_id() {
    if let Ok(id) = fs::read_to_string("/proc/sys/kernel/random/uuid") {
        fs::write(BOOT_ID, id).ok();
    }
}

/// Starts what is enabled. A oneshot runs beside the others, which systemd starts at the
/// same time.
fn start_enabled(services: &Arc<Services>, agent: bool) {
    let mut wanted = services.units.wanted(&BOOT_TARGETS);
    // udev starts it on a real VM, when the agent's port appears.
    if agent && matches!(services.units.find(AGENT), Lookup::Found(_)) {
        wanted.insert(AGENT.to_owned());
    }
    for name in wanted {
        if !name.ends_with(".service") {
            continue;
        }
        if services.is_oneshot(&name) {
            let services = Arc::clone(services);
            thread::spawn(move || start(&services, &name));
        } else {
            start(services, &name);
        }
    }
}

fn start(services: &Arc<Services>, name: &str) {
    if let Err(error) = services.start(name) {
        writeln!(io::stderr(), "warning: {name} did not start: {error}").ok();
    }
}

fn stop_everything() {
    let everyone = children::all();
    for pid in &everyone {
        children::signal(*pid, Signal::TERM);
    }
    let until = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < until && !children::all().is_empty() {
        thread::sleep(Duration::from_millis(10));
    }
    for pid in children::all() {
        children::signal(pid, Signal::KILL);
    }
}

fn serve(services: &Arc<Services>, listener: &UnixListener, wishes: &Sender<Wish>) {
    for stream in listener.incoming().filter_map(Result::ok) {
        let services = Arc::clone(services);
        let wishes = wishes.clone();
        thread::spawn(move || {
            if let Err(error) = converse(&services, stream, &wishes) {
                writeln!(io::stderr(), "warning: a request failed: {error}").ok();
            }
        });
    }
}

fn converse(
    services: &Arc<Services>,
    mut stream: UnixStream,
    wishes: &Sender<Wish>,
) -> io::Result<()> {
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let root = rustix::net::sockopt::socket_peercred(&stream).is_ok_and(|c| c.uid.is_root());
    let reply = match serde_json::from_str::<Request>(&text) {
        Ok(request) => dispatch(services, &request, root, wishes),
        Err(error) => Reply::fail(1, error.to_string()),
    };
    stream.write_all(serde_json::to_string(&reply)?.as_bytes())?;
    stream.shutdown(Shutdown::Both)
}

fn dispatch(
    services: &Arc<Services>,
    request: &Request,
    root: bool,
    wishes: &Sender<Wish>,
) -> Reply {
    let has = |word: &str| request.args.iter().any(|arg| arg == word);
    match request.program.as_str() {
        "systemctl" if has("reboot") => reboot(root, wishes),
        "systemctl" if has("poweroff") || has("halt") => Reply::fail(1, NO_POWER_OFF),
        "reboot" => reboot(root, wishes),
        "shutdown" if has("-r") || has("--reboot") => reboot(root, wishes),
        "systemctl" => systemctl::answer(services, &request.args, root),
        "hostnamectl" => hostnamectl(&request.args, root),
        "runlevel" => Reply::say("N 5\n"),
        "halt" | "poweroff" | "shutdown" | "init" | "telinit" => Reply::fail(1, NO_POWER_OFF),
        other => Reply::fail(1, format!("`{other}` is not part of a rehearsal guest")),
    }
}

const NO_POWER_OFF: &str = "a rehearsal guest is switched off through the Proxmox API only";

/// Ends all processes and boots again; the disk, the address and PID 1 stay.
fn reboot(root: bool, wishes: &Sender<Wish>) -> Reply {
    if !root {
        return Reply::fail(1, "Interactive authentication required.");
    }
    match wishes.send(Wish::Reboot) {
        Ok(()) => Reply::default(),
        Err(error) => Reply::fail(1, error.to_string()),
    }
}

/// `hostnamectl [--static|--transient|--pretty] [status|hostname|set-hostname NAME]`
fn hostnamectl(args: &[String], root: bool) -> Reply {
    let words: Vec<&str> = args
        .iter()
        .map(String::as_str)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let current = || {
        let name = fs::read_to_string("/etc/hostname").unwrap_or_default();
        name.trim().to_owned()
    };
    match words.as_slice() {
        ["set-hostname" | "hostname", name] if root => {
            let set = fs::write("/etc/hostname", format!("{name}\n"))
                .map_err(|e| e.to_string())
                .and_then(|()| {
                    rustix::system::sethostname(name.as_bytes()).map_err(|e| e.to_string())
                });
            set.map_or_else(|e| Reply::fail(1, e), |()| Reply::default())
        }
        ["set-hostname" | "hostname", _] => Reply::fail(1, "Access denied"),
        ["hostname"] => Reply::say(format!("{}\n", current())),
        _ if args
            .iter()
            .any(|a| a == "--static" || a == "--transient" || a == "--pretty") =>
        {
            let pretty = args.iter().any(|a| a == "--pretty");
            let name = if pretty { String::new() } else { current() };
            Reply::say(format!("{name}\n"))
        }
        _ => Reply::say(format!(" Static hostname: {}\n", current())),
    }
}
