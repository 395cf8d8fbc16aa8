//! Many runs at once, cheaply.
//!
//! There is no index file that could be wrong or torn: names come from the
//! directory, which sorts them by time, and only the files that are shown are
//! opened. Of a finished run, the header and the last line say all that a list
//! needs; a run that has no end is read whole, because its events say more.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::RawDir;
use serde_json::{Map, Value};

use super::id::tail;
use super::request::REQUEST_VERSION;
use super::{Ending, FORMAT, Header, Run, is_id, read};
use crate::diag::Failure;
use crate::lab::Paths;
use crate::plan::{Event, Tally, took};

/// A file up to this size is looked through whole; of a longer one, this much
/// of its beginning and of its end is read.
const SHORT: u64 = 64 * 1024;

/// Bytes of names that are read at once.
const BUFFER: usize = 32 * 1024;

/// A run, as a list shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The top of its file.
    pub header: Header,
    /// How it ended, or did not.
    pub ending: Ending,
    /// How long its parts took up to its last event, where it has no end.
    pub took: Option<Duration>,
    /// The time of its last event, RFC 3339 in UTC.
    pub last: Option<String>,
    /// The process that ran it last.
    pub pid: u32,
}

/// A run file, readable or not.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The id that the file's name says.
    pub id: String,
    /// The last part of the id when no other run has it, else all of it.
    pub short: String,
    /// The file.
    pub path: Utf8PathBuf,
    /// What it says, or why it cannot be read.
    pub summary: Result<Summary, Failure>,
}

/// Some of the runs.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Newest first.
    pub entries: Vec<Entry>,
    /// How many older ones there are.
    pub older: usize,
}

/// The ids of all runs, in no order.
pub(super) fn names(runs: &Utf8Path) -> Vec<String> {
    let Ok(dir) = File::open(runs) else {
        return Vec::new();
    };
    // Read as the kernel gives them: with many runs, most of a list's time is
    // spent on names that are not shown.
    let mut buffer = Vec::with_capacity(BUFFER);
    let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
    let mut names = Vec::new();
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name().to_bytes();
        let id = name
            .strip_suffix(b".yaml")
            .and_then(|id| std::str::from_utf8(id).ok());
        names.extend(id.filter(|id| is_id(id)).map(str::to_owned));
    }
    names
}

/// The newest runs, at most `most` of them; `None` is all.
pub fn page(paths: &Paths, most: Option<usize>) -> Page {
    let (newest, older) = newest(paths, most);
    Page {
        entries: newest.collect(),
        older,
    }
}

/// The same, each of them opened when it is asked for; and how many older ones
/// there are.
pub(super) fn newest(paths: &Paths, most: Option<usize>) -> (impl Iterator<Item = Entry>, usize) {
    let runs = paths.runs();
    let mut ids = names(&runs);
    let shown = most.unwrap_or(ids.len()).min(ids.len());
    if 0 < shown && shown < ids.len() {
        ids.select_nth_unstable_by(shown - 1, |a, b| b.cmp(a));
    }
    let older = ids.split_off(shown);
    ids.sort_unstable_by(|a, b| b.cmp(a));
    let shorts = shorts(&ids, &older);
    let entries = ids.into_iter().zip(shorts).map(move |(id, short)| {
        let path = runs.join(format!("{id}.yaml"));
        Entry {
            summary: summary(&path),
            id,
            short,
            path,
        }
    });
    (entries, older.len())
}

fn shorts(newest: &[String], older: &[String]) -> Vec<String> {
    let mut tails: Vec<&str> = newest.iter().map(|id| tail(id)).collect();
    tails.sort_unstable();
    let mut taken: Vec<&str> = older
        .iter()
        .map(|id| tail(id))
        .filter(|tail| tails.binary_search(tail).is_ok())
        .collect();
    taken.extend(
        tails
            .windows(2)
            .filter(|w| w[0] == w[1])
            .map(|window| window[0]),
    );
    let name = |id: &String| {
        let tail = tail(id);
        if taken.contains(&tail) { id } else { tail }.to_owned()
    };
    newest.iter().map(name).collect()
}

/// What a list needs of a run file. Errors as [`read`].
pub fn summary(path: &Utf8Path) -> Result<Summary, Failure> {
    if let Some(summary) = quick(path) {
        return Ok(summary);
    }
    // Not finished, or something is wrong: the careful reader says what.
    read(path).map(Summary::from)
}

impl From<Run> for Summary {
    fn from(run: Run) -> Self {
        let begun = run
            .events
            .iter()
            .rev()
            .find_map(|event| event.kind.begins());
        Self {
            pid: begun.map_or(run.header.pid, |info| info.pid),
            took: match run.ending {
                Ending::Finished { .. } => None,
                Ending::Running | Ending::Interrupted => Some(took(&run.events)),
            },
            header: run.header,
            ending: run.ending,
            last: run.events.into_iter().next_back().map(|event| event.time),
        }
    }
}

/// A finished run with a sound file; `None` when it is anything else.
fn quick(path: &Utf8Path) -> Option<Summary> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut top = Vec::new();
    file.by_ref().take(SHORT).read_to_end(&mut top).ok()?;
    if length <= SHORT {
        return whole(&top);
    }
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(length - SHORT)).ok()?;
    file.read_to_end(&mut end).ok()?;
    let top = String::from_utf8_lossy(&top);
    let end = String::from_utf8_lossy(&end);
    finished(top.split_once("\nevents:\n")?.0, &end)
}

/// A short file is looked through, so that a damaged one is told.
fn whole(bytes: &[u8]) -> Option<Summary> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (top, events) = text.split_once("\nevents:\n")?;
    let events = events.get(..=events.rfind('\n')?)?;
    let sound = |line: &str| line.starts_with("  - {") && line.ends_with('}');
    events.lines().all(sound).then(|| finished(top, events))?
}

fn finished(top: &str, events: &str) -> Option<Summary> {
    let events = events.get(..events.rfind('\n')?)?;
    let (_, last) = events.rsplit_once('\n').unwrap_or(("", events));
    let event: Event = serde_json::from_str(last.strip_prefix("  - ")?).ok()?;
    let ending = read::finished(&Tally::of([&event]))?;
    let mut fields = Map::new();
    for line in top.lines() {
        let (key, value) = line.split_once(": ")?;
        let value: Value = serde_json::from_str(value).ok()?;
        fields.insert(key.to_owned(), value);
    }
    let header: Header = serde_json::from_value(Value::Object(fields)).ok()?;
    let request = header.request.as_ref().map_or(0, |request| request.version);
    (header.version <= FORMAT && request <= REQUEST_VERSION).then_some(Summary {
        pid: header.pid,
        header,
        ending,
        took: None,
        last: Some(event.time),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    use crate::plan::{EventKind, Listener, Outcome, RunInfo};
    use crate::runs::{Journal, short_id};

    fn lab() -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        (dir, paths)
    }

    fn event(kind: EventKind) -> Event {
        Event {
            time: "2026-01-02T03:04:05.678Z".to_owned(),
            step: None,
            kind,
        }
    }

    /// A run of `warnings` lines that ended, unless it is cut short.
    fn run(paths: &Paths, id: &str, warnings: usize, ends: bool) -> Utf8PathBuf {
        let mut journal = Journal::new(paths, [("jobs".to_owned(), Value::from(2))].into(), None);
        let mut events = vec![EventKind::RunStarted(RunInfo {
            id: id.to_owned(),
            recipe: "up".to_owned(),
            command: vec!["hl".to_owned(), "up".to_owned()],
            dry_run: false,
            rehearsal: false,
            steps: 1,
            version: "0.1.0".to_owned(),
            pid: 1,
            pid_start: 1,
            operator: "me@here".to_owned(),
            plan_digest: "00".to_owned(),
        })];
        let message = "x".repeat(100);
        events.extend((0..warnings).map(|_| EventKind::Warning {
            message: message.clone(),
        }));
        events.extend(ends.then_some(EventKind::RunFinished {
            outcome: Outcome::Failed,
            exit: 7,
            duration_ms: 1234,
            earlier_ms: 4000,
        }));
        for kind in events {
            journal.event(&event(kind)).unwrap();
        }
        paths.runs().join(format!("{id}.yaml"))
    }

    #[test]
    fn a_short_and_a_long_file_say_the_same_as_the_careful_reader() {
        let (_dir, paths) = lab();
        for (id, warnings) in [("20260101-000001-0001", 2), ("20260101-000002-0002", 2000)] {
            let path = run(&paths, id, warnings, true);
            let quick = quick(&path).expect("a finished run is read quickly");
            assert_eq!(quick, Summary::from(read(&path).unwrap()));
            assert_eq!(quick.header.flags["jobs"], 2);
        }
        let open = run(&paths, "20260101-000003-0003", 1, false);
        assert_eq!(quick(&open), None);
        assert_eq!(summary(&open).unwrap().ending, Ending::Interrupted);
    }

    #[test]
    fn damage_is_told_and_stops_nothing() {
        let (_dir, paths) = lab();
        run(&paths, "20260101-000001-0001", 1, true);
        let bad = run(&paths, "20260101-000002-0002", 1, true);
        let text = fs::read_to_string(&bad).unwrap();
        fs::write(&bad, text.replace("  - {\"time", "garbage {\"time")).unwrap();
        fs::write(paths.runs().join("20260101-000003-0003.yaml"), [0, 159]).unwrap();
        fs::write(
            paths.runs().join("20260101-000004-0004.yaml"),
            text.replace("version: 1\n", "version: 9\n"),
        )
        .unwrap();
        fs::write(paths.runs().join("latest.env"), "RUN_ID=x\n").unwrap();
        let page = page(&paths, None);
        let said: Vec<_> = page
            .entries
            .iter()
            .map(|entry| match &entry.summary {
                Ok(_) => "fine".to_owned(),
                Err(failure) => failure.to_string(),
            })
            .collect();
        assert_eq!(said.len(), 4);
        assert!(said[0].contains("written in format 9"), "{}", said[0]);
        assert!(said[1].contains("not a run file"), "{}", said[1]);
        assert!(said[2].contains("expected `  - {...}`"), "{}", said[2]);
        assert_eq!(said[3], "fine");
    }

    #[test]
    fn the_newest_come_first_and_the_rest_is_counted() {
        let (_dir, paths) = lab();
        assert_eq!(page(&paths, Some(3)).entries.len(), 0);
        for day in 1..=9 {
            // The fifth and the eighth have the same last part.
            let tail = if day == 5 { 8 } else { day };
            run(&paths, &format!("2026010{day}-000000-000{tail}"), 0, true);
        }
        let page = page(&paths, Some(3));
        let shown: Vec<_> = page.entries.iter().map(|e| e.short.as_str()).collect();
        assert_eq!(shown, ["0009", "20260108-000000-0008", "0007"]);
        assert_eq!(page.older, 6);
        let same = "20260105-000000-0008";
        assert_eq!(short_id(&paths, same), same);
        assert_eq!(short_id(&paths, "20260101-000000-0001"), "0001");
    }
}
