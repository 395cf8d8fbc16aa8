//! What is said to the controller over its socket: a request and a reply, a line of
//! JSON each. Only the user that it runs as can say it.

use serde::{Deserialize, Serialize};

/// What the controller is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum ControllerRequest {
    /// How it is reached.
    Status,
    /// For a link that opens its page once.
    Login {
        /// Who comes by it may also act.
        #[serde(default)]
        operate: bool,
    },
    /// To end every session of its page, and every link.
    Logout,
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum ControllerReply {
    /// It serves.
    Serving {
        /// `https://HOST:PORT`
        url: String,
    },
    /// The link. Who has it is let in: it is shown to nobody else.
    Link {
        /// All of it.
        url: String,
        /// For so many seconds.
        seconds: u64,
    },
    /// They are ended.
    LoggedOut {
        /// Sessions that were open.
        sessions: usize,
    },
    /// It will not be done.
    Refused {
        /// Why.
        why: String,
    },
}
