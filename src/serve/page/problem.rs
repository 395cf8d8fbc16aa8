//! Why a page is not shown, as a page.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::filters;
use super::frame::{Frame, page};
use super::shown::Clean;
use crate::diag::{Exit, Failure};

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    text: String,
    help: Vec<String>,
}

/// Why a page is not shown.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    title: &'static str,
    text: String,
    help: Vec<String>,
}

impl Problem {
    fn new(status: StatusCode, title: &'static str, text: impl Into<String>) -> Self {
        Self {
            status,
            title,
            text: text.into(),
            help: Vec::new(),
        }
    }

    fn help(mut self, line: impl Into<String>) -> Self {
        self.help.push(line.into());
        self
    }

    /// Nobody is logged in.
    pub(super) fn login_needed() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "Log in first",
            "This page is shown to those who are logged in.",
        )
        .help("on the machine where it runs: `hl serve login`")
    }

    /// The link is over.
    pub(super) fn link_over() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "This link is over",
            "A link opens the page once, and within five minutes.",
        )
        .help("ask for another one: `hl serve login`")
    }

    /// The session only reads.
    pub(super) fn read_only() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "This session only reads",
            "With a link of `hl serve login` you see everything and change nothing.",
        )
        .help("to act too: `hl serve login --operate`")
    }

    /// A form that was not sent from a page of this server.
    pub(super) fn other_origin() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Not done",
            "The form was not sent from this page.",
        )
        .help("go back, load the page again, and send it from there")
    }

    /// The form was sent by another session.
    pub(super) fn stale_form() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Not done",
            "The form belongs to another session.",
        )
        .help("load the page again, and send it from there")
    }

    /// A name that is not this server's.
    pub(super) fn other_host() -> Self {
        Self::new(
            StatusCode::MISDIRECTED_REQUEST,
            "Not this server",
            "The page is shown under the names of this server's certificate only.",
        )
    }

    /// Too many wrong links came from one address.
    pub(super) fn too_many() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many attempts",
            "Too many wrong links came from your address.",
        )
        .help("try again in a minute")
    }

    /// All streams are taken.
    pub(super) fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many viewers",
            "No more viewers can follow runs at the same time.",
        )
    }

    /// Another method than those of the path.
    pub(super) fn method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Not done",
            "This is not a page to look at, or takes no form.",
        )
    }

    /// There is nothing of that name.
    pub(super) fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", what)
    }

    /// The controller serves a site-config alone.
    pub(super) fn no_lab() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "No lab",
            "This controller serves a site-config without a lab: there are no runs to look at.",
        )
        .help("start it in a lab, or with `--lab DIR`")
    }

    /// What was asked for cannot be done as things are.
    pub(super) fn refused(why: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Not done", why)
    }

    /// The form says something that cannot be.
    pub(super) fn bad_form(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Not done", why)
    }

    /// Something is wrong with the daemon or its machine.
    pub(super) fn internal(why: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "This did not work", why)
    }

    /// A failure of the lab, without secrets.
    pub(super) fn of(failure: &Failure, clean: &Clean) -> Self {
        let refused = [Exit::Busy, Exit::NotApproved, Exit::Runway].contains(&failure.exit);
        let mut problem = if failure.exit == Exit::Unknown {
            Self::not_found(String::new())
        } else if refused {
            Self::refused(String::new())
        } else {
            Self::internal(String::new())
        };
        problem.text = clean.lines(&failure.to_string()).join("\n");
        for help in failure.diagnostics.iter().flat_map(|found| &found.help) {
            problem = problem.help(clean.text(&help.text(clean.commands())));
        }
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let shown = page(&ProblemPage {
            frame: Frame::bare(self.title),
            text: self.text,
            help: self.help,
        });
        (self.status, shown).into_response()
    }
}
