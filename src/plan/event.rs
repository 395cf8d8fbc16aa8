//! What happens during a run, in one vocabulary: the terminal, the JSON
//! stream, the journal and the reports all read these.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{StepEnd, StepId};

/// How a run ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every step succeeded or was skipped.
    Succeeded,
    /// At least one step failed.
    #[default]
    Failed,
    /// The user stopped it, or did not approve.
    Cancelled,
}

/// Which stream of a child a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Said by the action itself.
    Note,
}

/// What is known of a run when it starts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunInfo {
    /// `YYYYMMDD-HHMMSS-xxxx`, UTC.
    pub id: String,
    /// What was asked for, e.g. `up dev`.
    pub recipe: String,
    /// The command line as typed, redacted.
    pub command: Vec<String>,
    /// Nothing is changed.
    pub dry_run: bool,
    /// In the sealed world of `hl rehearse`.
    pub rehearsal: bool,
    /// Number of steps.
    pub steps: usize,
    /// The version of `hl`.
    pub version: String,
    /// Process id of `hl`.
    pub pid: u32,
    /// Start time of that process in clock ticks since boot (`/proc/PID/stat`
    /// field 22), so that a reused pid is not mistaken for it.
    pub pid_start: u64,
    /// `user@host`.
    pub operator: String,
    /// SHA-256 of the serialised plan, hex.
    pub plan_digest: String,
}

/// What is known of an interrupted or failed run when it goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resumed {
    /// The process that goes on with it, its command line and its plan; `id`,
    /// `recipe` and `dry_run` are those of the run.
    #[serde(flatten)]
    pub info: RunInfo,
    /// The boot of the machine that `pid` and `pid_start` are of.
    pub boot_id: String,
    /// Flags of the new command that change what it does, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub flags: BTreeMap<String, Value>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// When, RFC 3339 in UTC with milliseconds.
    pub time: String,
    /// To which step; absent for the run as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened. Tagged by `event`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// The run begins.
    RunStarted(RunInfo),
    /// The run goes on in another process.
    Resumed(Resumed),
    /// A step begins its attempt, counted from 1.
    StepStarted {
        /// Attempt, from 1.
        attempt: u32,
    },
    /// A child process was started by the step.
    ChildStarted {
        /// Process id; also the id of its process group.
        pid: u32,
        /// Start time in clock ticks since boot.
        pid_start: u64,
        /// Program name.
        program: String,
        /// Its spool files, relative to the lab.
        spool: Vec<String>,
        /// Its number among the children of the step in this run, from 1; absent
        /// in runs of older versions.
        #[serde(default, skip_serializing_if = "is_zero")]
        number: u32,
    },
    /// That child ended.
    ChildExited {
        /// Process id.
        pid: u32,
        /// Exit code, absent when a signal ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i32>,
        /// Signal number, when one ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// An earlier part of the run began it, and it ended while nobody watched:
        /// its number among the children of the step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unwatched: Option<u32>,
    },
    /// A line of output, redacted. Not journaled: it is in the step's log.
    Output {
        /// Where it came from.
        stream: Stream,
        /// The line without its newline.
        line: String,
    },
    /// How far a step is. Not journaled.
    Progress {
        /// What it does now.
        message: String,
        /// Units done, where they can be counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        done: Option<u64>,
        /// Units in all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    /// Something the user should know that does not fail the step.
    Warning {
        /// What, with a remedy.
        message: String,
    },
    /// A step shows what it would do and asks.
    ApprovalAsked {
        /// What would happen, as lines for people.
        summary: Vec<String>,
        /// Digest of all that is to be approved: the same when the same is
        /// shown again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
        /// Asked is whether to run again what may have done its work.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        again: bool,
    },
    /// The answer.
    ApprovalGiven {
        /// Yes or no.
        approved: bool,
        /// Who answered: `terminal`, `--yes`, `no terminal`.
        by: String,
    },
    /// The attempt failed and another follows.
    StepRetried {
        /// The attempt that failed.
        attempt: u32,
        /// Why.
        error: String,
        /// Seconds until the next one.
        wait_seconds: u64,
    },
    /// A step ended.
    StepFinished(StepEnd),
    /// A signal arrived, and what `hl` does about it.
    Interrupted {
        /// `SIGINT`, `SIGTERM`, `SIGHUP`, `SIGQUIT`, `SIGALRM`, `SIGUSR1`,
        /// `SIGUSR2`, `stop` (`hl stop`), or `timeout`.
        signal: String,
        /// What is done and waited for.
        message: String,
    },
    /// The run is over.
    RunFinished {
        /// How.
        outcome: Outcome,
        /// Exit code of the process.
        exit: u8,
        /// Milliseconds, from the beginning of this part of the run.
        duration_ms: u64,
        /// Milliseconds that the earlier parts of the run took.
        #[serde(default, skip_serializing_if = "is_zero")]
        earlier_ms: u64,
    },
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

impl EventKind {
    /// What a part of a run says when it begins: the first one, or one that
    /// resumes it.
    pub fn begins(&self) -> Option<&RunInfo> {
        if let Self::RunStarted(info) | Self::Resumed(Resumed { info, .. }) = self {
            return Some(info);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Status;

    /// Journals and streams of every version have these bytes.
    #[test]
    fn the_end_of_a_step_is_written_as_ever() {
        let event = |end| Event {
            time: "t".to_owned(),
            step: Some(StepId::from("r/a")),
            kind: EventKind::StepFinished(end),
        };
        let bare = event(StepEnd::new(Status::NotPlanned, ""));
        let text = |texts: &str| vec![texts.to_owned()];
        let full = event(StepEnd {
            changed: Some(true),
            duration_ms: 12,
            outputs: [("k".to_owned(), Value::from(1.5))].into(),
            fingerprint: Some("f".to_owned()),
            warnings: text("w"),
            help: text("h"),
            tail: text("l"),
            exit: Some(7),
            log: Some("g".to_owned()),
            ..StepEnd::new(Status::Failed, "s")
        });
        for (event, written) in [
            (
                bare,
                r#"{"time":"t","step":"r/a","event":"step_finished","status":"not_planned","duration_ms":0}"#,
            ),
            (
                full,
                r#"{"time":"t","step":"r/a","event":"step_finished","status":"failed","changed":true,"duration_ms":12,"summary":"s","outputs":{"k":1.5},"fingerprint":"f","warnings":["w"],"help":["h"],"tail":["l"],"exit":7,"log":"g"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), written);
            assert_eq!(serde_json::from_str::<Event>(written).unwrap(), event);
        }
    }
}
