//! The scan of a repository.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::super::git::Git;
use super::leak::{Commit, Leak};
use super::look::{Look, Secret, look};
use super::objects::{Object, contents, ids, origin, secrets_files};
use super::rules::Rules;
use super::seen::Seen;
use super::tofu_state::is_sensitive;
use crate::base::count;
use crate::site::secrets::is_exposed;

/// The largest state and file of secrets that are read as a whole; what is larger is
/// taken for one with secrets.
const LIMIT: u64 = 32 << 20;
/// How many leaks are said one by one.
const SAID: usize = 3;

/// Looks through all that a packed repository gives away. `working` is the commit that
/// was made of what is not committed, if one was.
///
/// # Errors
/// A secret was found, or not all could be looked through, in words that name paths
/// and commits.
pub(in crate::serve::repos) fn scan(
    git: &Git,
    rules: &Rules,
    seen: &Seen,
    working: Option<&str>,
) -> Result<(), String> {
    let mut found = objects(git, rules, seen)?;
    found.extend(files(git)?);
    if found.is_empty() {
        return Ok(());
    }
    let more = found.len().saturating_sub(SAID);
    let mut said = Vec::new();
    for (id, (what, path)) in found.into_iter().take(SAID) {
        let (commit, there) = origin(git, &id)?;
        let commit = commit.map(|commit| {
            if working == Some(commit.as_str()) {
                Commit::Uncommitted
            } else {
                Commit::Of(commit)
            }
        });
        let leak = Leak {
            what,
            path: path.or(there),
            id,
            commit,
        };
        said.push(leak.to_string());
    }
    if more > 0 {
        said.push(format!("{} more", count(more, "object")));
    }
    Err(format!(
        "{}; take it out of the history (`git filter-repo`) or let `.gitignore` name it, and change what was in it",
        said.join("; ")
    ))
}

/// What was found in which object, and its path where that is known.
type Found = BTreeMap<String, (Secret, Option<String>)>;

/// Objects that hold secrets, whatever their names.
fn objects(git: &Git, rules: &Rules, seen: &Seen) -> Result<Found, String> {
    let unknown = seen.unknown(rules, ids(git)?);
    let mut found = Found::new();
    let mut states = Vec::new();
    contents(git, &unknown, |object, content| {
        match look(rules, content)? {
            Look::Clean => {}
            Look::Holds(secret) => {
                found.insert(object.id.to_owned(), (secret, None));
            }
            Look::MayBeState => states.push(object.id.to_owned()),
        }
        Ok(())
    })?;
    contents(git, &states, |object, content| {
        if whole(object, content)?.is_none_or(|bytes| is_sensitive(&bytes)) {
            found.insert(object.id.to_owned(), (Secret::State, None));
        }
        Ok(())
    })?;
    seen.add(rules, unknown.iter().filter(|id| !found.contains_key(*id)));
    Ok(found)
}

/// Files of secrets that are not encrypted.
fn files(git: &Git) -> Result<Found, String> {
    let all = secrets_files(git)?;
    let ids: Vec<String> = all.keys().cloned().collect();
    let mut found = Found::new();
    contents(git, &ids, |object, content| {
        if whole(object, content)?.is_none_or(|bytes| is_exposed(&bytes)) {
            let path = all.get(object.id).cloned();
            found.insert(object.id.to_owned(), (Secret::File, path));
        }
        Ok(())
    })?;
    Ok(found)
}

/// A content, if it is not too large.
fn whole(object: &Object<'_>, content: &mut dyn Read) -> io::Result<Option<Vec<u8>>> {
    if object.size > LIMIT {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
