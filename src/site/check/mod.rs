//! The whole site-config, held against its tables and against itself. All
//! that is wrong is told at once, each with its place.
//!
//! | file | what is in it |
//! |---|---|
//! | `report` | what was found |
//! | `walk` | every file, in order |
//! | `names` | names that stand for nothing |
//! | `machines` | what an environment's machines come to |
//! | `conventions` | what machines are usually like |
//! | `graph` | nodes and levels of manifests |
//! | `rings` | nodes that are in themselves |
//! | `file` | one file, held against its table and the others |

mod conventions;
mod file;
mod graph;
mod machines;
mod names;
mod report;
mod rings;
mod walk;

pub use file::CheckedFile;
pub use report::Report;
