//! The scan of a repository.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::super::git::Git;
use super::leak::{Commit, Leak, Place};
use super::look::{Look, Secret, look};
use super::names;
use super::objects::{Object, contents, ids, origin, secrets_files, tag_of};
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
    let mut leaks = names(git, rules, working)?;
    let mut found = objects(git, rules, seen)?;
    found.extend(files(git)?);
    if leaks.is_empty() && found.is_empty() {
        return Ok(());
    }
    let more = (leaks.len() + found.len()).saturating_sub(SAID);
    let left = SAID.saturating_sub(leaks.len());
    for (id, one) in found.into_iter().take(left) {
        leaks.push(Leak {
            what: one.what,
            place: place(git, id, one, working)?,
        });
    }
    let mut said: Vec<String> = leaks.iter().take(SAID).map(Leak::to_string).collect();
    if more > 0 {
        said.push(format!("{} more", count(more, "finding")));
    }
    Err(format!(
        "{}; take it out of the history (`git filter-repo`), rename what is named so, or let `.gitignore` name it, and change what was in it",
        said.join("; ")
    ))
}

/// Names that hold secrets.
fn names(git: &Git, rules: &Rules, working: Option<&str>) -> Result<Vec<Leak>, String> {
    let references = names::references(git, rules)?.into_iter();
    let references = references.map(|(name, what)| Leak {
        what,
        place: Place::Reference(name),
    });
    let paths = names::paths(git, rules)?.into_iter();
    let paths = paths.map(|(path, bad)| Leak {
        what: bad.secret,
        place: Place::Path(path, commit(bad.commit, working)),
    });
    Ok(references.chain(paths).collect())
}

/// Where an object is.
fn place(git: &Git, id: String, found: Found, working: Option<&str>) -> Result<Place, String> {
    if found.kind == "commit" {
        return Ok(Place::Commit(id));
    }
    if found.kind == "tag" {
        let name = tag_of(git, &id)?;
        return Ok(name.map_or(Place::Object(id), Place::Tag));
    }
    let (origin, there) = origin(git, &id)?;
    let origin = origin.map(|id| commit(id, working));
    let path = found.path.or(there);
    Ok(path.map_or(Place::Object(id), |path| Place::File(path, origin)))
}

fn commit(id: String, working: Option<&str>) -> Commit {
    if working == Some(id.as_str()) {
        Commit::Uncommitted
    } else {
        Commit::Of(id)
    }
}

/// What was found in an object.
struct Found {
    what: Secret,
    /// `blob`, `commit` or `tag`.
    kind: String,
    /// Its path, where that is known.
    path: Option<String>,
}

/// What was found in which objects.
type AllFound = BTreeMap<String, Found>;

/// Objects that hold secrets, whatever their names.
fn objects(git: &Git, rules: &Rules, seen: &Seen) -> Result<AllFound, String> {
    let unknown = seen.unknown(rules, ids(git)?);
    let mut found = AllFound::new();
    let mut states = Vec::new();
    let mut add = |object: &Object<'_>, what| {
        let one = Found {
            what,
            kind: object.kind.clone(),
            path: None,
        };
        found.insert(object.id.to_owned(), one);
    };
    contents(git, &unknown, |object, content| {
        match look(rules, content)? {
            Look::Clean => {}
            Look::Holds(secret) => add(object, secret),
            Look::MayBeState => states.push(object.id.to_owned()),
        }
        Ok(())
    })?;
    contents(git, &states, |object, content| {
        if whole(object, content)?.is_none_or(|bytes| is_sensitive(&bytes)) {
            add(object, Secret::State);
        }
        Ok(())
    })?;
    seen.add(rules, unknown.iter().filter(|id| !found.contains_key(*id)));
    Ok(found)
}

/// Files of secrets that are not encrypted.
fn files(git: &Git) -> Result<AllFound, String> {
    let all = secrets_files(git)?;
    let ids: Vec<String> = all.keys().cloned().collect();
    let mut found = AllFound::new();
    contents(git, &ids, |object, content| {
        if whole(object, content)?.is_none_or(|bytes| is_exposed(&bytes)) {
            let one = Found {
                what: Secret::File,
                kind: object.kind.clone(),
                path: all.get(object.id).cloned(),
            };
            found.insert(object.id.to_owned(), one);
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
