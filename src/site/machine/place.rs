//! A file of a name in one of the directories of a site-config.

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use crate::diag::{Exit, Failure};
use crate::lab::write;
use crate::site::starter::{first_line, write_schema};

/// Where it goes.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The site-config.
    pub dir: &'a Utf8Path,
    /// The site-config as the user knows it.
    pub shown: &'a Utf8Path,
    /// `nodes` or `hosts`.
    pub folder: &'static str,
    /// Its schema.
    pub schema: &'static str,
    /// The file's stem.
    pub name: &'a str,
}

/// What became of it.
#[derive(Debug)]
pub struct Placed {
    /// The file, as the user knows it.
    pub file: Utf8PathBuf,
    /// Its whole text.
    pub text: String,
    /// Whether it was there before, with this very text.
    pub same: bool,
}

impl Place<'_> {
    /// Writes `content` as YAML below comment lines. One that is there and is
    /// not the same is only replaced with `force`; `dry` writes nothing, and
    /// refuses nothing.
    ///
    /// # Errors
    /// The name is none (2), it would be overwritten or cannot be written (73).
    pub fn put(
        &self,
        content: &impl Serialize,
        comments: &[String],
        force: bool,
        dry: bool,
    ) -> Result<Placed, Failure> {
        if !is_name(self.name) {
            return Err(Failure::message(
                Exit::Usage,
                format!(
                    "`{}` is no name for a file in `{}/`",
                    self.name, self.folder
                ),
            )
            .help("use letters, digits, dots, dashes and underscores"));
        }
        let relative = format!("{}/{}.yaml", self.folder, self.name);
        let path = self.dir.join(&relative);
        let file = self.shown.join(&relative);
        let body = serde_saphyr::to_string(content).map_err(|error| {
            Failure::message(Exit::Bug, format!("cannot write `{file}` as YAML: {error}"))
        })?;
        let mut text = first_line(&relative, self.schema);
        for comment in comments {
            text.push_str("# ");
            text.push_str(comment);
            text.push('\n');
        }
        text.push_str(&body);
        let before = std::fs::read_to_string(&path).ok();
        let same = before.as_deref() == Some(text.as_str());
        if path.symlink_metadata().is_ok() && !same && !force && !dry {
            return Err(
                Failure::message(Exit::CannotWrite, format!("`{file}` is there already"))
                    .help("`--force` replaces it, `--dry-run` shows what would be written"),
            );
        }
        if !dry {
            if !same {
                write(&path, text.as_bytes(), 0o644)?;
            }
            write_schema(self.dir, self.schema)?;
        }
        Ok(Placed { file, text, same })
    }
}

/// A file's stem that is no path, and no hidden file.
pub fn is_name(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !name.is_empty() && !name.starts_with(['.', '-']) && name.chars().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::machine::NodeFile;

    fn node(datastore: &str) -> NodeFile {
        NodeFile {
            node: "pve".to_owned(),
            host: None,
            api_endpoint: "https://192.0.2.1:8006".to_owned(),
            api_token: "pve".to_owned(),
            datastore: datastore.to_owned(),
            ip: Some("192.0.2.1".to_owned()),
            ssh_user: None,
        }
    }

    #[test]
    fn one_that_is_there_is_kept() {
        let guard = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(guard.path()).unwrap();
        let place = Place {
            dir,
            shown: Utf8Path::new("site"),
            folder: "nodes",
            schema: "node",
            name: "pve",
        };
        let file = dir.join("nodes/pve.yaml");
        place.put(&node("tank"), &[], false, true).unwrap();
        assert!(!file.exists());
        let comments = ["from a test".to_owned()];
        let placed = place.put(&node("tank"), &comments, false, false).unwrap();
        assert_eq!(placed.file, "site/nodes/pve.yaml");
        assert!(dir.join("nodes/../.schemas/node.json").is_file());
        let text = "# yaml-language-server: $schema=../.schemas/node.json\n# from a test\nnode: pve\n\
            api_endpoint: https://192.0.2.1:8006\napi_token: pve\ndatastore: tank\nip: \"192.0.2.1\"\n";
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        assert!(
            place
                .put(&node("tank"), &comments, false, false)
                .unwrap()
                .same
        );
        let failure = place.put(&node("other"), &[], false, false).unwrap_err();
        assert_eq!(failure.exit, Exit::CannotWrite);
        place.put(&node("no"), &[], true, false).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        // YAML 1.1 would take it for false.
        assert!(
            text.contains("datastore: \"no\"") || text.contains("datastore: 'no'"),
            "{text}"
        );
    }

    #[test]
    fn a_path_is_no_name() {
        for name in ["", ".", "..", "../x", "a/b", ".hidden", "-f", "a b"] {
            assert!(!is_name(name), "{name}");
        }
        assert!(is_name("pve-1.lab_2"));
    }
}
