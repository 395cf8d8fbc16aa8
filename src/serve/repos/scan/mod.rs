//! What must not be in what is served: every object that can be had from a snapshot is
//! looked through once, history included.
//!
//! | file | what |
//! |---|---|
//! | `rules` | what is looked for |
//! | `look` | one object, in pieces |
//! | `tofu_state` | a state of OpenTofu, and whether values in it are sensitive |
//! | `objects` | the objects of a repository, and their contents |
//! | `names` | names of branches and tags, and paths |
//! | `seen` | objects that were looked through before |
//! | `leak` | what was found, with its path and its commit |
//! | `whole` | all of it |

mod leak;
mod look;
mod names;
mod objects;
mod rules;
mod seen;
mod tofu_state;
mod whole;

pub(super) use rules::Rules;
pub(in crate::serve) use seen::Seen;
pub(super) use whole::scan;
