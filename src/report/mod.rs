//! Listens to events: what a person reads on a terminal, and what a machine
//! reads as JSON. Nothing here runs anything.

mod bars;
mod console;
mod document;
mod failure;
mod github;
mod history;
mod junit;
mod markdown;
mod not_started_group;
mod run_document;
mod run_report;
mod scenario_document;
mod screen;
mod screen_end;
mod screen_question;
mod status;
mod style;
mod summary;
mod tally;
mod terminal;
#[cfg(test)]
mod testing;

pub use console::Console;
pub use document::{Document, StepReport};
pub use failure::{GoOn, failed_step};
pub use github::{Level, Spot, annotation, step_summary};
pub use history::{RunRow, RunState, RunsDocument, Unreadable, ago, local};
pub use junit::{junit, junit_not_started};
pub use run_document::{ResumeRow, RunDocument, StepRow};
pub use run_report::RunReport;
pub use scenario_document::{NodeReport, Phase, ScenarioDocument};
pub use status::{Current, Next, Published, PublishedTemplate, StatusDocument};
pub use style::{Paint, Palette};
pub use summary::summary;
pub use terminal::{Look, Mode, Terminal, Usual, usual};
