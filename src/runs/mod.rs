//! The history of runs: one journal file for each, what a killed run left
//! running, and how a run is named.
//!
//! | file | about |
//! |---|---|
//! | `follow` | reads a run file as it grows, by offsets |
//! | `header` | what stands at the top of a run file |
//! | `journal` | writes a run file, event by event |
//! | `request` | what a run was asked for, as data |
//! | `read` | reads one, however it was cut off |
//! | `history` | lists them, and finds one by a piece of its id |
//! | `id` | ids |
//! | `index` | many at once, cheaply |
//! | `live` | a run that is followed, and whether it is over |
//! | `open` | which run goes on when none is named |
//! | `planned` | the plan of a run, as it was written beside its logs |
//! | `prune` | which runs may go, and their going |
//! | `timeline` | a run, step by step |
//! | `usual` | how long steps usually take |
//! | `survivors` | children that outlived their run, and the spools they left |

mod follow;
mod header;
mod history;
mod id;
mod index;
mod journal;
mod live;
mod open;
mod planned;
mod prune;
mod read;
mod request;
mod survivors;
mod timeline;
mod usual;

pub use header::{FORMAT, Header, flow};
pub use history::{find, ids, short_id};
use id::file_of;
pub use id::{is_id, new_id};
pub use index::{Entry, Page, Summary, page, page_behind, summary};
pub use journal::{Journal, archive};
pub use live::{LiveRun, News, RunEnd};
pub use open::{Newest, newest_live, open};
pub use planned::planned;
pub use prune::{Old, Pruning, Stays, pruning, remove};
pub use read::{Ending, Run, has_ended, parse, read, read_by};
pub use request::{ManifestRequest, ManifestSource, ManifestVerb, PlatformRequest};
pub use request::{REQUEST_VERSION, STANDARD_INPUT};
pub use request::{RecipeRequest, RunRequest, SavedRequest, UpRequest};
pub use request::{ScenarioContext, ScenarioRequest};
pub use survivors::{Notice, Survivor, settle, survivors};
pub use usual::usual;
