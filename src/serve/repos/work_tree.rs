//! The files of a work tree: those that git knows and those that it does not ignore,
//! opened through no link.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;

use super::checkout::{Checkout, cannot};
use super::git::Git;
use super::refs::is_id;
use crate::base::{if_there, private_read};

/// A file of a work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WorkFile {
    /// Its path, with `/` between the parts, in whatever encoding.
    pub(super) path: Vec<u8>,
    /// What it is.
    pub(super) kind: WorkFileKind,
    /// Seconds since 1970 when it was changed.
    pub(super) changed: i64,
    /// Bytes.
    pub(super) size: u64,
}

/// What a file of a work tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WorkFileKind {
    /// A file; whether its owner may execute it.
    File(bool),
    /// A symbolic link.
    Link,
    /// Another repository, at this commit.
    Module(String),
}

/// The files of a checkout in the order of their paths. What is neither a file nor a
/// link is left out, and so is what a sparse checkout leaves out.
///
/// # Errors
/// git fails or the index names what is no path of a work tree, in words.
pub(super) fn work_files(
    git: &Git,
    checkout: &Checkout,
    root: &Root,
    excludes: &[Utf8PathBuf],
) -> Result<Vec<WorkFile>, String> {
    let mut known = tracked(git, checkout)?;
    let mut args = vec![
        "ls-files",
        "-z",
        "--others",
        "--exclude-per-directory=.gitignore",
    ];
    args.extend(excludes.iter().flat_map(|file| ["-X", file.as_str()]));
    let others = git.output(&args, "")?;
    // What it names must not get into a pack: it need not be what is there.
    if_there(fs::remove_file(git.index())).map_err(|e| cannot("remove", git.index(), &e))?;
    for path in others.split(|byte| *byte == 0) {
        // A repository inside of this one ends with `/`: it is not part of this one.
        if !path.is_empty() && !path.ends_with(b"/") {
            known.entry(path.to_vec()).or_default();
        }
    }
    let mut files = Vec::with_capacity(known.len());
    for (path, module) in known {
        if !is_plain(&path) {
            let shown = String::from_utf8_lossy(&path).into_owned();
            return Err(format!("its index names `{shown}`, which is no path in it"));
        }
        let found = root.look(path, module);
        files.extend(found.map_err(|error| cannot("look at a file of", &checkout.work, &error))?);
    }
    Ok(files)
}

/// The paths of the index, and the commits of other repositories in it. The index is
/// copied first: both lists are of one, and git writes nothing into the original.
fn tracked(git: &Git, checkout: &Checkout) -> Result<BTreeMap<Vec<u8>, Option<String>>, String> {
    let index = checkout.own.join("index");
    let failed = |error: &io::Error| cannot("read", &index, error);
    if let Some(mut file) = if_there(private_read(&index)).map_err(|e| failed(&e))? {
        let copied = File::create(git.index()).and_then(|mut copy| io::copy(&mut file, &mut copy));
        copied.map_err(|error| failed(&error))?;
    }
    let listed = git.output(&["ls-files", "-z", "--stage"], "")?;
    let mut known = BTreeMap::new();
    for line in listed.split(|byte| *byte == 0) {
        // `MODE ID STAGE<tab>PATH`
        let mut parts = line.splitn(2, |byte| *byte == b'\t');
        let (Some(about), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let about = String::from_utf8_lossy(about);
        let id = about.strip_prefix("160000 ");
        let id = id.and_then(|rest| rest.split(' ').next());
        let id = id.filter(|id| is_id(id)).map(str::to_owned);
        known.insert(path.to_vec(), id);
    }
    Ok(known)
}

/// Whether a path leads to a file of the work tree, and not into a repository.
fn is_plain(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').all(|part| {
        let odd = part.is_empty() || part == b"." || part == b"..";
        !odd && !part.eq_ignore_ascii_case(b".git")
    })
}

/// The directory of a work tree.
#[derive(Debug)]
pub(super) struct Root(OwnedFd);

impl Root {
    /// Opens it.
    ///
    /// # Errors
    /// It cannot be opened, in words.
    pub(super) fn open(work: &Utf8Path) -> Result<Self, String> {
        let opened = rustix::fs::open(
            work.as_std_path(),
            OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        opened
            .map(Self)
            .map_err(|error| cannot("open", work, &error.into()))
    }

    /// Opens a file of it for reading.
    ///
    /// # Errors
    /// It is not there, is no file any more, or a directory on the way is a link.
    pub(super) fn file(&self, path: &[u8]) -> io::Result<File> {
        let (dir, name) = self.parent(path)?;
        // A pipe that took its place must not be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&dir, name, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no file any more"));
        }
        Ok(file)
    }

    /// Where a link of it leads.
    ///
    /// # Errors
    /// As of [`Root::file`].
    pub(super) fn link(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        let (dir, name) = self.parent(path)?;
        Ok(readlinkat(&dir, name, Vec::new())?.into_bytes())
    }

    /// What is there; nothing where it is gone, or is nothing that git keeps.
    fn look(&self, path: Vec<u8>, module: Option<String>) -> io::Result<Option<WorkFile>> {
        let stat = self
            .parent(&path)
            .and_then(|(dir, name)| Ok(statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?));
        let stat = match stat {
            Ok(stat) => stat,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let kind = match (FileType::from_raw_mode(stat.st_mode), module) {
            (FileType::RegularFile, None) => WorkFileKind::File(stat.st_mode & 0o100 != 0),
            (FileType::Symlink, None) => WorkFileKind::Link,
            (FileType::Directory, Some(commit)) => WorkFileKind::Module(commit),
            _ => return Ok(None),
        };
        Ok(Some(WorkFile {
            path,
            kind,
            changed: stat.st_mtime,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
        }))
    }

    /// The directory that a path is in, and its name there.
    fn parent<'p>(&self, path: &'p [u8]) -> io::Result<(OwnedFd, &'p [u8])> {
        let mut dir = self.0.try_clone()?;
        let mut parts = path.split(|byte| *byte == b'/').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return Ok((dir, part));
            }
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            dir = openat(&dir, part, flags, Mode::empty())?;
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Whether nothing is at a path, or a directory of it is something else now.
fn is_gone(error: &io::Error) -> bool {
    let gone = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP];
    gone.iter()
        .any(|gone| error.raw_os_error() == Some(gone.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn only_paths_of_the_work_tree_are_plain() {
        for path in ["a", "a/b c/\u{e9}", ".gitignore", "a/.github/x", "..a"] {
            assert!(is_plain(path.as_bytes()), "{path}");
        }
        for path in [
            "",
            "/etc/passwd",
            "a/",
            "a//b",
            ".",
            "a/../b",
            "..",
            ".git",
            "a/.GIT/config",
        ] {
            assert!(!is_plain(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn nothing_is_opened_through_a_link() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        fs::create_dir_all(dir.join("work/real")).unwrap();
        fs::create_dir(dir.join("outside")).unwrap();
        fs::write(dir.join("outside/secret"), "secret").unwrap();
        fs::write(dir.join("work/real/tool"), "tool").unwrap();
        fs::set_permissions(
            dir.join("work/real/tool"),
            fs::Permissions::from_mode(0o755),
        )
        .unwrap();
        symlink("../outside", dir.join("work/way")).unwrap();
        symlink("../outside/secret", dir.join("work/link")).unwrap();
        let root = Root::open(&dir.join("work")).unwrap();
        assert!(root.file(b"real/tool").is_ok());
        assert!(root.file(b"way/secret").is_err());
        assert!(root.file(b"link").is_err());
        assert_eq!(root.link(b"link").unwrap(), b"../outside/secret");
        let look = |path: &str, module: Option<&str>| {
            let found = root.look(path.as_bytes().to_vec(), module.map(str::to_owned));
            found.unwrap().map(|file| file.kind)
        };
        assert_eq!(look("real/tool", None), Some(WorkFileKind::File(true)));
        assert_eq!(look("link", None), Some(WorkFileKind::Link));
        for gone in ["way/secret", "nothing", "real/tool/below", "real"] {
            assert_eq!(look(gone, None), None, "{gone}");
        }
        let module = Some(WorkFileKind::Module("c".to_owned()));
        assert_eq!(look("real", Some("c")), module);
        assert_eq!(look("link", Some("c")), None);
    }
}
