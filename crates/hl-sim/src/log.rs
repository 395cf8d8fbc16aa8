//! The last requests, for tests and for a person who watches.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How many requests are kept.
const KEPT: usize = 4096;

/// One request, as it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLine {
    /// HTTP method.
    pub method: String,
    /// Path behind `/api2/json`, decoded, without the query.
    pub path: String,
    /// HTTP status of the answer.
    pub status: u16,
    /// Time from the head to the answer, in microseconds.
    pub micros: u64,
    /// User or token that asked; empty when nobody was recognised.
    pub who: String,
}

/// A ring of request lines, with counts that outlive the ring.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ring: VecDeque<RequestLine>,
    total: u64,
    not_get: u64,
}

impl RequestLog {
    /// Adds a line.
    pub(super) fn push(&self, line: RequestLine) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.total += 1;
        if line.method != "GET" && line.method != "HEAD" {
            inner.not_get += 1;
        }
        if inner.ring.len() == KEPT {
            inner.ring.pop_front();
        }
        inner.ring.push_back(line);
    }

    /// The kept lines, oldest first.
    pub(super) fn lines(&self) -> Vec<RequestLine> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.ring.iter().cloned().collect()
    }

    /// All requests, and those that were not GET or HEAD.
    pub(super) fn counts(&self) -> (u64, u64) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.total, inner.not_get)
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
}
