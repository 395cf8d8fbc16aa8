//! `hl scenario`, `hl preflight` and `hl doctor`: recipes in files of their own, and
//! the checks that come before them.
//!
//! | file | what is in it |
//! |---|---|
//! | `args` | flags, as the table of the specification spells them |
//! | `limits` | `--timeout` is the limit of the run there, `--step-timeout` that of a step |
//! | `list` | `--list` and `--phases` |
//! | `own_flags` | `--scenario NAME` and its like, without a verb |
//! | `preflight` | the checks, alone or before a scenario |
//! | `read` | from words to a request |
//! | `retired` | names that are gone, and what replaces them |
//! | `verb` | runs it |

mod args;
mod limits;
mod list;
mod own_flags;
mod preflight;
mod read;
mod retired;
mod verb;

pub(super) use args::{PreflightArgs, ScenarioArgs};
pub(super) use limits::{with_limits, with_limits_of_scenarios};
pub(super) use own_flags::own_flags;
pub(super) use preflight::{doctor, preflight};
pub(super) use verb::{needs_no_world, scenario, with_its_flags};
