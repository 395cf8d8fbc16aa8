//! `hl env`: every variable, and where its value came from.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::session::Session;
use crate::diag::{Failure, Severity};
use crate::lab::environment::{self, Listed};
use crate::lab::{Environment, Lab};
use crate::layers::Book;
use crate::plan::{sanitize, wrap};
use crate::report::{Paint, Palette};

/// Values longer than this push their own line out of the column.
const WIDEST: usize = 40;

pub(super) fn variables(session: &Session) -> Result<(), Failure> {
    let lab = session.lab()?;
    let book = session.book()?;
    let env = environment(session, &lab)?;
    let rows = environment::list(&env, &named(&book));
    if session.globals.json {
        return session.json(&json!({ "schema": "hl.env/1", "variables": rows }));
    }
    session.data(&text(&rows, session.data_palette(), Session::data_width()))
}

/// What Doppler cannot give is a warning here: the rest can be told.
fn environment(session: &Session, lab: &Lab) -> Result<Environment, Failure> {
    session.environment(lab, true).or_else(|mut failure| {
        let env = session.environment(lab, false)?;
        for diagnostic in &mut failure.diagnostics {
            diagnostic.severity = Severity::Warning;
        }
        session.fail(&failure);
        Ok(env)
    })
}

/// Variables that layers and recipes name, with the layers that need them.
fn named(book: &Book) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut named: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for layer in book.layers() {
        for name in &layer.optional_env {
            named.entry(name.get_ref()).or_default();
        }
        let recipes = layer.recipes.iter().flat_map(|recipe| &recipe.env);
        for name in layer.env.iter().chain(recipes) {
            named
                .entry(name.get_ref())
                .or_default()
                .insert(layer.id.get_ref());
        }
    }
    named
}

fn text(rows: &[Listed], palette: Palette, width: Option<usize>) -> String {
    let widest = |of: fn(&Listed) -> usize| rows.iter().map(of).max().unwrap_or(0).min(WIDEST);
    let name = widest(|row| row.name.chars().count());
    let value = widest(|row| shown(row).chars().count());
    let lines = rows.iter().map(|row| {
        let text = sanitize(shown(row));
        let begin = name + 2 + value.max(text.chars().count()) + 2;
        let about = wrap(&format!("# {}", about(row)), begin, name + value + 6, width);
        let value = format!("{text:<value$}");
        let value = match row.value {
            Some(_) => value,
            None => palette.paint(Paint::Dim, value),
        };
        let about = palette.paint(Paint::Dim, about);
        format!("{:<name$}  {value}  {about}", sanitize(&row.name))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn shown(row: &Listed) -> &str {
    row.value.as_deref().unwrap_or("not set")
}

/// The source of a value; of what is not set, what it is for and who needs it.
fn about(row: &Listed) -> String {
    match &row.from {
        Some(from) => from.to_string(),
        None if row.required.is_empty() => row.doc.to_owned(),
        None => format!("{} (needed by {})", row.doc, row.required.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Provenance;

    fn row(name: &str, value: Option<&str>, from: Option<Provenance>) -> Listed {
        Listed {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            from,
            secret: false,
            required: if value.is_none() {
                vec!["l1".to_owned(), "l2".to_owned()]
            } else {
                Vec::new()
            },
            doc: "what it is for, in more words than a line has",
        }
    }

    #[test]
    fn names_values_and_sources_stand_in_columns_that_fit() {
        let path = Provenance::File {
            path: ".env".into(),
            line: 3,
        };
        let rows = [
            row("PM_TOKEN_ID", Some("hl@pve!hl"), Some(path)),
            row("PVE_BRIDGE", Some("vmbr0"), Some(Provenance::Default)),
            row("PVE_NODE", None, None),
        ];
        insta::assert_snapshot!(text(&rows, Palette { color: false }, Some(60)), @r"
        PM_TOKEN_ID  hl@pve!hl  # .env:3
        PVE_BRIDGE   vmbr0      # default
        PVE_NODE     not set    # what it is for, in more words than
                                  a line has (needed by l1, l2)
        ");
    }
}
