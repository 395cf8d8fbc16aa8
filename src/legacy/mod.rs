//! Taking over what an older tool left: `deployment-state.yaml` and
//! `deployment-events.yaml`, at the lab's root or in `state/`.
//!
//! They are moved once to `state/legacy/`, what is still of use goes to
//! `state/runtime.yaml`, and each of their runs gets a run file, marked as
//! legacy. All that is derived is written before the first file is moved, under
//! names that follow from the content: whatever stops a migration, the next one
//! ends it and makes nothing twice. What cannot be read is moved and reported.
//!
//! | file | about |
//! |---|---|
//! | `detect` | which files are there |
//! | `load` | a file's text as a tree, or why not |
//! | `secrets` | what of it must never be written anywhere else |
//! | `document` | the trees of every generation as one type |
//! | `times` | their times |
//! | `phases` | their phases, and which one an action belongs to |
//! | `split` | events to runs |
//! | `judge` | how such a run ended |
//! | `convert` | such a run as a run file |
//! | `relocate` | moves a file and overwrites none |
//! | `seed` | what of it goes to the snapshot |
//! | `migrate` | all of it, in order |

mod convert;
mod detect;
mod document;
mod judge;
mod load;
mod migrate;
mod phases;
mod relocate;
mod secrets;
mod seed;
mod split;
mod times;

pub use detect::{found, is_legacy};
pub use migrate::{Migration, TakenOver, migrate};
