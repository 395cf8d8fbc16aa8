//! `hl site repos`

use crate::app::repos::plan;
use crate::cli::dry::{announce, decide};
use crate::cli::run::run_plan;
use crate::cli::session::Session;
use crate::diag::{Exit, Failure};

/// Clones or updates what `[repos]` names.
pub(super) fn repos(session: &Session) -> Result<Exit, Failure> {
    let lab = session.lab()?;
    if lab.config.repos.is_empty() {
        return Err(
            Failure::message(Exit::Unknown, "`hl.toml` names no repository")
                .help("add one: `[repos]`, and below it `NAME = \"https://HOST/NAME.git\"`"),
        );
    }
    let env = session.environment(&lab, true)?;
    let dry = decide(session, &lab)?;
    let exit = run_plan(session, &lab, &env, plan(&lab.config.repos), dry.on, true)?;
    announce(session, &dry);
    Ok(exit)
}
