//! Children as actions see them: spool files, the log, one SIGINT, the end.
//! Those that may change something are [kept](super::kept).

use std::any::Any;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal};

use super::child::{LOOK, command_line, not_finished};
use super::children::{Child, Key, StopState};
use super::control::Control;
use super::escaped::Escaped;
use super::kept::Kept;
use super::running::{Ended, Running};
use super::shared::Shared;
use super::shown::shown;
use super::spawn::{cannot_start, order, prepare, spawn};
use super::step_output::{StepOutput, TAIL};
use crate::action::{Captured, ChildExit, ChildOutcome, ChildSpec, Exec, Line, Stop};
use crate::base::short_duration;
use crate::base::{Process, if_there, private_new};
use crate::diag::Exit;
use crate::diag::{Cause, StepError};
use crate::keeper::{Attempt, Begun};
use crate::lab::spool::{HELD, Tail};
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
    running: Running,
    child: Child,
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

    /// Starts a child and enters it into the table; `None` where an earlier part of
    /// the run has begun it.
    fn start(
        &self,
        spec: &ChildSpec,
        attempt: Option<&Attempt>,
        files: [File; 2],
    ) -> Result<Option<Started>, StepError> {
        tracing::debug!(command = command_line(spec), "starts");
        let prepared = prepare(self.run.setup, self.step_output.step.node.as_deref(), spec)?;
        let kept = attempt.zip(self.kept.as_ref().zip(self.run.keeper.as_ref()));
        let running = if let Some((attempt, (kept, keeper))) = kept {
            let order = order(prepared, spec, attempt, kept.says(spec));
            match keeper.start(&order, &files) {
                Ok(Begun::Started(child)) => Running::Kept(child),
                Ok(Begun::Taken) => return Ok(None),
                Ok(Begun::CannotWrite(why)) => {
                    let base = attempt.base();
                    return Err(
                        StepError::new(format!("`{}` was not started", spec.program))
                            .exit(Exit::CannotWrite)
                            .tail(vec![format!("cannot write to `{base}.*`: {why}")]),
                    );
                }
                Ok(Begun::CannotStart(why)) => return Err(cannot_start(&spec.program, &why)),
                Err(error) => return Err(cannot_start(&spec.program, &error.to_string())),
            }
        } else {
            Running::own(spawn(prepared, spec, files)?, &spec.program)?
        };
        let pid = i32::try_from(running.process().pid).ok();
        let pid = pid.and_then(Pid::from_raw).ok_or_else(|| {
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
        Ok(Some(Started {
            running,
            child,
            key,
        }))
    }

    /// Reaps a child that has ended; how, as far as anybody knows.
    fn reap(&self, started: Started) -> Result<(StopState, Option<Ended>), StepError> {
        let Started { running, key, .. } = started;
        let died = running.died();
        let (stop_state, ended) = self.run.children.remove(key, died, || running.reap());
        let ended = ended?;
        tracing::debug!(?ended, "ended");
        Ok((stop_state, ended))
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

    fn spools(&self, spec: &ChildSpec, number: u32) -> Result<Spools, StepError> {
        let held = if spec.makes.is_some() { HELD } else { "" };
        let name = format!("{}.{number}{held}", self.step_output.slug);
        Spools::create(self.run.logs.as_deref(), &name)
    }

    /// Learns the secrets that a child is given.
    fn learn_given(&self, spec: &ChildSpec) {
        let given = spec.secrets.iter().filter_map(|name| spec.env.get(name));
        self.run.bus.redactor().learn(given.map(String::as_str));
    }

    /// Learns the secrets that a child made.
    ///
    /// # Errors
    /// One cannot be read: nothing may be shown of what the child said.
    fn learn_made(&self, spec: &ChildSpec) -> Result<(), StepError> {
        let Some(dir) = &spec.makes else {
            return Ok(());
        };
        let read = || -> io::Result<Vec<String>> {
            let mut all = Vec::new();
            for entry in if_there(dir.read_dir_utf8())?.into_iter().flatten() {
                let data = fs::read(entry?.path())?;
                all.push(String::from_utf8_lossy(&data).trim_end().to_owned());
            }
            Ok(all)
        };
        let made = read().map_err(|error| StepError::io("read", dir, &error))?;
        self.run
            .bus
            .redactor()
            .learn(made.iter().map(String::as_str));
        Ok(())
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
        self.learn_given(spec);
        let spools = self.spools(spec, number)?;
        self.step_output.log(&format!("$ {}", command_line(spec)));
        let files = spools.open()?;
        let mut tails = spools.tails()?;
        let started = self.start(spec, attempt.as_ref(), files);
        if !matches!(started, Ok(Some(_))) {
            // Numbers have no gaps: a resumed run looks at one after the other.
            self.count.fetch_sub(1, Ordering::Relaxed);
            spools.remove();
        }
        let Some(mut started) = started? else {
            // A parent that an earlier part of the run began was quicker.
            return self.run(spec, on_line);
        };
        let (child, key) = (started.child.clone(), started.key);
        let Process { pid, start } = started.running.process();
        self.step_output.emit(EventKind::ChildStarted {
            pid,
            pid_start: start,
            program: child.program.clone(),
            spool: spools.shown(self.run),
            number,
        });
        // A stop that came before the child was in the table missed it.
        if let Some(stop) = self.control.stopped() {
            self.run.children.interrupt_one(key, stop);
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
                self.run.children.interrupt_one(key, Stop::User);
                bug = Some(payload);
            }
        };
        let (mut looked, mut warned, mut over) = (Instant::now(), false, false);
        let mut escaped = Escaped::of(spec);
        let mut unknown = None;
        loop {
            let held = spec.makes.is_some() && (!over || unknown.is_some());
            for (stream, tail) in tails.iter_mut().filter(|_| !held) {
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
            over = started.running.wait(LOOK);
            if over {
                unknown = self.learn_made(spec).err();
            } else if self.control.stopped().is_some() {
                escaped.look(pid);
            }
            if !over && !warned && looked.elapsed() >= STOPPED_LOOK {
                looked = Instant::now();
                warned = self.warn_if_stopped(&child);
            }
        }
        let (stop_state, ended) = self.reap(started)?;
        spools.remove();
        let asked = stop_state.killed || stop_state.stopped.is_some();
        if asked {
            escaped.kill();
        }
        if let (Some(kept), None, false) = (kept, &ended, asked) {
            kept.may_be_lost(spec)?;
        }
        // Where its parent was killed with it, nobody saw more than that it is gone.
        let Ended { code, signal } = ended.unwrap_or(Ended {
            code: None,
            signal: Some(Signal::KILL.as_raw()),
        });
        self.step_output.emit(EventKind::ChildExited {
            pid,
            code,
            signal,
            unwatched: None,
        });
        let exit = child_exit(code, signal);
        if let Some(payload) = bug {
            resume_unwind(payload);
        }
        if let Some(error) = unknown {
            return Err(error);
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
        let Some(mut started) = self.start(spec, None, [child_out, child_err])? else {
            return Err(not_finished(spec));
        };
        let deadline = Instant::now() + limit;
        while !started.running.wait(LOOK) {
            if Instant::now() >= deadline {
                self.run.children.interrupt_one(started.key, Stop::Timeout);
            }
        }
        let (stop_state, ended) = self.reap(started)?;
        let (code, signal) = ended.map_or((None, None), |ended| (ended.code, ended.signal));
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
                code: match child_exit(code, signal) {
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
    /// Spools of that name, which is `SLUG.N`.
    fn create(dir: Option<&Utf8Path>, name: &str) -> Result<Self, StepError> {
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
            out: dir.join(format!("{name}.out.spool")),
            err: dir.join(format!("{name}.err.spool")),
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

fn child_exit(code: Option<i32>, signal: Option<i32>) -> ChildExit {
    match (code, signal) {
        (Some(code), _) => ChildExit::Code(code),
        (None, signal) => ChildExit::Signal(signal.unwrap_or_default()),
    }
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
