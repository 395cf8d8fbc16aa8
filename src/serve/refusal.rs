//! The errors of specs and repositories, as the specification's daemon has them:
//! `{"error": {"code": "E200", "message": "..."}}` with a status.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::serve) struct Refusal {
    /// The status of the answer.
    pub(in crate::serve) status: StatusCode,
    /// `E100` and so on.
    pub(in crate::serve) code: &'static str,
    /// For a person. It repeats nothing that could be a secret.
    pub(in crate::serve) message: String,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// The path or the request is not one that is served.
    pub(in crate::serve) fn bad_path(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "E100", message)
    }

    /// No spec, repository or file of this name.
    pub(in crate::serve) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "E200", message)
    }

    /// A token is needed and none was given.
    pub(in crate::serve) fn unauthorized() -> Self {
        let message = "Authorization required";
        Self::new(StatusCode::UNAUTHORIZED, "E300", message)
    }

    /// The token is another one.
    pub(in crate::serve) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "E301", "Invalid token")
    }

    /// Too many failed tokens from one address.
    pub(in crate::serve) fn too_many() -> Self {
        let message = "Too many failed attempts; try again later";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "E302", message)
    }

    /// The server or what it serves is not set up for this.
    pub(in crate::serve) fn server(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "E500", message)
    }

    /// The same with another code, for what the table of codes tells apart.
    pub(in crate::serve) fn with_code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        (self.status, Json(body)).into_response()
    }
}
