//! Secrets that `hl` was told or made, kept for later runs: a file of assignments for
//! the owner alone, `state/secrets.env`.

use std::fs;

use camino::Utf8Path;

use super::environment::{assignment, read_assignments};
use super::write;
use crate::base::if_there;
use crate::diag::{Exit, Failure};

/// Keeps a secret under the name of its variable; other lines of the file stay.
///
/// # Errors
/// The file cannot be read (65) or written (73).
pub fn keep_secret(path: &Utf8Path, name: &str, value: &str) -> Result<(), Failure> {
    let text = if_there(fs::read_to_string(path)).map_err(|error| {
        let message = format!("cannot read `{path}`: {error}");
        Failure::message(Exit::Definition, message)
    })?;
    let text = text.unwrap_or_default();
    let is_of = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        line.strip_prefix(name)
            .is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !is_of(line))
        .map(str::to_owned)
        .collect();
    lines.push(assignment(name, value));
    write(path, lines.join("\n") + "\n", 0o600)
}

/// The secret of that name, where one is kept.
///
/// # Errors
/// The file cannot be read (65).
pub fn kept_secret(path: &Utf8Path, name: &str) -> Result<Option<String>, Failure> {
    let mut all = read_assignments(path, path)?;
    Ok(all.remove(name).filter(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_kept_once_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path())
            .unwrap()
            .join("state/secrets.env");
        assert_eq!(kept_secret(&path, "A").unwrap(), None);
        keep_secret(&path, "A", "one").unwrap();
        fs::write(&path, "# mine\nA=one\nAB=\"two\"\n").unwrap();
        keep_secret(&path, "A", "th\nree$").unwrap();
        assert_eq!(
            kept_secret(&path, "A").unwrap().as_deref(),
            Some("th\nree$")
        );
        assert_eq!(kept_secret(&path, "AB").unwrap().as_deref(), Some("two"));
        assert!(fs::read_to_string(&path).unwrap().starts_with("# mine\n"));
        assert_eq!(write::mode(&path), Some(0o600));
    }
}
