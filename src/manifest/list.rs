//! The manifests of a site-config.

use serde::Serialize;

use super::around::Around;
use super::model::Pattern;
use super::read::read;
use crate::diag::{Exit, Failure};
use crate::site::{Kind, Tree};

/// A manifest in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The file's name, by which it is asked for.
    pub name: String,
    /// Whether the file is as it should be; what follows is of those that are.
    pub valid: bool,
    /// How its nodes lie.
    pub pattern: Option<Pattern>,
    /// How many nodes it has.
    pub nodes: Option<usize>,
    /// One line; may be empty.
    pub description: String,
}

/// The manifests in `manifests/`, by name. Those that are not valid are listed, too.
///
/// # Errors
/// The directory cannot be read (65).
pub fn list(tree: &Tree) -> Result<Vec<Listed>, Failure> {
    let around = Around {
        tree,
        paths: None,
        images: None,
        pull: &[],
    };
    let mut all = Vec::new();
    for name in tree.names(Kind::Manifest)? {
        let source = tree.source(Kind::Manifest, &name);
        match source.and_then(|source| read(&around, source)) {
            Ok(file) => all.push(Listed {
                name,
                valid: true,
                pattern: Some(file.graph.pattern),
                nodes: Some(file.graph.nodes.len()),
                description: file.graph.description,
            }),
            Err(failure) if failure.exit == Exit::Definition => all.push(Listed {
                name,
                valid: false,
                pattern: None,
                nodes: None,
                description: String::new(),
            }),
            Err(failure) => return Err(failure),
        }
    }
    Ok(all)
}
