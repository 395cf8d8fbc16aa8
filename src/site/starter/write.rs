//! Into a directory, without touching what is there.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::files::all;
use crate::diag::{Exit, Failure};
use crate::lab::create_dir;

/// What was done, by path in the site-config.
#[derive(Debug, Default, Serialize)]
pub struct Made {
    /// Written, or in a dry run what would be.
    pub written: Vec<Utf8PathBuf>,
    /// Was there before, and is as it was.
    pub kept: Vec<Utf8PathBuf>,
}

/// Writes a site-config into `dir`. `schemas` are put beside it, for editors,
/// as `.schemas/NAME.json`; each file names its own in its first line. `dry`
/// writes nothing.
///
/// # Errors
/// A file or directory cannot be written (73).
pub fn write(dir: &Utf8Path, schemas: &[(&str, String)], dry: bool) -> Result<Made, Failure> {
    let mut made = Made::default();
    let mut add = |path: Utf8PathBuf, text: &str, mode: u32| {
        let full = dir.join(&path);
        let new = if dry {
            full.symlink_metadata().is_err()
        } else {
            if let Some(above) = full.parent() {
                create_dir(above)?;
            }
            make(&full, text, mode).map_err(|error| {
                Failure::message(
                    Exit::CannotWrite,
                    format!("cannot write `{full}`: {}", error.kind()),
                )
            })?
        };
        if new {
            made.written.push(path);
        } else {
            made.kept.push(path);
        }
        Ok(())
    };
    for file in all() {
        let schema = file
            .schema
            .filter(|name| schemas.iter().any(|(known, _)| known == name));
        let first = schema.map_or_else(String::new, |name| first_line(file.path, name));
        add(
            file.path.into(),
            &format!("{first}{}", file.text),
            file.mode(),
        )?;
    }
    for (name, text) in schemas {
        add(format!(".schemas/{name}.json").into(), text, 0o644)?;
    }
    made.written.sort();
    made.kept.sort();
    Ok(made)
}

/// The comment that tells an editor where a file's schema is, for a file at
/// `path` in a site-config.
pub fn first_line(path: &str, schema: &str) -> String {
    let up = "../".repeat(path.matches('/').count());
    format!("# yaml-language-server: $schema={up}.schemas/{schema}.json\n")
}

/// Makes a file; not when there is one.
fn make(path: &Utf8Path, text: &str, mode: u32) -> io::Result<bool> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path);
    match file {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_there_is_kept_and_the_rest_is_written() {
        let guard = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(guard.path()).unwrap().join("site");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("site.yaml"), "mine").unwrap();
        let schemas = [("preset", "{}".to_owned())];
        let dry = write(&dir, &schemas, true).unwrap();
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        let made = write(&dir, &schemas, false).unwrap();
        assert_eq!(made.written, dry.written);
        assert_eq!(made.kept, ["site.yaml"]);
        assert_eq!(fs::read_to_string(dir.join("site.yaml")).unwrap(), "mine");
        let bits = |path: &str| dir.join(path).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(bits("secrets.yaml"), 0o600);
        let preset = fs::read_to_string(dir.join("vms/presets/small.yaml")).unwrap();
        assert!(preset.starts_with("# yaml-language-server: $schema=../../.schemas/preset.json\n"));
        assert!(dir.join("vms/presets/../../.schemas/preset.json").exists());
        let again = write(&dir, &schemas, false).unwrap();
        assert!(again.written.is_empty());
        assert_eq!(again.kept.len(), made.written.len() + 1);
    }
}
