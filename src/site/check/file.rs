//! One file, held against its table, and its names against what they stand for.

use std::sync::Arc;

use super::{graph, names};
use crate::diag::{Diagnostic, Failure, Place, Source};
use crate::shape::Node;
use crate::site::kind::Kind;
use crate::site::resolve::Traced;
use crate::site::secrets::Secrets;
use crate::site::shape::{self, Record};
use crate::site::tree::Tree;
use crate::site::yaml::Document;

/// A file that was checked.
#[derive(Debug)]
pub struct CheckedFile {
    document: Arc<Document>,
    /// What is wrong or odd with the file itself.
    pub findings: Vec<Diagnostic>,
    /// Names in it that stand for nothing.
    pub dangling: Vec<Diagnostic>,
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
    /// It is no YAML (65). All else that is wrong is in the [`CheckedFile`].
    pub fn check_manifest(&self, source: Source) -> Result<CheckedFile, Failure> {
        let document = Document::parse(source)?;
        let table = shape::of(Kind::Manifest, &document.root);
        let (dangling, mut findings) = judged(self, None, &document, table);
        findings.extend(graph::check(&document));
        Ok(CheckedFile {
            document: Arc::new(document),
            findings,
            dangling,
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
    let (mut found, of_file) = judged(tree, secrets, document, table);
    found.extend(of_file);
    found
}

/// The names in a file that stand for nothing, and what is wrong with the file itself.
fn judged(
    tree: &Tree,
    secrets: Option<&Secrets>,
    document: &Document,
    table: &'static Record,
) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let checked = shape::check(document, table, true);
    let dangling = names::check(tree, secrets, document, &checked.references);
    let mut found = checked.errors;
    found.extend(checked.warnings);
    found.extend(document.legacy());
    (dangling, found)
}
