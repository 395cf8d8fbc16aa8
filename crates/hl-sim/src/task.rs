//! Tasks and their UPIDs.

use serde::{Deserialize, Serialize};

/// A worker of the node: running, or over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// `UPID:node:pid:pstart:starttime:type:id:user:`.
    pub upid: String,
    /// The node it runs on.
    pub node: String,
    /// Process id.
    pub pid: u32,
    /// Start of the process in jiffies since boot.
    pub pstart: u32,
    /// Unix time of its start.
    pub starttime: i64,
    /// Unix time of its end.
    pub endtime: Option<i64>,
    /// `qmclone`, `qmstart` ...
    pub kind: String,
    /// What it works on, usually a VMID.
    pub id: String,
    /// User or token that asked for it.
    pub user: String,
    /// How it ended: `OK`, `WARNINGS: 1`, or the error; none: it runs.
    pub exit: Option<String>,
    /// What it printed.
    pub log: Vec<String>,
}

/// The fields of a UPID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upid<'a> {
    pub(super) node: &'a str,
}

impl Task {
    /// A task that starts now.
    pub(super) fn new(node: &str, number: u64, now: i64, kind: &str, id: &str, user: &str) -> Self {
        let small = u32::try_from(number % 0x00ff_ffff).unwrap_or(0);
        let (pid, pstart) = (2000 + small, 0x1000 + small * 7);
        // A colon would break the nine fields, a slash the path that asks for it.
        let safe: String = id
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "-_.@".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        Self {
            upid: format!("UPID:{node}:{pid:08X}:{pstart:08X}:{now:08X}:{kind}:{safe}:{user}:"),
            node: node.to_owned(),
            pid,
            pstart,
            starttime: now,
            endtime: None,
            kind: kind.to_owned(),
            id: id.to_owned(),
            user: user.to_owned(),
            exit: None,
            log: Vec::new(),
        }
    }
}

/// Takes a UPID apart; exactly nine fields, the last one empty.
pub(super) fn parse_upid(text: &str) -> Option<Upid<'_>> {
    let fields: Vec<&str> = text.split(':').collect();
    let [head, node, pid, pstart, start, kind, _, user, end] = fields.as_slice() else {
        return None;
    };
    let hex = |text: &str, least: usize| {
        text.len() >= least && text.chars().all(|c| c.is_ascii_hexdigit())
    };
    let ok = *head == "UPID"
        && end.is_empty()
        && !node.is_empty()
        && !kind.is_empty()
        && user.contains('@')
        && hex(pid, 8)
        && hex(pstart, 8)
        && hex(start, 8);
    ok.then_some(Upid { node })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_upid_has_nine_fields() {
        let task = Task::new("pve", 7, 1_700_000_000, "qmclone", "9000", "u@pve!t");
        assert_eq!(task.upid.split(':').count(), 9);
        assert_eq!(parse_upid(&task.upid).unwrap().node, "pve");
        let odd = Task::new("pve", 8, 1_700_000_000, "imgdel", "local:iso/x", "root@pam");
        assert!(parse_upid(&odd.upid).is_some());
        for text in [
            "",
            "UPID:pve",
            "UPID:pve:1:2:3:qmstart:1:root@pam:",
            &task.upid.replace("UPID", "X"),
        ] {
            assert!(parse_upid(text).is_none(), "{text}");
        }
    }
}
