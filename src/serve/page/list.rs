//! The list of runs, a page at a time.

use askama::Template;
use axum::response::Response;
use serde::Deserialize;

use super::extract::InQuery;
use super::filters;
use super::frame::{Frame, page};
use super::opened::opened;
use super::problem::Problem;
use super::rows::{RunLine, lines};
use super::visitor::Reader;
use crate::runs::page_behind;

/// Runs on a page.
const MOST: usize = 50;

#[derive(Template)]
#[template(path = "runs.html")]
struct RunsPage {
    frame: Frame,
    rehearsed: bool,
    /// What links to other pages of the same list carry.
    of: &'static str,
    runs: Vec<RunLine>,
    number: usize,
    /// The page of newer ones, of older ones; 0: there is none.
    newer: usize,
    older: usize,
}

/// Which page.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    page: usize,
    /// `rehearsal` for those of rehearsals.
    #[serde(default)]
    of: String,
}

/// `/runs`
pub(super) async fn runs(
    reader: Reader,
    InQuery(which): InQuery<Which>,
) -> Result<Response, Problem> {
    let number = which.page.max(1);
    let rehearsed = which.of == "rehearsal";
    let frame = reader.frame(if rehearsed { "Rehearsals" } else { "Runs" });
    let shown = opened(&reader.shared, move |opened| {
        let behind = MOST.saturating_mul(number - 1);
        let live = &opened.lab.paths;
        let paths = if rehearsed {
            live.rehearsal()
        } else {
            live.clone()
        };
        let found = page_behind(&paths, behind, Some(MOST));
        let more = found.older > 0;
        Ok(RunsPage {
            frame,
            rehearsed,
            of: if rehearsed { "&of=rehearsal" } else { "" },
            runs: lines(opened, &found),
            number,
            newer: number - 1,
            older: if more { number + 1 } else { 0 },
        })
    })
    .await?;
    Ok(page(&shown))
}
