//! The branches and tags of a repository, read from its files (gitrepository-layout):
//! `HEAD` of the work tree, then files below `refs/` before lines of `packed-refs`.

use std::collections::BTreeMap;
use std::fs;

use camino::Utf8Path;

use super::checkout::{Checkout, cannot, small, text};
use crate::base::if_there;

/// The branch that holds the work tree as it is.
pub(super) const WORKING: &str = "refs/heads/_working";

/// `packed-refs` of a hundred thousand references.
const PACKED: u64 = 16 << 20;
/// More files of references than that are packed by git itself.
const LOOSE: usize = 100_000;

/// What a repository points at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Refs {
    /// The commit that is checked out; none before the first one.
    pub(super) head: Option<String>,
    /// Object ids of branches and tags, by whole name.
    pub(super) all: BTreeMap<String, String>,
}

impl Refs {
    /// Reads them. A branch `_working` is not among them: its name is ours.
    ///
    /// # Errors
    /// A file cannot be read, or is not what it should be, in words.
    pub(super) fn read(checkout: &Checkout) -> Result<Self, String> {
        let mut all = BTreeMap::new();
        let packed = text(&checkout.common.join("packed-refs"), PACKED)?;
        for line in packed.iter().flat_map(|text| text.lines()) {
            // Lines with `#` are about the file, those with `^` about the tag before.
            if let Some((id, name)) = line.split_once(' ')
                && is_id(id)
            {
                all.insert(name.to_owned(), id.to_owned());
            }
        }
        for kind in ["refs/heads", "refs/tags"] {
            loose(&checkout.common, kind, &mut all)?;
        }
        let head = small(&checkout.own.join("HEAD"))?;
        let head = head.as_deref().map(str::trim_end).unwrap_or_default();
        let head = match head.strip_prefix("ref: ") {
            Some(name) => all.get(name).cloned(),
            None if is_id(head) => Some(head.to_owned()),
            None => return Err(format!("`{}/HEAD` names no commit", checkout.own)),
        };
        all.retain(|name, _| is_served(name));
        Ok(Self { head, all })
    }

    /// The number of digits of its object ids: 40, or 64 with SHA-256.
    pub(super) fn digits(&self) -> usize {
        let any = self.head.as_ref().or_else(|| self.all.values().next());
        any.map_or(40, String::len)
    }
}

/// Whether this is an object id: SHA-1 or SHA-256 in lower-case digits.
pub(super) fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_served(name: &str) -> bool {
    let below = name.strip_prefix(WORKING);
    let ours = below.is_some_and(|below| below.is_empty() || below.starts_with('/'));
    (name.starts_with("refs/heads/") || name.starts_with("refs/tags/")) && !ours
}

/// Files of references below a directory. Links, and references that name another
/// reference, are left out.
fn loose(common: &Utf8Path, kind: &str, all: &mut BTreeMap<String, String>) -> Result<(), String> {
    let mut dirs = vec![kind.to_owned()];
    let mut seen = 0;
    while let Some(dir) = dirs.pop() {
        let path = common.join(&dir);
        let entries = if_there(fs::read_dir(&path)).map_err(|e| cannot("read", &path, &e))?;
        for entry in entries.into_iter().flatten() {
            let entry = entry.map_err(|e| cannot("read", &path, &e))?;
            seen += 1;
            if seen > LOOSE {
                return Err(format!("there are more than {LOOSE} files in `{path}`"));
            }
            let Ok(file) = entry.file_name().into_string() else {
                continue;
            };
            let name = format!("{dir}/{file}");
            let kind = entry.file_type().map_err(|e| cannot("read", &path, &e))?;
            if kind.is_dir() {
                dirs.push(name);
            } else if kind.is_file()
                && Utf8Path::new(&file).extension() != Some("lock")
                && let Some(id) = small(&common.join(&name))?
                && is_id(id.trim_end())
            {
                all.insert(name, id.trim_end().to_owned());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8PathBuf;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    fn checkout() -> (tempfile::TempDir, Checkout) {
        let guard = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(guard.path()).unwrap().to_owned();
        let checkout = Checkout {
            own: dir.join(".git"),
            common: dir.join(".git"),
            work: dir,
        };
        (guard, checkout)
    }

    fn write(checkout: &Checkout, name: &str, text: &str) {
        let path: Utf8PathBuf = checkout.common.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_file_is_newer_than_a_packed_line() {
        let (_guard, checkout) = checkout();
        let packed = format!(
            "# pack-refs with: peeled fully-peeled sorted \n{ONE} refs/heads/main\n{ONE} refs/tags/v1\n^{TWO}\n{ONE} refs/remotes/origin/main\n{ONE} refs/stash\n"
        );
        write(&checkout, "packed-refs", &packed);
        write(&checkout, "refs/heads/main", &format!("{TWO}\n"));
        write(&checkout, "refs/heads/feature/x", &format!("{ONE}\n"));
        write(&checkout, "refs/heads/main.lock", "");
        write(&checkout, "refs/heads/alias", "ref: refs/heads/main\n");
        write(&checkout, "refs/heads/_working", ONE);
        write(&checkout, "HEAD", "ref: refs/heads/main\n");
        let refs = Refs::read(&checkout).unwrap();
        assert_eq!(refs.head.as_deref(), Some(TWO));
        let all: Vec<_> = refs.all.iter().map(|(n, id)| (&**n, &**id)).collect();
        assert_eq!(
            all,
            [
                ("refs/heads/feature/x", ONE),
                ("refs/heads/main", TWO),
                ("refs/tags/v1", ONE)
            ]
        );
    }

    #[test]
    fn a_head_is_detached_unborn_or_wrong() {
        let (_guard, checkout) = checkout();
        write(&checkout, "HEAD", &format!("{ONE}\n"));
        assert_eq!(Refs::read(&checkout).unwrap().head.as_deref(), Some(ONE));
        write(&checkout, "HEAD", "ref: refs/heads/main\n");
        assert_eq!(Refs::read(&checkout).unwrap(), Refs::default());
        write(&checkout, "HEAD", "../../etc/passwd\n");
        assert!(Refs::read(&checkout).unwrap_err().contains("HEAD"));
    }
}
