//! Runs as a table shows them.

use super::opened::Opened;
use super::shown::{State, When, run_state};
use crate::report::{RunRow, RunsDocument};
use crate::runs::Page;

/// One run.
#[derive(Debug)]
pub(super) struct RunLine {
    pub(super) id: String,
    pub(super) recipe: String,
    /// A run that cannot be read has only its id and the reason, in `recipe`.
    pub(super) readable: bool,
    pub(super) dry: bool,
    pub(super) rehearsal: bool,
    pub(super) state: State,
    pub(super) started: When,
    pub(super) took: String,
    pub(super) operator: String,
}

/// The runs of a page, newest first.
pub(super) fn lines(opened: &Opened, page: &Page) -> Vec<RunLine> {
    let document = RunsDocument::new(&opened.lab.paths, page, opened.now);
    let mut lines: Vec<RunLine> = document.runs.iter().map(|row| line(opened, row)).collect();
    lines.extend(document.unreadable.iter().map(|bad| RunLine {
        id: bad.id.clone(),
        recipe: opened.clean.text(&format!("unreadable: {}", bad.reason)),
        readable: false,
        dry: false,
        rehearsal: false,
        state: State {
            key: "failed",
            word: "unreadable",
        },
        started: When::default(),
        took: String::new(),
        operator: String::new(),
    }));
    // Ids sort by time.
    lines.sort_by(|a, b| b.id.cmp(&a.id));
    lines
}

fn line(opened: &Opened, row: &RunRow) -> RunLine {
    let clean = &opened.clean;
    RunLine {
        id: row.id.clone(),
        recipe: clean.text(&row.recipe),
        readable: true,
        dry: row.dry_run,
        rehearsal: row.rehearsal,
        state: run_state(row.outcome),
        started: When::new(&row.started_at, opened.now),
        took: row.took(),
        operator: clean.text(&row.operator),
    }
}
