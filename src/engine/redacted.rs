//! Events without secrets: every text that a tool, a file or an action may
//! have had a hand in goes through the redactor, and is made fit to be shown.
//! Values that a step publishes are data: they are masked and else kept.

use serde_json::Value;

use super::shown::shown;
use crate::base::json::map_texts;
use crate::lab::Redactor;
use crate::plan::{EventKind, Resumed};

/// The same event with every secret masked.
pub(super) fn redacted(mut kind: EventKind, redactor: &Redactor) -> EventKind {
    let text = |text: &mut String| *text = shown(text, redactor);
    let texts = |list: &mut Vec<String>| list.iter_mut().for_each(text);
    match &mut kind {
        EventKind::RunStarted(info) | EventKind::Resumed(Resumed { info, .. }) => {
            for word in &mut info.command {
                *word = redactor.text(word);
            }
            text(&mut info.recipe);
        }
        EventKind::Output { line: said, .. }
        | EventKind::Progress { message: said, .. }
        | EventKind::Warning { message: said }
        | EventKind::StepRetried { error: said, .. }
        | EventKind::Interrupted { message: said, .. }
        | EventKind::ChildStarted { program: said, .. }
        | EventKind::ApprovalGiven { by: said, .. } => text(said),
        EventKind::ApprovalAsked { summary, .. } => texts(summary),
        EventKind::StepFinished(end) => {
            text(&mut end.summary);
            for output in end.outputs.values_mut() {
                *output = value(output.take(), redactor);
            }
            texts(&mut end.warnings);
            texts(&mut end.help);
            texts(&mut end.tail);
        }
        EventKind::StepStarted { .. }
        | EventKind::ChildExited { .. }
        | EventKind::RunFinished { .. } => {}
    }
    kind
}

pub(super) fn value(value: Value, redactor: &Redactor) -> Value {
    map_texts(value, &|text| redactor.text(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Status, StepEnd, Stream};
    use serde_json::json;

    const CANARY: &str = "canary-7f3a";

    #[test]
    fn no_event_shows_a_secret_or_steers_a_terminal() {
        let s = || "a \u{1b}]0;x\u{7}canary\u{1b}[1m-7f\u{9b}2m3\u{202e}a b".to_owned();
        let list = || vec![s(), s()];
        let events = [
            EventKind::Output {
                stream: Stream::Note,
                line: s(),
            },
            EventKind::Progress {
                message: s(),
                done: None,
                total: None,
            },
            EventKind::Warning { message: s() },
            EventKind::ApprovalAsked {
                summary: list(),
                digest: None,
                again: false,
            },
            EventKind::StepRetried {
                attempt: 1,
                error: s(),
                wait_seconds: 1,
            },
            EventKind::Interrupted {
                signal: "SIGINT".to_owned(),
                message: s(),
            },
            EventKind::ChildStarted {
                pid: 1,
                pid_start: 1,
                program: s(),
                spool: Vec::new(),
                number: 1,
            },
            EventKind::StepFinished(StepEnd {
                outputs: [(
                    "k".to_owned(),
                    json!({"x": [format!("a {CANARY} b")], CANARY: 1}),
                )]
                .into(),
                warnings: list(),
                help: list(),
                tail: list(),
                ..StepEnd::new(Status::Failed, s())
            }),
        ];
        let redactor = Redactor::new([CANARY]);
        for event in events {
            let text = serde_json::to_string(&redacted(event, &redactor)).unwrap();
            assert!(text.contains("a (secret) b"), "{text}");
            for hidden in ["3\u{202e}a", "\\u001b", "\u{9b}", "7f3a"] {
                assert!(!text.contains(hidden), "{text}");
            }
        }
    }
}
