//! YAML 1.2 as a tree in which every key and value knows where it stands, so
//! that all findings of a file can be told at once, each with its line.
//!
//! | file | what is in it |
//! |---|---|
//! | `parse` | events of the parser to nodes; budgets, duplicate keys, aliases, merge keys |
//! | `scalar` | what a plain scalar is in 1.2, and what 1.1 would have read |
//! | `plain` | a file of another room as a tree |
//! | `document` | a parsed file: its findings, its places; files of secrets show no value |

mod document;
mod parse;
mod plain;
mod scalar;

pub(in crate::site) use document::Document;
pub use plain::{YamlFile, parse as parse_yaml};
