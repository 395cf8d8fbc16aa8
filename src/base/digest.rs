//! The content of files and directories, in one number.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;
use sha2::{Digest, Sha256};

/// What tools leave behind in directories that others read.
const LEFT_BEHIND: &[&str] = &[".git", ".terraform", ".ansible", "__pycache__", ".DS_Store"];

/// SHA-256, hex, over a file, or over the names, kinds, modes and contents of
/// all that is in a directory; `absent` when there is nothing. Links inside a
/// directory count by where they lead.
///
/// # Errors
/// Something cannot be read.
pub fn digest(path: &Utf8Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok("absent".to_owned()),
        Err(error) => return Err(error),
        Ok(meta) if meta.is_dir() => directory(path, &mut hash)?,
        Ok(_) => file(path, &mut hash)?,
    }
    Ok(hex(&hash.finalize()))
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves
        .filter_map(|half| char::from_digit(half.into(), 16))
        .collect()
}

fn directory(dir: &Utf8Path, hash: &mut Sha256) -> io::Result<()> {
    let mut entries = dir.read_dir_utf8()?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_unstable_by(|a, b| a.file_name().cmp(b.file_name()));
    part(hash, b"directory");
    for entry in entries {
        let name = entry.file_name();
        if LEFT_BEHIND.contains(&name) {
            continue;
        }
        part(hash, name.as_bytes());
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            part(hash, b"link");
            part(hash, entry.path().read_link_utf8()?.as_str().as_bytes());
        }
        if kind.is_dir() {
            directory(entry.path(), hash)?;
        } else if entry.path().is_file() {
            file(entry.path(), hash)?;
        }
    }
    part(hash, b"end");
    Ok(())
}

fn file(path: &Utf8Path, hash: &mut Sha256) -> io::Result<()> {
    let mut file = File::open(path)?;
    let meta = file.metadata()?;
    let executable = meta.permissions().mode() & 0o100 != 0;
    part(hash, &[u8::from(executable)]);
    hash.update(meta.len().to_be_bytes());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// With its length before it: `ab` and `c` are not `a` and `bc`.
fn part(hash: &mut Sha256, bytes: &[u8]) {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    hash.update(length.to_be_bytes());
    hash.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn names_modes_contents_and_links_count_and_leavings_do_not() {
        let temp = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temp.path()).unwrap();
        let mut seen = vec![digest(&root.join("nothing")).unwrap()];
        assert_eq!(seen[0], "absent");
        let mut changes = |what: &str| {
            let now = digest(root).unwrap();
            assert!(!seen.contains(&now), "{what}");
            seen.push(now);
        };
        changes("an empty directory");
        fs::create_dir(root.join("roles")).unwrap();
        changes("a directory");
        fs::write(root.join("roles/a"), "bc").unwrap();
        changes("a file");
        fs::write(root.join("roles/a"), "bd").unwrap();
        changes("its content");
        fs::set_permissions(root.join("roles/a"), fs::Permissions::from_mode(0o755)).unwrap();
        changes("its mode");
        fs::rename(root.join("roles/a"), root.join("a")).unwrap();
        changes("its place");
        symlink("a", root.join("link")).unwrap();
        changes("a link");
        symlink(".", root.join("loop")).unwrap();
        changes("a link to a directory");
        let before = digest(root).unwrap();
        fs::create_dir(root.join("__pycache__")).unwrap();
        fs::write(root.join("__pycache__/x"), "").unwrap();
        assert_eq!(digest(root).unwrap(), before);
        let whole = digest(&root.join("a")).unwrap();
        assert_eq!(whole.len(), 64);
    }
}
