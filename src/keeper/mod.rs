//! The parent of every child that may change something: it outlives `hl`, starts
//! each child at most once, and writes down how it ended whether or not anybody
//! watched.
//!
//! | file | what |
//! |---|---|
//! | `attempt` | the files of one attempt, and what they say: running, ended, unknown |
//! | `child` | a child as its parent has it: fence, start, end |
//! | `message` | what the two say to each other, over a socket |
//! | `parent` | the parent as `hl` has it: started with the first child, and what it told |
//! | `verb` | the parent itself: the verb by which `hl` calls itself |

mod attempt;
mod child;
mod message;
mod parent;
mod verb;

pub use attempt::{Attempt, ChildEnd, Fence, Standing};
pub use message::Order;
pub use parent::{Begun, Keeper, KeptChild};
pub use verb::{VERB, is_keeper, keep};
