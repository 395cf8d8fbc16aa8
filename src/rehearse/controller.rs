//! The controller of a rehearsal: guests that pull their spec ask it. It is the very
//! same `hl serve`, in the sealed network, where every address is the holder's: guests
//! reach it at the one that the site names.

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use camino::Utf8Path;

use super::seed::invent_secret;
use super::side::{Place, Side};
use crate::diag::{Exit, Failure};
use crate::lab::{self, Paths};

/// How long it may take to answer; it looks through the lab's repository first.
const START: Duration = Duration::from_mins(1);
/// How long it may take to end.
const END: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// A controller that runs.
pub(super) struct Controller(Side);

impl Controller {
    /// Starts one at this port, and waits until it answers. What it logs goes to
    /// `state/controller.log`; `paths` are those of the rehearsal.
    ///
    /// # Errors
    /// It ends, or does not answer in time; its last words are told.
    pub(super) fn start(place: Place<'_>, paths: &Paths, port: u16) -> Result<Self, Failure> {
        let log = paths.state().join("controller.log");
        let file = create(&log)?;
        let words = ["--quiet", "serve", "--port", &port.to_string()].map(str::to_owned);
        let side = place.start(&words, None, |command| {
            command
                .env("HL_REPO_TOKEN", invent_secret())
                .stdout(Stdio::null())
                .stderr(file);
        })?;
        let mut started = Self(side);
        let until = Instant::now() + START;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        loop {
            if TcpStream::connect_timeout(&address, LOOK).is_ok() {
                return Ok(started);
            }
            let ended = started.ended();
            if ended.is_some() || Instant::now() > until {
                let what = ended.map_or("does not answer", |_| "ended");
                let said = fs::read_to_string(&log).unwrap_or_default();
                let last = said.lines().rev().find(|line| !line.trim().is_empty());
                let last = last.unwrap_or("it said nothing").trim().to_owned();
                let message = format!("the rehearsal's controller {what}: {last}");
                started.stop();
                return Err(Failure::message(Exit::Several, message)
                    .help(format!("all that it said is in `{}`", paths.show(&log))));
            }
            thread::sleep(LOOK);
        }
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.0.child.try_wait().ok().flatten()
    }

    /// Ends it.
    pub(super) fn stop(self) {
        let Side { mut child, life } = self.0;
        // It loses its world, and ends.
        drop(life);
        let until = Instant::now() + END;
        while Instant::now() < until {
            if ended(&mut child) {
                return;
            }
            thread::sleep(LOOK);
        }
        child.kill().ok();
        child.wait().ok();
    }
}

fn ended(child: &mut Child) -> bool {
    // Nobody else waits for it: one that cannot be waited for is gone.
    !matches!(child.try_wait(), Ok(None))
}

fn create(log: &Utf8Path) -> Result<File, Failure> {
    lab::create_dir(log.parent().unwrap_or(Utf8Path::new(".")))?;
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true).mode(0o600);
    options.open(log).map_err(|error| {
        Failure::message(Exit::CannotWrite, format!("cannot write `{log}`: {error}"))
    })
}
