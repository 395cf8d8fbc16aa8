//! What may stand where a value is typed, for completion: the names that the lab
//! around us has. Where something cannot be read there is nothing to offer.

use clap_complete::CompletionCandidate;

use super::flags::Globals;
use super::session::Session;
use crate::lab::Lab;
use crate::layers::ListedLayer;
use crate::runs as journal;
use crate::site::{Kind, Tree};
use crate::templates as store;

/// The session of a shell that asks.
pub(super) fn session() -> Option<Session> {
    Session::new(Globals::default(), Vec::new()).ok()
}

fn lab() -> Option<Lab> {
    session()?.lab().ok()
}

fn plain(names: Option<Vec<String>>) -> Vec<CompletionCandidate> {
    let names = names.unwrap_or_default().into_iter();
    names.map(CompletionCandidate::new).collect()
}

/// The newest runs, by their short names.
pub(super) fn runs() -> Vec<CompletionCandidate> {
    let Some(lab) = lab() else { return Vec::new() };
    let entries = journal::page(&lab.paths, Some(20)).entries.into_iter();
    let candidates = entries.filter_map(|entry| {
        let help = entry.summary.ok()?.header.recipe;
        Some(CompletionCandidate::new(entry.short).help(Some(help.into())))
    });
    candidates.collect()
}

/// Environments of the site-config.
pub(super) fn environments() -> Vec<CompletionCandidate> {
    plain(names(Kind::Env))
}

/// Nodes of the site-config.
pub(super) fn nodes() -> Vec<CompletionCandidate> {
    plain(names(Kind::Node))
}

/// Manifests of the site-config.
pub(super) fn manifests() -> Vec<CompletionCandidate> {
    plain(names(Kind::Manifest))
}

/// Hosts: nodes of the site-config.
pub(super) fn hosts() -> Vec<CompletionCandidate> {
    plain(names(Kind::Node))
}

fn names(kind: Kind) -> Option<Vec<String>> {
    let site = lab()?.paths.site();
    Tree::new(site.clone(), site).names(kind).ok()
}

/// Templates that the lab defines.
pub(super) fn templates() -> Vec<CompletionCandidate> {
    plain(lab().map(|lab| store::templates(&lab.paths)))
}

fn listed() -> impl Iterator<Item = ListedLayer> {
    let book = session().and_then(|session| session.book().ok());
    book.map(|book| book.list()).unwrap_or_default().into_iter()
}

/// Layers, by their ids.
pub(super) fn layers() -> Vec<CompletionCandidate> {
    let candidates =
        listed().map(|layer| CompletionCandidate::new(layer.id).help(Some(layer.name.into())));
    candidates.collect()
}

/// Recipes, and `up`.
pub(super) fn recipes() -> Vec<CompletionCandidate> {
    let recipes = listed().flat_map(|layer| layer.recipes);
    let candidates =
        recipes.map(|recipe| CompletionCandidate::new(recipe.name).help(Some(recipe.doc.into())));
    let up = CompletionCandidate::new("up").help(Some("Run the layers in order".into()));
    candidates.chain([up]).collect()
}
