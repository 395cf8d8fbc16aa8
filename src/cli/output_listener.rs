//! What the command line listens with, beside the journal: the JSON stream, the
//! terminal.

use std::io::{Write, stderr};

use serde::Serialize;

use super::echo::ControlEchoOff;
use super::session::write_data;
use crate::base::json;
use crate::diag::{Exit, Failure};
use crate::plan::{Event, EventKind, Listener};
use crate::report::Terminal;

/// Stream and terminal as one listener.
pub(super) struct OutputListener {
    pub terminal: Option<Terminal>,
    /// JSON Lines on stdout.
    pub stream: bool,
    /// What is said below a question that waits for an answer from elsewhere.
    pub how_to_answer: Option<String>,
    /// While a progress line is drawn, Ctrl-C writes no `^C` into it.
    pub echo_off: Option<ControlEchoOff>,
}

impl Listener for OutputListener {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        if self.stream {
            write_line(event)?;
        }
        if let Some(terminal) = &mut self.terminal {
            terminal.event(event);
            if let (EventKind::ApprovalAsked { .. }, Some(how)) = (&event.kind, &self.how_to_answer)
            {
                // The run does not wait for who reads this.
                writeln!(stderr(), "{how}").ok();
            }
            if matches!(event.kind, EventKind::RunFinished { .. }) {
                self.terminal = None;
                self.echo_off = None;
            }
        }
        Ok(())
    }
}

/// Writes a value as one line of JSON to stdout.
pub(super) fn write_line(value: &impl Serialize) -> Result<(), Failure> {
    let text = json::line(value).map_err(|error| {
        Failure::message(Exit::Bug, format!("cannot write an event as JSON: {error}"))
    })?;
    write_data(&text)
}
