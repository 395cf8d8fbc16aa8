//! What the command line listens with, beside the journal: the tally, the JSON
//! stream, the terminal.

use std::io::Write;

use crate::base::json;
use crate::diag::{Exit, Failure};
use crate::plan::{Event, EventKind, Listener, Tally};
use crate::report::Terminal;

/// Tally, stream and terminal as one listener.
pub(super) struct Fan {
    pub terminal: Option<Terminal>,
    /// JSON Lines on stdout.
    pub stream: bool,
    pub tally: Tally,
}

impl Listener for Fan {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        self.tally.take(event);
        if self.stream {
            write_line(event)?;
        }
        if let Some(terminal) = &mut self.terminal {
            terminal.event(event);
            if matches!(event.kind, EventKind::RunFinished { .. }) {
                self.terminal = None;
            }
        }
        Ok(())
    }
}

fn write_line(event: &Event) -> Result<(), Failure> {
    let text = json::line(event).map_err(|error| {
        Failure::message(Exit::Bug, format!("cannot write an event as JSON: {error}"))
    })?;
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::message(
            Exit::CannotWrite,
            format!("cannot write to standard output: {error}"),
        )),
        // A reader that went away does not stop a run.
        _ => Ok(()),
    }
}
