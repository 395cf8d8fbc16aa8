//! What all pages have around them.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;

use super::cookie::form_token;
use super::who::Login;

/// What a page has around it.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// Of the page.
    pub(super) title: String,
    /// Somebody is logged in.
    pub(super) inside: bool,
    /// They may act.
    pub(super) operates: bool,
    /// What their forms carry.
    pub(super) csrf: String,
    /// Seconds after which a browser without script loads the page again; 0: never.
    pub(super) again: u32,
}

impl Frame {
    /// For nobody in particular.
    pub(super) fn bare(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            inside: false,
            operates: false,
            csrf: String::new(),
            again: 0,
        }
    }

    /// For a session.
    pub(super) fn of(title: &str, login: &Login) -> Self {
        Self {
            inside: true,
            operates: login.operates(),
            csrf: form_token(&login.token),
            ..Self::bare(title)
        }
    }
}

/// The answer that a page is.
pub(super) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => Html(text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
