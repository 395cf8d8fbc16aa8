//! What `hl serve` runs: the log, the threads, and the daemon on them.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tracing::{Dispatch, dispatcher};

use super::daemon::Daemon;
use super::repos;
use super::specs::Specs;
use crate::app::serving::{ServeOptions, Started};
use crate::app::{Caller, REPO_TOKEN};
use crate::diag::{Exit, Failure};
use crate::lab::{Redactor, trace};

/// How long what still reads files may take at the end.
const LEFT: Duration = Duration::from_secs(2);
/// File descriptors that are asked for: one for each connection, and those of git.
const DESCRIPTORS: u64 = 16_384;

/// Variables that are the daemon's alone: what it starts would take them for its own.
const OWN: [&str; 9] = [
    REPO_TOKEN,
    "CREDENTIALS_DIRECTORY",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "MAINPID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// Serves until SIGTERM or SIGINT; `announce` is told once that it answers.
///
/// # Errors
/// It cannot begin: there is no site-config, the certificate cannot be used, the port is
/// taken, the repositories cannot be read.
pub fn run(
    caller: &Caller,
    options: &ServeOptions,
    announce: &mut dyn FnMut(&Started) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut caller = caller.clone();
    caller
        .process
        .retain(|name, _| !OWN.contains(&name.as_str()));
    raise_descriptors();
    let specs = Specs::load(&caller)?;
    let secrets = specs.hidden().chain([options.repo_token.reveal()]);
    let redactor = Redactor::new(secrets);
    let log = trace::subscriber(None, options.log.as_ref(), &redactor)
        .map_err(|error| Failure::message(Exit::CannotWrite, format!("cannot log: {error}")))?;
    let runtime = runtime(&log)?;
    let daemon = Daemon { caller, options };
    let done = dispatcher::with_default(&log, || {
        repos::remove_left_behind();
        runtime.block_on(daemon.run(specs, announce))
    });
    runtime.shutdown_timeout(LEFT);
    if let Some(log) = &options.log {
        log.flush();
    }
    done
}

/// Threads that log as this one does.
fn runtime(log: &Dispatch) -> Result<Runtime, Failure> {
    let log = log.clone();
    Builder::new_multi_thread()
        .enable_all()
        .thread_name("serve")
        .on_thread_start(move || std::mem::forget(dispatcher::set_default(&log)))
        .build()
        .map_err(|error| Failure::message(Exit::Bug, format!("cannot start threads: {error}")))
}

/// Raises the limit of open files, as far as the system allows.
fn raise_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(DESCRIPTORS, |maximum| maximum.min(DESCRIPTORS));
    if current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            maximum,
        };
        // Without it there are fewer connections.
        setrlimit(Resource::Nofile, raised).ok();
    }
}
