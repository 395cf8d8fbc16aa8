//! The last requests, for tests and for a person who watches.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::json;

/// How many requests are kept.
const KEPT: usize = 4096;

/// One request, as it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLine {
    /// HTTP method.
    pub method: String,
    /// Path behind `/api2/json`, decoded, without the query.
    pub path: String,
    /// HTTP status of the answer; 0: a rule let none come.
    pub status: u16,
    /// Time from the head to the answer, in microseconds.
    pub micros: u64,
    /// User or token that asked; empty when nobody was recognised.
    pub who: String,
}

/// How many different calls that are not there are told apart.
const TOLD_APART: usize = 500;

/// A ring of request lines, with counts that outlive the ring, and a file for them all.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ring: VecDeque<RequestLine>,
    total: u64,
    not_get: u64,
    /// Calls that are not there, and how often each was made.
    not_implemented: BTreeMap<String, u64>,
    file: Option<File>,
    /// Why the file is not complete.
    error: Option<String>,
}

impl RequestLog {
    /// Lines go to a file, too. It is added to; a new one is its owner's alone.
    pub(super) fn to(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(path)?;
        let inner = Inner {
            file: Some(file),
            ..Inner::default()
        };
        Ok(Self {
            inner: Mutex::new(inner),
        })
    }

    /// Adds a line.
    pub(super) fn push(&self, line: RequestLine) {
        let mut inner = self.inner();
        inner.total += 1;
        if line.method != "GET" && line.method != "HEAD" {
            inner.not_get += 1;
        }
        if line.status == 501 {
            let call = format!("{} {}", line.method, line.path);
            let known = inner.not_implemented.contains_key(&call);
            if known || inner.not_implemented.len() < TOLD_APART {
                *inner.not_implemented.entry(call).or_default() += 1;
            }
        }
        inner.write(&line);
        if inner.ring.len() == KEPT {
            inner.ring.pop_front();
        }
        inner.ring.push_back(line);
    }

    /// The kept lines, oldest first.
    pub(super) fn lines(&self) -> Vec<RequestLine> {
        self.inner().ring.iter().cloned().collect()
    }

    /// All requests, and those that were not GET or HEAD.
    pub(super) fn counts(&self) -> (u64, u64) {
        let inner = self.inner();
        (inner.total, inner.not_get)
    }

    /// Calls that are not there, the most wanted first.
    pub(super) fn not_implemented(&self) -> Vec<(String, u64)> {
        let calls = self.inner().not_implemented.clone();
        let mut calls: Vec<_> = calls.into_iter().collect();
        calls.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        calls
    }

    /// Why the file is not complete, if it is not.
    pub(super) fn error(&self) -> Option<String> {
        self.inner().error.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// A query, a body or a header may hold secrets: none of them is written. After
    /// an error nothing more is.
    fn write(&mut self, line: &RequestLine) {
        let Some(file) = &mut self.file else { return };
        let record = json!({
            "time": jiff::Timestamp::now().to_string(), "method": line.method,
            "path": line.path, "status": line.status, "micros": line.micros, "who": line.who,
        });
        if let Err(error) = file.write_all(format!("{record}\n").as_bytes()) {
            self.error = Some(error.to_string());
            self.file = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_forgets_lines_but_not_counts() {
        let log = RequestLog::default();
        for n in 0..=KEPT {
            log.push(RequestLine {
                method: if n == 0 { "POST" } else { "GET" }.to_owned(),
                path: n.to_string(),
                status: 200,
                micros: 1,
                who: String::new(),
            });
        }
        assert_eq!(log.counts(), (KEPT as u64 + 1, 1));
        assert_eq!(log.lines().len(), KEPT);
        assert_eq!(log.lines()[0].path, "1");
    }

    #[test]
    fn a_file_gets_each_line_as_json_and_what_is_not_there_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("requests.jsonl");
        let line = |path: &str, status| RequestLine {
            method: "GET".to_owned(),
            path: path.to_owned(),
            status,
            micros: 7,
            who: "hl@pve!hl".to_owned(),
        };
        for _ in 0..2 {
            let log = RequestLog::to(&path).unwrap();
            log.push(line("/version", 200));
            log.push(line("/a", 501));
            log.push(line("/b", 501));
            log.push(line("/b", 501));
            let counted = log.not_implemented();
            assert_eq!(
                counted,
                [("GET /b".to_owned(), 2), ("GET /a".to_owned(), 1)]
            );
            assert_eq!(log.error(), None);
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 8, "it is added to");
        assert_eq!(lines[0]["path"], "/version");
        assert_eq!(lines[0]["who"], "hl@pve!hl");
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(&path).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
        let full = RequestLog::to(Path::new("/dev/full")).unwrap();
        full.push(line("/version", 200));
        assert!(full.error().is_some());
    }
}
