//! Which directory it is that is trusted: not its name alone, which anybody
//! may give to another one.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{Doubt, User, doubts};

/// A directory, so that another one at its path, or a new owner, is told apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its real path: absolute, through no link.
    pub path: Utf8PathBuf,
    /// Its owner's uid.
    pub owner: u32,
    /// The device that it is on.
    pub device: u64,
    /// Its inode there.
    pub inode: u64,
    /// The owner of its `hl.toml`, when it has one.
    pub marker_owner: Option<u32>,
    /// Whether others than the owners can write there.
    pub shared: bool,
}

impl Place {
    /// The directory at that path, as it is now.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn of(dir: &Utf8Path, user: &User) -> io::Result<Self> {
        let path = dir.canonicalize_utf8()?;
        let meta = fs::metadata(&path)?;
        let marker = fs::metadata(path.join(super::super::root::MARKER)).ok();
        let shared = |doubt: &Doubt| !matches!(doubt, Doubt::Owner(..));
        let found = doubts(
            &path,
            &User {
                uid: meta.uid(),
                ..user.clone()
            },
        )?;
        Ok(Self {
            owner: meta.uid(),
            device: meta.dev(),
            inode: meta.ino(),
            marker_owner: marker.map(|meta| meta.uid()),
            shared: found.iter().any(shared),
            path,
        })
    }

    /// Whether trust that was given to `given` holds for this one: the same
    /// directory of the same owners, which no more people can write.
    pub fn is_still(&self, given: &Self) -> bool {
        let now = Self {
            shared: given.shared,
            ..self.clone()
        };
        now == *given && (given.shared || !self.shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_but_less_sharing_ends_it() {
        let given = Place {
            path: "/srv/lab".into(),
            owner: 1001,
            device: 7,
            inode: 12,
            marker_owner: Some(1001),
            shared: false,
        };
        assert!(given.is_still(&given));
        let now = || given.clone();
        for changed in [
            Place {
                path: "/srv/lab2".into(),
                ..now()
            },
            Place {
                path: "/srv/lab/sub".into(),
                ..now()
            },
            Place {
                owner: 1002,
                ..now()
            },
            Place { device: 8, ..now() },
            Place { inode: 13, ..now() },
            Place {
                marker_owner: Some(1002),
                ..now()
            },
            Place {
                marker_owner: None,
                ..now()
            },
            Place {
                shared: true,
                ..now()
            },
        ] {
            assert!(!changed.is_still(&given), "{changed:?}");
        }
        let shared = Place {
            shared: true,
            ..now()
        };
        assert!(given.is_still(&shared) && shared.is_still(&shared));
    }
}
