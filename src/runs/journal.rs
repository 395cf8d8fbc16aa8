//! Writes a run file, event by event.
//!
//! The file is valid YAML after every line: a header, then `events:`, to which
//! each event adds one line, a flow mapping. So a run that was killed, or whose
//! disk is full, leaves a file that can be read to its last whole line. A run
//! that is resumed goes on in the same file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{FallocateFlags, fallocate};
use serde_json::Value;

use super::header::{Header, flow};
use super::read::{Run, parse, whole_lines};
use super::{SavedRequest, file_of};
use crate::base::{private_append, private_read, private_reopen, remedy};
use crate::diag::{Advice, Exit, Failure, say};
use crate::lab::{Paths, write};
use crate::plan::{Event, EventKind, Listener, RunInfo, took};

/// A listener that keeps the run.
#[derive(Debug)]
pub struct Journal {
    paths: Paths,
    flags: BTreeMap<String, Value>,
    asked: Option<SavedRequest>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    path: Utf8PathBuf,
    file: File,
    /// Up to here room is kept for the file.
    reserved: u64,
}

/// Room that is kept ahead of the journal: when a disk fills up, how the
/// running steps ended can still be written down.
const RESERVE: u64 = 16 * 1024;

impl Open {
    fn new(path: Utf8PathBuf, file: File) -> Self {
        let mut open = Self {
            path,
            file,
            reserved: 0,
        };
        open.reserve();
        open
    }

    /// Keeps room ahead, where the file system can; the file is not longer by
    /// it.
    fn reserve(&mut self) {
        let Ok(length) = self.file.metadata().map(|meta| meta.len()) else {
            return;
        };
        if length + RESERVE / 2 > self.reserved
            && fallocate(&self.file, FallocateFlags::KEEP_SIZE, length, RESERVE).is_ok()
        {
            self.reserved = length + RESERVE;
        }
    }

    /// Gives back the room that was not needed.
    fn release(&self) {
        if let Ok(meta) = self.file.metadata() {
            // What stays reserved is given back with the file.
            self.file.set_len(meta.len()).unwrap_or_default();
        }
    }
}

impl Journal {
    /// A journal under `state/runs/`. The file is made when the run starts, or
    /// opened when it is resumed. `flags` are those that change what the run
    /// does, `asked` is what its plan was built from.
    pub fn new(paths: &Paths, flags: BTreeMap<String, Value>, asked: Option<SavedRequest>) -> Self {
        Self {
            paths: paths.clone(),
            flags,
            asked,
            open: None,
        }
    }

    fn begin(&mut self, info: &RunInfo, time: &str) -> Result<(), Failure> {
        let path = file_of(&self.paths, &info.id);
        if path.exists() {
            let shown = self.paths.show(&path);
            let message = format!("run file `{shown}` is already there");
            return Err(Failure::message(Exit::CannotWrite, message));
        }
        let flags = std::mem::take(&mut self.flags);
        let header = Header::new(info, time, flags, self.asked.take());
        let text = header.text().map_err(|e| bug(&e))?;
        // Whole or not there: a header is never torn.
        write(&path, text, 0o600)?;
        let file = private_append(&path).map_err(|e| self.cannot(&path, &e))?;
        self.open = Some(Open::new(path, file));
        Ok(())
    }

    /// Opens the file of a run that goes on.
    fn go_on(&mut self, info: &RunInfo) -> Result<(), Failure> {
        let path = file_of(&self.paths, &info.id);
        let (file, _) = reopen(&path).map_err(|error| match error {
            NotReopened::NotARun(failure) => failure,
            NotReopened::Io(error) => self.cannot(&path, &error),
        })?;
        self.open = Some(Open::new(path, file));
        Ok(())
    }

    fn cannot(&self, path: &Utf8PathBuf, error: &io::Error) -> Failure {
        let path = self.paths.show(path);
        Failure::message(
            Exit::CannotWrite,
            format!("cannot write the journal `{path}`: {error}"),
        )
        .help(remedy(error).map_or_else(
            || {
                say("make room or correct the permissions; ")
                    .hl("clean --dry-run")
                    .say(" lists what can go")
            },
            Advice::from,
        ))
    }
}

enum NotReopened {
    NotARun(Failure),
    Io(io::Error),
}

/// Opens a run file to add to it, and cuts off the line that was torn when its
/// process died. Nothing is touched in a file that this `hl` cannot read.
fn reopen(path: &Utf8Path) -> Result<(File, Run), NotReopened> {
    let mut bytes = Vec::new();
    private_read(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(NotReopened::Io)?;
    let run = parse(&bytes).map_err(NotReopened::NotARun)?;
    let whole = u64::try_from(whole_lines(&bytes)).unwrap_or(u64::MAX);
    let cut = || {
        let file = private_reopen(path)?;
        if file.metadata()?.len() > whole {
            file.set_len(whole)?;
            file.sync_data()?;
        }
        Ok((file, run))
    };
    cut().map_err(NotReopened::Io)
}

/// Ends a run that nobody will go on with, as `cancelled`: the event is added
/// to its file, which stays. Call it with the lab locked.
///
/// # Errors
/// The file cannot be read (65, 76) or written (73).
pub fn archive(paths: &Paths, id: &str) -> Result<(), Failure> {
    let mut journal = Journal::new(paths, BTreeMap::new(), None);
    let path = file_of(paths, id);
    let (mut file, run) = reopen(&path).map_err(|error| match error {
        NotReopened::NotARun(failure) => failure,
        NotReopened::Io(error) => journal.cannot(&path, &error),
    })?;
    let parts = took(&run.events);
    let event = Event {
        time: format!("{:.3}", jiff::Timestamp::now()),
        step: None,
        kind: EventKind::RunFinished {
            outcome: crate::plan::Outcome::Cancelled,
            exit: Exit::Interrupted.code(),
            duration_ms: 0,
            earlier_ms: u64::try_from(parts.as_millis()).unwrap_or(u64::MAX),
        },
    };
    let line = line(&event)?;
    file.write_all(line.as_bytes())
        .and_then(|()| file.sync_data())
        .map_err(|error| journal.cannot(&path, &error))?;
    journal.open = None;
    Ok(())
}

impl Listener for Journal {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        let boundary = match &event.kind {
            EventKind::RunStarted(info) => {
                self.begin(info, &event.time)?;
                true
            }
            EventKind::Resumed(resumed) => {
                self.go_on(&resumed.info)?;
                true
            }
            EventKind::Output { .. } | EventKind::Progress { .. } => return Ok(()),
            EventKind::StepStarted { .. }
            | EventKind::StepFinished(_)
            | EventKind::RunFinished { .. } => true,
            EventKind::ChildStarted { .. }
            | EventKind::ChildExited { .. }
            | EventKind::Warning { .. }
            | EventKind::ApprovalAsked { .. }
            | EventKind::ApprovalGiven { .. }
            | EventKind::StepRetried { .. }
            | EventKind::Interrupted { .. } => false,
        };
        let line = line(event)?;
        let Some(open) = &mut self.open else {
            return Err(Failure::message(Exit::Bug, "an event came before its run"));
        };
        let mut written = open.file.write_all(line.as_bytes());
        if boundary && written.is_ok() {
            written = open.file.sync_data();
            open.reserve();
        }
        if matches!(event.kind, EventKind::RunFinished { .. }) {
            open.release();
        }
        let Err(error) = written else { return Ok(()) };
        let path = open.path.clone();
        Err(self.cannot(&path, &error))
    }
}

fn line(event: &Event) -> Result<String, Failure> {
    let flow = flow(event).map_err(|e| bug(&e))?;
    Ok(format!("  - {flow}\n"))
}

fn bug(error: &serde_json::Error) -> Failure {
    Failure::message(
        Exit::Bug,
        format!("an event cannot be written down: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::{REQUEST_VERSION, RecipeRequest, RunRequest};
    use super::*;
    use crate::base::{Process, boot_id};
    use crate::plan::{Outcome, Resumed, StepId};
    use crate::runs::{Ending, FORMAT, read};
    use std::fs;

    const ID: &str = "20260102-030405-abcd";

    fn info() -> RunInfo {
        RunInfo {
            id: ID.to_owned(),
            recipe: "up dev".to_owned(),
            command: vec!["hl".to_owned(), "up".to_owned()],
            dry_run: false,
            rehearsal: false,
            steps: 2,
            version: "0.1.0".to_owned(),
            pid: Process::this().pid,
            pid_start: 1,
            operator: "me@here".to_owned(),
            plan_digest: "00".to_owned(),
        }
    }

    fn event(step: Option<&str>, kind: EventKind) -> Event {
        Event {
            time: "2026-01-02T03:04:05.678Z".to_owned(),
            step: step.map(StepId::from),
            kind,
        }
    }

    fn resumed(pid_start: u64, boot_id: String) -> Event {
        let info = RunInfo {
            pid_start,
            ..info()
        };
        let flags = [("with".to_owned(), Value::from(vec!["kof"]))].into();
        let kind = EventKind::Resumed(Resumed {
            info,
            boot_id,
            flags,
        });
        event(None, kind)
    }

    fn over(outcome: Outcome) -> Event {
        let kind = EventKind::RunFinished {
            outcome,
            exit: 1,
            duration_ms: 5,
            earlier_ms: 0,
        };
        event(None, kind)
    }

    /// A lab in which a run was begun, and what its journal was told.
    fn begun(asked: Option<SavedRequest>) -> (tempfile::TempDir, Paths, Vec<Event>) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        let events = vec![
            event(None, EventKind::RunStarted(info())),
            event(Some("r/a"), EventKind::StepStarted { attempt: 1 }),
        ];
        tell(&paths, asked, &events).unwrap();
        (dir, paths, events)
    }

    fn tell(paths: &Paths, asked: Option<SavedRequest>, events: &[Event]) -> Result<(), Failure> {
        let mut journal = Journal::new(paths, BTreeMap::new(), asked);
        events.iter().try_for_each(|event| journal.event(event))
    }

    fn read_back(paths: &Paths) -> Run {
        read(&file_of(paths, ID)).unwrap()
    }

    #[test]
    fn a_resumed_run_goes_on_in_its_file_behind_what_is_whole_of_it() {
        let (_dir, paths, mut events) = begun(None);
        let path = file_of(&paths, ID);
        let mut torn = fs::read(&path).unwrap();
        let before = torn.clone();
        torn.extend_from_slice(b"  - {\"time\":\"2026");
        fs::write(&path, torn).unwrap();
        assert_eq!(read_back(&paths).ending, Ending::Interrupted);
        let second = [
            resumed(Process::this().start, boot_id()),
            over(Outcome::Failed),
        ];
        tell(&paths, None, &second).unwrap();
        events.extend(second);
        let run = read_back(&paths);
        assert_eq!(run.events, events);
        assert!(fs::read(&path).unwrap().starts_with(&before));
        let third = resumed(Process::this().start, boot_id());
        tell(&paths, None, std::slice::from_ref(&third)).unwrap();
        assert_eq!(read_back(&paths).ending, Ending::Running);
    }

    #[test]
    fn the_ending_is_that_of_the_last_part() {
        let now = Process::this().start;
        for (part, wanted) in [
            (resumed(now, boot_id()), Ending::Running),
            // The pid is somebody else's by now, or of another boot.
            (resumed(now + 1, boot_id()), Ending::Interrupted),
            (resumed(now, "another boot".to_owned()), Ending::Interrupted),
        ] {
            let (_dir, paths, _) = begun(None);
            tell(
                &paths,
                None,
                &[resumed(1, boot_id()), over(Outcome::Failed)],
            )
            .unwrap();
            tell(&paths, None, &[part]).unwrap();
            assert_eq!(read_back(&paths).ending, wanted);
        }
    }

    #[test]
    fn what_was_asked_for_comes_back() {
        let asked = SavedRequest {
            version: REQUEST_VERSION,
            request: RunRequest::Recipe(RecipeRequest {
                name: "l2-apply".to_owned(),
                args: vec![
                    "dev".to_owned(),
                    "12".to_owned(),
                    "--node=pve: # x".to_owned(),
                ],
            }),
            set: [("NOTE".to_owned(), "yes: # 1".to_owned())].into(),
            secrets: ["API_TOKEN".to_owned()].into(),
        };
        let (_dir, paths, _) = begun(Some(asked.clone()));
        assert_eq!(read_back(&paths).header.request, Some(asked));
        let (_dir, paths, _) = begun(None);
        assert_eq!(read_back(&paths).header.request, None);
    }

    #[test]
    fn the_file_of_a_newer_hl_is_not_touched() {
        let (_dir, paths, _) = begun(None);
        let path = file_of(&paths, ID);
        let text = fs::read_to_string(&path).unwrap();
        let newer = text.replace(
            &format!("version: {FORMAT}\n"),
            &format!("version: {}\n", FORMAT + 1),
        ) + "torn";
        fs::write(&path, &newer).unwrap();
        let part = resumed(Process::this().start, boot_id());
        let failure = tell(&paths, None, &[part]).unwrap_err();
        assert_eq!(failure.exit, Exit::Newer);
        assert_eq!(archive(&paths, ID).unwrap_err().exit, Exit::Newer);
        assert_eq!(fs::read_to_string(&path).unwrap(), newer);
    }

    #[test]
    fn an_archived_run_is_cancelled_and_stays() {
        let (_dir, paths, events) = begun(None);
        archive(&paths, ID).unwrap();
        let run = read_back(&paths);
        assert!(matches!(
            run.ending,
            Ending::Finished {
                outcome: Outcome::Cancelled,
                ..
            }
        ));
        assert!(run.events.starts_with(&events));
    }
}
