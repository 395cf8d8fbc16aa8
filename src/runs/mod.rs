//! The history of runs: one journal file for each, what a killed run left
//! running, and how a run is named.
//!
//! | file | about |
//! |---|---|
//! | `asked` | what a run was asked for, as data |
//! | `catalog` | `state/cache/templates/manifest.json` |
//! | `header` | what stands at the top of a run file |
//! | `journal` | writes a run file, event by event |
//! | `legacy` | takes over what an older tool left |
//! | `order` | which run is the older one |
//! | `latest` | `state/runs/latest.env` |
//! | `publication` | which steps publish, and what `LAST_STEP_COMPLETED` says |
//! | `publish` | keeps `latest.env` and `runtime.yaml` while a run goes on |
//! | `read` | reads one, however it was cut off |
//! | `history` | lists them, and finds one by a piece of its id |
//! | `id` | ids |
//! | `index` | many at once, cheaply |
//! | `open` | which run goes on when none is named |
//! | `prune` | which runs may go, and their going |
//! | `timeline` | a run, step by step |
//! | `runtime` | `state/runtime.yaml`: what is true now |
//! | `usual` | how long steps usually take |
//! | `survivors` | children that outlived their run, and the spools they left |

mod asked;
mod catalog;
mod header;
mod history;
mod id;
mod index;
mod journal;
pub mod latest;
pub mod legacy;
mod open;
mod order;
mod prune;
mod publication;
mod publish;
mod read;
mod runtime;
mod survivors;
mod timeline;
mod usual;

pub use asked::Asked;
pub use catalog::{Catalog, FAMILIES, Image};
pub use header::{FORMAT, Header};
use history::file_of;
pub use history::{find, ids, short_id};
pub use id::{is_id, new_id};
pub use index::{Entry, Page, Summary, page, summary};
pub use journal::{Journal, archive};
pub use latest::Latest;
pub use open::{Newest, newest_live, open};
pub use prune::{Old, Pruning, Stays, pruning, remove};
pub use publication::LastStep;
pub use publish::{Identity, Publisher};
pub use read::{Ending, Run, parse, read};
pub use runtime::{LastRun, Made, RUNTIME_VERSION, Runtime, VmInfo};
pub use survivors::{Notice, Survivor, settle, survivors};
pub use timeline::{State, StepEnd, StepRun};
pub use usual::usual;
