//! What of a directory somebody else owns, or can write.
//!
//! The rule is git's (`safe.directory`), and one more: what others can write
//! is not the user's alone, even when the user owns it.

use std::cell::LazyCell;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};

use super::User;
use crate::lab::accounts::Accounts;

/// Why a directory is not simply the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// It belongs to another user.
    Owner(Utf8PathBuf, u32),
    /// Everybody can write it.
    Everybody(Utf8PathBuf),
    /// The members of a group can write it.
    Group(Utf8PathBuf, u32),
}

impl Doubt {
    /// The doubt in words, without the path.
    pub fn words(&self, accounts: &Accounts) -> String {
        match self {
            Self::Owner(_, uid) => format!("belongs to {}", accounts.user(*uid)),
            Self::Everybody(_) => "can be written by everybody".to_owned(),
            Self::Group(_, gid) => format!("can be written by {}", accounts.group(*gid)),
        }
    }

    /// What it is about.
    pub fn path(&self) -> &Utf8Path {
        match self {
            Self::Owner(path, _) | Self::Everybody(path) | Self::Group(path, _) => path,
        }
    }
}

/// The doubts about a directory and, where it has one, its `hl.toml`; none when
/// all of it is the user's own.
///
/// # Errors
/// The directory cannot be looked at.
pub fn doubts(dir: &Utf8Path, user: &User) -> io::Result<Vec<Doubt>> {
    let accounts = Accounts::when_asked();
    let mut found = Vec::new();
    let mut look = |path: &Utf8Path, meta: &Metadata| {
        if !user.accepts(meta.uid()) {
            found.push(Doubt::Owner(path.to_owned(), meta.uid()));
        } else if !meta.is_symlink() {
            found.extend(writable(path, meta, user, &accounts));
        }
    };
    look(dir, &fs::metadata(dir)?);
    let marker = dir.join(super::super::root::MARKER);
    // The link and what it leads to: either can be exchanged.
    let link = fs::symlink_metadata(&marker).ok();
    if let Some(link) = link.as_ref().filter(|meta| meta.is_symlink()) {
        look(&marker, link);
    }
    if let Ok(meta) = fs::metadata(&marker) {
        look(&marker, &meta);
    }
    found.dedup();
    Ok(found)
}

/// Who else can write it. A group in which nobody but the user is does no harm:
/// many systems give each user one, and a umask that lets it write. The accounts
/// are read only for that question: this stands at the start of every command.
pub(super) fn writable(
    path: &Utf8Path,
    meta: &Metadata,
    user: &User,
    accounts: &LazyCell<Accounts>,
) -> Option<Doubt> {
    if meta.mode() & 0o002 != 0 {
        return Some(Doubt::Everybody(path.to_owned()));
    }
    let private = || {
        let mut own = user.accepted();
        own.any(|uid| accounts.is_private(meta.gid(), uid)) && !has_acl(path)
    };
    (meta.mode() & 0o020 != 0 && !private()).then(|| Doubt::Group(path.to_owned(), meta.gid()))
}

/// Whether more users and groups than the mode names may have rights: then the
/// group's bits are only the most that any of them has.
fn has_acl(path: &Utf8Path) -> bool {
    let mut value = [0; 1024];
    match rustix::fs::getxattr(
        path.as_std_path(),
        "system.posix_acl_access",
        value.as_mut_slice(),
    ) {
        Ok(_) | Err(rustix::io::Errno::RANGE) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn lab() -> (tempfile::TempDir, Utf8PathBuf, User) {
        let guard = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(guard.path()).unwrap().to_owned();
        fs::write(dir.join("hl.toml"), "").unwrap();
        let user = User {
            uid: rustix::process::geteuid().as_raw(),
            sudo: None,
            config: None,
        };
        (guard, dir, user)
    }

    fn chmod(path: &Utf8Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_the_users_own_raises_none() {
        let (_guard, dir, user) = lab();
        assert_eq!(doubts(&dir, &user).unwrap(), []);
        let other = User { uid: 4711, ..user };
        let own = rustix::process::geteuid().as_raw();
        let expected = match own {
            // What is root's is as good as everyone's own.
            0 => vec![],
            _ => vec![
                Doubt::Owner(dir.clone(), own),
                Doubt::Owner(dir.join("hl.toml"), own),
            ],
        };
        assert_eq!(doubts(&dir, &other).unwrap(), expected);
    }

    #[test]
    fn what_others_can_write_is_named() {
        let (_guard, dir, user) = lab();
        let marker = dir.join("hl.toml");
        chmod(&marker, 0o646);
        assert_eq!(
            doubts(&dir, &user).unwrap(),
            [Doubt::Everybody(marker.clone())]
        );
        chmod(&marker, 0o644);
        // Sticky or not: files can be put there.
        chmod(&dir, 0o1777);
        assert_eq!(doubts(&dir, &user).unwrap(), [Doubt::Everybody(dir)]);
    }

    #[test]
    fn a_group_with_members_counts_as_others() {
        let (_guard, dir, user) = lab();
        chmod(&dir, 0o775);
        let meta = fs::metadata(&dir).unwrap();
        let nobody_known = LazyCell::new(Accounts::default as fn() -> Accounts);
        assert_eq!(
            writable(&dir, &meta, &user, &nobody_known),
            Some(Doubt::Group(dir, meta.gid()))
        );
    }

    #[test]
    fn a_link_is_looked_at_where_it_leads() {
        let (_guard, dir, user) = lab();
        fs::rename(dir.join("hl.toml"), dir.join("real")).unwrap();
        symlink("real", dir.join("hl.toml")).unwrap();
        assert_eq!(doubts(&dir, &user).unwrap(), []);
        chmod(&dir.join("real"), 0o666);
        assert_eq!(
            doubts(&dir, &user).unwrap(),
            [Doubt::Everybody(dir.join("hl.toml"))]
        );
    }
}
