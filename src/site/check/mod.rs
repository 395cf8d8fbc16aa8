//! The whole site-config, held against its tables and against itself. All
//! that is wrong is told at once, each with its place.
//!
//! | file | what is in it |
//! |---|---|
//! | `report` | what was found |
//! | `walk` | every file, in order |
//! | `names` | names that stand for nothing |
//! | `machines` | what an environment's machines come to |
//! | `graph` | nodes and levels of manifests |

mod graph;
mod machines;
mod names;
mod report;
mod walk;

pub use report::Report;
