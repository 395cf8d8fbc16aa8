//! Rehearsal: the user's lab, run for real where nothing real can be reached.
//!
//! [`run`] makes a sealed network (`seal`), in which a holder (`inside`) boots the
//! kept world (`world`) of simulated node and real [`guest`]s, and runs the very
//! same `hl` with the user's recipe, out of reach of this machine (`local`). All
//! that it writes is in `state/rehearsal/`.

mod api;
mod controller;
mod door;
mod faults;
pub mod guest;
mod inside;
mod internal;
mod kept;
mod keys;
mod leftovers;
mod local;
mod lock;
mod loopback;
mod mounts;
mod namespaces;
mod nodes;
mod run;
mod seal;
mod seed;
mod seed_file;
mod seed_guest;
mod seed_table;
mod side;
mod within;
mod world;

pub use api::{api_variables, serve_on_loopback};
pub use faults::{faults_schema, read_faults};
pub use internal::internal_verb;
pub use kept::{OpenedWorld, Snapshot, open_world, removable, remove, snapshot};
pub use keys::{make_keys, use_own_keys};
pub use lock::{Lock, hold};
pub use loopback::{OnLoopback, end_left_guests};
pub use nodes::{NodeAddress, Nodes};
pub use run::{NotRun, Rehearsal, Relay, run};
pub use seal::{Refusal, network_of, possible, prove_sealed};
pub use seed::{invent_secret, lab_token, seed};
pub use seed_file::{BeginningWorld, read_seed, seed_schema};
pub use within::{given_listener, is_within};
