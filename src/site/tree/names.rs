//! Which files there are, and what a name may be.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use super::spec_names::{is_spec, is_spec_name};
use crate::diag::{Diagnostic, Exit, Failure, closest};
use crate::site::kind::Kind;

/// A site-config on disk. Nothing is read until it is asked for.
#[derive(Debug, Clone)]
pub struct Tree {
    root: Utf8PathBuf,
    shown: Utf8PathBuf,
}

impl Tree {
    /// The site-config at `root`; people see its files under `shown`
    /// (`site`, or the whole path).
    pub fn new(root: impl Into<Utf8PathBuf>, shown: impl Into<Utf8PathBuf>) -> Self {
        Self {
            root: root.into(),
            shown: shown.into(),
        }
    }

    /// Its directory.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Its directory as people see it.
    pub fn shown_root(&self) -> &Utf8Path {
        &self.shown
    }

    /// A path in it as people see it.
    pub(in crate::site) fn show(&self, relative: &str) -> Utf8PathBuf {
        self.shown.join(relative)
    }

    /// The names of a kind, sorted: `*.yaml` at the top of its directory, those
    /// that begin with a dot too; of specs those that `spec_names` lets through. No
    /// directory: none.
    ///
    /// # Errors
    /// The directory cannot be read (65).
    pub fn names(&self, kind: Kind) -> Result<Vec<String>, Failure> {
        let dir = self.root.join(kind.dir());
        let failed = |error: &std::io::Error| {
            let shown = self.show(kind.dir());
            Failure::message(Exit::Definition, format!("cannot read `{shown}`: {error}"))
        };
        let entries = match dir.read_dir_utf8() {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| failed(&error))?;
            let name = entry.file_name().strip_suffix(".yaml");
            if let Some(name) = name.filter(|name| !name.is_empty())
                && self.has(kind, name)
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The names of the specs, sorted: of those that can be had by their name.
    ///
    /// # Errors
    /// As of [`Tree::names`].
    pub fn spec_names(&self) -> Result<Vec<String>, Failure> {
        self.names(Kind::Spec)
    }

    /// Whether there is a spec of this name.
    pub fn has_spec(&self, name: &str) -> bool {
        self.has(Kind::Spec, name)
    }

    /// Whether there is a file of that kind and name.
    pub(in crate::site) fn has(&self, kind: Kind, name: &str) -> bool {
        if kind == Kind::Spec {
            return is_spec(&self.root, &self.path(kind, name), name);
        }
        is_name(name) && self.path(kind, name).is_file()
    }

    /// Where the preset of a manifest's node is: in `v2/presets/`, else in
    /// `vms/presets/`, else there without a leading `vm-`.
    pub(in crate::site) fn node_preset<'n>(&self, name: &'n str) -> Option<(Kind, &'n str)> {
        let short = name.strip_prefix("vm-").unwrap_or(name);
        let places = [
            (Kind::NodePreset, name),
            (Kind::Preset, name),
            (Kind::Preset, short),
        ];
        places
            .into_iter()
            .find(|(kind, name)| self.has(*kind, name))
    }

    /// That there is a file of a kind with the name that was asked for.
    ///
    /// # Errors
    /// The name is a path (2), or there is none (66).
    pub(in crate::site) fn want(&self, kind: Kind, name: &str) -> Result<(), Failure> {
        if !is_name(name) || (kind == Kind::Spec && !is_spec_name(name)) {
            return Err(Self::no_path(kind.word(), name));
        }
        if !self.has(kind, name) {
            return Err(self.unknown(&[kind], kind.word(), name));
        }
        Ok(())
    }

    /// The file of a name that [`is_name`].
    pub(in crate::site) fn path(&self, kind: Kind, name: &str) -> Utf8PathBuf {
        let mut path = self.root.join(kind.dir());
        path.push(format!("{name}.yaml"));
        path
    }

    /// The same as people see it.
    pub(in crate::site) fn shown(&self, kind: Kind, name: &str) -> Utf8PathBuf {
        self.shown.join(kind.dir()).join(format!("{name}.yaml"))
    }

    /// The text of a file, nothing when it is not there.
    pub(in crate::site) fn text(path: &Utf8Path) -> std::io::Result<Option<String>> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names of the files of some kinds, in order.
    pub(super) fn known(&self, kinds: &[Kind]) -> Vec<String> {
        let names = kinds.iter().flat_map(|kind| self.names(*kind));
        let mut known: Vec<String> = names.flatten().collect();
        known.sort_unstable();
        known.dedup();
        known
    }

    /// That what was asked for by name is not there, with what is: 66.
    pub(in crate::site) fn unknown(&self, kinds: &[Kind], word: &str, name: &str) -> Failure {
        let known = self.known(kinds);
        let places: Vec<String> = kinds
            .iter()
            .map(|kind| format!("`{}`", self.shown(*kind, name)))
            .collect();
        let mut error = Diagnostic::error(format!("there is no {word} `{name}`"))
            .note(format!("looked for {}", places.join(" and ")));
        if let Some(near) = closest(name, known.iter().map(String::as_str)) {
            error = error.help(format!("did you mean `{near}`?"));
        }
        error = error.help(if known.is_empty() {
            format!("there is no {word} yet")
        } else {
            format!("known: `{}`", known.join("`, `"))
        });
        Failure::new(Exit::Unknown, error)
    }

    /// That a path was given where a name belongs: 2.
    pub(in crate::site) fn no_path(word: &str, name: &str) -> Failure {
        let shown: String = name.chars().filter(|c| !c.is_control()).collect();
        Failure::message(Exit::Usage, format!("{word} `{shown}` is not a name"))
            .help("give the file's name without directories and without `.yaml`")
    }
}

/// Whether a text can be the stem of a file: never a path.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(['/', '\\', '\0']) && text != "." && text != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> (tempfile::TempDir, Tree) {
        let guard = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(guard.path()).unwrap().to_owned();
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        (guard, Tree::new(root, "site"))
    }

    #[test]
    fn names_are_yaml_files_at_the_top() {
        let (_guard, tree) = tree(&[
            "vms/b.yaml",
            "vms/.a.yaml",
            "vms/c.yml",
            "vms/d.yaml.swp",
            "vms/.yaml",
            "vms/presets/small.yaml",
            "vms/e.yaml/x",
        ]);
        std::os::unix::fs::symlink("gone", tree.root().join("vms/.#b.yaml")).unwrap();
        assert_eq!(tree.names(Kind::Template).unwrap(), [".a", "b"]);
        assert_eq!(tree.names(Kind::Preset).unwrap(), ["small"]);
        assert!(tree.names(Kind::Env).unwrap().is_empty());
        assert!(tree.has(Kind::Template, "b"));
        assert!(!tree.has(Kind::Template, "e") && !tree.has(Kind::Template, "presets/small"));
    }

    #[test]
    fn who_is_not_there_is_told_with_who_is() {
        let (_guard, tree) = tree(&[
            "nodes/kestrel.yaml",
            "hosts/heron.yaml",
            "hosts/kestrel.yaml",
        ]);
        let failure = tree.unknown(&[Kind::Node, Kind::Host], "host", "kestral");
        assert_eq!(failure.exit, Exit::Unknown);
        assert_eq!(
            failure.diagnostics[0].help,
            ["did you mean `kestrel`?", "known: `heron`, `kestrel`"].map(crate::diag::Advice::from)
        );
        assert!(failure.diagnostics[0].notes[0].contains("`site/nodes/kestral.yaml`"));
    }

    #[test]
    fn names_are_never_paths() {
        for bad in ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\0b", "..\\x"] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert!(is_name("dev") && is_name(".hidden") && is_name("a..b"));
    }
}
