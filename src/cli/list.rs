//! `hl list`: what can be run here.

use std::fmt::Write as _;

use serde_json::json;

use super::args::ListArgs;
use super::session::Session;
use crate::diag::Failure;
use crate::layers::{self, ListedLayer, ListedRecipe};
use crate::plan::sanitize;
use crate::report::Paint;

pub(super) fn list(session: &Session, args: &ListArgs) -> Result<(), Failure> {
    let lab = session.lab()?;
    let book = layers::load(&lab.paths)?;
    let layers = book.list();
    if session.globals.json {
        return session.json(&json!({ "schema": "hl.list/1", "layers": layers }));
    }
    if args.names {
        let names: Vec<_> = layers
            .iter()
            .flat_map(|layer| &layer.recipes)
            .map(|r| r.name.as_str())
            .collect();
        return session.data(&names.join("\n"));
    }
    session.data(&text(session, &layers))
}

fn text(session: &Session, layers: &[ListedLayer]) -> String {
    let palette = session.data_palette();
    let width = layers
        .iter()
        .flat_map(|l| &l.recipes)
        .map(|r| short(r).chars().count())
        .max()
        .unwrap_or(0)
        .min(40);
    let mut out = String::new();
    for layer in layers.iter().filter(|layer| !layer.recipes.is_empty()) {
        let title = format!("{} {}", layer.id.to_uppercase(), layer.name);
        // Writing to a String cannot fail.
        writeln!(
            out,
            "{}  {}",
            palette.paint(Paint::Bold, sanitize(&title)),
            palette.paint(Paint::Dim, sanitize(&layer.doc))
        )
        .unwrap_or_default();
        for recipe in &layer.recipes {
            let usage = sanitize(&short(recipe));
            let pad = width.saturating_sub(usage.chars().count());
            let doc = if recipe.doc.is_empty() {
                String::new()
            } else {
                format!(
                    "{:pad$} {}",
                    "",
                    palette.paint(Paint::Active, format_args!("# {}", sanitize(&recipe.doc)))
                )
            };
            writeln!(out, "    {usage}{doc}").unwrap_or_default();
        }
    }
    out
}

/// `l2-apply [ENV] [OPTIONS]`: what must be typed; `hl RECIPE --help` has the rest.
fn short(recipe: &ListedRecipe) -> String {
    let mut words = vec![recipe.name.clone()];
    for param in recipe.params.iter().filter(|param| !param.option) {
        let name = param.name.to_uppercase();
        words.push(if param.required {
            name
        } else {
            format!("[{name}]")
        });
    }
    if recipe.params.iter().any(|param| param.option) {
        words.push("[OPTIONS]".to_owned());
    }
    words.join(" ")
}
