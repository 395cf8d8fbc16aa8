//! An answer that is not a success, as Proxmox VE gives it: the message is the
//! reason phrase of the status line, parameter errors are a flat map.

use std::collections::BTreeMap;

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    /// HTTP status.
    pub(super) status: u16,
    /// The message; its first line becomes the reason phrase.
    pub(super) message: String,
    /// Parameter errors, by parameter.
    pub(super) errors: BTreeMap<String, String>,
    /// No body at all: what a refused credential gets.
    pub(super) bare: bool,
}

impl ApiError {
    /// An error with a status and a message.
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            errors: BTreeMap::new(),
            bare: false,
        }
    }

    /// A 500: what Perl's `die` in a handler becomes.
    pub(super) fn die(message: impl Into<String>) -> Self {
        Self::new(500, message)
    }

    /// A 400 that names one parameter.
    pub(super) fn param(name: &str, text: impl Into<String>) -> Self {
        Self::params(BTreeMap::from([(name.to_owned(), text.into())]))
    }

    /// A 400 that names several parameters.
    pub(super) fn params(errors: BTreeMap<String, String>) -> Self {
        Self {
            errors,
            ..Self::new(400, "Parameter verification failed.")
        }
    }

    /// A 403: the right that is missing, and where.
    pub(super) fn denied(what: &str) -> Self {
        Self::new(403, format!("Permission check failed ({what})"))
    }

    /// A 403 without words: what an alternative of several checks ends in.
    pub(super) fn denied_bare() -> Self {
        Self::new(403, "Permission check failed")
    }

    /// A 401 with an empty body.
    pub(super) fn unauthenticated(message: &str) -> Self {
        Self {
            bare: true,
            ..Self::new(401, message)
        }
    }

    /// A 501 for a route that the simulator does not have.
    pub(super) fn not_implemented(method: &str, path: &str) -> Self {
        Self::new(501, format!("Method '{method} {path}' not implemented"))
    }
}

/// What a task that failed ends with.
impl From<ApiError> for String {
    fn from(error: ApiError) -> Self {
        error.message
    }
}

/// Ends a function with the 500 that most refusals are.
macro_rules! bail {
    ($($text:tt)*) => {
        return Err(ApiError::die(format_args!($($text)*).to_string()))
    };
}

pub(super) use bail;
