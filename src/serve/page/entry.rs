//! A link shows one button; only its POST uses the link up, so that a preview of the
//! link does not.

use std::sync::Arc;

use askama::Template;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Redirect, Response};
use http::HeaderValue;
use http::header::SET_COOKIE;
use serde::Deserialize;

use super::cookie;
use super::extract::InQuery;
use super::frame::{Frame, page};
use super::home::closed;
use super::problem::Problem;
use super::sessions::May;
use super::visitor::{Anyone, Sent, fields};
use crate::serve::shared::Shared;

#[derive(Template)]
#[template(path = "enter.html")]
struct EnterPage {
    frame: Frame,
    link: String,
    operates: bool,
}

/// The link.
#[derive(Debug, Deserialize)]
pub(super) struct Link {
    link: Option<String>,
}

/// A POST that uses a link up.
#[derive(Debug)]
pub(super) struct Used {
    anyone: Anyone,
    link: String,
}

impl FromRequest<Arc<Shared>> for Used {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let anyone = Anyone::from_request_parts(&mut parts, shared).await?;
        let fields = fields(Request::from_parts(parts, body)).await?;
        Ok(Self {
            anyone,
            link: fields.get("link").to_owned(),
        })
    }
}

/// `/login`
pub(super) async fn show(
    anyone: Anyone,
    InQuery(Link { link }): InQuery<Link>,
) -> Result<Response, Problem> {
    let Some(link) = link else {
        return Ok(closed());
    };
    may_try(&anyone)?;
    match anyone.shared.sessions.preview(&link) {
        Some(may) => Ok(page(&EnterPage {
            frame: Frame::bare("Log in"),
            link,
            operates: may == May::Operate,
        })),
        None => Err(wrong(&anyone)),
    }
}

/// `/login`, its button.
pub(super) async fn enter(used: Used) -> Result<Response, Problem> {
    let Used { anyone, link } = used;
    may_try(&anyone)?;
    let sessions = &anyone.shared.sessions;
    let token = sessions
        .enter(&link)
        .map_err(|_| Problem::internal("The system gives no random bytes."))?;
    let token = token.ok_or_else(|| wrong(&anyone))?;
    // Who logs in again has one session.
    if let Some(login) = &anyone.login {
        sessions.leave(&login.token);
    }
    home(cookie::begin(&token))
}

/// `/logout`
pub(super) async fn leave(sent: Sent) -> Result<Response, Problem> {
    sent.shared.sessions.leave(&sent.login.token);
    home(cookie::end())
}

/// Whether a link of this address is looked at.
fn may_try(anyone: &Anyone) -> Result<(), Problem> {
    if anyone.shared.failures.allowed(anyone.peer) {
        Ok(())
    } else {
        Err(Problem::too_many())
    }
}

fn wrong(anyone: &Anyone) -> Problem {
    anyone.shared.failures.failed(anyone.peer);
    Problem::link_over()
}

fn home(cookie: Option<HeaderValue>) -> Result<Response, Problem> {
    let cookie = cookie.ok_or_else(|| Problem::internal("The cookie cannot be made."))?;
    Ok(([(SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}
