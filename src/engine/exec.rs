//! Children as actions see them: spool files, the log, one SIGINT, the end.
//! Those that may change something are [kept](super::kept).

use std::any::Any;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use duct::Handle;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

use super::child::{LOOK, command_line, not_finished};
use super::children::{Child, Key, StopState};
use super::control::Control;
use super::kept::Kept;
use super::shared::Shared;
use super::shown::shown;
use super::spawn::{cannot_start, spawn};
use super::step_output::{StepOutput, TAIL};
use crate::action::{Captured, ChildExit, ChildOutcome, ChildSpec, Exec, Line, Stop};
use crate::base::short_duration;
use crate::base::{Process, private_new};
use crate::diag::Exit;
use crate::diag::{Cause, StepError};
use crate::keeper::{Attempt, CANNOT, ChildEnd};
use crate::lab::spool::Tail;
use crate::plan::{EventKind, Stream};

/// How often it is looked whether the child waits for the terminal.
const STOPPED_LOOK: Duration = Duration::from_secs(1);

/// What a short, reading child may take, and what it may take once the run
/// is being stopped.
const CAPTURE_LIMIT: Duration = Duration::from_mins(5);
const CAPTURE_LIMIT_STOPPING: Duration = Duration::from_mins(1);

/// The children of one step.
pub(super) struct StepExec<'r, 'a> {
    run: &'r Shared<'a>,
    step_output: &'r StepOutput<'r, 'a>,
    control: &'r Control,
    /// The number of the last child that has spools.
    count: AtomicU32,
    kept: Option<Kept<'r, 'a>>,
}

/// A started child.
struct Started {
    handle: Handle,
    child: Child,
    pidfd: Option<OwnedFd>,
    key: Key,
}

impl<'r, 'a> StepExec<'r, 'a> {
    pub(super) fn new(
        run: &'r Shared<'a>,
        step_output: &'r StepOutput<'r, 'a>,
        control: &'r Control,
    ) -> Self {
        let settled = &run.setup.options.earlier.settled;
        Self {
            run,
            step_output,
            control,
            count: AtomicU32::new(
                settled
                    .get(&step_output.step.id)
                    .copied()
                    .unwrap_or_default(),
            ),
            kept: None,
        }
    }

    /// What was said of children of earlier parts of the run.
    pub(super) fn told(&self) -> Vec<String> {
        self.kept.as_ref().map(Kept::told).unwrap_or_default()
    }

    /// From now on its children are kept.
    pub(super) fn keep(&mut self, kept: Option<Kept<'r, 'a>>) {
        self.kept = kept;
    }

    /// Starts a child and enters it into the table.
    fn start(
        &self,
        spec: &ChildSpec,
        attempt: Option<&Attempt>,
        [out, err]: [File; 2],
    ) -> Result<Started, StepError> {
        tracing::debug!(command = command_line(spec), "starts");
        let node = self.step_output.step.node.as_deref();
        let keeping = attempt.zip(self.kept.as_ref());
        let keeping = keeping.map(|(attempt, kept)| (attempt.base(), kept.says(spec)));
        let handle = spawn(self.run.setup, node, spec, keeping, out, err)?;
        let raw = handle.pids().first().copied().unwrap_or_default();
        let pid = i32::try_from(raw).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| {
            StepError::new(format!("`{}` has no process id", spec.program)).exit(Exit::Bug)
        })?;
        let child = Child {
            step: self.step_output.step.id.clone(),
            program: self
                .run
                .setup
                .lab
                .paths
                .show(Utf8Path::new(&spec.program))
                .into_string(),
            pid,
            grace: spec.grace,
            takes_sigterm: spec.takes_sigterm,
        };
        let key = self.run.children.add(child.clone());
        Ok(Started {
            handle,
            child,
            pidfd: pidfd_open(pid, PidfdFlags::empty()).ok(),
            key,
        })
    }

    /// Reaps a child that has ended; `end`: as its parent wrote it.
    fn reap(
        &self,
        started: &Started,
        end: Option<&ChildEnd>,
    ) -> Result<(StopState, ExitStatus), StepError> {
        let died = end.map_or_else(|| died(started.child.pid), |end| end.signal.is_some());
        let (stop_state, status) = self.run.children.remove(started.key, died, || {
            started.handle.wait().map(|output| output.status)
        });
        let status = status
            .map_err(|e| StepError::new(format!("cannot wait for a child: {e}")).exit(Exit::Bug))?;
        tracing::debug!(%status, "ended");
        Ok((stop_state, status))
    }

    /// A child that asks a question would wait for ever, silently.
    fn warn_if_stopped(&self, child: &Child) -> bool {
        let stopped = child.is_stopped();
        if stopped {
            self.step_output.emit(EventKind::Warning {
                message: format!(
                    "`{}` (process {}) asks the terminal for input and is stopped; steps get none: \
                     stop it with Ctrl-C and give it what it asks for by file or variable",
                    child.program, child.pid
                ),
            });
        }
        stopped
    }

    fn spools(&self, number: u32) -> Result<Spools, StepError> {
        Spools::create(self.run.logs.as_deref(), self.step_output.slug, number)
    }
}

impl Exec for StepExec<'_, '_> {
    fn run(
        &self,
        spec: &ChildSpec,
        on_line: &mut dyn FnMut(Line<'_>),
    ) -> Result<ChildOutcome, StepError> {
        if let Some(stop) = self.control.stopped() {
            return Err(not_started(spec, stop));
        }
        let _span = tracing::info_span!("child", program = %spec.program).entered();
        let kept = self.kept.as_ref().filter(|_| !spec.reads);
        if let Some(kept) = kept {
            let stopped = || self.control.stopped().is_some();
            if let Some(outcome) = kept.earlier(spec, &self.count, &stopped)? {
                return Ok(outcome);
            }
        }
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let attempt = kept.map(|kept| kept.attempt(number));
        let spools = self.spools(number)?;
        self.step_output.log(&format!("$ {}", command_line(spec)));
        let files = spools.open()?;
        let mut tails = spools.tails()?;
        let started = self.start(spec, attempt.as_ref(), files)?;
        let pid = started.child.pid.as_raw_nonzero().get().unsigned_abs();
        let process = Process::of(pid);
        self.step_output.emit(EventKind::ChildStarted {
            pid,
            pid_start: process.map_or(0, |process| process.start),
            program: started.child.program.clone(),
            spool: spools.shown(self.run),
            number,
        });
        // A stop that came before the child was in the table missed it.
        if let Some(stop) = self.control.stopped() {
            self.run.children.interrupt_one(started.key, stop);
        }
        let mut tail = VecDeque::with_capacity(TAIL);
        let mut bug: Option<Box<dyn Any + Send>> = None;
        let mut say = |stream: Stream, text: &str| {
            let shown = self.step_output.output(stream, text);
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(shown);
            if bug.is_none()
                && let Err(payload) =
                    catch_unwind(AssertUnwindSafe(|| on_line(Line { stream, text })))
            {
                // The child must not be left behind: stop it, and wait.
                self.run.children.interrupt_one(started.key, Stop::User);
                bug = Some(payload);
            }
        };
        let (mut looked, mut warned) = (Instant::now(), false);
        loop {
            let reapable = has_ended(started.child.pid);
            let over = reapable && !goes_on(attempt.as_ref(), process);
            for (stream, tail) in &mut tails {
                let stream = *stream;
                let mut line = |text: &str| say(stream, text);
                let read = if over {
                    tail.finish(&mut line)
                } else {
                    tail.read(&mut line)
                };
                if let Err(error) = read {
                    self.step_output.cannot_write(&spools.dir, &error);
                }
            }
            if over {
                break;
            }
            if reapable {
                thread::sleep(LOOK);
            } else {
                wait(&started, LOOK);
            }
            if !warned && looked.elapsed() >= STOPPED_LOOK {
                looked = Instant::now();
                warned = self.warn_if_stopped(&started.child);
            }
        }
        let end = attempt.as_ref().map(ended).transpose()?;
        let end = end.flatten();
        let (stop_state, status) = self.reap(&started, end.as_ref())?;
        spools.remove();
        if let (Some(attempt), None) = (&attempt, &end) {
            match begun_by(attempt)? {
                // A parent that an earlier part of the run began was quicker.
                Some(keeper) if keeper.pid != pid => {
                    self.count.fetch_sub(1, Ordering::Relaxed);
                    return self.run(spec, on_line);
                }
                None if status.code() == Some(i32::from(CANNOT)) => {
                    return Err(
                        StepError::new(format!("`{}` was not started", spec.program))
                            .exit(Exit::CannotWrite)
                            .tail(tail.into()),
                    );
                }
                Some(_) | None => {}
            }
            let asked = stop_state.killed || stop_state.stopped.is_some();
            if let Some(kept) = kept
                && status.signal().is_some()
                && !asked
            {
                kept.may_be_lost(spec)?;
            }
        }
        let (code, signal) = match &end {
            Some(end) => (end.code, end.signal),
            None => (status.code(), status.signal()),
        };
        self.step_output.emit(EventKind::ChildExited {
            pid,
            code,
            signal,
            unwatched: None,
        });
        if let Some(error) = end.as_ref().and_then(|end| end.error.as_ref()) {
            return Err(cannot_start(&spec.program, error));
        }
        let exit = child_exit(code, signal);
        if let Some(payload) = bug {
            resume_unwind(payload);
        }
        // Nobody asked for this stop: what ended well all the same did its work,
        // and must not be done again.
        let unasked = exit == ChildExit::Code(0) && self.run.bus.failure().is_some();
        Ok(ChildOutcome {
            exit,
            taken: false,
            stopped: stop_state
                .stopped
                .filter(|stop| *stop != Stop::User || !unasked),
            killed: stop_state.killed,
            tail: tail.into(),
        })
    }

    fn capture(&self, spec: &ChildSpec) -> Result<Captured, StepError> {
        let limit = if self.control.stopped().is_some() {
            CAPTURE_LIMIT_STOPPING
        } else {
            CAPTURE_LIMIT
        };
        let _span = tracing::info_span!("child", program = %spec.program).entered();
        // Memory, not pipes: nothing on disk, and no one waits for a reader.
        let memory = || {
            let file = memfd_create("hl-capture", MemfdFlags::CLOEXEC).map(File::from);
            let file =
                file.and_then(|f| Ok((f.try_clone().map_err(|_| rustix::io::Errno::MFILE)?, f)));
            file.map_err(|e| StepError::new(format!("cannot run `{}`: {e}", spec.program)))
        };
        let ((mut out, child_out), (mut err, child_err)) = (memory()?, memory()?);
        let started = self.start(spec, None, [child_out, child_err])?;
        let deadline = Instant::now() + limit;
        while !has_ended(started.child.pid) {
            if Instant::now() >= deadline {
                self.run.children.interrupt_one(started.key, Stop::Timeout);
            }
            wait(&started, LOOK);
        }
        let (stop_state, status) = self.reap(&started, None)?;
        match stop_state.stopped {
            Some(Stop::User) => Err(not_finished(spec)),
            Some(Stop::Timeout) => Err(StepError::new(format!(
                "`{}` gave no answer within {}",
                spec.program,
                short_duration(limit)
            ))
            .cause(Cause::TimedOut)
            .exit(Exit::Timeout)),
            None => Ok(Captured {
                code: match child_exit(status.code(), status.signal()) {
                    ChildExit::Code(code) => code,
                    ChildExit::Signal(signal) => 128 + signal,
                },
                stdout: content(&mut out),
                stderr: shown(
                    &String::from_utf8_lossy(&content(&mut err)),
                    self.run.bus.redactor(),
                ),
            }),
        }
    }
}

/// The spool files of one child.
struct Spools {
    dir: Utf8PathBuf,
    out: Utf8PathBuf,
    err: Utf8PathBuf,
    /// Where they are when the run keeps no logs.
    _temporary: Option<tempfile::TempDir>,
}

impl Spools {
    fn create(dir: Option<&Utf8Path>, slug: &str, number: u32) -> Result<Self, StepError> {
        let (dir, temporary) = if let Some(dir) = dir {
            (dir.to_owned(), None)
        } else {
            let made = tempfile::Builder::new().prefix("hl-").tempdir();
            let made = made.map_err(|e| StepError::io("make", "temporary directory", &e))?;
            let path = Utf8PathBuf::from_path_buf(made.path().to_owned());
            let path = path.map_err(|path| {
                StepError::new(format!("`{}` is not UTF-8", path.display())).exit(Exit::CannotWrite)
            })?;
            (path, Some(made))
        };
        Ok(Self {
            out: dir.join(format!("{slug}.{number}.out.spool")),
            err: dir.join(format!("{slug}.{number}.err.spool")),
            dir,
            _temporary: temporary,
        })
    }

    /// The files for the child to write to.
    fn open(&self) -> Result<[File; 2], StepError> {
        let open = |path| private_new(path).map_err(|e| StepError::io("create", path, &e));
        Ok([open(&self.out)?, open(&self.err)?])
    }

    fn tails(&self) -> Result<[(Stream, Tail); 2], StepError> {
        let open = |path| Tail::open(path).map_err(|e| StepError::io("read", path, &e));
        Ok([
            (Stream::Stdout, open(&self.out)?),
            (Stream::Stderr, open(&self.err)?),
        ])
    }

    fn shown(&self, run: &Shared<'_>) -> Vec<String> {
        let show = |path| run.setup.lab.paths.show(path).into_string();
        vec![show(&self.out), show(&self.err)]
    }

    fn remove(&self) {
        for path in [&self.out, &self.err] {
            // Left over at worst; the next run sweeps it.
            fs::remove_file(path).unwrap_or_default();
        }
    }
}

/// Whether it has ended, leaving it to be reaped: until then its process
/// group cannot become anyone else's.
fn has_ended(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::Pid(pid), options) {
        Ok(status) => status.is_some(),
        Err(error) => error != rustix::io::Errno::INTR,
    }
}

/// Whether what a parent started goes on without it: it ended, wrote no end, and
/// something of its group lives.
fn goes_on(attempt: Option<&Attempt>, parent: Option<Process>) -> bool {
    attempt.zip(parent).is_some_and(|(attempt, parent)| {
        // What cannot be read is told when it is taken.
        matches!(attempt.end(), Ok(None)) && parent.group_is_alive()
    })
}

/// Whether it was a signal that ended it; not reaped yet.
fn died(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let status = waitid(WaitId::Pid(pid), options).ok().flatten();
    status.is_some_and(|status| status.killed() || status.dumped())
}

/// Waits until the child ends, at most so long.
fn wait(started: &Started, at_most: Duration) {
    let Some(pidfd) = &started.pidfd else {
        thread::sleep(at_most);
        return;
    };
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(at_most.subsec_nanos()),
    };
    // An interrupted wait is only a shorter one.
    poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&timeout)).unwrap_or_default();
}

fn child_exit(code: Option<i32>, signal: Option<i32>) -> ChildExit {
    match (code, signal) {
        (Some(code), _) => ChildExit::Code(code),
        (None, signal) => ChildExit::Signal(signal.unwrap_or_default()),
    }
}

/// Who has begun a child.
fn begun_by(attempt: &Attempt) -> Result<Option<Process>, StepError> {
    let process = attempt.begun_by();
    process.map_err(|error| StepError::io("read the fence of", attempt.base(), &error))
}

/// How a kept child ended, as its parent wrote it.
fn ended(attempt: &Attempt) -> Result<Option<ChildEnd>, StepError> {
    let end = attempt.end();
    end.map_err(|error| StepError::io("read the end of", attempt.base(), &error))
}

fn content(file: &mut File) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = file
        .seek(SeekFrom::Start(0))
        .and_then(|_| file.read_to_end(&mut bytes));
    read.map(|_| bytes).unwrap_or_default()
}

fn not_started(spec: &ChildSpec, stop: Stop) -> StepError {
    let error = StepError::new(format!("stopped before `{}` was started", spec.program));
    match stop {
        Stop::User => error.cause(Cause::Cancelled),
        Stop::Timeout => error.cause(Cause::TimedOut).exit(Exit::Timeout),
    }
}
