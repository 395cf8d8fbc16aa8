//! What is said over the socket: a request and a reply, a line of JSON each. No
//! path, plan or command is among it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::StepId;

/// The longest line, in bytes.
pub(super) const LONGEST: u64 = 64 * 1024;

/// What a run is asked or told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Where it stands.
    Status,
    /// To stop, as by the first Ctrl-C; with `now` as by the second.
    Stop {
        /// As by the second Ctrl-C.
        #[serde(default)]
        now: bool,
    },
    /// To go on with what its question shows.
    Approve {
        /// The digest of what was shown.
        digest: String,
        /// Who says so.
        by: String,
    },
    /// Not to.
    Reject {
        /// The digest of what was shown, where it was; else of whatever is asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
        /// Who says so.
        by: String,
    },
}

/// What a run says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// Where it stands.
    Status(RunStatus),
    /// It will be done.
    Taken {
        /// The run.
        run: String,
    },
    /// It will not be done.
    Refused {
        /// Why.
        why: String,
    },
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStatus {
    /// Its id.
    pub run: String,
    /// The question that it waits with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
}

/// A question that anybody may answer who may speak to the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Question {
    /// The step that asks.
    pub step: StepId,
    /// The question.
    pub text: String,
    /// What would happen, as lines for people.
    pub summary: Vec<String>,
    /// This word is to be typed instead of `y`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub type_word: Option<String>,
    /// Digest of all that is to be approved.
    pub digest: String,
    /// Since when it waits, RFC 3339 in UTC.
    pub since: String,
    /// Until when.
    pub until: String,
}
