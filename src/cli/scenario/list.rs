//! `hl scenario --list` and `--phases`.

use std::time::Duration;

use serde_json::json;

use crate::base::{Lines, short_duration};
use crate::cli::session::Session;
use crate::diag::Failure;
use crate::layers::{Book, ListedScenario};
use crate::plan::sanitize;
use crate::report::Paint;

/// Columns of a name, and of its run time.
const NAME: usize = 30;
const TIME: usize = 6;

/// All that people may call.
pub(super) fn list(session: &Session, book: &Book) -> Result<(), Failure> {
    let all = book.list_scenarios();
    if session.globals.json {
        return session.json(&json!({ "schema": "hl.scenarios/1", "scenarios": all }));
    }
    let palette = session.data_palette();
    let mut out = String::new();
    for scenario in &all {
        let doc = sanitize(&scenario.recipe.doc);
        let name = format!("{:NAME$}", scenario.recipe.name);
        let name = palette.paint(Paint::Bold, name);
        out.line(format_args!(
            "  {name} {:TIME$} {doc}",
            about(scenario.runtime)
        ));
    }
    session.data(&out)?;
    session.note("no phase begins after four times as long, unless `--timeout` says otherwise");
    Ok(())
}

/// The phases of one.
pub(super) fn phases(session: &Session, scenario: &ListedScenario) -> Result<(), Failure> {
    if session.globals.json {
        return session.json(&json!({
            "schema": "hl.phases/1",
            "scenario": scenario.recipe.name,
            "phases": scenario.phases,
        }));
    }
    let palette = session.data_palette();
    let width = scenario.phases.iter().map(|phase| phase.name.len()).max();
    let width = width.unwrap_or_default();
    let mut out = String::new();
    for phase in &scenario.phases {
        let name = palette.paint(Paint::Bold, format!("{:width$}", phase.name));
        out.line(format!("  {name}  {}", sanitize(&phase.doc)).trim_end());
    }
    session.data(&out)?;
    let limit = short_duration(Duration::from_secs(scenario.timeout));
    session.note(format!(
        "no phase begins after {limit}, unless `--timeout` says otherwise"
    ));
    Ok(())
}

/// `~3m`, `~30s`
fn about(seconds: u64) -> String {
    if seconds >= 60 {
        format!("~{}m", seconds / 60)
    } else {
        format!("~{seconds}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_time_is_a_word() {
        assert_eq!([30, 60, 179, 420].map(about), ["~30s", "~1m", "~2m", "~7m"]);
    }
}
