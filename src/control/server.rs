//! The run's end of the socket.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use camino::Utf8PathBuf;
use rustix::net::sockopt::socket_peercred;
use rustix::process::getuid;

use super::desk::Desk;
use super::place::Place;
use super::protocol::{LONGEST, Reply, Request};

/// How long somebody may take to say a line, or to take one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Callers at once; whoever comes then is turned away.
const CALLERS: usize = 64;

/// Answers at the socket while it lives. Nobody who calls can slow the run down.
#[derive(Debug)]
pub struct Server {
    socket: Utf8PathBuf,
    over: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Opens the socket. Call it with the lab locked: what is there already was
    /// left by a run that is gone.
    ///
    /// # Errors
    /// There is no place for it.
    pub fn open(place: &Place, desk: &Desk) -> io::Result<Self> {
        let socket = place.make()?;
        match fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(socket)?;
        let over = Arc::new(AtomicBool::new(false));
        let accepting = {
            let (over, desk) = (Arc::clone(&over), desk.clone());
            thread::Builder::new()
                .name("control".to_owned())
                .spawn(move || accept(&listener, &over, &desk))?
        };
        Ok(Self {
            socket: socket.to_owned(),
            over,
            accepting: Some(accepting),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // It waits for the next caller.
        if UnixStream::connect(&self.socket).is_ok()
            && let Some(accepting) = self.accepting.take()
        {
            accepting.join().ok();
        }
        // Left over at worst: the next run takes it away.
        fs::remove_file(&self.socket).ok();
    }
}

fn accept(listener: &UnixListener, over: &AtomicBool, desk: &Desk) {
    let callers = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else {
            // Out of file descriptors, perhaps: later there are some.
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        if callers.fetch_add(1, Ordering::SeqCst) >= CALLERS {
            callers.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (theirs, desk) = (Arc::clone(&callers), desk.clone());
        let answering = thread::Builder::new().spawn(move || {
            // Who does not listen to the end gets none.
            answer(&stream, &desk).ok();
            theirs.fetch_sub(1, Ordering::SeqCst);
        });
        if answering.is_err() {
            callers.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn answer(stream: &UnixStream, desk: &Desk) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let peer = socket_peercred(stream)?.uid;
    let reply = if peer == getuid() || peer.is_root() {
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
