//! The end of the socket that answers: a run's, or the controller's.

use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use camino::Utf8PathBuf;
use rustix::net::sockopt::socket_peercred;
use rustix::process::getuid;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::desk::Desk;
use super::place::Place;
use super::protocol::{LONGEST, Reply, Request};

/// How long somebody may take to say a line, or to take one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Callers at once; whoever comes then is turned away.
const CALLERS: usize = 64;

/// A line that was said, or why it is not listened to, to the line that answers it.
type Answer = dyn Fn(Result<&str, String>) -> serde_json::Result<Vec<u8>> + Send + Sync;

/// Answers at the socket while it lives. Nobody who calls can slow its process down.
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
        let desk = desk.clone();
        Self::answering(place, move |asked: Result<Request, String>| match asked {
            Ok(request) => desk.take(request),
            Err(why) => Reply::Refused { why },
        })
    }

    /// Opens the socket with another way to answer what is asked. Asked is `Err` with
    /// the reason when the line is none that is known, or another user said it.
    ///
    /// # Errors
    /// There is no place for it.
    pub fn answering<Q, R>(
        place: &Place,
        answer: impl Fn(Result<Q, String>) -> R + Send + Sync + 'static,
    ) -> io::Result<Self>
    where
        Q: DeserializeOwned + 'static,
        R: Serialize + 'static,
    {
        let answer: Arc<Answer> = Arc::new(move |line: Result<&str, String>| {
            let asked = line.and_then(|line| {
                serde_json::from_str(line).map_err(|error| format!("not a request: {error}"))
            });
            serde_json::to_vec(&answer(asked))
        });
        let socket = place.make()?;
        match fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(socket)?;
        // Its directory is the user's own already.
        fs::set_permissions(socket, Permissions::from_mode(0o600))?;
        let over = Arc::new(AtomicBool::new(false));
        let accepting = {
            let over = Arc::clone(&over);
            thread::Builder::new()
                .name("control".to_owned())
                .spawn(move || accept(&listener, &over, &answer))?
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

fn accept(listener: &UnixListener, over: &AtomicBool, answer: &Arc<Answer>) {
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
        let (theirs, answer) = (Arc::clone(&callers), Arc::clone(answer));
        let answering = thread::Builder::new().spawn(move || {
            // Who does not listen to the end gets none.
            converse(&stream, &*answer).ok();
            theirs.fetch_sub(1, Ordering::SeqCst);
        });
        if answering.is_err() {
            callers.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn converse(stream: &UnixStream, answer: &Answer) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let peer = socket_peercred(stream)?.uid;
    let mut text = if peer == getuid() || peer.is_root() {
        let mut line = String::new();
        BufReader::new(stream.take(LONGEST)).read_line(&mut line)?;
        answer(Ok(&line))?
    } else {
        answer(Err("it is another user's".to_owned()))?
    };
    text.push(b'\n');
    (&*stream).write_all(&text)
}
