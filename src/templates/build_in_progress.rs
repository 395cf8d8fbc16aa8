//! The build of a template that this lab began last: what an interrupted one
//! left on the node under its stamp is this lab's, to take over or to remove.

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::manifest::Stamp;
use crate::diag::Exit;
use crate::diag::StepError;
use crate::lab::{self, Paths};

/// `.build/templates/NAME.begun.json`, written before anything is made on the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildInProgress {
    /// The stamp of what is built.
    pub stamp: Stamp,
    /// Of the files and the image that it is built from.
    pub digest: String,
    /// The node that it is built on.
    pub node: String,
}

impl BuildInProgress {
    /// What was begun last; nothing when that is not known any more.
    pub fn read(paths: &Paths, name: &str) -> Option<Self> {
        let text = std::fs::read(file(paths, name)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Remembers it.
    pub fn write(&self, paths: &Paths, name: &str) -> Result<(), StepError> {
        let text = serde_json::to_string(self)
            .map_err(|error| StepError::new(error.to_string()).exit(Exit::Bug))?;
        Ok(lab::write(&file(paths, name), text + "\n", 0o600)?)
    }
}

fn file(paths: &Paths, name: &str) -> Utf8PathBuf {
    built(paths).join(format!("{name}.begun.json"))
}

/// What is made for builds, by template.
pub fn built(paths: &Paths) -> Utf8PathBuf {
    paths.build().join("templates")
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8Path;

    #[test]
    fn it_comes_back_and_nonsense_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        assert_eq!(BuildInProgress::read(&paths, "x"), None);
        let begun = BuildInProgress {
            stamp: Stamp::now(),
            digest: "00".to_owned(),
            node: "pve".to_owned(),
        };
        begun.write(&paths, "x").unwrap();
        assert_eq!(BuildInProgress::read(&paths, "x"), Some(begun));
        std::fs::write(file(&paths, "x"), "torn").unwrap();
        assert_eq!(BuildInProgress::read(&paths, "x"), None);
    }
}
