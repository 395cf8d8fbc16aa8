//! `hl up` after an `up` that did not come to its end: go on with that one, or
//! start anew? That is asked, never assumed.

use inquire::Select;

use super::run::again;
use super::session::Session;
use crate::app::{how_it_ended, resume_command, unfinished_up};
use crate::diag::{Exit, Failure};
use crate::lab::Lab;

/// How an `up` starts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Anew; with the id of a run that is to be archived.
    Fresh(Option<String>),
    /// It goes on with the run of this id.
    Resume(String),
}

/// Decides how an `up` starts.
///
/// # Errors
/// A choice is needed, and there is no terminal to ask on (77).
pub(super) fn before_up(session: &Session, lab: &Lab, fresh: bool) -> Result<Start, Failure> {
    let Some(run) = unfinished_up(lab)? else {
        return Ok(Start::Fresh(None));
    };
    let id = run.header.id.clone();
    if fresh {
        return Ok(Start::Fresh(Some(id)));
    }
    let resume = resume_command(&lab.paths, &id);
    let anew = format!("{} --fresh", again(session));
    let what = format!("run {id} (`{}`) {}", run.header.recipe, how_it_ended(&run));
    if session.globals.no_input || !Session::interactive() {
        return Err(Failure::message(Exit::NotApproved, what)
            .help(format!("`{resume}` resumes it"))
            .help(format!(
                "`{anew}` archives it as cancelled and starts again"
            )));
    }
    let go_on = format!("resume it (`{resume}`)");
    let start = format!("start again, archive it as cancelled (`{anew}`)");
    match Select::new(&format!("{what}:"), vec![go_on.clone(), start]).prompt() {
        Ok(answer) if answer == go_on => Ok(Start::Resume(id)),
        Ok(_) => Ok(Start::Fresh(Some(id))),
        Err(_) => Err(Failure::message(
            Exit::NotApproved,
            "nothing was started: neither was chosen",
        )),
    }
}
