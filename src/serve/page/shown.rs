//! Text as a page shows it: without secrets and without characters that hide or
//! reorder text. That it is no markup is askama's business.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::app::Caller;
use crate::base::short_duration;
use crate::diag::Commands;
use crate::lab::variables::is_secret;
use crate::lab::{Lab, Redactor};
use crate::plan::{Status, StepState};
use crate::report::{RunState, ago, local};

/// Cleans text.
#[derive(Debug)]
pub(super) struct Clean {
    redactor: Redactor,
    commands: Commands,
}

impl Clean {
    /// Knows the secrets that the daemon was started with and those of the lab's files;
    /// the store of secrets is not asked. What runs wrote has none already.
    pub(super) fn new(caller: &Caller, lab: &Lab) -> Self {
        let given = caller.process.iter().filter(|(name, _)| is_secret(name));
        let given = given.map(|(_, value)| value.as_str());
        // A file of variables with a mistake in it tells nothing.
        let loaded = caller.variables(lab, false).ok();
        let known = loaded.iter().flat_map(|loaded| loaded.env.secrets());
        Self {
            redactor: Redactor::new(given.chain(known)),
            commands: lab.paths.commands(),
        }
    }

    /// Whose commands are advised.
    pub(super) fn commands(&self) -> Commands {
        self.commands
    }

    /// One line.
    pub(super) fn text(&self, text: &str) -> String {
        self.redactor.shown(text)
    }

    /// Several lines.
    pub(super) fn lines(&self, text: &str) -> Vec<String> {
        self.redactor
            .shown(text)
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Each of these.
    pub(super) fn all<'a>(&self, texts: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        texts.into_iter().map(|text| self.text(text)).collect()
    }
}

/// A time: for machines, as a person here reads it, and how long ago it was.
#[derive(Debug, Clone, Default)]
pub(super) struct When {
    pub(super) iso: String,
    pub(super) text: String,
    pub(super) ago: String,
}

impl When {
    /// Of a time as journals have it.
    pub(super) fn new(time: &str, now: Timestamp) -> Self {
        if time.parse::<Timestamp>().is_err() {
            return Self::default();
        }
        Self {
            iso: time.to_owned(),
            text: local(time, &TimeZone::system()),
            ago: ago(time, now),
        }
    }
}

/// Seconds as a person reads them; nothing where they are not known.
pub(super) fn took(seconds: Option<f64>) -> String {
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.map(short_duration).unwrap_or_default()
}

/// How something stands: a key for the style sheet and the script, and a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) key: &'static str,
    pub(super) word: &'static str,
}

/// A step of the plan that was not heard of yet.
pub(super) const WAITING: State = State {
    key: "waiting",
    word: "waiting",
};

/// The state of a step.
pub(super) fn step_state(state: StepState) -> State {
    let (key, word) = match state {
        StepState::Running => ("running", "running"),
        StepState::Interrupted => ("interrupted", "interrupted"),
        StepState::Ended(status) => match status {
            Status::Succeeded => ("succeeded", "done"),
            Status::Failed => ("failed", "failed"),
            Status::Skipped => ("skipped", "skipped"),
            Status::Blocked => ("blocked", "blocked"),
            Status::Cancelled => ("cancelled", "cancelled"),
            Status::NotPlanned => ("not_planned", "not planned"),
        },
    };
    State { key, word }
}

/// The state of a run.
pub(super) fn run_state(state: RunState) -> State {
    let word = state.word();
    State { key: word, word }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations_are_for_people_and_machines() {
        let now: Timestamp = "2026-01-02T03:05:05Z".parse().unwrap();
        let when = When::new("2026-01-02T03:04:05.678Z", now);
        assert_eq!(when.iso, "2026-01-02T03:04:05.678Z");
        assert_eq!(when.ago, "59s ago");
        assert!(when.text.starts_with("2026-01-0"));
        assert_eq!(When::new("<b>", now).iso, "");
        assert_eq!(took(None), "");
        assert_eq!(took(Some(f64::NAN)), "");
        assert_eq!(took(Some(75.0)), short_duration(Duration::from_secs(75)));
    }
}
