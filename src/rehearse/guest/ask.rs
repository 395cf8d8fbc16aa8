//! What the holder asks a guest's PID 1 over the pipes between them, and what it
//! answers: one line of JSON each. This is what the agent's port is for a real VM.

use serde::{Deserialize, Serialize};

/// The longest line that either side reads.
pub(super) const LINE: u64 = 8 << 20;
/// How much of a program's output, or of a file, is handed on.
pub(super) const MOST: usize = 1 << 20;

/// A question with its number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Question {
    /// Counted by the holder.
    pub(super) number: u64,
    /// What is asked.
    pub(super) ask: Ask,
}

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Ask {
    /// Starts a program as root.
    Exec { argv: Vec<String>, input: Vec<u8> },
    /// How a program that was started stands.
    Status { pid: i32 },
    /// A piece of a file.
    Read {
        path: String,
        offset: u64,
        count: usize,
    },
    /// A whole file.
    Write { path: String, content: Vec<u8> },
    /// All processes stand still, or go on.
    Pause { paused: bool },
}

/// An answer with the number of its question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Answer {
    /// That of the question.
    pub(super) number: u64,
    /// What is told; the error is the agent's own.
    pub(super) told: Result<Told, String>,
}

/// What is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Told {
    /// It is done.
    Done,
    /// A program was started.
    Started { pid: i32 },
    /// A program runs.
    Running,
    /// A program ended.
    Ended(Ended),
    /// A piece of a file, and whether it is the last one.
    Content { bytes: Vec<u8>, last: bool },
}

/// How a program ended, and what it printed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) out: Printed,
    pub(super) err: Printed,
}

/// What a program printed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Printed {
    pub(super) bytes: Vec<u8>,
    /// Whether there was more.
    pub(super) cut: bool,
}
