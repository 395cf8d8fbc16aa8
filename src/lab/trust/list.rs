//! What the user trusts: `hl/trust.json` in the user's configuration directory,
//! 0600, replaced as a whole.
//!
//! The list is believed only where nobody else could have written it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::owner::writable;
use super::{Place, User};
use crate::diag::{Exit, Failure};
use crate::lab::accounts::Accounts;
use crate::lab::{create_dir, write};

const VERSION: u32 = 1;

/// A directory that the user trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which.
    #[serde(flatten)]
    pub place: Place,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
}

/// The list of one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustList {
    version: u32,
    /// The directories, by path.
    pub trusted: Vec<Entry>,
}

/// Only as much as tells whether the rest can be read.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl TrustList {
    /// Reads the user's list; an empty one when there is none yet.
    ///
    /// # Errors
    /// The user has no configuration directory, somebody else could have
    /// written the list (77), it cannot be read (65), or a newer `hl` wrote it (76).
    pub fn read(user: &User) -> Result<Self, Failure> {
        let dir = dir(user)?;
        let file = dir.join("trust.json");
        let mut opened = match open(&file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self {
                    version: VERSION,
                    trusted: Vec::new(),
                });
            }
            Err(error) => return Err(unreadable(&file, &error)),
        };
        safe(&dir, user)?;
        let meta = opened.metadata().map_err(|e| unreadable(&file, &e))?;
        if !meta.is_file() || meta.uid() != user.uid || meta.mode() & 0o077 != 0 {
            let whose = Accounts::read().user(meta.uid());
            return Err(not_believed(&format!(
                "`{file}` is not a file of yours alone (it belongs to {whose}, mode {:04o}, expected 0600)",
                meta.mode() & 0o7777
            ))
            .help(format!("look at it; `rm {file}` begins a new one")));
        }
        let mut text = String::new();
        opened
            .read_to_string(&mut text)
            .map_err(|e| unreadable(&file, &e))?;
        parse(&file, &text)
    }

    /// Whether the user trusts that directory as it is now.
    pub fn holds(&self, place: &Place) -> bool {
        self.trusted
            .iter()
            .any(|entry| place.is_still(&entry.place))
    }

    /// What was trusted at that path, be it another directory by now.
    pub fn at(&self, path: &Utf8Path) -> Option<&Entry> {
        self.trusted.iter().find(|entry| entry.place.path == path)
    }

    /// Puts a directory on the user's list, in the place of what was trusted at
    /// its path before.
    ///
    /// # Errors
    /// As for [`Self::read`]; or the list cannot be written (73).
    pub fn add(user: &User, place: Place) -> Result<(), Failure> {
        Self::change(user, |list| {
            list.trusted.retain(|entry| entry.place.path != place.path);
            list.trusted.push(Entry {
                place,
                since: format!("{:.0}", jiff::Timestamp::now()),
            });
            list.trusted.sort_by(|a, b| a.place.path.cmp(&b.place.path));
        })
    }

    /// Takes what is trusted at these paths off the user's list. Whether any was.
    ///
    /// # Errors
    /// As for [`Self::add`].
    pub fn remove(user: &User, paths: &[&Utf8Path]) -> Result<bool, Failure> {
        Self::change(user, |list| {
            let before = list.trusted.len();
            list.trusted
                .retain(|entry| !paths.contains(&entry.place.path.as_path()));
            list.trusted.len() < before
        })
    }

    fn change<T>(user: &User, change: impl FnOnce(&mut Self) -> T) -> Result<T, Failure> {
        let dir = dir(user)?;
        let cannot = |error: &io::Error| {
            Failure::message(
                Exit::CannotWrite,
                format!("cannot write in `{dir}`: {error}"),
            )
            .help("make it a directory of your own; `XDG_CONFIG_HOME` names another place")
        };
        safe(&dir, user)?;
        if let Some(above) = dir.parent() {
            create_dir(above)?;
        }
        match DirBuilder::new().mode(0o700).create(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(cannot(&error));
            }
            _ => {}
        }
        safe(&dir, user)?;
        // Two at once must not lose each other's change.
        let lock = File::open(&dir).map_err(|e| cannot(&e))?;
        lock.lock().map_err(|e| cannot(&e))?;
        let mut list = Self::read(user)?;
        let result = change(&mut list);
        let mut text = serde_json::to_string_pretty(&list)
            .map_err(|e| Failure::message(Exit::Bug, format!("cannot write JSON: {e}")))?;
        text.push('\n');
        write(&dir.join("trust.json"), text, 0o600)?;
        Ok(result)
    }
}

/// Where the list is.
fn dir(user: &User) -> Result<Utf8PathBuf, Failure> {
    let config = user.config.as_deref().ok_or_else(|| {
        Failure::message(
            Exit::CannotWrite,
            "there is no place for a list of what you trust: neither `XDG_CONFIG_HOME` nor `HOME` is an absolute path",
        )
        .help("set `HOME`")
    })?;
    Ok(config.join("hl"))
}

fn open(file: &Utf8Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(file)
}

/// Nobody but the user (and root) can write where the list is: not in its
/// directory, and neither of the two above it can be exchanged. What root
/// trusts must not come from a directory of the user who called `sudo`. Of
/// directories that are not there yet, those above them are looked at.
fn safe(dir: &Utf8Path, user: &User) -> Result<(), Failure> {
    let there = dir.ancestors().find(|dir| dir.exists()).unwrap_or(dir);
    let missing = dir.components().count() - there.components().count();
    let real = there.canonicalize_utf8().map_err(|e| unreadable(dir, &e))?;
    let accounts = Accounts::when_asked();
    let alone = User {
        sudo: None,
        ..user.clone()
    };
    for above in real
        .ancestors()
        .take(3_usize.saturating_sub(missing).max(1))
    {
        let meta = fs::metadata(above).map_err(|e| unreadable(above, &e))?;
        let sticky = meta.mode() & 0o1000 != 0 && (missing > 0 || above != real);
        let why = if !alone.accepts(meta.uid()) {
            format!("belongs to {}", accounts.user(meta.uid()))
        } else if let Some(doubt) = writable(above, &meta, &alone, &accounts).filter(|_| !sticky) {
            doubt.words(&accounts)
        } else {
            continue;
        };
        let failure = not_believed(&format!("`{above}` {why}"));
        return Err(if user.uid == 0 && user.sudo.is_some() {
            failure.help(
                "root's list is root's own: run `sudo -H hl ...`, which gives root its own `HOME`",
            )
        } else {
            failure.help("make it your own, or let `XDG_CONFIG_HOME` name a directory that is")
        });
    }
    Ok(())
}

fn not_believed(why: &str) -> Failure {
    Failure::message(
        Exit::NotApproved,
        format!("your list of trusted labs is not used: {why}"),
    )
}

fn unreadable(path: &Utf8Path, error: &io::Error) -> Failure {
    Failure::message(Exit::Definition, format!("cannot read `{path}`: {error}"))
}

fn parse(file: &Utf8Path, text: &str) -> Result<TrustList, Failure> {
    let versioned: Option<Versioned> = serde_json::from_str(text).ok();
    if versioned.is_some_and(|found| found.version > VERSION) {
        return Err(
            Failure::message(Exit::Newer, format!("`{file}` was written by a newer `hl`"))
                .help("use that one, or move the file away and trust again"),
        );
    }
    serde_json::from_str(text).map_err(|error| {
        Failure::message(
            Exit::Definition,
            format!("`{file}` is not a list of trusted labs: {error}"),
        )
        .help("move it away, and trust again what you trust: `hl trust DIR`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    struct World {
        _guard: tempfile::TempDir,
        dir: Utf8PathBuf,
        user: User,
    }

    impl World {
        fn new() -> Self {
            let guard = tempfile::tempdir().unwrap();
            let dir = Utf8Path::from_path(guard.path()).unwrap().to_owned();
            Self {
                user: User {
                    uid: rustix::process::geteuid().as_raw(),
                    sudo: None,
                    config: Some(dir.join("home/.config")),
                },
                dir,
                _guard: guard,
            }
        }

        fn lab(&self, name: &str) -> Place {
            let dir = self.dir.join(name);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("hl.toml"), "").unwrap();
            Place::of(&dir, &self.user).unwrap()
        }

        fn file(&self) -> Utf8PathBuf {
            self.dir.join("home/.config/hl/trust.json")
        }
    }

    fn mode(path: &Utf8Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn what_was_added_holds_until_it_is_removed() {
        let world = World::new();
        let (one, two) = (world.lab("one"), world.lab("one/two"));
        assert!(!TrustList::read(&world.user).unwrap().holds(&one));
        TrustList::add(&world.user, one.clone()).unwrap();
        TrustList::add(&world.user, one.clone()).unwrap();
        let list = TrustList::read(&world.user).unwrap();
        assert_eq!(list.trusted.len(), 1);
        assert!(list.holds(&one) && !list.holds(&two), "never by prefix");
        assert_eq!(mode(&world.file()), 0o600);
        assert_eq!(mode(world.file().parent().unwrap()), 0o700);
        assert!(TrustList::remove(&world.user, &[&one.path]).unwrap());
        assert!(!TrustList::remove(&world.user, &[&one.path]).unwrap());
        assert!(!TrustList::read(&world.user).unwrap().holds(&one));
    }

    #[test]
    fn a_list_that_others_could_have_written_is_not_believed() {
        let world = World::new();
        let lab = world.lab("lab");
        TrustList::add(&world.user, lab.clone()).unwrap();
        let file = world.file();
        let set = |path: &Utf8Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let refused = |what: &str| {
            let failure = TrustList::read(&world.user).unwrap_err();
            assert_eq!(failure.exit, Exit::NotApproved, "{failure}");
            assert!(failure.to_string().contains(what), "{failure}");
            TrustList::add(&world.user, lab.clone()).unwrap_err();
        };
        set(&file, 0o640);
        refused("0640");
        set(&file, 0o600);
        for above in file.ancestors().skip(1).take(3) {
            let was = mode(above);
            set(above, 0o777);
            refused("everybody");
            set(above, was);
        }
        assert!(TrustList::read(&world.user).unwrap().holds(&lab));
        fs::rename(&file, file.with_extension("moved")).unwrap();
        symlink("trust.moved", &file).unwrap();
        assert!(TrustList::read(&world.user).is_err());
    }

    #[test]
    fn a_newer_or_torn_list_is_kept_as_it_is() {
        let world = World::new();
        let lab = world.lab("lab");
        TrustList::add(&world.user, lab.clone()).unwrap();
        for (text, exit) in [
            (r#"{"version": 2, "trust": {}}"#, Exit::Newer),
            ("{", Exit::Definition),
        ] {
            write(&world.file(), text, 0o600).unwrap();
            let failure = TrustList::add(&world.user, lab.clone()).unwrap_err();
            assert_eq!(failure.exit, exit);
            assert_eq!(fs::read_to_string(world.file()).unwrap(), text);
        }
    }
}
