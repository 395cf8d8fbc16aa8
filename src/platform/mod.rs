//! Platforms: adapters and `platform.yaml` to files, and to the plan that brings a
//! cluster up. Nothing here runs.
//!
//! An adapter is a folder of data: `adapter.toml`, templates, scripts.
//!
//! | file | what is in it |
//! |---|---|
//! | `table` | what may stand in `adapter.toml` and `platform.yaml` |
//! | `model` | an adapter as types |
//! | `format`, `values` | what texts and inputs must be |
//! | `version` | versions, and which ones do |
//! | `contract` | what capabilities hand on |
//! | `engine` | the engine for templates |
//! | `read_adapter`, `embedded`, `adapters` | adapters, shipped and the lab's own |
//! | `platform_file` | `platform.yaml` as read |
//! | `inputs` | what an adapter is told in the end |
//! | `selection`, `resolve`, `load` | a platform: who provides what, who comes after whom |
//! | `artifact`, `lock`, `pipeline` | what is rendered |
//! | `render`, `scripts` | a platform to its files, in memory |
//! | `only` | some adapters anew, the rest as it is |
//! | `disk`, `commit` | what is on disk, and what takes its place |
//! | `compare` | what differs |
//! | `contexts` | that no context holds a secret |
//! | `plan` | a pipeline to a plan |
//! | `question`, `questions`, `answer`, `draft`, `edit` | what `hl platform init` asks, and writes |
//! | `eject` | scripts, contexts and a page to do it by hand |

mod adapters;
mod answer;
mod artifact;
mod commit;
mod compare;
mod contexts;
pub mod contract;
mod disk;
mod draft;
mod edit;
mod eject;
mod embedded;
mod engine;
mod format;
mod inputs;
mod load;
mod lock;
mod model;
mod only;
mod pipeline;
mod plan;
mod platform_file;
mod question;
mod questions;
mod read_adapter;
mod render;
mod resolve;
mod scripts;
mod selection;
mod table;
#[cfg(test)]
mod testing;
mod values;
mod version;

use crate::action::platform::mark;
pub use adapters::Adapters;
pub use artifact::{Artifact, Artifacts};
pub use commit::{commit, is_torn, settle};
pub use compare::{Change, Drift, check_lock, compare};
pub use contexts::check_contexts;
pub use draft::{Draft, Told};
pub use eject::{Ejected, eject};
pub use load::{load, of_source};
pub use lock::{Lock, LockedAdapter};
pub use model::{Adapter, Format, Input, Kind, Origin, Suggest};
pub use only::narrowed;
pub use pipeline::{Entry, Pipeline};
pub use plan::{Bootstrap, bootstrap};
pub use platform_file::{FILE, holds_no_secret, source};
pub use question::{About, NONE, Question, Suggestions};
pub use questions::Questions;
pub use render::{Rendered, render};
pub use selection::{Member, Platform};
pub use table::is_name;
