//! What `hl_events.py`, our callback beside this file, says of a playbook.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The callback plugin; works with ansible-core alone.
pub(super) const CALLBACK: &str = include_str!("hl_events.py");

/// Some of ansible's counters of one host (`AggregateStats.summarize`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    pub changed: u64,
    pub failures: u64,
    pub unreachable: u64,
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
    use super::*;

    #[test]
    fn a_line_is_an_event_or_none_of_ours() {
        let read = |line| serde_json::from_str::<PlaybookEvent>(line).ok();
        let name = "System".to_owned();
        let line = "{\"event\":\"play\",\"name\":\"System\"}";
        assert_eq!(read(line), Some(PlaybookEvent::Play { name }));
        assert_eq!(read("nonsense"), None);
    }

    #[test]
    fn failed_and_unreachable_hosts_are_named() {
        let stats = BTreeMap::from([
            (
                "a".to_owned(),
                Counts {
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
