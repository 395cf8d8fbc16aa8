//! The report of a run that is over, as it was written beside its logs.

use std::collections::BTreeMap;
use std::io::Read;

use askama::Template;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::extract::InPath;
use super::filters;
use super::frame::{Frame, page};
use super::opened::{Opened, opened};
use super::problem::Problem;
use super::shown::When;
use super::visitor::Reader;
use crate::base::private_read;

/// A file above this size is no report of `hl`.
const LONGEST: u64 = 64 * 1024 * 1024;

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage {
    frame: Frame,
    id: String,
    recipe: String,
    command: String,
    dry: bool,
    state: String,
    started: When,
    finished: When,
    steps: Vec<Row>,
    artefacts: Vec<[String; 3]>,
    warnings: Vec<String>,
    errors: Vec<String>,
    next: Vec<String>,
}

struct Row {
    name: String,
    action: String,
    /// For the style sheet.
    key: &'static str,
    status: String,
    message: String,
}

/// `summary.json`, as far as it is shown.
#[derive(Debug, Deserialize)]
struct Summary {
    timestamp: String,
    finished_at: String,
    command: String,
    recipe: String,
    dry_run: bool,
    state: String,
    #[serde(default)]
    steps: Vec<Step>,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    errors: Vec<String>,
    #[serde(default)]
    next: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Step {
    name: String,
    #[serde(default)]
    action: Option<String>,
    status: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    artefacts: BTreeMap<String, Value>,
}

/// `/runs/ID/report`
pub(super) async fn report(
    reader: Reader,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let frame = reader.frame("Report");
    let shown = opened(&reader.shared, move |opened| told(opened, frame, &id)).await?;
    Ok(page(&shown))
}

fn told(opened: &Opened, frame: Frame, id: &str) -> Result<ReportPage, Problem> {
    let path = opened.run(id)?.paths.logs(id).join("summary.json");
    let mut text = String::new();
    private_read(&path)
        .and_then(|file| file.take(LONGEST).read_to_string(&mut text))
        .map_err(|_| {
            Problem::not_found("The run has no report: it goes on, or its logs were removed.")
        })?;
    let summary: Summary = serde_json::from_str(&text)
        .map_err(|_| Problem::not_found("The report of the run cannot be read."))?;
    let clean = &opened.clean;
    let artefacts = summary.steps.iter().flat_map(|step| {
        let of_step = step.artefacts.iter();
        of_step.map(move |(name, path)| {
            let path = path.as_str().unwrap_or_default();
            [&step.name, name, path].map(|text| clean.text(text))
        })
    });
    Ok(ReportPage {
        frame,
        id: id.to_owned(),
        recipe: clean.text(&summary.recipe),
        command: clean.text(&summary.command),
        dry: summary.dry_run,
        state: clean.text(&summary.state).to_lowercase(),
        started: When::new(&summary.timestamp, opened.now),
        finished: When::new(&summary.finished_at, opened.now),
        artefacts: artefacts.collect(),
        warnings: clean.all(&summary.warnings),
        errors: clean.all(&summary.errors),
        next: clean.all(&summary.next),
        steps: summary
            .steps
            .iter()
            .map(|step| Row {
                name: clean.text(&step.name),
                action: clean.text(step.action.as_deref().unwrap_or_default()),
                key: match step.status.as_str() {
                    "PASS" => "succeeded",
                    "FAIL" => "failed",
                    "CANCELLED" => "cancelled",
                    "BLOCKED" => "blocked",
                    _ => "skipped",
                },
                status: clean.text(&step.status).to_lowercase().replace('_', " "),
                message: clean.text(&step.message),
            })
            .collect(),
    })
}
