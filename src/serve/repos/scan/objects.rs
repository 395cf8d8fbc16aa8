//! The objects of a repository that is packed: all of them can be had from outside.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Take};

use super::super::git::Git;
use super::super::refs::is_id;

/// Names of files of secrets, as `git log` finds them in any directory.
const SECRETS_FILES: [&str; 3] = [
    ":(top,icase,glob)**/secrets.yaml",
    ":(top,icase,glob)**/secrets.yml",
    ":(top,icase,glob)**/secrets.yaml.enc",
];

/// An object as it comes out of git.
#[derive(Debug)]
pub(super) struct Object<'a> {
    /// Its id.
    pub(super) id: &'a str,
    /// `blob`, `commit` or `tag`.
    pub(super) kind: String,
    /// Bytes.
    pub(super) size: u64,
}

/// The ids of all objects but trees.
///
/// # Errors
/// git fails, in words.
pub(super) fn ids(git: &Git) -> Result<Vec<String>, String> {
    let args = [
        "cat-file",
        "--batch-all-objects",
        "--unordered",
        "--buffer",
        "--batch-check=%(objectname) %(objecttype)",
    ];
    let listed = git.output(&args, "")?;
    let listed = String::from_utf8_lossy(&listed);
    let objects = listed.lines().filter_map(|line| line.split_once(' '));
    let ids = objects.filter(|(_, kind)| *kind != "tree");
    Ok(ids.map(|(id, _)| id.to_owned()).collect())
}

/// Gives the content of each object to `each`, which need not read all of it.
///
/// # Errors
/// An object is missing, `each` or git fails, in words.
pub(super) fn contents(
    git: &Git,
    ids: &[String],
    mut each: impl FnMut(&Object<'_>, &mut dyn Read) -> io::Result<()>,
) -> Result<(), String> {
    if ids.is_empty() {
        return Ok(());
    }
    let asked = ids.join("\n") + "\n";
    git.read(&["cat-file", "--batch", "--buffer"], asked, |output| {
        let mut output = BufReader::with_capacity(1 << 16, output);
        for expected in ids {
            let (kind, size) = head(&mut output, expected)?;
            let mut content: Take<_> = output.by_ref().take(size);
            let object = Object {
                id: expected,
                kind,
                size,
            };
            each(&object, &mut content)?;
            io::copy(&mut content, &mut io::sink())?;
            if content.limit() > 0 || output.read_exact(&mut [0]).is_err() {
                return Err(damaged(expected));
            }
        }
        Ok(())
    })
}

/// The line before a content: `ID TYPE SIZE`.
fn head(output: &mut impl BufRead, expected: &str) -> io::Result<(String, u64)> {
    let mut line = String::new();
    output.by_ref().take(256).read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (id, kind) = (words.next(), words.next());
    let size = words.next().and_then(|size| size.parse().ok());
    match (kind, size) {
        (Some(kind), Some(size)) if id == Some(expected) => Ok((kind.to_owned(), size)),
        _ => Err(damaged(expected)),
    }
}

fn damaged(id: &str) -> io::Error {
    io::Error::other(format!("the object `{id}` is missing or damaged"))
}

/// Every content that a file of secrets ever had, with its path.
///
/// # Errors
/// git fails, in words.
pub(super) fn secrets_files(git: &Git) -> Result<BTreeMap<String, String>, String> {
    // All sides of all merges, and what only a merge has.
    let mut args = vec![
        "log",
        "--all",
        "--full-history",
        "-m",
        "--raw",
        "--no-abbrev",
        "--no-renames",
        "--no-ext-diff",
        "--no-textconv",
        "-z",
        "--format=",
        "--",
    ];
    args.extend(SECRETS_FILES);
    let said = git.output(&args, "")?;
    let mut fields = said.split(|byte| *byte == 0).filter(|f| !f.is_empty());
    let mut found = BTreeMap::new();
    while let Some(about) = fields.next() {
        // `:OLD_MODE NEW_MODE OLD_ID NEW_ID STATUS`, then the path.
        let about = String::from_utf8_lossy(about);
        let words: Vec<&str> = about.split_whitespace().collect();
        let [old, mode, _, id, _] = words.as_slice() else {
            continue;
        };
        let path = fields.next().unwrap_or_default();
        if old.starts_with(':') && mode.starts_with("100") && is_id(id) {
            let path = String::from_utf8_lossy(path).into_owned();
            found.insert((*id).to_owned(), path);
        }
    }
    Ok(found)
}

/// Where an object came into the history: the commit, and the path there.
///
/// # Errors
/// git fails, in words.
pub(super) fn origin(git: &Git, id: &str) -> Result<(Option<String>, Option<String>), String> {
    let find = format!("--find-object={id}");
    let args = [
        "log",
        "--all",
        "-m",
        "--no-renames",
        "--no-ext-diff",
        "--no-textconv",
        "--format=%H",
        &find,
    ];
    let commits = git.output(&args, "")?;
    let commits = String::from_utf8_lossy(&commits);
    // Newest first.
    let Some(commit) = commits.lines().rfind(|line| is_id(line)) else {
        return Ok((None, None));
    };
    let tree = git.output(&["ls-tree", "-r", "-z", "--full-tree", commit], "")?;
    let path = tree.split(|byte| *byte == 0).find_map(|line| {
        let line = String::from_utf8_lossy(line).into_owned();
        let (about, path) = line.split_once('\t')?;
        about.ends_with(id).then(|| path.to_owned())
    });
    Ok((Some(commit.to_owned()), path))
}

/// The name of a tag that is this object; none of one that another tag points at.
///
/// # Errors
/// git fails, in words.
pub(super) fn tag_of(git: &Git, id: &str) -> Result<Option<String>, String> {
    let points_at = format!("--points-at={id}");
    let said = git.output(&["for-each-ref", "--format=%(refname)", &points_at], "")?;
    let said = String::from_utf8_lossy(&said);
    Ok(said.lines().next().map(str::to_owned))
}
