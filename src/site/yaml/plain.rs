//! YAML files of other rooms: the tree, and what is wrong with it as YAML.

use super::document::Document;
use crate::diag::{Diagnostic, Failure, Source};
use crate::shape::Node;

/// A YAML file as a tree.
#[derive(Debug)]
pub struct YamlFile {
    /// Its tree.
    pub root: Node,
    /// Keys that stand twice, aliases to nothing.
    pub errors: Vec<Diagnostic>,
    /// Values that YAML 1.1 reads otherwise.
    pub warnings: Vec<Diagnostic>,
}

/// Parses a text.
///
/// # Errors
/// It is no YAML at all (65).
pub fn parse(source: Source) -> Result<YamlFile, Failure> {
    let document = Document::parse(source)?;
    let errors = document.faults().collect();
    let warnings = document.legacy().collect();
    Ok(YamlFile {
        root: document.root,
        errors,
        warnings,
    })
}
