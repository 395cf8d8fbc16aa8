//! Reads each file once and holds it against its table. What is wrong is
//! collected, and told together at the end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use camino::Utf8Path;

use super::names::{Tree, is_name};
use crate::diag::{Diagnostic, Exit, Failure, Source, did_you_mean};
use crate::shape::Node;
use crate::site::kind::Kind;
use crate::site::shape::{self, Record, SITE};
use crate::site::yaml::Document;

/// Files are read whole; none of a site-config is near this size.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The files of one question.
#[derive(Debug)]
pub(in crate::site) struct Loader<'t> {
    pub(in crate::site) tree: &'t Tree,
    files: HashMap<Kind, HashMap<String, Option<Arc<Document>>>>,
    site: Option<Arc<Document>>,
    site_read: bool,
    pub(in crate::site) errors: Vec<Diagnostic>,
    pub(in crate::site) warnings: Vec<Diagnostic>,
    /// What was told already: the missing preset of a template is told once,
    /// however many machines have the template.
    told: HashSet<String>,
}

impl<'t> Loader<'t> {
    pub(in crate::site) fn new(tree: &'t Tree) -> Self {
        Self {
            tree,
            files: HashMap::new(),
            site: None,
            site_read: false,
            errors: Vec::new(),
            warnings: Vec::new(),
            told: HashSet::new(),
        }
    }

    /// `site.yaml`; nothing when it is not there.
    pub(in crate::site) fn site(&mut self) -> Option<Arc<Document>> {
        if self.site_read {
            return self.site.clone();
        }
        self.site_read = true;
        let path = self.tree.root().join("site.yaml");
        let shown = self.tree.show("site.yaml");
        self.site = self.read(&path, &shown, |_| &SITE, true);
        self.site.clone()
    }

    /// A file; nothing when it is not there, or nothing of it can be read.
    pub(in crate::site) fn file(&mut self, kind: Kind, name: &str) -> Option<Arc<Document>> {
        self.open(kind, name, true)
    }

    /// The same, where keys that are required may be absent.
    pub(in crate::site) fn part(&mut self, kind: Kind, name: &str) -> Option<Arc<Document>> {
        self.open(kind, name, false)
    }

    fn open(&mut self, kind: Kind, name: &str, whole: bool) -> Option<Arc<Document>> {
        if !is_name(name) {
            return None;
        }
        if let Some(known) = self.known(kind, name) {
            return known.clone();
        }
        // A name that stands for no spec is not read, whatever is there.
        if kind == Kind::Spec && !self.tree.has(kind, name) {
            return None;
        }
        let path = self.tree.path(kind, name);
        let shown = self.tree.shown(kind, name);
        let table = |root: &Node| shape::of(kind, root);
        let document = self.read(&path, &shown, table, whole);
        let files = self.files.entry(kind).or_default();
        files.insert(name.to_owned(), document.clone());
        document
    }

    fn read(
        &mut self,
        path: &Utf8Path,
        shown: &Utf8Path,
        table: impl Fn(&Node) -> &'static Record,
        whole: bool,
    ) -> Option<Arc<Document>> {
        let text = match text(path, shown) {
            Ok(text) => text?,
            Err(failure) => {
                self.errors.extend(failure.diagnostics);
                return None;
            }
        };
        match Document::parse(Source::new(shown, text)) {
            Ok(document) => {
                let found = shape::check(&document, table(&document.root), whole);
                self.errors.extend(found.errors);
                self.warnings.extend(found.warnings);
                Some(Arc::new(document))
            }
            Err(failure) => {
                self.errors.extend(failure.diagnostics);
                None
            }
        }
    }

    /// Whether a file is there, even if it cannot be read.
    pub(in crate::site) fn has(&self, kind: Kind, name: &str) -> bool {
        // A file that was read is not looked for again.
        matches!(self.known(kind, name), Some(Some(_))) || self.tree.has(kind, name)
    }

    fn known(&self, kind: Kind, name: &str) -> Option<&Option<Arc<Document>>> {
        self.files.get(&kind)?.get(name)
    }

    /// That a name in a file stands for nothing.
    pub(in crate::site) fn dangling(
        &mut self,
        document: &Document,
        node: &Node,
        kinds: &[Kind],
        name: &str,
    ) {
        let at = format!("{}:{:?}", document.source().path, node.mark);
        if self.told.insert(at) {
            let finding = dangling(self.tree, document, node, kinds, name);
            self.errors.push(finding);
        }
    }

    /// Warns once.
    pub(in crate::site) fn warn(&mut self, warning: Diagnostic) {
        if self.told.insert(warning.message.clone()) {
            self.warnings.push(warning);
        }
    }

    /// All errors together: 65.
    pub(in crate::site) fn finish(self) -> Result<Vec<Diagnostic>, Failure> {
        if self.errors.is_empty() {
            return Ok(self.warnings);
        }
        Err(Failure::many(Exit::Definition, sorted(self.errors)))
    }
}

impl Tree {
    /// The text of a file that was asked for by name.
    ///
    /// # Errors
    /// The name is a path (2), there is no such file (66), or it cannot be read (65).
    pub fn source(&self, kind: Kind, name: &str) -> Result<Source, Failure> {
        self.want(kind, name)?;
        let shown = self.shown(kind, name);
        match text(&self.path(kind, name), &shown)? {
            Some(text) => Ok(Source::new(shown, text)),
            None => Err(self.unknown(&[kind], kind.word(), name)),
        }
    }
}

/// The text of a file, nothing when it is not there; or why it cannot be read (65).
fn text(path: &Utf8Path, shown: &Utf8Path) -> Result<Option<String>, Failure> {
    let large = path.metadata().is_ok_and(|meta| meta.len() > MAX_BYTES);
    let text = if large {
        Err("it is larger than 64 MB".to_owned())
    } else {
        Tree::text(path).map_err(|error| error.to_string())
    };
    let failed = |why| {
        let message = format!("cannot read `{shown}`: {why}");
        Failure::message(Exit::Definition, message)
    };
    text.map_err(failed)
}

/// Findings by file and place.
pub(crate) fn sorted(mut findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    findings.sort_by_cached_key(|finding| {
        let place = finding.place.as_ref();
        place.map(|place| (place.path().to_owned(), place.span.start))
    });
    findings
}

/// That a name in a file stands for nothing, with the closest of those there are.
pub(in crate::site) fn dangling(
    tree: &Tree,
    document: &Document,
    node: &Node,
    kinds: &[Kind],
    name: &str,
) -> Diagnostic {
    let word = kinds.first().map_or("file", |kind| kind.word());
    let missing: Vec<String> = kinds
        .iter()
        .map(|kind| format!("`{}`", tree.shown(*kind, name)))
        .collect();
    let finding = Diagnostic::error(format!("there is no {word} `{name}`"))
        .at(document.at(node, format!("expected {}", missing.join(" or "))));
    if !is_name(name) {
        return finding.help("write the file's name without directories and without `.yaml`");
    }
    let known = tree.known(kinds);
    let help = did_you_mean(name, known.iter().map(String::as_str));
    finding.help(help.unwrap_or_else(|| format!("write {}", missing.join(" or "))))
}
