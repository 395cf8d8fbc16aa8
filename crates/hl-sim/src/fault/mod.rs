//! Faults by rule: what goes wrong on a node, so that clients can be watched.
//!
//! | file | what is in it |
//! |---|---|
//! | `rule` | a rule as it is written, in a file or on a command line |
//! | `hits` | which of the calls that a rule meets it is for |
//! | `text` | the form of a command line |
//! | `pattern` | patterns of paths |
//! | `compiled` | a rule that was checked |
//! | `condition` | what can be wrong with the world itself |
//! | `faults` | all rules of a server |
//! | `engine` | counts calls and tasks, and says what becomes of each |

mod compiled;
mod condition;
mod engine;
mod faults;
mod hits;
mod pattern;
mod rule;
mod text;

pub(super) use compiled::{At, Effect};
pub(super) use condition::{Condition, TlsFault};
pub(super) use engine::{Engine, Met};
pub use faults::{BadFault, Faults};
pub use hits::Hits;
pub use rule::FaultRule;
