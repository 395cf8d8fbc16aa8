//! `hl list`: what can be run here.

use serde_json::json;

use super::session::Session;
use crate::base::Lines;
use crate::diag::Failure;
use crate::layers::{ListedLayer, ListedRecipe};
use crate::plan::{sanitize, wrap};
use crate::report::{Paint, Palette};

/// With `names` nothing but the names.
pub(super) fn list(session: &Session, names: bool) -> Result<(), Failure> {
    let book = session.book()?;
    let layers = book.list();
    if session.globals.json {
        return session.json(&json!({ "schema": "hl.list/1", "layers": layers }));
    }
    if names {
        let names: Vec<_> = layers
            .iter()
            .flat_map(|layer| &layer.recipes)
            .map(|r| r.name.as_str())
            .collect();
        return session.data(&names.join("\n"));
    }
    session.data(&text(
        session.data_palette(),
        Session::data_width(),
        &layers,
    ))
}

/// The verbs that are used first.
const FIRST: [(&str, &str); 4] = [
    (
        "hl rehearse",
        "all layers where nothing real can be reached",
    ),
    ("hl plan up", "what would change on the node; nothing does"),
    ("hl up", "the layers in order, L0 to L4"),
    ("hl status", "the lab's status, and the next command"),
];

fn text(palette: Palette, width: Option<usize>, layers: &[ListedLayer]) -> String {
    let column = layers
        .iter()
        .flat_map(|l| &l.recipes)
        .map(|r| short(r).chars().count())
        .chain(FIRST.iter().map(|(command, _)| command.len()))
        .max()
        .unwrap_or(0)
        .min(40);
    let mut out = String::new();
    for layer in layers.iter().filter(|layer| !layer.recipes.is_empty()) {
        let title = format!("{} {}", layer.id.to_uppercase(), layer.name);
        let doc = wrap(&sanitize(&layer.doc), title.chars().count() + 2, 4, width);
        let doc = palette.paint(Paint::Dim, doc);
        out.line(palette.paint(Paint::Bold, sanitize(&title)) + "  " + &doc);
        for recipe in &layer.recipes {
            let usage = sanitize(&short(recipe));
            row(&mut out, &usage, column, &recipe.doc, palette, width);
        }
    }
    let all = palette.paint(Paint::Dim, "`hl --help` has all");
    out.line(palette.paint(Paint::Bold, "Verbs") + "  " + &all);
    for (command, about) in FIRST {
        row(&mut out, command, column, about, palette, width);
    }
    out
}

/// `    l2-apply [ENV] # what it does`, continued under what it does.
fn row(
    out: &mut String,
    usage: &str,
    column: usize,
    doc: &str,
    palette: Palette,
    width: Option<usize>,
) {
    let used = usage.chars().count();
    let doc = if doc.is_empty() {
        String::new()
    } else {
        let pad = column.saturating_sub(used);
        let begin = 4 + used + pad + 1;
        let doc = wrap(
            &format!("# {}", sanitize(doc)),
            begin,
            begin.min(8) + 2,
            width,
        );
        format!("{:pad$} {}", "", palette.paint(Paint::Active, doc))
    };
    out.line(format_args!("    {usage}{doc}"));
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
