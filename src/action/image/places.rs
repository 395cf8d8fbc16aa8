//! Where images and what they are built from are: in the lab, and below the user's
//! home on another machine.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use crate::action::remote::Machine;
use crate::base::if_there;
use crate::diag::{Exit, StepError, did_you_mean};
use crate::lab::Paths;

/// The folders of image templates, relative to the lab.
pub(super) const SOURCES: &str = "layers/l1-templates/images";

/// Packer files and images on another machine, below the user's home.
const THERE_FILES: &str = ".cache/hl/packer";
const THERE_IMAGES: &str = ".cache/hl/images";

/// Where the files of all image templates are.
pub(super) fn sources(paths: &Paths) -> Utf8PathBuf {
    paths.root().join(SOURCES)
}

/// Where built images are.
pub(super) fn images(paths: &Paths) -> Utf8PathBuf {
    paths.build().join("images")
}

/// The directory of packer files on a machine, and that of images.
pub(super) fn on(machine: &Machine, paths: &Paths) -> (Utf8PathBuf, Utf8PathBuf) {
    match machine {
        Machine::Here => (sources(paths), images(paths)),
        Machine::There(_) => (THERE_FILES.into(), THERE_IMAGES.into()),
    }
}

/// The image templates that `wanted` names, separated by commas; all when it is
/// empty.
///
/// # Errors
/// There is none of a name, or none at all (66).
pub(super) fn wanted(paths: &Paths, wanted: &str) -> Result<Vec<String>, StepError> {
    let known = known(paths)?;
    let named: Vec<&str> = wanted
        .split(',')
        .map(str::trim)
        .filter(|n| !n.is_empty())
        .collect();
    for name in &named {
        if !known.iter().any(|one| one == name) {
            return Err(
                StepError::new(format!("there is no image template `{name}`"))
                    .exit(Exit::Unknown)
                    .helps(did_you_mean(name, known.iter().map(String::as_str)))
                    .help(format!("image templates are folders of `{SOURCES}`")),
            );
        }
    }
    if known.is_empty() {
        let message = format!("there is no image template in `{SOURCES}`");
        return Err(StepError::new(message)
            .exit(Exit::Unknown)
            .help(format!("make one: `{SOURCES}/NAME/build.pkr.hcl`")));
    }
    let is_named = |name: &&String| named.is_empty() || named.contains(&name.as_str());
    Ok(known.iter().filter(is_named).cloned().collect())
}

/// Folders that hold files of packer.
fn known(paths: &Paths) -> Result<Vec<String>, StepError> {
    let dir = sources(paths);
    let entries = if_there(dir.read_dir_utf8());
    let entries = entries.map_err(|error| StepError::io("read", paths.show(&dir), &error))?;
    let mut names = Vec::new();
    for entry in entries.into_iter().flatten().flatten() {
        if is_name(entry.file_name()) && has_packer_files(entry.path()) {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Becomes a part of paths and of commands.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    !name.starts_with(['.', '-']) && name.chars().all(plain)
}

fn has_packer_files(dir: &Utf8Path) -> bool {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .any(|name| name.ends_with(".pkr.hcl") || name.ends_with(".pkr.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_with_packer_files_are_image_templates() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        assert_eq!(wanted(&paths, "").unwrap_err().exit, Exit::Unknown);
        for name in ["debian-12", "debian-13", ".hidden", "notes"] {
            fs::create_dir_all(sources(&paths).join(name)).unwrap();
        }
        for name in ["debian-12", "debian-13", ".hidden"] {
            fs::write(sources(&paths).join(name).join("build.pkr.hcl"), "").unwrap();
        }
        assert_eq!(wanted(&paths, "").unwrap(), ["debian-12", "debian-13"]);
        assert_eq!(wanted(&paths, " debian-13,").unwrap(), ["debian-13"]);
        let unknown = wanted(&paths, "debian-12,debian-14").unwrap_err();
        assert_eq!(unknown.message, "there is no image template `debian-14`");
    }
}
