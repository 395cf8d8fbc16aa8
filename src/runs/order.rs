//! The order of runs: by the second in their ids, and within one second by the
//! start that their files tell.

use std::fs::File;
use std::io::Read;

use super::id::file_of;
use crate::lab::Paths;

/// Bytes at the top of a run file in which its start is found.
const TOP: u64 = 16 * 1024;

/// Sorts ids, the oldest first.
pub(super) fn by_start(paths: &Paths, ids: &mut [String]) {
    ids.sort_unstable();
    for second in ids.chunk_by_mut(|a, b| second(a) == second(b)) {
        if second.len() > 1 {
            second.sort_by_cached_key(|id| (started_at(paths, id), id.clone()));
        }
    }
}

/// `20260102-030405` of `20260102-030405-abcd`.
fn second(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(second, _)| second)
}

/// The time as it is written, which sorts as times do within a second.
fn started_at(paths: &Paths, id: &str) -> Option<String> {
    let mut top = Vec::new();
    let file = File::open(file_of(paths, id)).ok()?;
    file.take(TOP).read_to_end(&mut top).ok()?;
    let top = String::from_utf8_lossy(&top);
    let line = top
        .lines()
        .find_map(|line| line.strip_prefix("started_at: "))?;
    Some(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8Path;

    #[test]
    fn runs_of_one_second_are_told_apart_by_their_files() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        std::fs::create_dir_all(paths.runs()).unwrap();
        let mut ids = Vec::new();
        for (id, millis) in [
            ("20260102-030405-0001", "900"),
            ("20260102-030405-0002", "100"),
            ("20260102-030406-0000", "000"),
            ("20260102-030404-ffff", "999"),
        ] {
            let text = format!("version: 1\nstarted_at: \"2026-01-02T03:04:05.{millis}Z\"\n");
            std::fs::write(file_of(&paths, id), text).unwrap();
            ids.push(id.to_owned());
        }
        by_start(&paths, &mut ids);
        let last: Vec<&str> = ids
            .iter()
            .map(|id| id.rsplit('-').next().unwrap())
            .collect();
        assert_eq!(last, ["ffff", "0002", "0001", "0000"]);
    }
}
