//! Reads a run file as it grows. Every event has an offset in it: who comes back
//! with the last one misses nothing and sees nothing twice.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use camino::{Utf8Path, Utf8PathBuf};

use super::read::event_of;
use crate::base::private_read;
use crate::diag::{Exit, Failure};
use crate::plan::Event;

/// What stands between the top of a run file and its events.
const EVENTS: &[u8] = b"\nevents:\n";

/// The events of one run file, from an offset on.
#[derive(Debug)]
pub(super) struct Follower {
    path: Utf8PathBuf,
    file: File,
    /// Where in the file the next line begins; 0 until its events are found.
    offset: u64,
    /// What was read of a line that is not whole yet.
    rest: Vec<u8>,
}

impl Follower {
    /// Begins behind the event with that offset, else at the first event.
    ///
    /// # Errors
    /// The file cannot be read (66), or no event ends at that offset (2).
    pub(super) fn open(path: &Utf8Path, from: Option<u64>) -> Result<Self, Failure> {
        let file = private_read(path).map_err(|error| cannot(path, &error))?;
        let mut follower = Self {
            path: path.to_owned(),
            file,
            offset: 0,
            rest: Vec::new(),
        };
        if let Some(from) = from {
            follower.go_to(from)?;
        }
        Ok(follower)
    }

    /// The events that were written since, each with its offset: the number of
    /// bytes of the file up to its end.
    ///
    /// # Errors
    /// The file cannot be read (66), or is no run file (65).
    pub(super) fn new_events(&mut self) -> Result<Vec<(u64, Event)>, Failure> {
        let start = self
            .file
            .seek(SeekFrom::Start(self.offset + self.rest.len() as u64));
        let read = start.and_then(|_| self.file.read_to_end(&mut self.rest));
        read.map_err(|error| cannot(&self.path, &error))?;
        if self.offset == 0 {
            let Some(top) = self
                .rest
                .windows(EVENTS.len())
                .position(|part| part == EVENTS)
            else {
                return Ok(Vec::new());
            };
            self.take(top + EVENTS.len());
        }
        let mut events = Vec::new();
        let mut taken = 0;
        let lines = self.rest.split_inclusive(|byte| *byte == b'\n');
        for line in lines.filter(|line| line.ends_with(b"\n")) {
            taken += line.len();
            let line = String::from_utf8_lossy(line);
            let event = event_of(line.trim_end_matches('\n')).transpose();
            if let Some(event) = event {
                let event = event.map_err(|why| {
                    let message = format!("run file `{}`: {why}", self.path);
                    Failure::message(Exit::Definition, message)
                })?;
                events.push((self.offset + taken as u64, event));
            }
        }
        self.take(taken);
        Ok(events)
    }

    /// Takes bytes off the front of what was read.
    fn take(&mut self, count: usize) {
        self.rest.drain(..count);
        self.offset += count as u64;
    }

    fn go_to(&mut self, from: u64) -> Result<(), Failure> {
        let wrong = || {
            let message = format!("no event of the run ends at offset {from}");
            Failure::message(Exit::Usage, message)
                .help("`--from` takes the `offset` of a line that was shown; without it all are")
        };
        let mut before = Vec::new();
        let read = Read::by_ref(&mut self.file)
            .take(from)
            .read_to_end(&mut before);
        read.map_err(|error| cannot(&self.path, &error))?;
        let top = before.windows(EVENTS.len()).any(|part| part == EVENTS);
        if before.len() as u64 != from || !top || !before.ends_with(b"\n") {
            return Err(wrong());
        }
        self.offset = from;
        Ok(())
    }
}

fn cannot(path: &Utf8Path, error: &std::io::Error) -> Failure {
    let message = format!("cannot read run file `{path}`: {error}");
    Failure::message(Exit::Unknown, message)
}
