//! The run's end of the socket.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::getuid;

use super::desk::Desk;
use super::place::Place;
use super::protocol::{LONGEST, Reply, Request};

/// How long somebody may take to say a line, or to take one.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to leave a listener alone that gave an error.
const PAUSE: Duration = Duration::from_millis(100);

/// Callers at once; more are turned away.
const CALLERS: usize = 64;

/// Answers at the socket while it lives. Nobody who calls can slow the run down.
#[derive(Debug)]
pub struct Server {
    /// Its path, where it is this server's to remove.
    socket: Option<Utf8PathBuf>,
    /// Closing it ends the accepting.
    life: Option<UnixStream>,
    accepting: Option<JoinHandle<()>>,
}

/// Makes the socket. Call it with the lab locked: what is there already was left by
/// a run that is gone.
///
/// # Errors
/// It cannot be made there.
pub fn bind(socket: &Utf8Path) -> io::Result<UnixListener> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(socket)
}

impl Server {
    /// Opens the socket, as [`bind`] does.
    ///
    /// # Errors
    /// There is no place for it.
    pub fn open(place: &Place, desk: &Desk) -> io::Result<Self> {
        let socket = place.make()?;
        let mut server = Self::start(bind(socket)?, desk, is_own)?;
        server.socket = Some(socket.to_owned());
        Ok(server)
    }

    /// Answers at a socket that somebody else has made, and will remove: `hl` outside
    /// of a rehearsal for the one inside. The kernel does not tell one who the processes
    /// of the other are, so the directory of the socket alone keeps others away.
    ///
    /// # Errors
    /// The system has no thread or descriptor for it.
    pub fn at(listener: UnixListener, desk: &Desk) -> io::Result<Self> {
        Self::start(listener, desk, |_| Ok(true))
    }

    fn start(listener: UnixListener, desk: &Desk, may: May) -> io::Result<Self> {
        // Who is waited for may be gone before it is accepted.
        listener.set_nonblocking(true)?;
        let (life, ended) = UnixStream::pair()?;
        let desk = desk.clone();
        let accepting = thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || accept(&listener, &ended, &desk, may))?;
        Ok(Self {
            socket: None,
            life: Some(life),
            accepting: Some(accepting),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.life = None;
        if let Some(accepting) = self.accepting.take() {
            accepting.join().ok();
        }
        // Left over at worst: the next run takes it away.
        if let Some(socket) = &self.socket {
            fs::remove_file(socket).ok();
        }
    }
}

/// Whether a caller may be answered.
type May = fn(&UnixStream) -> io::Result<bool>;

/// The caller is the run's own user, or root.
fn is_own(stream: &UnixStream) -> io::Result<bool> {
    let peer = socket_peercred(stream)?.uid;
    Ok(peer == getuid() || peer.is_root())
}

fn accept(listener: &UnixListener, ended: &UnixStream, desk: &Desk, may: May) {
    let callers = Arc::new(AtomicUsize::new(0));
    loop {
        let mut fds = [
            PollFd::new(ended, PollFlags::IN),
            PollFd::new(listener, PollFlags::IN),
        ];
        let polled = poll(&mut fds, None);
        let [end, _] = &fds;
        if polled.is_ok() && !end.revents().is_empty() {
            return;
        }
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => {
                // Out of file descriptors, perhaps: later there are some.
                thread::sleep(PAUSE);
                continue;
            }
        };
        if callers.fetch_add(1, Ordering::SeqCst) >= CALLERS {
            callers.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (theirs, desk) = (Arc::clone(&callers), desk.clone());
        let answering = thread::Builder::new().spawn(move || {
            // Who does not listen to the end gets none.
            answer(&stream, &desk, may).ok();
            theirs.fetch_sub(1, Ordering::SeqCst);
        });
        if answering.is_err() {
            callers.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn answer(stream: &UnixStream, desk: &Desk, may: May) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let reply = if may(stream)? {
        let mut line = String::new();
        BufReader::new(stream.take(LONGEST)).read_line(&mut line)?;
        match serde_json::from_str::<Request>(&line) {
            Ok(request) => desk.take(request),
            Err(error) => Reply::Refused {
                why: format!("not a request: {error}"),
            },
        }
    } else {
        Reply::Refused {
            why: "the run is another user's".to_owned(),
        }
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    (&*stream).write_all(&text)
}
