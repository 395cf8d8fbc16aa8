//! What an operator does to a run that goes on: approve, reject, stop. Never kill.

use axum::response::{IntoResponse, Redirect, Response};

use super::extract::InPath;
use super::opened::{Opened, opened};
use super::problem::Problem;
use super::visitor::{Operator, Reader, Sent};
use crate::app::say_to_run;
use crate::control::{Question, Reply, Request, RunStatus};
use crate::lab::Paths;

/// `/runs/ID/approve`: a yes to what its digest names.
pub(super) async fn approve(
    _: Reader,
    InPath(id): InPath<String>,
    operator: Operator,
) -> Result<Response, Problem> {
    tell(operator, id, |sent, question| {
        if let Some(word) = &question.type_word
            && sent.fields.get("word").trim() != word
        {
            let why = "This has to be confirmed: type the word that is shown, and approve again.";
            return Err(Problem::bad_form(why));
        }
        Ok(Request::Approve {
            digest: sent.fields.get("digest").to_owned(),
            by: by(sent),
        })
    })
    .await
}

/// `/runs/ID/reject`
pub(super) async fn reject(
    _: Reader,
    InPath(id): InPath<String>,
    operator: Operator,
) -> Result<Response, Problem> {
    tell(operator, id, |sent, _| {
        Ok(Request::Reject {
            digest: Some(sent.fields.get("digest").to_owned()),
            by: by(sent),
        })
    })
    .await
}

/// `/runs/ID/stop`: as by the first Ctrl-C.
pub(super) async fn stop(
    _: Reader,
    InPath(id): InPath<String>,
    operator: Operator,
) -> Result<Response, Problem> {
    let Operator(sent) = operator;
    opened(&sent.shared, move |opened| {
        let paths = opened.run(&id)?.paths;
        standing(opened, &paths, &id)?;
        say(opened, &paths, &Request::Stop { now: false })?;
        Ok(back(&id))
    })
    .await
}

/// Who says it, for the journal.
fn by(sent: &Sent) -> String {
    format!("page, {}", sent.peer)
}

/// Answers the question that the form showed.
async fn tell(
    operator: Operator,
    id: String,
    request: impl FnOnce(&Sent, &Question) -> Result<Request, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    let Operator(sent) = operator;
    let shared = std::sync::Arc::clone(&sent.shared);
    opened(&shared, move |opened| {
        let paths = opened.run(&id)?.paths;
        let question = standing(opened, &paths, &id)?.question;
        let none = || Problem::refused("The run waits for no answer any more.");
        let question = question.ok_or_else(none)?;
        if question.digest != sent.fields.get("digest") {
            let why = "What the run asks about is not what you were shown. Look at it again.";
            return Err(Problem::refused(why));
        }
        say(opened, &paths, &request(&sent, &question)?)?;
        Ok(back(&id))
    })
    .await
}

/// Where the run stands, which is the one that goes on.
fn standing(opened: &Opened, paths: &Paths, id: &str) -> Result<RunStatus, Problem> {
    match ask(opened, paths, &Request::Status)? {
        Some(Reply::Status(status)) if status.run == id => Ok(status),
        _ => Err(Problem::refused("The run is over.")),
    }
}

fn say(opened: &Opened, paths: &Paths, request: &Request) -> Result<(), Problem> {
    match ask(opened, paths, request)? {
        Some(Reply::Taken { .. }) => Ok(()),
        Some(Reply::Refused { why }) => Err(Problem::refused(format!(
            "The run refused: {}.",
            opened.clean.text(&why)
        ))),
        Some(Reply::Status(_)) | None => Err(Problem::refused("The run is over.")),
    }
}

fn ask(opened: &Opened, paths: &Paths, request: &Request) -> Result<Option<Reply>, Problem> {
    say_to_run(&opened.shared.caller, paths, request).map_err(|failure| opened.problem(&failure))
}

fn back(id: &str) -> Response {
    Redirect::to(&format!("/runs/{id}")).into_response()
}
