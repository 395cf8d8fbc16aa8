//! A run that is followed: what happened since, and whether more will come. Its file is
//! read once from its beginning, then only where it grows.

use std::time::{Duration, Instant};

use camino::Utf8Path;

use super::follow::Follower;
use super::read::{process_of, read};
use crate::base::Process;
use crate::diag::Failure;
use crate::plan::{Event, EventKind};

/// How often it is looked whether the run's process still lives.
const ALIVE: Duration = Duration::from_secs(1);

/// A run that is followed.
#[derive(Debug)]
pub struct LiveRun {
    follower: Follower,
    /// The process that runs its last part; none where that was of another boot.
    process: Option<Process>,
    /// The exit code of its last part, once that came to its end.
    exit: Option<u8>,
    /// When it was looked for the process.
    looked: Option<Instant>,
}

/// What happened since the last look.
#[derive(Debug, PartialEq)]
pub struct News {
    /// Events, each with its offset: the number of bytes of the file up to its end.
    pub events: Vec<(u64, Event)>,
    /// The run is over, and how.
    pub over: Option<RunEnd>,
}

/// Why no more events come, unless the run is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// It came to its end, with this exit code.
    Exit(u8),
    /// Its process is gone.
    CutOff,
}

impl LiveRun {
    /// Begins behind the event with that offset, else at the first event.
    ///
    /// # Errors
    /// The file cannot be read (66) or is no run file (65), or no event ends at that
    /// offset (2).
    pub fn open(path: &Utf8Path, from: Option<u64>) -> Result<Self, Failure> {
        let run = read(path)?;
        let header = &run.header;
        let mut live = Self {
            follower: Follower::open(path, from)?,
            process: process_of(header.pid, header.pid_start, &header.boot_id),
            exit: None,
            looked: None,
        };
        for event in &run.events {
            live.take(&event.kind);
        }
        Ok(live)
    }

    /// What happened since. The process is looked for before the events are read, so that
    /// those of a run that is over are all there.
    ///
    /// # Errors
    /// The file cannot be read (66), or is no run file (65).
    pub fn look(&mut self) -> Result<News, Failure> {
        let (looked_for, mut gone) = (self.process, false);
        if self.looked.is_none_or(|looked| looked.elapsed() >= ALIVE) {
            self.looked = Some(Instant::now());
            gone = !looked_for.is_some_and(Process::is_running);
        }
        let events = self.follower.new_events()?;
        for (_, event) in &events {
            self.take(&event.kind);
        }
        // It may go on in another process than the one that was looked for.
        let cut_off = (gone && self.process == looked_for).then_some(RunEnd::CutOff);
        Ok(News {
            over: self.exit.map(RunEnd::Exit).or(cut_off),
            events,
        })
    }

    fn take(&mut self, kind: &EventKind) {
        if kind.begins().is_some() {
            self.exit = None;
        }
        if let EventKind::Resumed(part) = kind {
            let info = &part.info;
            self.process = process_of(info.pid, info.pid_start, &part.boot_id);
        }
        if let EventKind::RunFinished { exit, .. } = kind {
            self.exit = Some(*exit);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use camino::Utf8PathBuf;

    use super::*;
    use crate::base::boot_id;
    use crate::lab::Paths;
    use crate::plan::{Listener, Outcome, Resumed, RunInfo};
    use crate::runs::Journal;

    struct Stage {
        _dir: tempfile::TempDir,
        journal: Journal,
        path: Utf8PathBuf,
    }

    fn info() -> RunInfo {
        RunInfo {
            id: "20260102-030405-abcd".to_owned(),
            pid: Process::this().pid,
            pid_start: Process::this().start,
            ..RunInfo::default()
        }
    }

    fn told(stage: &mut Stage, kind: EventKind) {
        let event = Event {
            time: "2026-01-02T03:04:05.678Z".to_owned(),
            step: None,
            kind,
        };
        stage.journal.event(&event).unwrap();
    }

    fn warning(text: &str) -> EventKind {
        EventKind::Warning {
            message: text.to_owned(),
        }
    }

    fn end(exit: u8) -> EventKind {
        EventKind::RunFinished {
            outcome: Outcome::Failed,
            exit,
            duration_ms: 5,
            earlier_ms: 0,
        }
    }

    fn resumed(info: RunInfo) -> EventKind {
        EventKind::Resumed(Resumed {
            info,
            boot_id: boot_id(),
            flags: BTreeMap::new(),
        })
    }

    fn stage(info: RunInfo) -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        let path = paths.runs().join(format!("{}.yaml", info.id));
        let mut stage = Stage {
            _dir: dir,
            journal: Journal::new(&paths, BTreeMap::new(), None),
            path,
        };
        told(&mut stage, EventKind::RunStarted(info));
        stage
    }

    fn gone() -> RunInfo {
        RunInfo {
            pid_start: 1,
            ..info()
        }
    }

    #[test]
    fn a_run_is_followed_to_its_end_and_from_behind_it() {
        let mut stage = stage(info());
        let mut live = LiveRun::open(&stage.path, None).unwrap();
        let first = live.look().unwrap();
        assert_eq!((first.events.len(), first.over), (1, None));
        told(&mut stage, warning("one"));
        let second = live.look().unwrap();
        assert_eq!((second.events.len(), second.over), (1, None));
        assert_eq!(live.look().unwrap().events, []);
        told(&mut stage, end(3));
        let last = live.look().unwrap();
        assert_eq!((last.events.len(), last.over), (1, Some(RunEnd::Exit(3))));
        // Behind its last event nothing is waited for.
        let (offset, _) = last.events.last().unwrap();
        let mut behind = LiveRun::open(&stage.path, Some(*offset)).unwrap();
        let nothing = behind.look().unwrap();
        assert_eq!((nothing.events.len(), nothing.over), (0, last.over));
        // It goes on in another part.
        told(&mut stage, resumed(info()));
        assert_eq!(behind.look().unwrap().over, None);
        told(&mut stage, end(0));
        assert_eq!(behind.look().unwrap().over, Some(RunEnd::Exit(0)));
    }

    #[test]
    fn a_process_that_is_gone_wrote_all_that_there_is() {
        let mut stage = stage(gone());
        told(&mut stage, warning("one"));
        let mut live = LiveRun::open(&stage.path, None).unwrap();
        let all = live.look().unwrap();
        assert_eq!((all.events.len(), all.over), (2, Some(RunEnd::CutOff)));
        // Who resumes it is another process.
        told(&mut stage, resumed(info()));
        live.looked = None;
        assert_eq!(live.look().unwrap().over, None);
        live.looked = None;
        assert_eq!(live.look().unwrap().over, None);
        told(&mut stage, resumed(gone()));
        live.looked = None;
        assert_eq!(live.look().unwrap().over, None);
        live.looked = None;
        assert_eq!(live.look().unwrap().over, Some(RunEnd::CutOff));
    }

    #[test]
    fn the_file_is_read_from_its_beginning_once() {
        let mut stage = stage(info());
        let mut live = LiveRun::open(&stage.path, None).unwrap();
        live.look().unwrap();
        // What is in front is not looked at again: it could be anything.
        let length = fs::metadata(&stage.path).unwrap().len();
        let text = fs::read(&stage.path).unwrap();
        let blank = vec![b'#'; text.len()];
        fs::write(&stage.path, blank).unwrap();
        told(&mut stage, end(0));
        live.looked = None;
        let news = live.look().unwrap();
        assert_eq!(news.over, Some(RunEnd::Exit(0)));
        assert!(news.events.iter().all(|(offset, _)| *offset > length));
    }
}
