//! `state/known_hosts`: the host keys of the lab's virtual machines, in
//! OpenSSH's format, one line a key, names not hashed. L2 forgets a machine
//! that it replaced or destroyed; L3 learns one at first contact.

use std::sync::{Mutex, MutexGuard, PoisonError};

use camino::Utf8Path;

use crate::base::{Lines, if_there};
use crate::diag::StepError;
use crate::lab;

/// Held from reading the file to having replaced it: hosts are learnt at once,
/// and none may lose another's key. Other processes are kept out by the lab's lock.
static ONE_WRITER: Mutex<()> = Mutex::new(());

fn one_writer() -> MutexGuard<'static, ()> {
    // It guards no data that a panic could have left half-made.
    ONE_WRITER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds lines as `ssh-keyscan` prints them (`host type key`), leaving out what
/// is there already. Returns how many were new. Comments are not kept.
pub fn learn(path: &Utf8Path, lines: &str) -> Result<usize, StepError> {
    let _writing = one_writer();
    let mut kept = read(path)?;
    let mut new = 0;
    for line in lines.lines().map(str::trim) {
        let complete = !line.starts_with('#') && line.split_whitespace().count() >= 3;
        if complete && !kept.iter().any(|known| known == line) {
            kept.push(line.to_owned());
            new += 1;
        }
    }
    if new > 0 {
        write(path, &kept)?;
    }
    Ok(new)
}

/// Whether any key of that host (name or address, with or without a port) is
/// known.
pub fn knows(path: &Utf8Path, host: &str) -> Result<bool, StepError> {
    Ok(read(path)?
        .iter()
        .any(|line| names(line).any(|name| is(name, host))))
}

/// Takes all keys of these hosts away. Returns how many lines changed.
pub fn forget(path: &Utf8Path, hosts: &[&str]) -> Result<usize, StepError> {
    let _writing = one_writer();
    let lines = read(path)?;
    let mut changed = 0;
    let mut kept = Vec::with_capacity(lines.len());
    for line in lines {
        let (gone, stay): (Vec<&str>, Vec<&str>) =
            names(&line).partition(|name| hosts.iter().any(|host| is(name, host)));
        if gone.is_empty() {
            kept.push(line);
            continue;
        }
        changed += 1;
        if !stay.is_empty() {
            kept.push(line.replacen(field(&line), &stay.join(","), 1));
        }
    }
    if changed > 0 {
        write(path, &kept)?;
    }
    Ok(changed)
}

/// The field that holds the host names: the first, or the second after a
/// marker such as `@revoked`.
fn field(line: &str) -> &str {
    let mut fields = line.split_whitespace();
    let first = fields.next().unwrap_or_default();
    if first.starts_with('@') {
        return fields.next().unwrap_or_default();
    }
    first
}

fn names(line: &str) -> impl Iterator<Item = &str> {
    let field = if line.starts_with('#') {
        ""
    } else {
        field(line)
    };
    field.split(',').filter(|name| !name.is_empty())
}

/// `host` itself, or `[host]:port`.
fn is(name: &str, host: &str) -> bool {
    name == host
        || name
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]:"))
            .is_some_and(|(inner, _)| inner == host)
}

fn read(path: &Utf8Path) -> Result<Vec<String>, StepError> {
    let text = if_there(std::fs::read_to_string(path))
        .map_err(|error| StepError::io("read", path, &error))?;
    Ok(text
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect())
}

/// Replaced at once, so that an ssh that reads it never sees half a file.
fn write(path: &Utf8Path, lines: &[String]) -> Result<(), StepError> {
    let mut text = String::new();
    for line in lines {
        text.line(line);
    }
    Ok(lab::write(path, text, 0o600)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use camino::Utf8PathBuf;

    use super::*;

    fn file(dir: &tempfile::TempDir) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(dir.path().join("state/known_hosts")).unwrap()
    }

    #[test]
    fn what_was_learnt_is_forgotten_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(&dir);
        let scan = "# 10.0.0.5:22 SSH-2.0\n10.0.0.5 ssh-ed25519 AAAA\n10.0.0.50 ssh-ed25519 BBBB\n[10.0.0.5]:2222 ssh-rsa CCCC\nweb-1,10.0.0.5 ssh-rsa DDDD\nbroken\n";
        assert_eq!(learn(&path, scan).unwrap(), 4);
        assert_eq!(learn(&path, scan).unwrap(), 0);
        assert!(knows(&path, "10.0.0.5").unwrap() && knows(&path, "web-1").unwrap());
        assert_eq!(forget(&path, &["10.0.0.5"]).unwrap(), 3);
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "10.0.0.50 ssh-ed25519 BBBB\nweb-1 ssh-rsa DDDD\n"
        );
        assert!(!knows(&path, "10.0.0.5").unwrap() && knows(&path, "10.0.0.50").unwrap());
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn hosts_learnt_at_once_are_all_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(&dir);
        std::thread::scope(|scope| {
            for host in 0..16 {
                let path = &path;
                scope.spawn(move || learn(path, &format!("10.0.0.{host} ssh-ed25519 AAAA")));
            }
        });
        for host in 0..16 {
            assert!(knows(&path, &format!("10.0.0.{host}")).unwrap(), "{host}");
        }
    }

    #[test]
    fn no_file_knows_nobody_and_is_not_made_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(&dir);
        assert!(!knows(&path, "a").unwrap());
        assert_eq!(forget(&path, &["a"]).unwrap(), 0);
        assert!(!path.exists());
    }
}
