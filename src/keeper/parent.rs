//! The parent of a run's children, as `hl` has it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::attempt::{Attempt, ChildEnd};
use super::message::{Order, Told, receive, send};
use super::verb::VERB;
use crate::base::Process;

/// How long a parent without children may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// Starts the children of one run that may change something. The parent process
/// itself is started with the first one.
#[derive(Debug)]
pub struct Keeper {
    program: Utf8PathBuf,
    run: String,
    parent: Mutex<Option<Parent>>,
}

/// What came of an order.
#[derive(Debug)]
pub enum Begun {
    /// It was started.
    Started(KeptChild),
    /// An earlier part of the run began it.
    Taken,
    /// Its fence cannot be written: why; it was not started.
    CannotWrite(String),
    /// Its program does not start: why.
    CannotStart(String),
}

/// A started child. Until this is dropped its process is not reaped: its group
/// cannot become anyone else's while its parent lives.
#[derive(Debug)]
pub struct KeptChild {
    process: Process,
    attempt: Attempt,
    /// Absent once its parent is gone.
    told: Option<UnixStream>,
    over: bool,
    end: Option<ChildEnd>,
}

#[derive(Debug)]
struct Parent {
    orders: Option<UnixStream>,
    process: std::process::Child,
}

impl Keeper {
    /// `program`: the one that knows [`VERB`]; `run`: the run's id.
    pub fn new(program: Utf8PathBuf, run: String) -> Self {
        Self {
            program,
            run,
            parent: Mutex::default(),
        }
    }

    /// Starts a child, unless an earlier part of the run began it.
    ///
    /// # Errors
    /// The parent cannot be started, or it was killed twice.
    pub fn start(&self, order: &Order, [out, err]: &[File; 2]) -> io::Result<Begun> {
        // Killed meanwhile, a parent leaves a fence where it has begun the child.
        self.try_start(order, out, err)
            .or_else(|_| self.try_start(order, out, err))
    }

    fn try_start(&self, order: &Order, out: &File, err: &File) -> io::Result<Begun> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut parent = self.parent.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = match parent.take() {
            Some(begun) => begun,
            None => Parent::start(&self.program, &self.run)?,
        };
        let pid = begun.process.id();
        let with = [theirs.as_fd(), out.as_fd(), err.as_fd()];
        if let Some(orders) = &begun.orders {
            send(orders, order, &with)?;
        }
        *parent = Some(begun);
        drop(parent);
        drop(theirs);
        match receive(&ours) {
            Ok(Some((Told::Started(process), _))) => Ok(Begun::Started(KeptChild {
                process,
                attempt: Attempt::at(order.base.clone()),
                told: Some(ours),
                over: false,
                end: None,
            })),
            Ok(Some((Told::Taken, _))) => Ok(Begun::Taken),
            Ok(Some((Told::CannotWrite(why), _))) => Ok(Begun::CannotWrite(why)),
            Ok(Some((Told::CannotStart(why), _))) => Ok(Begun::CannotStart(why)),
            Ok(Some((Told::Ended(_), _)) | None) | Err(_) => {
                let mut parent = self.parent.lock().unwrap_or_else(PoisonError::into_inner);
                parent.take_if(|parent| parent.process.id() == pid);
                let why = "the process that starts what may change something is gone";
                Err(io::Error::new(io::ErrorKind::BrokenPipe, why))
            }
        }
    }
}

impl Parent {
    fn start(program: &Utf8Path, run: &str) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let process = Command::new(program)
            .args([VERB, run])
            // Each child is given its own.
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self {
            orders: Some(ours),
            process,
        })
    }
}

impl Drop for Parent {
    /// It ends by itself when no child is left.
    fn drop(&mut self) {
        self.orders = None;
        let pidfd = pidfd_open(Pid::from_child(&self.process), PidfdFlags::empty());
        if pidfd.is_ok_and(|pidfd| is_readable(&pidfd, ENDS_WITHIN)) {
            self.process.wait().ok();
        }
    }
}

impl KeptChild {
    /// Its process, the leader of a group.
    pub fn process(&self) -> Process {
        self.process
    }

    /// Waits until it has ended, at most so long; whether it has. Where its parent
    /// was killed: whether anything of its group lives.
    pub fn wait(&mut self, at_most: Duration) -> bool {
        if self.over {
            return true;
        }
        let Some(told) = &self.told else {
            if self.process.group_is_alive() {
                thread::sleep(at_most);
            } else {
                // What cannot be read says nothing.
                self.end = self.attempt.end().ok().flatten();
                self.over = true;
            }
            return self.over;
        };
        if is_readable(told, at_most) {
            if let Ok(Some((Told::Ended(end), _))) = receive(told) {
                self.end = Some(end);
                self.over = true;
            } else {
                self.told = None;
            }
        }
        self.over
    }

    /// How it ended, once it has; `None` where its parent was killed before it could
    /// write it.
    pub fn end(&self) -> Option<&ChildEnd> {
        self.end.as_ref()
    }
}

/// Waits until there is something to read, at most so long. An interrupted wait is
/// only a shorter one.
fn is_readable(what: &impl AsFd, at_most: Duration) -> bool {
    let timeout = Timespec::try_from(at_most).unwrap_or_default();
    let mut polled = [PollFd::new(what, PollFlags::IN)];
    poll(&mut polled, Some(&timeout)).is_ok_and(|ready| ready > 0)
}
