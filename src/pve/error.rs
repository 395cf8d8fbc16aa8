//! What can go wrong between `hl` and the API.

use std::collections::BTreeMap;
use std::fmt;

use super::Fingerprint;
use crate::diag::Advice;

/// A call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Variables are missing or cannot be used; nothing was contacted.
    #[error("{}", settings_text(.0))]
    Settings(Vec<BadSetting>),
    /// No connection, or it broke.
    #[error("`{endpoint}` cannot be reached: {reason}")]
    Unreachable {
        /// `host:port`
        endpoint: String,
        /// How it failed.
        reason: Unreachable,
    },
    /// The server's certificate is not trusted, or there is no TLS.
    #[error("the certificate of `{endpoint}` is not trusted: {problem}")]
    Tls {
        /// `host:port`
        endpoint: String,
        /// What is wrong.
        problem: TlsProblem,
        /// The certificate that the server showed, if it showed one.
        fingerprint: Option<Fingerprint>,
    },
    /// 401: the token is not known, or its secret is wrong.
    #[error("the token was refused: {message}")]
    Unauthorized {
        /// The server's words.
        message: String,
    },
    /// 403: a privilege is missing.
    #[error("{message}")]
    Forbidden {
        /// The server's words.
        message: String,
        /// The path that was checked, e.g. `/vms/100`.
        path: Option<String>,
        /// Privileges of which any one would do.
        privileges: Vec<String>,
    },
    /// There is no such VM, node, storage or volume.
    #[error("{message}")]
    NotFound {
        /// The server's words.
        message: String,
    },
    /// Any other answer that is not a success.
    #[error("the API answered {status}: {message}{}", errors_text(.errors))]
    Api {
        /// HTTP status; 595 to 599 are Proxmox's words for a node it cannot reach.
        status: u16,
        /// The status line's message.
        message: String,
        /// What is wrong with which parameter.
        errors: BTreeMap<String, String>,
    },
    /// The answer is not what the API is documented to say.
    #[error("`{call}` gave an unexpected answer: {detail}")]
    Answer {
        /// Method and path.
        call: String,
        /// What was found.
        detail: String,
    },
    /// A task ended without success.
    #[error("task `{kind}` on `{node}` failed: {status}")]
    Task {
        /// The task.
        upid: String,
        /// Its type, e.g. `qmclone`.
        kind: String,
        /// Where it ran.
        node: String,
        /// Its exit status.
        status: String,
        /// The last lines of its log.
        log: Vec<String>,
    },
    /// A task did not end in time; it may still be running on the node.
    #[error("task `{upid}` did not end within {seconds} s and may still be running")]
    TaskTimeout {
        /// The task.
        upid: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A local file that is to be sent cannot be read.
    #[error("cannot read `{path}`: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The bundle of certificates cannot be written.
    #[error("{message}")]
    Unwritable {
        /// What failed, with the path.
        message: String,
        /// What to do.
        help: Vec<Advice>,
    },
    /// The user stopped it. A task that was waited for goes on at the node.
    #[error("stopped")]
    Cancelled,
}

impl Error {
    /// Whether the same call may succeed a little later.
    pub fn is_transient(&self) -> bool {
        if let Self::Api {
            status, message, ..
        } = self
        {
            return matches!(status, 429 | 502..=504 | 595..=599)
                || message.contains("got timeout")
                || message.contains("is locked");
        }
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether the thing that was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

impl From<crate::base::Cancelled> for Error {
    fn from(_: crate::base::Cancelled) -> Self {
        Self::Cancelled
    }
}

/// A variable that is missing or cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSetting {
    /// The variable.
    pub name: String,
    /// What is wrong, as a sentence about it: `is not set`.
    pub problem: String,
    /// What to do.
    pub help: String,
}

/// How a connection failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreachable {
    /// Nothing listens there.
    Refused,
    /// The name has no address.
    UnknownHost,
    /// No answer in time.
    Timeout,
    /// Anything else, in the system's words.
    Other(String),
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "the connection was refused",
            Self::UnknownHost => "the host name has no address",
            Self::Timeout => "no answer in time",
            Self::Other(detail) => detail,
        })
    }
}

/// Why a certificate is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsProblem {
    /// It is self-signed, or signed by an authority that is not known here.
    UnknownIssuer,
    /// It is for other names.
    WrongName {
        /// The names it is for.
        presented: Vec<String>,
    },
    /// Its time has passed.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It is not the one that `PVE_FINGERPRINT` pins.
    NotThePinned {
        /// The pinned one.
        pinned: Fingerprint,
    },
    /// The server does not speak TLS, or not in a way that is safe.
    Protocol(String),
    /// Anything else.
    Other(String),
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownIssuer => f.write_str("it is signed by no authority known here"),
            Self::WrongName { presented } if presented.is_empty() => {
                f.write_str("it names no host at all")
            }
            Self::WrongName { presented } => {
                write!(f, "it is for {}", presented.join(", "))
            }
            Self::Expired => f.write_str("it has expired"),
            Self::NotYetValid => f.write_str("it is not valid yet (is the clock right?)"),
            Self::NotThePinned { pinned } => {
                write!(f, "it is not the pinned one, `{pinned}`")
            }
            Self::Protocol(detail) | Self::Other(detail) => f.write_str(detail),
        }
    }
}

fn settings_text(bad: &[BadSetting]) -> String {
    let parts: Vec<_> = bad
        .iter()
        .map(|b| format!("`{}` {}", b.name, b.problem))
        .collect();
    parts.join(", ")
}

fn errors_text(errors: &BTreeMap<String, String>) -> String {
    let parts: Vec<_> = errors
        .iter()
        .map(|(name, text)| format!("`{name}`: {}", text.trim()))
        .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(", "))
    }
}
