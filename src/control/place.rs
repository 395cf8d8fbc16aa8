//! Where a run's socket is: in a directory of the user's own, under a name made
//! of where the lab lies, because the path of a socket is at most 107 bytes long.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::getuid;
use sha2::{Digest, Sha256};

use crate::base::hex;
use crate::lab::Paths;

/// The longest path of a socket, in bytes (`sun_path`, one for the end).
const LONGEST: usize = 107;

/// Where the socket of a lab's run may be, best first. Who begins a run and who
/// speaks to it may have been given different runtime directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    sockets: Vec<Utf8PathBuf>,
}

impl Place {
    /// The places for the lab with these paths; `runtime_dir`: `XDG_RUNTIME_DIR`.
    pub fn of(paths: &Paths, runtime_dir: Option<&str>) -> Self {
        let uid = getuid().as_raw();
        let state = paths.state();
        let state = state.canonicalize_utf8().unwrap_or(state);
        let mut name = hex(&Sha256::digest(state.as_str()));
        name.truncate(16);
        let own = runtime_dir.filter(|dir| dir.starts_with('/'));
        let dirs = [
            own.map(|dir| Utf8Path::new(dir).join("hl")),
            Some(Utf8PathBuf::from(format!("/run/user/{uid}/hl"))),
            Some(Utf8PathBuf::from(format!("/run/hl-{uid}"))),
            Some(Utf8PathBuf::from(format!("/tmp/hl-{uid}"))),
        ];
        let sockets = dirs.into_iter().flatten();
        let sockets = sockets.map(|dir| dir.join(format!("{name}.sock")));
        let mut sockets: Vec<_> = sockets
            .filter(|path| path.as_str().len() <= LONGEST)
            .collect();
        sockets.dedup();
        Self { sockets }
    }

    /// The first place whose directory is, or can be made, the user's own.
    ///
    /// # Errors
    /// There is none.
    pub fn make(&self) -> io::Result<&Utf8Path> {
        let mut why = io::Error::from(io::ErrorKind::NotFound);
        for socket in &self.sockets {
            let dir = socket.parent().unwrap_or(socket);
            match DirBuilder::new().mode(0o700).create(dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => why = error,
                _ if is_private(dir) => return Ok(socket),
                _ => why = io::Error::from(io::ErrorKind::PermissionDenied),
            }
        }
        Err(why)
    }

    /// Every place where a socket of the user's own may be found.
    pub(super) fn found(&self) -> impl Iterator<Item = &Utf8Path> {
        let sockets = self.sockets.iter().map(Utf8PathBuf::as_path);
        sockets.filter(|socket| socket.parent().is_some_and(is_private))
    }
}

/// A directory, no link to one, that is the user's and nobody else's.
fn is_private(dir: &Utf8Path) -> bool {
    fs::symlink_metadata(dir).is_ok_and(|meta| {
        meta.is_dir() && meta.uid() == getuid().as_raw() && meta.mode().trailing_zeros() >= 6
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn only_a_directory_of_the_users_own_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let (open, linked) = (root.join("open"), root.join("linked"));
        fs::create_dir_all(open.join("hl")).unwrap();
        fs::set_permissions(open.join("hl"), fs::Permissions::from_mode(0o750)).unwrap();
        fs::create_dir(&linked).unwrap();
        symlink(root, linked.join("hl")).unwrap();
        let paths = Paths::live(root);
        for taken in [&open, &linked] {
            let place = Place::of(&paths, Some(taken.as_str()));
            assert!(!place.make().unwrap().starts_with(taken), "{taken}");
        }
        let place = Place::of(&paths, Some(root.as_str()));
        let socket = place.make().unwrap();
        assert!(socket.starts_with(root.join("hl")) && is_private(&root.join("hl")));
        assert_eq!(place.found().next(), Some(socket));
        // A path that is too long is passed over.
        let deep = root.join("d".repeat(100));
        let place = Place::of(&paths, Some(deep.as_str()));
        assert!(
            place
                .sockets
                .iter()
                .all(|socket| socket.as_str().len() <= LONGEST)
        );
        // Another lab, another name.
        let other = Place::of(&Paths::live(root.join("other")), Some(root.as_str()));
        assert_ne!(other.sockets[0], *socket);
    }
}
