//! The files of a work tree as a commit of our own repository, by `git fast-import`:
//! no index, no attributes and no filters take part, so every byte is as it is.
//! Each file is kept beside as well, for those who want it alone.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};

use camino::Utf8Path;

use super::git::Git;
use super::refs::WORKING;
use super::work_tree::{Root, WorkFile, WorkFileKind};
use crate::base::count;

/// All files of a work tree together. Images and disks are not for git.
const LIMIT: u64 = 2 << 30;

/// A file as it was when the snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawFile {
    /// Its name in the directory of files.
    pub(super) number: usize,
    /// Bytes.
    pub(super) size: u64,
}

/// The files of a snapshot by path.
pub(super) type RawFiles = BTreeMap<Vec<u8>, RawFile>;

/// Makes the branch `_working`, a child of `head`, of these files, and copies of them
/// in `beside`.
///
/// # Errors
/// There is too much of it, a file cannot be read, or git fails, in words.
pub(super) fn import(
    git: &Git,
    root: &Root,
    files: &[WorkFile],
    head: Option<&str>,
    beside: &Utf8Path,
) -> Result<RawFiles, String> {
    let total = files
        .iter()
        .fold(0, |sum: u64, f| sum.saturating_add(f.size));
    if total > LIMIT {
        let largest = files.iter().max_by_key(|file| file.size);
        let largest = largest.map_or(&[][..], |file| &file.path);
        return Err(format!(
            "its {} have {} MiB, of which at most {} are served; let `.gitignore` name what is no part of it, such as `{}`",
            count(files.len(), "file"),
            total >> 20,
            LIMIT >> 20,
            String::from_utf8_lossy(largest)
        ));
    }
    // The same files give the same commit, whenever that is.
    let changed = files.iter().map(|file| file.changed).max();
    let mut raw = RawFiles::new();
    git.write(
        &["fast-import", "--quiet", "--done", "--date-format=raw"],
        |stream| {
            writeln!(stream, "feature done\ncommit {WORKING}")?;
            let time = changed.unwrap_or_default().max(0);
            writeln!(stream, "committer hl <hl@localhost> {time} +0000")?;
            let message = "The work tree as it is, with what is not committed\n";
            write!(stream, "data {}\n{message}\n", message.len())?;
            if let Some(head) = head {
                writeln!(stream, "from {head}")?;
            }
            writeln!(stream, "deleteall")?;
            for (number, file) in files.iter().enumerate() {
                let size = one(stream, root, file, &beside.join(number.to_string()))
                    .map_err(|error| named(&file.path, &error))?;
                if let Some(size) = size {
                    raw.insert(file.path.clone(), RawFile { number, size });
                }
            }
            writeln!(stream, "done")
        },
    )?;
    Ok(raw)
}

/// One file. Its size, where there is something to be read.
fn one(
    stream: &mut dyn Write,
    root: &Root,
    file: &WorkFile,
    copy: &Utf8Path,
) -> io::Result<Option<u64>> {
    let mut head = |mode: &str, from: &str| {
        write!(stream, "M {mode} {from} ")?;
        stream.write_all(&c_quoted(&file.path))?;
        stream.write_all(b"\n")
    };
    match &file.kind {
        WorkFileKind::Module(commit) => {
            head("160000", commit)?;
            Ok(None)
        }
        WorkFileKind::Link => {
            head("120000", "inline")?;
            let target = root.link(&file.path)?;
            Ok(Some(data(
                stream,
                &mut &*target,
                target.len() as u64,
                copy,
            )?))
        }
        WorkFileKind::File(executable) => {
            head(if *executable { "100755" } else { "100644" }, "inline")?;
            let opened = root.file(&file.path)?;
            let size = opened.metadata()?.len();
            Ok(Some(data(stream, opened, size, copy)?))
        }
    }
}

/// So many bytes to git and to a copy. What is added to the file meanwhile is left
/// out.
fn data(
    stream: &mut dyn Write,
    mut from: impl Read,
    size: u64,
    copy: &Utf8Path,
) -> io::Result<u64> {
    writeln!(stream, "data {size}")?;
    let mut copy = File::create(copy)?;
    let mut left = size;
    let mut buffer = vec![0; 64 << 10];
    while left > 0 {
        let read = from.by_ref().take(left).read(&mut buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return Err(io::Error::other("it became shorter while it was read"));
        }
        stream.write_all(bytes)?;
        copy.write_all(bytes)?;
        left = left.saturating_sub(bytes.len() as u64);
    }
    stream.write_all(b"\n")?;
    Ok(size)
}

/// A path as `git fast-import` takes it, whatever is in it.
fn c_quoted(path: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in path {
        match byte {
            b'\n' => out.extend(b"\\n"),
            b'"' | b'\\' => out.extend([b'\\', *byte]),
            byte => out.push(*byte),
        }
    }
    out.push(b'"');
    out
}

/// An error with the file that it is about; one of git's input stays as it is.
fn named(path: &[u8], error: &io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return io::ErrorKind::BrokenPipe.into();
    }
    let path = String::from_utf8_lossy(path);
    io::Error::other(format!("cannot read `{path}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_as_git_reads_it() {
        assert_eq!(c_quoted(b"a b"), b"\"a b\"");
        assert_eq!(c_quoted(b"a\n\"\\\xff"), b"\"a\\n\\\"\\\\\xff\"");
    }

    #[test]
    fn what_grows_is_cut_and_what_shrinks_is_an_error() {
        let temp = tempfile::tempdir().unwrap();
        let copy = Utf8Path::from_path(temp.path()).unwrap().join("0");
        let mut out = Vec::new();
        assert_eq!(data(&mut out, &b"longer"[..], 4, &copy).unwrap(), 4);
        assert_eq!(out, b"data 4\nlong\n");
        assert_eq!(std::fs::read(&copy).unwrap(), b"long");
        let error = data(&mut out, &b"lon"[..], 4, &copy).unwrap_err();
        assert!(error.to_string().contains("shorter"), "{error}");
    }
}
