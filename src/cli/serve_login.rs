//! `hl serve login` and `hl serve logout`: the controller of this user is asked over its
//! socket.

use std::time::Duration;

use serde_json::json;

use super::serve_args::LoginArgs;
use super::session::Session;
use crate::app::serving::login_place;
use crate::base::{count, short_duration};
use crate::control::{ControllerReply, ControllerRequest, ask_controller};
use crate::diag::{Exit, Failure, hl, say};
use crate::report::Paint;

/// Prints a link.
pub(super) fn login(session: &Session, port: u16, args: &LoginArgs) -> Result<Exit, Failure> {
    let operate = args.operate;
    let reply = ask(session, port, &ControllerRequest::Login { operate })?;
    let ControllerReply::Link { url, seconds } = reply else {
        return Err(refused(reply));
    };
    if session.globals.json {
        let document = json!({
            "schema": "hl.serve-login/1", "url": url, "seconds": seconds, "operate": operate,
        });
        return session.json(&document).map(|()| Exit::Ok);
    }
    session.data(&url)?;
    let lives = short_duration(Duration::from_secs(seconds));
    let may = if operate {
        "looks and acts"
    } else {
        "only looks"
    };
    session.note(format!(
        "it opens the page once, within {lives}; who comes by it {may}: give it to nobody else"
    ));
    Ok(Exit::Ok)
}

/// Ends all sessions.
pub(super) fn logout(session: &Session, port: u16) -> Result<Exit, Failure> {
    let reply = ask(session, port, &ControllerRequest::Logout)?;
    let ControllerReply::LoggedOut { sessions } = reply else {
        return Err(refused(reply));
    };
    if session.globals.json {
        let document = json!({ "schema": "hl.serve-logout/1", "sessions": sessions });
        return session.json(&document).map(|()| Exit::Ok);
    }
    session.tell(Paint::Good, "Logged out", count(sessions, "session"));
    Ok(Exit::Ok)
}

fn ask(
    session: &Session,
    port: u16,
    request: &ControllerRequest,
) -> Result<ControllerReply, Failure> {
    let place = login_place(&session.caller, port);
    let reply = ask_controller(&place, request).map_err(|error| {
        let message = format!("the controller at port {port} does not answer: {error}");
        Failure::message(Exit::Busy, message)
    })?;
    reply.ok_or_else(|| {
        let message = format!("no controller of yours runs at port {port}");
        Failure::message(Exit::Unknown, message)
            .help(say("start one: ").and(hl("serve")))
            .help("another one: `--port PORT`; of another user: `sudo -u USER hl serve login`")
    })
}

fn refused(reply: ControllerReply) -> Failure {
    let why = match reply {
        ControllerReply::Refused { why } => why,
        ControllerReply::Serving { .. }
        | ControllerReply::Link { .. }
        | ControllerReply::LoggedOut { .. } => "it answered something else".to_owned(),
    };
    Failure::message(Exit::NotApproved, format!("the controller refused: {why}"))
}
