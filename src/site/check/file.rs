//! One file, held against its table, and its names against what they stand for.

use std::sync::Arc;

use super::{graph, names};
use crate::diag::{Diagnostic, Failure, Place, Source};
use crate::shape::Node;
use crate::site::kind::Kind;
use crate::site::resolve::Traced;
use crate::site::secrets::Secrets;
use crate::site::shape::{self, Record};
use crate::site::tree::{Tree, sorted};
use crate::site::yaml::Document;

/// A file that was checked.
#[derive(Debug)]
pub struct CheckedFile {
    document: Arc<Document>,
    /// Errors and warnings, by place.
    pub findings: Vec<Diagnostic>,
}

impl CheckedFile {
    /// What it holds.
    pub fn root(&self) -> &Node {
        &self.document.root
    }

    /// The place of a node of it.
    pub fn place(&self, node: &Node) -> Place {
        self.document.at(node, "")
    }

    /// A node of it that knows its line.
    pub fn traced(&self, node: &Node) -> Traced {
        Traced::of(&self.document, node)
    }
}

impl Tree {
    /// Holds a manifest against its table, its nodes against each other, and the
    /// names in it against the files of this site-config.
    ///
    /// # Errors
    /// It is no YAML (65). All else that is wrong is in [`CheckedFile::findings`].
    pub fn check_manifest(&self, source: Source) -> Result<CheckedFile, Failure> {
        let document = Document::parse(source)?;
        let table = shape::of(Kind::Manifest, &document.root);
        let mut found = findings(self, None, &document, table);
        found.extend(graph::check(&document));
        Ok(CheckedFile {
            document: Arc::new(document),
            findings: sorted(found),
        })
    }
}

/// What the file's table and the names in it bring up.
pub(super) fn findings(
    tree: &Tree,
    secrets: Option<&Secrets>,
    document: &Document,
    table: &'static Record,
) -> Vec<Diagnostic> {
    let checked = shape::check(document, table, true);
    let mut found = names::check(tree, secrets, document, &checked.references);
    found.extend(checked.errors);
    found.extend(checked.warnings);
    found.extend(document.legacy());
    found
}
