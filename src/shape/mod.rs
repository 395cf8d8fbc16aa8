//! How a file becomes a checked value: one table for each file says what may
//! stand in it, and the check, the suggestions, the JSON Schema and the
//! reference page all read that table.
//!
//! | file | what is in it |
//! |---|---|
//! | `node` | a file as a tree: values with their places, YAML's and TOML's alike |
//! | `toml` | TOML as that tree; a TOML file as a checked type |
//! | `model` | a table: keys, what each may be |
//! | `tables` | how a table is written: a line a key |
//! | `check` | holds a tree against a table: all that is wrong, each with its place |
//! | `schema` | a table as a JSON Schema |

mod check;
mod model;
mod node;
mod schema;
mod tables;
mod toml;

pub use check::{Checked, Reference, check};
pub use model::{Form, Format, Key, Nothing, Others, Record, Referent, Shape, key, required};
pub use node::{Entry, Map, Mark, Node, Value};
pub use schema::{document, schema};
pub(crate) use tables::tables;
pub use toml::{read, tree};
