//! Executes a [`crate::plan::Plan`]: order, parallelism, approval, timeouts,
//! retries, children and signals. It prints nothing and knows no layer; what
//! happens goes to listeners as [`crate::plan::Event`]s, one at a time.
//!
//! | file | about |
//! |---|---|
//! | `setup` | what a run is given, and what it gives back |
//! | `board` | pure: which step may start, which is blocked and by what |
//! | `run` | the one loop that starts steps, hears signals and watches the clock |
//! | `step` | one step from its inputs to its end: its attempts |
//! | `inputs` | what a step is given |
//! | `approval` | what a step would do is approved, and anew when that took long |
//! | `question` | one question at a time, journaled with its answer |
//! | `step_end` | how a step ended |
//! | `temporary` | files that go when the steps that use them have ended |
//! | `bus` | events: stamped, redacted, handed to listeners |
//! | `escaped` | what a child started that left its process group |
//! | `exec` | children as actions see them |
//! | `kept` | children that are begun at most once, and taken over when `hl` was killed |
//! | `spawn` | a child's program, variables and files |
//! | `running` | a child that runs, of this process or kept: has it ended, and how |
//! | `child` | what is said of a child |
//! | `children` | all running children: one SIGINT each, grace, escalation |
//! | `control` | how loop and step agree on stopping it |
//! | `step_output` | what a step says |
//! | `shown` | text as listeners get it: masked, clean, in short lines |
//! | `reuse` | may the result that a step had in an earlier part of the run stand |
//! | `explain` | which steps of a resumed run would run, and why |
//! | `identity` | does the plan make sense, and what is the run called |
//! | `log` | a step's log |
//! | `undo` | does each step of a plan that is rolled back have an undo |
//! | `stop_messages` | what is said when a run is stopped |

mod approval;
mod board;
mod bus;
mod child;
mod children;
mod control;
mod escaped;
mod exec;
mod explain;
mod identity;
mod inputs;
mod kept;
mod limit;
mod log;
mod question;
mod redacted;
mod reuse;
mod run;
mod running;
mod setup;
mod shared;
mod shown;
mod spawn;
mod step;
mod step_end;
mod step_output;
mod stop_messages;
mod temporary;
mod undo;

pub use explain::{Expect, Forecast, explain};
pub use log::slugs;
pub use reuse::{no_longer_apply, with_dependents};
pub use run::run;
pub use setup::{
    Answer, Approver, Asked, Options, PriorRun, RunResult, Setup, StepResult, reads_only,
};
