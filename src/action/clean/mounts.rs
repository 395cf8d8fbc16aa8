//! Mount points, from `/proc/self/mountinfo`: nothing is removed through one.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// All mount points of this process.
#[derive(Debug, Clone, Default)]
pub struct Mounts(Vec<PathBuf>);

impl Mounts {
    /// Reads them.
    pub fn read() -> io::Result<Self> {
        fs::read("/proc/self/mountinfo").map(|text| Self::parse(&text))
    }

    /// All of them, in the order in which they were made.
    pub fn all(&self) -> &[PathBuf] {
        &self.0
    }

    /// The fifth field of every line, see `proc_pid_mountinfo(5)`.
    fn parse(text: &[u8]) -> Self {
        let points = text
            .split(|byte| *byte == b'\n')
            .filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
        Self(points.map(|point| PathBuf::from(unescape(point))).collect())
    }

    /// A mount point at or below this absolute path.
    pub fn below(&self, path: &Path) -> Option<&Path> {
        self.0
            .iter()
            .find(|point| point.starts_with(path))
            .map(PathBuf::as_path)
    }
}

/// `\040` and the like.
fn unescape(text: &[u8]) -> OsString {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        let digits = tail.first_chunk::<3>().filter(|_| *byte == b'\\');
        let code = digits.and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        match code {
            Some(code) => {
                out.push(code);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => out.push(*byte),
        }
    }
    OsString::from_vec(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_found_below_a_path() {
        let text = b"36 35 98:0 /r /lab/a\\040b/m rw,noatime master:1 - ext3 /dev/root rw\n\
            22 1 0:21 / / rw - ext4 /dev/sda rw\n";
        let mounts = Mounts::parse(text);
        assert_eq!(
            mounts.below(Path::new("/lab/a b")),
            Some(Path::new("/lab/a b/m"))
        );
        assert_eq!(mounts.below(Path::new("/lab/a")), None);
        assert!(Mounts::read().unwrap().below(Path::new("/proc")).is_some());
    }
}
