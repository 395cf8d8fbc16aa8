//! A small parent for every child that may change something: it outlives `hl`,
//! starts the child at most once, and writes down how it ended whether or not
//! anybody watched.
//!
//! | file | what |
//! |---|---|
//! | `verb` | the parent itself: the verb by which `hl` calls itself |
//! | `attempt` | its files, and what they say: running, ended, unknown |

mod attempt;
mod verb;

pub use attempt::{Attempt, ChildEnd, Fence, Standing};
pub use verb::{CANNOT, SAYS, VERB, is_keeper, keep};
