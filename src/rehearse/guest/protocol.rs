//! What a guest's programs ask PID 1, what it answers, and the command line of
//! `systemctl`.

use serde::{Deserialize, Serialize};

/// What a guest's program asks PID 1.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Request {
    /// `systemctl`, `hostnamectl`, ...
    pub(super) program: String,
    /// Its arguments.
    pub(super) args: Vec<String>,
}

/// What PID 1 answers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Reply {
    /// Exit code.
    pub(super) code: u8,
    /// For standard output.
    pub(super) out: String,
    /// For standard error.
    pub(super) err: String,
}

impl Reply {
    /// A success with its output.
    pub(super) fn say(out: impl Into<String>) -> Self {
        Self {
            out: out.into(),
            ..Self::default()
        }
    }

    /// A failure with its message.
    pub(super) fn fail(code: u8, message: impl Into<String>) -> Self {
        let mut err = message.into();
        err.push('\n');
        Self {
            code,
            out: String::new(),
            err,
        }
    }
}

/// A command line of `systemctl`.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are switches of a command line"
)]
pub(super) struct Line {
    pub(super) verb: String,
    pub(super) names: Vec<String>,
    pub(super) properties: Vec<String>,
    pub(super) kind: Option<String>,
    pub(super) states: Vec<String>,
    pub(super) signal: Option<String>,
    pub(super) now: bool,
    pub(super) quiet: bool,
    pub(super) value: bool,
    pub(super) all: bool,
    pub(super) legend: bool,
}
