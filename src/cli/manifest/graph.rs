//! `hl manifest graph`: the nodes and what they are in.

use super::args::GraphArgs;
use super::chosen::wanted;
use crate::cli::graph_format::GraphFormat;
use crate::cli::session::Session;
use crate::diag::Failure;
use crate::manifest::{Around, draw, read};

pub(super) fn graph(
    session: &Session,
    around: &Around<'_>,
    args: &GraphArgs,
) -> Result<(), Failure> {
    let file = read(around, wanted(session, around.tree, &args.chosen)?)?;
    session.warn(&file.warnings);
    let graph = &file.graph;
    if session.globals.json {
        return session.json(&draw::json(graph));
    }
    let format = match (args.dot, args.mermaid) {
        (true, _) => GraphFormat::Dot,
        (_, true) => GraphFormat::Mermaid,
        _ => args.format.unwrap_or(GraphFormat::Tree),
    };
    session.data(&match format {
        GraphFormat::Tree => draw::tree(graph),
        GraphFormat::Dot => draw::dot(graph),
        GraphFormat::Mermaid => draw::mermaid(graph),
    })
}
