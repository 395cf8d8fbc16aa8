//! Which verb runs, and what is around its manifest.

use super::args::{ManifestArgs, ManifestVerb};
use super::{check, graph, list, show};
use crate::action::pull_findings;
use crate::cli::session::Session;
use crate::cli::site::{OpenSite, find};
use crate::diag::{Exit, Failure};
use crate::manifest::Around;
use crate::templates::templates;

pub(in crate::cli) fn manifest(session: &Session, args: &ManifestArgs) -> Result<Exit, Failure> {
    let (lab, found) = find(session, args.site.as_deref())?;
    let site = OpenSite::new(session, &found.root);
    let paths = lab.as_ref().map(|lab| &lab.paths);
    // A lab that defines no templates has them from elsewhere.
    let images = paths.map(templates).filter(|names| !names.is_empty());
    let pull = lab.as_ref().map(|lab| pull_findings(lab, &site.tree));
    let around = Around {
        tree: &site.tree,
        paths,
        images: images.as_deref(),
        pull: pull.as_deref().unwrap_or_default(),
    };
    match &args.verb {
        ManifestVerb::List => list::list(session, around.tree).map(|()| Exit::Ok),
        ManifestVerb::Check(chosen) => check::check(session, &site, &around, chosen),
        ManifestVerb::Show(chosen) => show::show(session, &around, chosen).map(|()| Exit::Ok),
        ManifestVerb::Graph(args) => graph::graph(session, &around, args).map(|()| Exit::Ok),
    }
}
