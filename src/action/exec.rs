//! Running children, as actions see it. The engine implements [`Exec`]: spool
//! files that outlive `hl`, process groups, one SIGINT and the tool's grace,
//! redaction, logs and the journal are its business.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::Utf8PathBuf;

use crate::diag::Exit;
use crate::diag::StepError;
use crate::plan::Stream;

/// A child to be run.
#[derive(Debug, Clone)]
pub struct ChildSpec {
    /// Program: a name on the PATH of the environment, or a path.
    pub program: String,
    /// Arguments. Never a secret.
    pub args: Vec<String>,
    /// Variables on top of the resolved environment; secrets may be here.
    pub env: BTreeMap<String, String>,
    /// Variables taken away.
    pub env_remove: Vec<String>,
    /// Working directory; the lab's root when absent.
    pub cwd: Option<Utf8PathBuf>,
    /// How long it may take after the one SIGINT.
    pub grace: Duration,
    /// It changes nothing: when `hl` is killed, it is of no use, and runs again.
    pub reads: bool,
    /// How it ended and the files that it wrote tell the action all it wants to
    /// know: when it ended while nobody watched, its result is taken.
    pub tells_all: bool,
    /// A second Ctrl-C may send SIGTERM to the group. Never for tofu: it then
    /// loses a VM.
    pub takes_sigterm: bool,
    /// Variables of `env` whose values are secrets that may be newer than the run.
    pub secrets: Vec<String>,
    /// A directory in which it writes the secrets that it makes, each to a file of its
    /// own. What it says is held back until it has ended and they are known.
    pub makes: Option<Utf8PathBuf>,
    /// A variable of `env` whose value nothing else has: where it is told to stop, all
    /// that has it is killed with it, whatever group and session that is in.
    pub mark: Option<String>,
}

impl ChildSpec {
    /// A child with ten seconds of grace that takes SIGTERM.
    pub fn new(
        program: impl Into<String>,
        args: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            env_remove: Vec::new(),
            cwd: None,
            grace: Duration::from_secs(10),
            reads: false,
            tells_all: false,
            takes_sigterm: true,
            secrets: Vec::new(),
            makes: None,
            mark: None,
        }
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn cwd(mut self, cwd: impl Into<Utf8PathBuf>) -> Self {
        self.cwd = Some(cwd.into());
        self
    }

    /// It changes nothing.
    #[must_use]
    pub fn reads(mut self, reads: bool) -> Self {
        self.reads = reads;
        self
    }

    /// Sets the grace after SIGINT.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }
}

/// One line of a child's output as it was, for parsing: it may hold secrets.
/// What is logged and shown of it is redacted.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Which stream.
    pub stream: Stream,
    /// The text without its newline.
    pub text: &'a str,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildExit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// Why a child was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The user.
    User,
    /// The step's timeout.
    Timeout,
}

/// A child that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildOutcome {
    /// How.
    pub exit: ChildExit,
    /// It was told to stop before it ended.
    pub stopped: Option<Stop>,
    /// The whole group was killed: what it did may be unknown to its state.
    pub killed: bool,
    /// An earlier part of the run began it, and it ended while nobody watched.
    pub taken: bool,
    /// Its last lines, redacted.
    pub tail: Vec<String>,
}

impl ChildOutcome {
    /// It ended by itself with code 0, and nobody told it to stop.
    pub fn ok(&self) -> bool {
        self.exit == ChildExit::Code(0) && self.stopped.is_none()
    }

    /// The usual reading of an end: 0 is fine, all else is an error that names
    /// the program; stops are [`crate::diag::Cause::Cancelled`] or `TimedOut`.
    pub fn check(&self, what: &str) -> Result<(), StepError> {
        use crate::diag::Cause;
        let error = match (self.stopped, self.exit) {
            (None, ChildExit::Code(0)) => return Ok(()),
            (Some(Stop::User), _) => {
                StepError::new(format!("`{what}` was stopped")).cause(Cause::Cancelled)
            }
            (Some(Stop::Timeout), _) => StepError::new(format!(
                "`{what}` took longer than its timeout and was interrupted"
            ))
            .cause(Cause::TimedOut)
            .exit(Exit::Timeout),
            (None, ChildExit::Code(code)) => {
                let exit = Exit::Child(u8::try_from(code).unwrap_or(1));
                StepError::new(format!("`{what}` exited with code {code}")).exit(exit)
            }
            (None, ChildExit::Signal(signal)) => {
                StepError::new(format!("`{what}` was ended by signal {signal}"))
                    .exit(Exit::Child(u8::try_from(128 + signal).unwrap_or(1)))
            }
        };
        Err(error.tail(self.tail.clone()))
    }
}

/// What a short, reading child printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// Exit code; 128 + n for a signal.
    pub code: i32,
    /// Standard output as it was: may hold secrets, never show it.
    pub stdout: Vec<u8>,
    /// Standard error, redacted.
    pub stderr: String,
}

/// Runs children for an action.
pub trait Exec: Sync {
    /// Runs a child to its end. Its output goes to a spool file (0600), line by
    /// line to `on_line` and, redacted, to the step's log. The child is never
    /// left behind: a stop is one SIGINT to its group and its grace.
    fn run(
        &self,
        child: &ChildSpec,
        on_line: &mut dyn FnMut(Line<'_>),
    ) -> Result<ChildOutcome, StepError>;

    /// Runs a short child that changes nothing and gives back what it printed.
    /// Nothing is logged.
    fn capture(&self, child: &ChildSpec) -> Result<Captured, StepError>;
}
