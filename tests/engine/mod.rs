//! The engine with real processes, real signals and real files.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one kind of event"
)]

mod approvals;
mod children;
mod full_disk;
mod long_lines;
mod order;
mod resume;
mod signals;
mod stage;
mod support;
mod survivors;
mod trace;
