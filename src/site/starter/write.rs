//! Into a directory, without touching what is there.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::files::{all, first_line};
use crate::diag::{Exit, Failure};
use crate::lab::create_dir;
use crate::site::{SCHEMAS, schema};

/// What was done, by path in the site-config.
#[derive(Debug, Default, Serialize)]
pub struct Made {
    /// Written, or in a dry run what would be.
    pub written: Vec<Utf8PathBuf>,
    /// Was there before, and is as it was.
    pub kept: Vec<Utf8PathBuf>,
}

/// Writes a site-config into `dir`, with the schemas of its files in
/// `.schemas/`, for editors: each file names its own in its first line. `dry`
/// writes nothing.
///
/// # Errors
/// A file or directory cannot be written (73).
pub fn write(dir: &Utf8Path, dry: bool) -> Result<Made, Failure> {
    let mut made = Made::default();
    for file in all() {
        let first = file
            .schema
            .map_or_else(String::new, |name| first_line(file.path, name));
        let text = format!("{first}{}", file.text);
        made.note(dir, file.path.into(), &text, file.mode(), dry)?;
    }
    for name in SCHEMAS {
        let path = schema_path(name);
        made.note(dir, path, &schema_text(name)?, 0o644, dry)?;
    }
    made.written.sort();
    made.kept.sort();
    Ok(made)
}

/// Writes the schema of a file that was added to a site-config, unless it is
/// there.
///
/// # Errors
/// It cannot be written (73).
pub fn write_schema(dir: &Utf8Path, name: &str) -> Result<(), Failure> {
    let text = schema_text(name)?;
    Made::default().note(dir, schema_path(name), &text, 0o644, false)
}

impl Made {
    fn note(
        &mut self,
        dir: &Utf8Path,
        path: Utf8PathBuf,
        text: &str,
        mode: u32,
        dry: bool,
    ) -> Result<(), Failure> {
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
            self.written.push(path);
        } else {
            self.kept.push(path);
        }
        Ok(())
    }
}

fn schema_path(name: &str) -> Utf8PathBuf {
    format!(".schemas/{name}.json").into()
}

fn schema_text(name: &str) -> Result<String, Failure> {
    schema(name)
        .and_then(|schema| serde_json::to_string_pretty(&schema).ok())
        .map(|text| text + "\n")
        .ok_or_else(|| Failure::message(Exit::Bug, format!("there is no schema `{name}`")))
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
        let dry = write(&dir, true).unwrap();
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        let made = write(&dir, false).unwrap();
        assert_eq!(made.written, dry.written);
        assert_eq!(made.kept, ["site.yaml"]);
        assert_eq!(fs::read_to_string(dir.join("site.yaml")).unwrap(), "mine");
        let bits = |path: &str| dir.join(path).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(bits("secrets.yaml"), 0o600);
        let preset = fs::read_to_string(dir.join("vms/presets/small.yaml")).unwrap();
        assert!(preset.starts_with("# yaml-language-server: $schema=../../.schemas/preset.json\n"));
        // Every file that names a schema has it.
        for file in all() {
            let Some(name) = file.schema else { continue };
            let line = first_line(file.path, name);
            let (_, to) = line.trim_end().split_once('=').unwrap();
            let schema = dir.join(file.path).parent().unwrap().join(to);
            assert!(schema.is_file(), "{schema}");
        }
        let again = write(&dir, false).unwrap();
        assert!(again.written.is_empty());
        assert_eq!(again.kept.len(), made.written.len() + 1);
    }
}
