//! `hl __local`: PID 1 of the local side of a rehearsal. It makes the file system
//! that steps see, gives up what root could do to this machine, runs the inner
//! `hl`, and ends everything when the holder goes away.

use std::fs::File;
use std::io::{self, BufRead as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use rustix::process::{WaitOptions, WaitStatus};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};

use super::files::{self, Files};
use super::shown;
use crate::base::forbid_core_dumps;
use crate::base::{Process, Signal};
use crate::control;
use crate::lab::Lab;
use crate::rehearse::guest::{Network, drop_rights};
use crate::rehearse::run;
use crate::runs;

/// The longest grace that a tool has: a tofu that lost its `hl` works on that long.
const GRACE: Duration = Duration::from_hours(1);
/// How long the inner `hl` has to end when the holder is gone.
const ORPHANED: Duration = Duration::from_secs(2);
/// How often it is looked whether something ended.
const LOOK: Duration = Duration::from_millis(20);

/// What PID 1 is told, as one line of JSON on its standard input. Each line after
/// it is a signal to pass on; when the pipe closes, the holder is gone.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::rehearse) struct Orders {
    /// Root of the lab.
    pub(in crate::rehearse) root: Utf8PathBuf,
    /// What the inner `hl` is called with.
    pub(in crate::rehearse) command: Vec<String>,
    /// The `hl` to run.
    pub(in crate::rehearse) exe: PathBuf,
    /// What stands for the run where process ids are others: the holder.
    pub(in crate::rehearse) holder: Process,
    /// The user namespace to be root of.
    pub(in crate::rehearse) user_namespace: Option<PathBuf>,
    /// Files and directories that the lab's settings name.
    pub(in crate::rehearse) named: Vec<PathBuf>,
    /// Sockets of this machine.
    pub(in crate::rehearse) sockets: Vec<PathBuf>,
    /// Where the run is spoken to.
    pub(in crate::rehearse) control: Option<Utf8PathBuf>,
    /// No narration.
    pub(in crate::rehearse) quiet: bool,
}

/// Runs until the inner `hl` is over; the exit code is its own.
pub(in crate::rehearse) fn main() -> ExitCode {
    match hold() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            writeln!(io::stderr(), "error: nothing was started: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn hold() -> Result<u8, String> {
    // The terminal is open in this process: no step may take it from here.
    forbid_core_dumps().map_err(|e| format!("cannot hide this process: {e}"))?;
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|e| e.to_string())?;
    let orders: Orders = serde_json::from_str(&line).map_err(|e| format!("no orders: {e}"))?;
    let user = orders.user_namespace.as_deref().map(File::open).transpose();
    let user = user.map_err(|e| format!("cannot open the user namespace: {e}"))?;
    let homes = shown::homes();
    // While its place can be seen: in there it cannot.
    let control = listener(&orders);
    let home = files::make(&Files {
        lab: orders.root.as_std_path(),
        out: run::out(&orders.root).as_std_path(),
        homes: &homes,
        shown: &shown::paths(&orders.exe, &orders.named, &homes),
        sockets: &orders.sockets,
        private: orders
            .control
            .as_ref()
            .and_then(|socket| Some(socket.parent()?.as_std_path())),
    })?;
    if let Some(user) = user {
        move_into_link_name_space(user.as_fd(), Some(LinkNameSpaceType::User))
            .map_err(|e| format!("cannot enter the user namespace: {e}"))?;
    }
    drop_rights(Network::Shared)?;
    let mut command = Command::new(&orders.exe);
    command
        .args(&orders.command)
        .env("HOME", home)
        .env(crate::base::HOLDER, orders.holder.to_string())
        .current_dir(&orders.root)
        .stdin(control.map_or_else(Stdio::null, |control| Stdio::from(OwnedFd::from(control))))
        .process_group(0);
    let child = command
        .spawn()
        .map_err(|e| format!("cannot run `{}`: {e}", orders.exe.display()))?;
    // Nobody answers there when the inner `hl` is gone.
    drop(command);
    let inner = child.id();
    let told = listen();
    let status = loop {
        if let Some(status) = reaped(inner) {
            break status;
        }
        match told.recv_timeout(LOOK) {
            Ok(signal) => run::pass_on(inner, signal),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(orphaned(inner)),
        }
    };
    if status.terminating_signal().is_some() {
        outlast(&orders, &told);
    }
    Ok(code(status))
}

/// Where the run is spoken to. The inner `hl` gets it as its standard input, and no
/// step can reach it: see [`given_listener`].
///
/// [`given_listener`]: crate::rehearse::given_listener
fn listener(orders: &Orders) -> Option<UnixListener> {
    let made = control::bind(orders.control.as_ref()?);
    let tell = |error: &io::Error| {
        let why = format!("warning: this rehearsal cannot be stopped from elsewhere: {error}");
        writeln!(io::stderr(), "{why}").ok();
    };
    made.inspect_err(tell).ok()
}

/// The signals that the holder passes on.
fn listen() -> Receiver<Signal> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let lines = io::stdin().lock().lines().map_while(Result::ok);
        for signal in lines.filter_map(|line| Signal::of_name(&line)) {
            sender.send(signal).ok();
        }
    });
    receiver
}

/// Takes what has ended, as PID 1 must; gives how this child did.
fn reaped(inner: u32) -> Option<WaitStatus> {
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if u32::try_from(pid.as_raw_nonzero().get()) == Ok(inner) {
            return Some(status);
        }
    }
    None
}

/// The recipe has lost its world and must stop; what is left ends with PID 1.
fn orphaned(inner: u32) -> u8 {
    run::pass_on(inner, Signal::Terminate);
    let until = Instant::now() + ORPHANED;
    while Instant::now() < until {
        if let Some(status) = reaped(inner) {
            return code(status);
        }
        thread::sleep(LOOK);
    }
    1
}

/// As a shell would say it.
fn code(status: WaitStatus) -> u8 {
    let signal = status.terminating_signal().map(|signal| 128 + signal);
    let code = status.exit_status().or(signal);
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// The inner `hl` was killed, and its tools may still run: they talk to the
/// simulator, and end well if it stays. The first signal interrupts them, as by
/// Ctrl-C; the second gives up.
fn outlast(orders: &Orders, told: &Receiver<Signal>) {
    let Ok(config) = Lab::read(orders.root.clone()) else {
        return;
    };
    let lab = Lab {
        paths: config.paths.rehearsal(),
        config: config.config,
    };
    let until = Instant::now() + GRACE;
    let mut asked = false;
    let mut named = false;
    loop {
        reaped(0);
        let left = runs::survivors(&lab);
        if left.is_empty() || Instant::now() > until {
            return;
        }
        if !named && !orders.quiet {
            named = true;
            let programs: Vec<&str> = left.iter().map(|s| s.program.as_str()).collect();
            writeln!(
                io::stderr(),
                "     Waiting for {}, which `hl` left behind",
                programs.join(", ")
            )
            .ok();
        }
        match told.recv_timeout(Duration::from_millis(100)) {
            Ok(_) if asked => return,
            Ok(_) => {
                asked = true;
                for survivor in &left {
                    run::pass_on(survivor.process.pid, Signal::Interrupt);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
