//! The use cases: a lab is loaded once, a request becomes a plan, a plan runs.
//!
//! Nothing in here knows a command line, a prompt or a terminal, and nothing takes
//! settings from the process's own environment or home directory: a [`Caller`] says
//! who asks and with which variables, a [`Host`] is told what happens and answers
//! what is asked. The command line is one of them.
//!
//! | file | what |
//! |---|---|
//! | `access` | the plan that proves and keeps the access to a node |
//! | `admit` | whether a directory may be used at all |
//! | `announce` | what a detached process says to the one that started it |
//! | `caller` | who asks, from where, with which variables |
//! | `context_file` | what a scenario hands to the next one |
//! | `detached` | a run that nobody sits at is started |
//! | `dry` | whether a run is dry, and why |
//! | `earlier` | what earlier parts of a run did |
//! | `held` | the lab is taken for a run |
//! | `host` | who is told of a run |
//! | `job` | what a run is made of, how it runs, and how it ended |
//! | `left_of` | what is left of a manifest whose file is gone |
//! | `manifests` | the plan of a verb with its manifest |
//! | `loaded` | a lab with its layers and its environment, and the plan of a request |
//! | `nodes` | what variables and the site say of a node |
//! | `past_run` | what the file of a run says of it |
//! | `platform` | the plan of a bootstrap |
//! | `remote` | approvals of a run that nobody sits at |
//! | `replay` | the last run, and whether it can be gone on with |
//! | `repo_token` | what opens a controller's repositories |
//! | `restored` | the variables that were set for a run |
//! | `resume` | which run goes on, and what of it runs |
//! | `run` | lock, earlier runs, journal, listeners, engine |
//! | `saved_plan` | the plan of a run on disk |
//! | `serving` | what a controller is asked for, and how it is found |
//! | `speak` | speaks to the run in progress |
//! | `spec_get` | a spec, asked of a controller and saved |
//! | `status` | the lab's status |
//! | `step_logs` | where the steps of a run have their logs |
//! | `set_up` | what `hl` itself knows of nodes that it set up |
//! | `vms` | the plan of `hl vm wait` |
//! | `repos` | the plan of `hl site repos` |
//! | `templates` | the plans of promote, rollback and prune |
//! | `tools` | programs that a plan wants |
//! | `unfinished` | the newest `up`, when it did not come to its end |

pub mod access;
mod admit;
mod announce;
mod caller;
pub mod context_file;
pub mod detached;
mod dry;
mod earlier;
mod held;
mod host;
mod job;
mod left_of;
mod loaded;
mod manifests;
mod nodes;
mod past_run;
mod platform;
mod remote;
pub mod replay;
mod repo_token;
pub mod repos;
mod restored;
mod resume;
mod run;
mod saved_plan;
pub mod serving;
mod set_up;
mod speak;
pub mod spec_get;
mod status;
mod step_logs;
pub mod templates;
mod tools;
mod unfinished;
pub mod vms;

pub use admit::{Kind, admit};
pub use announce::{Announce, DETACHED, leave_session, relay};
pub use caller::{Caller, REHEARSAL, REHEARSAL_ASKS, REHEARSAL_SECRETS, name_of_uid};
pub use dry::{DryRun, dry_run};
pub use host::{Host, Notice};
pub use job::{Ended, Job, Origin, Resume, RunOptions};
pub use loaded::LoadedLab;
pub use past_run::{how_it_ended, no_request, resume_command, succeeded};
pub use repo_token::{RepoToken, TokenSources, VARIABLE as REPO_TOKEN};
pub use resume::{Choice, ResumePlan, choose, find_step};
pub use run::run;
pub use speak::say_to_run;
pub use status::{status, waiting};
pub use step_logs::{step_log, step_logs};
pub use unfinished::unfinished_up;
