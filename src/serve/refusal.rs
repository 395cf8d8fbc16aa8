//! The errors of specs and repositories, as the specification's daemon has them:
//! `{"error": {"code": "E200", "message": "..."}}` with a status.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::base::json;

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

    /// The method is another one than those that are answered.
    pub(in crate::serve) fn method() -> Self {
        let message = "Method not allowed";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "E100", message)
    }

    /// The request is longer than any that is answered.
    pub(in crate::serve) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "E100", "Request too large")
    }

    /// What the answer is made of did not come in time.
    pub(in crate::serve) fn too_slow() -> Self {
        let message = "The request took too long";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "E500", message)
    }

    /// The repository is not made yet.
    pub(in crate::serve) fn preparing() -> Self {
        let message = "The repository is being prepared; try again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "E500", message)
    }

    /// The head of the request is longer than any that is read.
    pub(in crate::serve) fn head_too_long() -> Self {
        let message = "Request head too long";
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "E100", message)
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

    /// An answer of this status that came without a body.
    pub(in crate::serve) fn of_status(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::NOT_FOUND => "E200",
            StatusCode::UNAUTHORIZED => "E300",
            StatusCode::FORBIDDEN => "E301",
            StatusCode::TOO_MANY_REQUESTS => "E302",
            _ if status.is_server_error() => "E500",
            _ => "E100",
        };
        Self::new(status, code, status.canonical_reason().unwrap_or_default())
    }

    /// The same with another code, for what the table of codes tells apart.
    pub(in crate::serve) fn with_code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }
}

impl Refusal {
    fn body(&self) -> Value {
        json!({ "error": { "code": self.code, "message": self.message } })
    }

    /// The body, on one line.
    pub(in crate::serve) fn text(&self) -> String {
        self.body().to_string()
    }

    /// As an answer of a spec endpoint: indented.
    pub(in crate::serve) fn indented(self) -> Response {
        let mut response = indented(self.status, &self.body());
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// On one line.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body())).into_response()
    }
}

/// A document as the spec endpoints answer it.
pub(in crate::serve) fn indented(status: StatusCode, document: &impl Serialize) -> Response {
    match json::pretty(document) {
        Ok(text) => (status, [(CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        // What is answered are texts and lists of texts.
        Err(error) => Refusal::server(format!("cannot write JSON: {error}")).into_response(),
    }
}
