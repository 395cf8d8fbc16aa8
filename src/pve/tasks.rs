//! Tasks: work that the node goes on with after a call was answered.

use std::time::{Duration, Instant};

use super::path::percent_encode;
use super::types::LogLine;
use super::{Client, Error, Param, Task, Upid};
use crate::base::Cancel;

/// Pause between two looks at a task; the first ones are shorter.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(600),
    Duration::from_secs(1),
];
/// How long a node may be out of reach while one of its tasks is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
/// Lines of a failed task's log that go into the error.
const TAIL: usize = 30;
/// Lines asked for at once.
const PAGE: u64 = 500;

/// How a task ended that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskEnd {
    /// `WARNINGS: n`, when there were any.
    pub warnings: Option<String>,
}

impl Client {
    /// `GET /nodes/{node}/tasks`, newest first; of one VM when given.
    pub fn tasks(&self, node: &str, vmid: Option<u32>) -> Result<Vec<Task>, Error> {
        let vmid = vmid.map(|id| id.to_string());
        let mut query: Vec<Param<'_>> = vec![("source", "all")];
        if let Some(vmid) = &vmid {
            query.push(("vmid", vmid));
        }
        self.get(&format!("nodes/{}/tasks", percent_encode(node)), &query)
    }

    /// `GET .../tasks/{upid}/status`
    pub fn task_status(&self, upid: &Upid) -> Result<Task, Error> {
        self.get(&task(upid, "status"), &[])
    }

    /// `GET .../tasks/{upid}/log`: at most 500 lines from `start`.
    pub fn task_log(&self, upid: &Upid, start: u64) -> Result<Vec<LogLine>, Error> {
        let (start, limit) = (start.to_string(), PAGE.to_string());
        self.get(&task(upid, "log"), &[("start", &start), ("limit", &limit)])
    }

    /// Waits until a task has ended. Failure carries the end of its log. A stop
    /// or a timeout leaves the task running on the node.
    pub fn wait_task(
        &self,
        upid: &Upid,
        cancel: &Cancel,
        timeout: Duration,
    ) -> Result<TaskEnd, Error> {
        self.watch_task(upid, cancel, timeout, &mut |_| {})
    }

    /// As [`Client::wait_task`], and tells every line of the log as it comes.
    pub fn watch_task(
        &self,
        upid: &Upid,
        cancel: &Cancel,
        timeout: Duration,
        on_line: &mut dyn FnMut(&str),
    ) -> Result<TaskEnd, Error> {
        let client = self.clone().with_cancel(cancel);
        let begun = Instant::now();
        let mut last_answer = begun;
        let mut told = 0;
        for look in 0.. {
            match client.task_status(upid) {
                Ok(status) => {
                    last_answer = Instant::now();
                    let ended = status.status.as_deref() == Some("stopped");
                    told += client.tell(upid, told, ended, on_line);
                    if ended {
                        return client.end(upid, status.exitstatus.as_deref());
                    }
                }
                // The task does not mind that nobody looks.
                Err(error) if error.is_transient() && last_answer.elapsed() < PATIENCE => {}
                Err(error) => return Err(error),
            }
            if begun.elapsed() >= timeout {
                return Err(Error::TaskTimeout {
                    upid: upid.to_string(),
                    seconds: timeout.as_secs(),
                });
            }
            let pause = PAUSES.get(look).or(PAUSES.last()).copied();
            cancel.sleep(pause.unwrap_or(Duration::from_secs(1)))?;
        }
        Err(Error::Cancelled)
    }

    /// Passes on new lines and gives their number. A log that cannot be read
    /// now is read with the next look.
    fn tell(&self, upid: &Upid, told: u64, ended: bool, on_line: &mut dyn FnMut(&str)) -> u64 {
        let mut new = 0;
        while let Ok(lines) = self.task_log(upid, told + new) {
            let page = u64::try_from(lines.len()).unwrap_or(PAGE);
            for line in lines.iter().filter(|line| line.t != "no content") {
                on_line(&line.t);
                new += 1;
            }
            if !ended || page < PAGE {
                break;
            }
        }
        new
    }

    fn end(&self, upid: &Upid, exitstatus: Option<&str>) -> Result<TaskEnd, Error> {
        match exitstatus {
            Some("OK") => Ok(TaskEnd { warnings: None }),
            Some(text) if text.starts_with("WARNINGS:") => Ok(TaskEnd {
                warnings: Some(text.to_owned()),
            }),
            other => Err(Error::Task {
                upid: upid.to_string(),
                kind: upid.kind().to_owned(),
                node: upid.node().to_owned(),
                status: other.unwrap_or("it ended without a status").to_owned(),
                log: self.log_tail(upid),
            }),
        }
    }

    /// The last lines of a task's log; empty when it cannot be read.
    fn log_tail(&self, upid: &Upid) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        let mut start = 0;
        while let Ok(lines) = self.task_log(upid, start) {
            let page = u64::try_from(lines.len()).unwrap_or(PAGE);
            all.extend(lines.into_iter().map(|line| line.t));
            let surplus = all.len().saturating_sub(TAIL);
            all.drain(..surplus);
            start += page;
            if page < PAGE {
                break;
            }
        }
        all
    }
}

fn task(upid: &Upid, rest: &str) -> String {
    format!(
        "nodes/{}/tasks/{}/{rest}",
        percent_encode(upid.node()),
        percent_encode(&upid.0)
    )
}
