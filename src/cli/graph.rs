//! `hl graph`: a plan's steps and what they wait for.

use super::args::{GraphArgs, GraphFormat};
use super::session::Session;
use super::target::{Parsed, parse};
use crate::diag::Failure;
use crate::layers::graph as draw;

pub(super) fn graph(session: &Session, args: &GraphArgs) -> Result<(), Failure> {
    let Some(Parsed {
        session,
        target,
        flags,
        ..
    }) = parse(session, &args.recipe, args.flags)?
    else {
        return Ok(());
    };
    // The shape of a plan is known without secrets, so Doppler is not asked.
    let plan = session.load(false)?.compile(target.request()?)?.plan;
    if session.globals.json {
        return session.json(&draw::json(&plan));
    }
    session.data(&match flags.format.unwrap_or(GraphFormat::Tree) {
        GraphFormat::Tree => draw::tree(&plan),
        GraphFormat::Dot => draw::dot(&plan),
        GraphFormat::Mermaid => draw::mermaid(&plan),
    })
}
