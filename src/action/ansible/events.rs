//! What `hl_events.py`, our callback beside this file, says of a playbook.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

/// The callback plugin; works with ansible-core alone.
pub(super) const CALLBACK: &str = include_str!("hl_events.py");

/// Ansible's counters of one host (`AggregateStats.summarize`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    pub ok: u64,
    pub changed: u64,
    pub failures: u64,
    pub unreachable: u64,
    pub skipped: u64,
    pub rescued: u64,
    pub ignored: u64,
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum PlaybookEvent {
    Play {
        name: String,
    },
    Task {
        name: String,
    },
    Result {
        host: String,
        task: String,
        status: String,
    },
    Stats {
        hosts: BTreeMap<String, Counts>,
    },
}

/// Reads the file while the playbook writes it.
#[derive(Debug)]
pub(super) struct EventFile {
    path: Utf8PathBuf,
    read: u64,
    rest: Vec<u8>,
}

impl EventFile {
    pub(super) fn new(path: impl Into<Utf8PathBuf>) -> Self {
        Self {
            path: path.into(),
            read: 0,
            rest: Vec::new(),
        }
    }

    pub(super) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The events that were completed since the last call. A line that is not
    /// one of ours is passed over: the playbook's end is judged by its stats.
    pub(super) fn new_events(&mut self) -> Vec<PlaybookEvent> {
        let mut fresh = Vec::new();
        if let Ok(mut file) = File::open(&self.path)
            && file.seek(SeekFrom::Start(self.read)).is_ok()
        {
            // A read that fails half-way keeps what it got; the next one goes on there.
            drop(file.read_to_end(&mut fresh));
            self.read += fresh.len() as u64;
        }
        self.rest.append(&mut fresh);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let complete: Vec<u8> = self.rest.drain(..=end).collect();
        complete
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    }
}

/// What the statistics say of a playbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub hosts: usize,
    pub changed: u64,
    /// `web-1 (2 failed)`, `app-1 (unreachable)`.
    pub bad: Vec<String>,
}

/// Judges the hosts' counters.
pub(super) fn judge(stats: &BTreeMap<String, Counts>) -> Verdict {
    let bad = stats
        .iter()
        .filter_map(
            |(host, counts)| match (counts.unreachable, counts.failures) {
                (0, 0) => None,
                (0, failed) => Some(format!("{host} ({failed} failed)")),
                _ => Some(format!("{host} (unreachable)")),
            },
        )
        .collect();
    Verdict {
        hosts: stats.len(),
        changed: stats.values().map(|c| c.changed).sum(),
        bad,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn lines_are_read_as_they_are_completed() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().join("events")).unwrap();
        let mut events = EventFile::new(&path);
        assert!(events.new_events().is_empty());
        let mut file = File::create(&path).unwrap();
        write!(
            file,
            "{{\"event\":\"play\",\"name\":\"System\"}}\nnonsense\n{{\"event\":\"ta"
        )
        .unwrap();
        assert_eq!(
            events.new_events(),
            [PlaybookEvent::Play {
                name: "System".into()
            }]
        );
        writeln!(file, "sk\",\"name\":\"Users\"}}").unwrap();
        assert_eq!(
            events.new_events(),
            [PlaybookEvent::Task {
                name: "Users".into()
            }]
        );
    }

    #[test]
    fn failed_and_unreachable_hosts_are_named() {
        let stats = BTreeMap::from([
            (
                "a".to_owned(),
                Counts {
                    ok: 3,
                    changed: 2,
                    ..Counts::default()
                },
            ),
            (
                "b".to_owned(),
                Counts {
                    failures: 1,
                    changed: 1,
                    ..Counts::default()
                },
            ),
            (
                "c".to_owned(),
                Counts {
                    unreachable: 1,
                    ..Counts::default()
                },
            ),
        ]);
        let verdict = judge(&stats);
        assert_eq!((verdict.hosts, verdict.changed), (3, 3));
        assert_eq!(verdict.bad, ["b (1 failed)", "c (unreachable)"]);
    }
}
