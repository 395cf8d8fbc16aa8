//! Every file, in order.

use std::collections::HashSet;

use camino::Utf8Path;

use super::report::{self, Report, Told};
use super::{file, graph, machines, names};
use crate::diag::{Diagnostic, Failure, Source};
use crate::shape::Node;
use crate::site::kind::Kind;
use crate::site::secrets::Secrets;
use crate::site::shape::{self, Record, SITE};
use crate::site::tree::{Loader, Tree, is_spec_name, sorted};
use crate::site::yaml::Document;

impl Tree {
    /// Holds every file against its table, and every name against what it
    /// stands for. Without `secrets` the names of keys and tokens are taken on
    /// trust.
    ///
    /// # Errors
    /// A directory cannot be read (65). What is wrong with files is in the report.
    pub fn check(&self, secrets: Option<&Secrets>) -> Result<Report, Failure> {
        let mut walk = Walk {
            tree: self,
            secrets,
            files: 0,
            findings: Vec::new(),
        };
        let path = self.root().join("site.yaml");
        walk.file(&path, &self.show("site.yaml"), |_| &SITE);
        for kind in Kind::ALL {
            for name in self.names(kind)? {
                let (path, shown) = (self.path(kind, &name), self.shown(kind, &name));
                let table = |root: &Node| shape::of(kind, root);
                if let Some(document) = walk.file(&path, &shown, table) {
                    walk.findings.extend(about(self, kind, &name, &document));
                }
            }
            walk.findings.extend(self.unread(kind));
        }
        walk.findings.extend(self.uncounted());
        // What machines come to is told once more by the resolver; of it only
        // what no single file shows is wanted.
        let mut loader = Loader::new(self);
        for name in self.names(Kind::Env)? {
            walk.findings.extend(machines::check(&mut loader, &name));
        }
        let told: HashSet<Told> = walk.findings.iter().map(report::told).collect();
        let new = loader
            .errors
            .into_iter()
            .filter(|d| !told.contains(&report::told(d)));
        walk.findings.extend(new);
        Ok(Report {
            schema: "hl.site-check/1",
            files: walk.files,
            findings: sorted(walk.findings),
        })
    }
}

struct Walk<'a> {
    tree: &'a Tree,
    secrets: Option<&'a Secrets>,
    files: usize,
    findings: Vec<Diagnostic>,
}

impl Walk<'_> {
    fn file(
        &mut self,
        path: &Utf8Path,
        shown: &Utf8Path,
        table: impl Fn(&Node) -> &'static Record,
    ) -> Option<Document> {
        let text = match Tree::text(path) {
            Ok(text) => text?,
            Err(error) => {
                let message = format!("cannot read `{shown}`: {error}");
                self.findings.push(Diagnostic::error(message));
                return None;
            }
        };
        self.files += 1;
        match Document::parse(Source::new(shown, text)) {
            Ok(document) => {
                let table = table(&document.root);
                let found = file::findings(self.tree, self.secrets, &document, table);
                self.findings.extend(found);
                Some(document)
            }
            Err(failure) => {
                self.findings.extend(failure.diagnostics);
                None
            }
        }
    }
}

/// What no table can say of a kind of file.
fn about(tree: &Tree, kind: Kind, name: &str, document: &Document) -> Vec<Diagnostic> {
    match kind {
        Kind::Env => names::postures(
            tree,
            document,
            &[Kind::Posture, Kind::SpecPosture],
            &["posture"],
        ),
        Kind::Spec => names::postures(tree, document, &[Kind::SpecPosture], &["access", "posture"]),
        Kind::Node => node_name(name, document).into_iter().collect(),
        Kind::Manifest => {
            let mut found = graph::check(document);
            found.extend(own_name(document, name));
            found
        }
        Kind::Host
        | Kind::Posture
        | Kind::SpecPosture
        | Kind::Template
        | Kind::Preset
        | Kind::NodePreset => Vec::new(),
    }
}

/// State is kept by the name that a manifest gives itself.
fn own_name(document: &Document, name: &str) -> Option<Diagnostic> {
    let node = document.root.get("name")?;
    let given = node.text().filter(|given| *given != name)?;
    let warning = format!("the manifest is called `{given}` and its file `{name}.yaml`");
    Some(
        Diagnostic::warning(warning)
            .at(document.at(node, ""))
            .help("give it the file's name: state is kept by the name"),
    )
}

/// A node's file is named as the node is in Proxmox VE.
fn node_name(name: &str, document: &Document) -> Option<Diagnostic> {
    let node = document.root.get("node")?;
    let given = node.text().filter(|given| *given != name)?;
    let warning = format!("the node is called `{given}` and its file `{name}.yaml`");
    Some(
        Diagnostic::warning(warning)
            .at(document.at(node, ""))
            .help("name the file as Proxmox VE names the node, and leave `node` out"),
    )
}

impl Tree {
    /// Files that look as if they were read, and are not.
    fn unread(&self, kind: Kind) -> Vec<Diagnostic> {
        let mut names = Vec::new();
        if let Ok(entries) = self.root().join(kind.dir()).read_dir_utf8() {
            let found = entries.flatten().map(|entry| entry.file_name().to_owned());
            names.extend(found.filter(|name| Utf8Path::new(name).extension() == Some("yml")));
        }
        names.sort_unstable();
        let warning = |name: String| {
            let shown = self.show(kind.dir()).join(&name);
            let right = shown.with_extension("yaml");
            Diagnostic::warning(format!("`{shown}` is not read: only `*.yaml` is"))
                .help(format!("rename it: `mv {shown} {right}`"))
        };
        names.into_iter().map(warning).collect()
    }

    /// Specs that nobody is given.
    fn uncounted(&self) -> Vec<Diagnostic> {
        let mut names = Vec::new();
        if let Ok(entries) = self.root().join(Kind::Spec.dir()).read_dir_utf8() {
            let found = entries.flatten().map(|entry| entry.file_name().to_owned());
            let files = found.filter(|name| Utf8Path::new(name).extension() == Some("yaml"));
            names.extend(files.filter_map(|name| Some(name.strip_suffix(".yaml")?.to_owned())));
        }
        names.sort_unstable();
        let warning = |name: &String| {
            let shown = self.shown(Kind::Spec, name);
            // Editors leave such links.
            let is_there = self.path(Kind::Spec, name).exists();
            if !is_there || self.has(Kind::Spec, name) {
                return None;
            }
            let (why, help) = if is_spec_name(name) {
                (
                    "it does not lead to a file of the site-config that may be shown",
                    "put the file itself there",
                )
            } else {
                (
                    "a spec's name has ASCII letters, digits and `-_.@+` only",
                    "rename it",
                )
            };
            Some(Diagnostic::warning(format!("`{shown}` is not read: {why}")).help(help))
        };
        names.iter().filter_map(warning).collect()
    }
}
