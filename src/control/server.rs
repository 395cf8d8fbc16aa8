//! The end of the socket that answers: a run's, or the controller's.

use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::net::sockopt::socket_peercred;
use rustix::process::getuid;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::desk::Desk;
use super::place::Place;
use super::protocol::{LONGEST, Reply, Request};

/// How long somebody may take to say a line, or to take one.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to leave a listener alone that gave an error.
const PAUSE: Duration = Duration::from_millis(100);

/// How often it is looked whether all are answered.
const SOON: Duration = Duration::from_millis(5);

/// Callers at once; more are turned away.
const CALLERS: usize = 64;

/// A line that was said, or why it is not listened to, to the line that answers it.
type Answer = dyn Fn(Result<&str, String>) -> serde_json::Result<Vec<u8>> + Send + Sync;

/// Answers at the socket while it lives. Nobody who calls can slow its process down.
#[derive(Debug)]
pub struct Server {
    /// Its file, where it is this server's to remove.
    file: Option<SocketFile>,
    /// Closing it ends the accepting.
    life: Option<UnixStream>,
    accepting: Option<JoinHandle<()>>,
    /// Those who are heard or answered.
    callers: Arc<AtomicUsize>,
}

/// The file of a socket. Dropping it removes it, unless another one has its place.
#[derive(Debug)]
struct SocketFile {
    path: Utf8PathBuf,
    id: (u64, u64),
}

impl SocketFile {
    /// The file that is at `path` now.
    fn at(path: &Utf8Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            id: file_id(path)?,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if file_id(&self.path).is_ok_and(|id| id == self.id) {
            // Left over at worst: the next one that binds there takes it away.
            fs::remove_file(&self.path).ok();
        }
    }
}

/// Device and inode.
fn file_id(path: &Utf8Path) -> io::Result<(u64, u64)> {
    let meta = fs::symlink_metadata(path)?;
    Ok((meta.dev(), meta.ino()))
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
        Self::answering(place, at_desk(desk.clone()))
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
        let socket = place.make()?;
        let listener = bind(socket)?;
        let file = SocketFile::at(socket)?;
        // Its directory is the user's own already.
        fs::set_permissions(socket, Permissions::from_mode(0o600))?;
        let mut server = Self::start(listener, by_line(answer), is_own)?;
        server.file = Some(file);
        Ok(server)
    }

    /// Answers at a socket that somebody else has made, and will remove: `hl` outside
    /// of a rehearsal for the one inside. The kernel does not tell one who the processes
    /// of the other are, so the directory of the socket alone keeps others away.
    ///
    /// # Errors
    /// The system has no thread or descriptor for it.
    pub fn at(listener: UnixListener, desk: &Desk) -> io::Result<Self> {
        Self::start(listener, by_line(at_desk(desk.clone())), |_| Ok(true))
    }

    fn start(listener: UnixListener, answer: Arc<Answer>, may: May) -> io::Result<Self> {
        // Who is waited for may be gone before it is accepted.
        listener.set_nonblocking(true)?;
        let (life, ended) = UnixStream::pair()?;
        let callers = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&callers);
        let accepting = thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || accept(&listener, &Arc::new(ended), &answer, &count, may))?;
        Ok(Self {
            file: None,
            life: Some(life),
            accepting: Some(accepting),
            callers,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // While the socket is open, no other file has its inode.
        self.file = None;
        self.life = None;
        if let Some(accepting) = self.accepting.take() {
            accepting.join().ok();
        }
        // Who had the run stopped is told so, though that ends this process.
        let begun = Instant::now();
        while self.callers.load(Ordering::SeqCst) > 0 && begun.elapsed() < PATIENCE {
            thread::sleep(SOON);
        }
    }
}

/// Whether a caller may be answered.
type May = fn(&UnixStream) -> io::Result<bool>;

/// The caller is the user of this process, or root.
fn is_own(stream: &UnixStream) -> io::Result<bool> {
    let peer = socket_peercred(stream)?.uid;
    Ok(peer == getuid() || peer.is_root())
}

/// A run's way to answer.
fn at_desk(desk: Desk) -> impl Fn(Result<Request, String>) -> Reply + Send + Sync + 'static {
    move |asked: Result<Request, String>| match asked {
        Ok(request) => desk.take(request),
        Err(why) => Reply::Refused { why },
    }
}

/// The same with lines for what is asked and answered.
fn by_line<Q, R>(answer: impl Fn(Result<Q, String>) -> R + Send + Sync + 'static) -> Arc<Answer>
where
    Q: DeserializeOwned + 'static,
    R: Serialize + 'static,
{
    Arc::new(move |line: Result<&str, String>| {
        let asked = line.and_then(|line| {
            serde_json::from_str(line).map_err(|error| format!("not a request: {error}"))
        });
        serde_json::to_vec(&answer(asked))
    })
}

fn accept(
    listener: &UnixListener,
    ended: &Arc<UnixStream>,
    answer: &Arc<Answer>,
    callers: &Arc<AtomicUsize>,
    may: May,
) {
    loop {
        let mut fds = [
            PollFd::new(&**ended, PollFlags::IN),
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
        let (theirs, answer) = (Arc::clone(callers), Arc::clone(answer));
        let ended = Arc::clone(ended);
        let conversing = thread::Builder::new().spawn(move || {
            // Who does not listen to the end gets none.
            converse(&stream, &ended, &*answer, may).ok();
            theirs.fetch_sub(1, Ordering::SeqCst);
        });
        if conversing.is_err() {
            callers.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn converse(stream: &UnixStream, ended: &UnixStream, answer: &Answer, may: May) -> io::Result<()> {
    // One who says nothing does not hold up the end.
    let mut fds = [
        PollFd::new(ended, PollFlags::IN),
        PollFd::new(stream, PollFlags::IN),
    ];
    let patience = Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
    retry_on_intr(|| poll(&mut fds, Some(&patience)))?;
    let [_, said] = &fds;
    if said.revents().is_empty() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let line = if may(stream)? {
        let mut line = String::new();
        BufReader::new(stream.take(LONGEST)).read_line(&mut line)?;
        Ok(line)
    } else {
        Err("it is another user's".to_owned())
    };
    let mut text = answer(line.as_deref().map_err(Clone::clone))?;
    text.push(b'\n');
    (&*stream).write_all(&text)
}
