//! Names are given away too: those of branches and tags, and the paths of all commits.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use super::super::git::Git;
use super::super::refs::is_id;
use super::look::{Look, Secret, look};
use super::rules::Rules;

/// Begins the line of a commit among paths.
const COMMIT: u8 = 1;

/// Names of references that hold secrets.
///
/// # Errors
/// git fails, in words.
pub(super) fn references(git: &Git, rules: &Rules) -> Result<Vec<(String, Secret)>, String> {
    let said = git.output(&["for-each-ref", "--format=%(refname)"], "")?;
    let mut found = Vec::new();
    for name in said.split(|byte| *byte == b'\n') {
        if let Some(secret) = held(rules, name).map_err(|error| error.to_string())? {
            found.push((String::from_utf8_lossy(name).into_owned(), secret));
        }
    }
    Ok(found)
}

/// A path that holds a secret by its name, and the commit that it came with.
#[derive(Debug)]
pub(super) struct BadPath {
    pub(super) secret: Secret,
    pub(super) commit: String,
}

/// Paths of all commits that hold secrets by their names.
///
/// # Errors
/// git fails, in words.
pub(super) fn paths(git: &Git, rules: &Rules) -> Result<BTreeMap<String, BadPath>, String> {
    // Every path was added once: to a parent of a commit, or to none.
    let args = [
        "log",
        "--all",
        "--root",
        "--diff-merges=separate",
        "--diff-filter=A",
        "--no-renames",
        "--no-ext-diff",
        "--ignore-submodules=none",
        "--name-only",
        "-z",
        "--format=%x01%H",
    ];
    git.read(&args, "", |output| read(rules, output))
}

/// Reads `<01>ID`, then the paths that were added there; all end with NUL, and the first
/// path begins a line.
fn read(rules: &Rules, output: &mut dyn Read) -> io::Result<BTreeMap<String, BadPath>> {
    let mut output = BufReader::with_capacity(1 << 16, output);
    let mut found = BTreeMap::new();
    let (mut commit, mut first) = (String::new(), false);
    let mut line = Vec::new();
    while output.read_until(0, &mut line)? > 0 {
        let text = line.strip_suffix(&[0]).unwrap_or(&line);
        if let Some(id) = commit_of(text) {
            (commit, first) = (id.to_owned(), true);
        } else if !text.is_empty() {
            let path = text.strip_prefix(b"\n").filter(|_| first).unwrap_or(text);
            first = false;
            if let Some(secret) = held(rules, path)? {
                // The newest commits come first: what stays is the oldest.
                let path = String::from_utf8_lossy(path).into_owned();
                let commit = commit.clone();
                found.insert(path, BadPath { secret, commit });
            }
        }
        line.clear();
    }
    Ok(found)
}

fn commit_of(line: &[u8]) -> Option<&str> {
    let id = line.strip_prefix(&[COMMIT])?;
    std::str::from_utf8(id).ok().filter(|id| is_id(id))
}

fn held(rules: &Rules, name: &[u8]) -> io::Result<Option<Secret>> {
    Ok(match look(rules, name)? {
        Look::Holds(secret) => Some(secret),
        Look::Clean | Look::MayBeState => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_oldest_commit_that_has_them() {
        let rules = Rules::new(["hunter-2222"].into_iter()).unwrap();
        let (new, old) = ("a".repeat(40), "b".repeat(40));
        let said = format!(
            "\u{1}{new}\0\nx/hunter-2222/y\0z\0\0\u{1}{old}\0\nx/hunter-2222/y\0\nhunter-2222\0\u{1}x\0"
        );
        let found = read(&rules, &mut said.as_bytes()).unwrap();
        let found: Vec<_> = found.iter().map(|(p, bad)| (&**p, &*bad.commit)).collect();
        assert_eq!(
            found,
            [("\nhunter-2222", &*old), ("x/hunter-2222/y", &*old)]
        );
    }
}
