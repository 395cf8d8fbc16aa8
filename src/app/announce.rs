//! What a detached process says to the one that started it: its run's id, once the
//! run has begun. Then it lets go of all that it was given.

use std::fs::File;
use std::io::{self, Read, Write, stderr, stdout};
use std::process::{ChildStderr, ChildStdout};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{getpid, getsid, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdout};

use crate::diag::{Exit, Failure};
use crate::plan::{Event, Listener};

/// Set for a detached process, and for it alone.
pub const DETACHED: &str = "HL_DETACHED";

/// What stands before the id of a run that has begun.
const BEGUN: &str = "\u{1}run ";

/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;

/// The id of the run that has begun, when that is what the line says.
pub(super) fn begun(line: &str) -> Option<&str> {
    line.strip_prefix(BEGUN)
}

/// Makes this process the leader of a session, which no terminal ends.
///
/// # Errors
/// It leads a group of the session that it was started in (70).
pub fn leave_session() -> Result<(), Failure> {
    // Who leads a session already cannot make one, and need not.
    let session = setsid().or_else(|_| getsid(None));
    if session == Ok(getpid()) {
        return Ok(());
    }
    let message = "a detached process cannot leave the session that it was started in";
    Err(Failure::message(Exit::Bug, message))
}

/// Says the id of the run when it begins, and lets go of standard output and error.
#[derive(Debug, Default)]
pub struct Announce {
    said: bool,
}

impl Listener for Announce {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        match event.kind.begins() {
            Some(info) if !std::mem::replace(&mut self.said, true) => {
                announce(&format!("{BEGUN}{}", info.id)).map_err(|error| {
                    let message = format!("cannot let go of the terminal: {error}");
                    Failure::message(Exit::Bug, message)
                })
            }
            _ => Ok(()),
        }
    }
}

fn announce(line: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    // Who has gone away meanwhile needs no answer, and the run goes on.
    writeln!(out, "{line}").and_then(|()| out.flush()).ok();
    drop(out);
    let null = File::options().write(true).open("/dev/null")?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    Ok(())
}

/// Hands on what another process of a detached run says. When it says that the run
/// has begun this process lets go too, and what comes then is read and left.
///
/// # Errors
/// The pipes cannot be read.
pub fn relay(mut out: ChildStdout, mut err: ChildStderr) -> io::Result<()> {
    fcntl_setfl(&out, fcntl_getfl(&out)? | OFlags::NONBLOCK)?;
    fcntl_setfl(&err, fcntl_getfl(&err)? | OFlags::NONBLOCK)?;
    let (mut out_open, mut err_open) = (true, true);
    let mut line = Vec::new();
    while out_open || err_open {
        wait(out_open.then_some(&out), err_open.then_some(&err))?;
        err_open = err_open && hand_on(&mut err)?;
        let mut said = Vec::new();
        out_open = out_open && read(&mut out, &mut |bytes| said.extend_from_slice(bytes))?;
        for piece in said.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let whole = String::from_utf8_lossy(&line).into_owned();
                line.clear();
                if begun(&whole).is_none() {
                    stdout().write_all(whole.as_bytes()).ok();
                    continue;
                }
                // What was said before comes before.
                err_open = err_open && hand_on(&mut err)?;
                announce(whole.trim_end())?;
            }
        }
    }
    stdout().write_all(&line).ok();
    Ok(())
}

/// Waits until there is something to read, or the end.
fn wait(out: Option<&ChildStdout>, err: Option<&ChildStderr>) -> io::Result<()> {
    let out = out.map(|pipe| PollFd::new(pipe, PollFlags::IN));
    let err = err.map(|pipe| PollFd::new(pipe, PollFlags::IN));
    let mut fds: Vec<PollFd<'_>> = out.into_iter().chain(err).collect();
    loop {
        match poll(&mut fds, None) {
            Err(Errno::INTR) => {}
            done => return done.map(|_| ()).map_err(io::Error::from),
        }
    }
}

fn hand_on(err: &mut ChildStderr) -> io::Result<bool> {
    read(err, &mut |bytes| {
        stderr().write_all(bytes).unwrap_or_default();
    })
}

/// Reads what is there; `false` at the end.
fn read(pipe: &mut impl Read, take: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
    let mut chunk = [0; CHUNK];
    loop {
        match pipe.read(&mut chunk) {
            Ok(0) => return Ok(false),
            Ok(count) => take(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
