//! `hl graph`: a plan's steps and what they wait for.

use super::args::GraphArgs;
use super::graph_format::GraphFormat;
use super::session::Session;
use super::target::parse;
use crate::diag::Failure;
use crate::layers::graph as draw;

pub(super) fn graph(session: &Session, args: &GraphArgs) -> Result<(), Failure> {
    let Some(parsed) = parse(session, &args.recipe, args.flags)? else {
        return Ok(());
    };
    let session = &parsed.session;
    // The shape of a plan is known without secrets, so Doppler is not asked.
    let plan = session.load(false)?.compile(parsed.target.request()?)?.plan;
    if session.globals.json {
        return session.json(&draw::json(&plan));
    }
    session.data(&match parsed.flags.format.unwrap_or(GraphFormat::Tree) {
        GraphFormat::Tree => draw::tree(&plan),
        GraphFormat::Dot => draw::dot(&plan),
        GraphFormat::Mermaid => draw::mermaid(&plan),
    })
}
