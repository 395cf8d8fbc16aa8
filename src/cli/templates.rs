//! `hl templates`: what was built, what is on the node, and what is stable.

use serde_json::json;

use super::args::TemplatesVerb;
use super::dry::{announce, decide};
use super::run::run_plan;
use super::session::Session;
use crate::app::templates::{Change, plan};
use crate::base::Lines;
use crate::diag::{Diagnostic, Exit, Failure, StepError};
use crate::lab::{Environment, Lab};
use crate::plan::sanitize;
use crate::pve::Client;
use crate::report::{Paint, Palette};
use crate::templates::{self, TemplateRow};

pub(super) fn templates(session: &Session, verb: Option<&TemplatesVerb>) -> Result<Exit, Failure> {
    let lab = session.lab()?;
    let env = session.environment(&lab, true)?;
    let env = env.for_node(env.node())?.into_owned();
    let change = match verb {
        None | Some(TemplatesVerb::List | TemplatesVerb::Show { .. }) => {
            let client = client(session, &lab, &env);
            return read(session, &lab, &env, client.as_ref(), verb).map(|()| Exit::Ok);
        }
        Some(TemplatesVerb::Promote { name, stamp }) => Change::Promote {
            name: name.clone(),
            stamp: stamp.clone(),
        },
        Some(TemplatesVerb::Rollback { name }) => Change::Rollback { name: name.clone() },
        Some(TemplatesVerb::Prune { name, keep }) => Change::Prune {
            name: name.clone(),
            keep: *keep,
        },
    };
    let dry = decide(session, &lab)?;
    let exit = run_plan(session, &lab, &env, plan(&change), dry.on, true)?;
    announce(session, &dry);
    Ok(exit)
}

/// `hl templates list` and `hl templates show`.
pub(super) fn read(
    session: &Session,
    lab: &Lab,
    env: &Environment,
    client: Option<&Client>,
    verb: Option<&TemplatesVerb>,
) -> Result<(), Failure> {
    let rows = match verb {
        Some(TemplatesVerb::Show { name }) => {
            templates::show(&lab.paths, env, client, name).map(|row| vec![row])
        }
        _ => templates::list(&lab.paths, env, client),
    };
    show(session, &rows.map_err(failure)?)
}

/// What an action would have failed with, outside of a run.
pub(super) fn failure(error: StepError) -> Failure {
    let mut diagnostic = Diagnostic::error(error.message);
    diagnostic.help = error.help;
    Failure::new(error.exit, diagnostic)
}

/// The node's API, where the environment says how to reach it. Lists work
/// without, and then do not know what still exists.
fn client(session: &Session, lab: &Lab, env: &Environment) -> Option<Client> {
    match Client::new(env, &lab.paths) {
        Ok(client) => Some(client),
        Err(error) => {
            let warning = Diagnostic::warning(format!("the node is not asked: {error}"))
                .note("what still exists there is not known");
            session.warn(&[warning]);
            None
        }
    }
}

fn show(session: &Session, rows: &[TemplateRow]) -> Result<(), Failure> {
    if session.globals.json {
        return session.json(&json!({ "schema": "hl.templates/1", "templates": rows }));
    }
    let palette = session.data_palette();
    let mut out = String::new();
    for row in rows {
        text(row, palette, &mut out);
    }
    session.data(&out)
}

fn text(row: &TemplateRow, palette: Palette, out: &mut String) {
    let mut line = |text: String| out.line(text.trim_end());
    let state = match (&row.stale, row.defined) {
        (_, false) => palette.paint(Paint::Dim, "not defined in this lab"),
        (Some(why), _) => palette.paint(Paint::Warn, sanitize(why)),
        (None, _) => String::new(),
    };
    line(format!(
        "{}  {}  {state}",
        palette.paint(Paint::Bold, &row.name),
        palette.paint(Paint::Dim, sanitize(&row.description))
    ));
    for build in &row.builds {
        let mark = match (build.stable, build.promotion) {
            (true, _) => palette.paint(Paint::Good, "stable    "),
            (false, Some(_)) => palette.paint(Paint::Dim, "was stable"),
            (false, None) => "          ".to_owned(),
        };
        let there = match build.exists {
            Some(true) => String::new(),
            Some(false) => palette.paint(Paint::Bad, "gone from the node"),
            None => palette.paint(Paint::Dim, "not asked"),
        };
        let clones: Vec<String> = build.linked_clones.iter().map(u32::to_string).collect();
        let clones = if clones.is_empty() {
            String::new()
        } else {
            format!("linked clones: {}", clones.join(", "))
        };
        line(format!(
            "  {mark} {}  VM {} on {} ({})  {there} {clones}",
            build.stamp, build.vmid, build.node, build.storage
        ));
    }
}
