//! What a program of a node asks and is answered: one JSON object each, one request a
//! connection, whose end is the end of the sender's half.

use serde::{Deserialize, Serialize};

/// The longest request in bytes.
pub const REQUEST_LIMIT: usize = 256 << 10;
/// The longest answer in bytes.
pub const ANSWER_LIMIT: usize = 16 << 20;

/// What is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandRequest {
    /// The program and its arguments: `["qm", "start", "100"]`.
    pub argv: Vec<String>,
    /// The directory of the node that its relative paths are in.
    #[serde(default)]
    pub cwd: String,
}

/// What the program prints, and how it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandReply {
    /// Exit code.
    pub code: u8,
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
}

impl CommandReply {
    /// A failure as these programs end: 255.
    pub fn failed(err: impl Into<String>) -> Self {
        let mut err = err.into();
        if !err.ends_with('\n') {
            err.push('\n');
        }
        Self {
            code: 255,
            out: String::new(),
            err,
        }
    }
}
