//! `hl approve` and `hl reject`: the answer to what a run asks, from anywhere on
//! its machine.

use std::time::Duration;

use jiff::Timestamp;

use super::approve::Approve;
use super::args::{ApproveArgs, RejectArgs};
use super::session::{Session, usage};
use crate::action::Approval;
use crate::app;
use crate::base::short_duration;
use crate::control::{Question, Reply, Request, RunStatus};
use crate::diag::{Advice, Exit, Failure, say};
use crate::report::Paint;
use crate::runs;

pub(super) fn approve(session: &Session, args: &ApproveArgs) -> Result<Exit, Failure> {
    let (run, question) = asked(session, args.run.as_deref())?;
    let digest = match &args.digest {
        Some(digest) => digest.clone(),
        None if Session::interactive() && !session.globals.no_input => {
            for line in &question.summary {
                session.say(&format!("{:>12} {line}", ""));
            }
            let approval = Approval {
                question: question.text,
                type_word: question.type_word,
                ..Approval::default()
            };
            if !Approve::Ask.answer(&approval).0 {
                session.note(format!("run {run} still waits for an answer"));
                return Ok(Exit::NotApproved);
            }
            question.digest
        }
        None => {
            return Err(
                usage("without a terminal, `--digest` says what is approved")
                    .help(say("see what it asks: ").hl("status"))
                    .help(format!(
                        "approve what it shows now: `--digest {}`",
                        question.digest
                    )),
            );
        }
    };
    let by = session.caller.operator();
    tell(session, &Request::Approve { digest, by }, "Approved")
}

pub(super) fn reject(session: &Session, args: &RejectArgs) -> Result<Exit, Failure> {
    let (_, question) = asked(session, args.run.as_deref())?;
    let (digest, by) = (Some(question.digest), session.caller.operator());
    tell(session, &Request::Reject { digest, by }, "Rejected")
}

/// The run that goes on and what it asks.
fn asked(session: &Session, named: Option<&str>) -> Result<(String, Question), Failure> {
    let status = status(session, named)?;
    let run = status.run;
    match status.question {
        Some(question) => Ok((run, question)),
        None => Err(Failure::message(
            Exit::Unknown,
            format!("run {run} waits for no answer"),
        )),
    }
}

/// Where the run stands that goes on in the lab; it is the named one, if one was.
pub(super) fn status(session: &Session, named: Option<&str>) -> Result<RunStatus, Failure> {
    let paths = session.lab()?.paths;
    let none = || Failure::message(Exit::Unknown, "no run is in progress in this lab");
    let reply = say_to_run(session, &Request::Status)?.ok_or_else(none)?;
    let Reply::Status(status) = reply else {
        return Err(none());
    };
    if let Some(piece) = named {
        let wanted = runs::find(&paths, piece)?.header.id;
        if wanted != status.run {
            let message = format!(
                "run {wanted} is not in progress: the lab is held by {}",
                status.run
            );
            return Err(Failure::message(Exit::Unknown, message));
        }
    }
    Ok(status)
}

/// How what a run asks is answered.
pub(super) fn how_to_answer() -> Advice {
    say(format!("{:>12} it with ", "Answer"))
        .hl("approve")
        .say(", ")
        .hl("reject")
        .say(" or ")
        .hl("stop")
}

/// Tells what the run in progress asks, if it is that one and waits for an answer.
pub(super) fn tell_question(session: &Session, run: Option<&str>) -> bool {
    let Ok(Some(Reply::Status(status))) = say_to_run(session, &Request::Status) else {
        return false;
    };
    let is_meant = run.is_none_or(|run| run == status.run);
    let Some(question) = status.question.filter(|_| is_meant) else {
        return false;
    };
    let left = question.until.parse::<Timestamp>().unwrap_or_default();
    let left = Duration::try_from(left.duration_since(Timestamp::now())).unwrap_or_default();
    let text = format!(
        "{}: {} (it waits {} more)",
        question.step,
        question.text,
        short_duration(left)
    );
    session.tell(Paint::Warn, "Asks", text);
    session.note(how_to_answer());
    true
}

/// Says something to the run that goes on; `None` when none does.
pub(super) fn say_to_run(session: &Session, request: &Request) -> Result<Option<Reply>, Failure> {
    app::say_to_run(&session.caller, &session.lab()?.paths, request)
}

/// Tells the run, and says what came of it.
pub(super) fn tell(session: &Session, request: &Request, done: &str) -> Result<Exit, Failure> {
    match say_to_run(session, request)? {
        Some(Reply::Taken { run }) => {
            session.tell(Paint::Good, done, format!("run {run}"));
            Ok(Exit::Ok)
        }
        Some(Reply::Refused { why }) => Err(Failure::message(
            Exit::NotApproved,
            format!("refused: {why}"),
        )
        .help(say("see what it asks: ").hl("status"))),
        Some(Reply::Status(_)) | None => Err(Failure::message(
            Exit::Unknown,
            "no run is in progress in this lab",
        )),
    }
}
