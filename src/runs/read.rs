//! Reads a run file, however it was cut off.

use std::fs;

use camino::Utf8Path;
use serde::Deserialize;

use super::header::{FORMAT, Header};
use super::request::REQUEST_VERSION;
use crate::base::{Process, boot_id};
use crate::diag::{Exit, Failure};
use crate::lab::Paths;
use crate::plan::{Event, Outcome, Tally};

/// A run as its file tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The top of the file.
    pub header: Header,
    /// What happened, in order; output and progress are not among it.
    pub events: Vec<Event>,
    /// How it ended, or did not.
    pub ending: Ending,
}

/// How a run ended, or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It came to its end.
    Finished {
        /// How.
        outcome: Outcome,
        /// The exit code of its process.
        exit: u8,
        /// Milliseconds that its parts took together.
        duration_ms: u64,
    },
    /// Its process still runs.
    Running,
    /// Its process is gone, and it never came to an end.
    Interrupted,
}

/// Reads the run file at `path`. Errors: it cannot be read (66), was written
/// by a newer `hl` (76), or is not a run file (65).
pub fn read(path: &Utf8Path) -> Result<Run, Failure> {
    let bytes = || {
        fs::read(path).map_err(|error| {
            Failure::message(
                Exit::Unknown,
                format!("cannot read run file `{path}`: {error}"),
            )
        })
    };
    let (run, _) = read_by(bytes)?;
    run.map_err(|mut failure| {
        for finding in &mut failure.diagnostics {
            finding.message = format!("run file `{path}`: {}", finding.message);
        }
        failure
    })
}

/// Reads a run with the bytes that `content` gives, and gives those too. Where the
/// process of the run is gone and its end is not among them, they are read again: it
/// may have written its end, and ended, after they were read.
///
/// # Errors
/// Those of `content`. What is no run file is told beside the bytes, as by [`parse`].
pub fn read_by<E>(
    mut content: impl FnMut() -> Result<Vec<u8>, E>,
) -> Result<(Result<Run, Failure>, Vec<u8>), E> {
    let bytes = content()?;
    let run = parse(&bytes);
    if run
        .as_ref()
        .is_ok_and(|run| run.ending == Ending::Interrupted)
    {
        let bytes = content()?;
        return Ok((parse(&bytes), bytes));
    }
    Ok((run, bytes))
}

/// Whether the run with this id has come to its end. Not when its file cannot be read.
pub fn has_ended(paths: &Paths, id: &str) -> bool {
    let run = read(&paths.runs().join(format!("{id}.yaml")));
    run.is_ok_and(|run| matches!(run.ending, Ending::Finished { .. }))
}

/// Reads the content of a run file. A last line without its newline is
/// dropped: it was torn when the process died.
pub fn parse(bytes: &[u8]) -> Result<Run, Failure> {
    let text = std::str::from_utf8(bytes.get(..whole_lines(bytes)).unwrap_or_default())
        .map_err(|error| not_a_run(&error.to_string()))?;
    let Some((top, lines)) = text.split_once("\nevents:\n") else {
        return Err(not_a_run("it has no `events:`"));
    };
    let header = header(top)?;
    let mut events: Vec<Event> = Vec::new();
    let first = top.lines().count() + 2;
    for (number, line) in lines.lines().enumerate() {
        let event = event_of(line);
        events.extend(event.map_err(|e| not_a_run(&format!("line {}: {e}", first + number)))?);
    }
    let ending = ending(&header, &events);
    Ok(Run {
        header,
        events,
        ending,
    })
}

/// The event of a line; none when it is blank or a comment.
pub(super) fn event_of(line: &str) -> Result<Option<Event>, String> {
    if line.trim().is_empty() || line.trim_start().starts_with('#') {
        return Ok(None);
    }
    let json = line
        .strip_prefix("  - ")
        .ok_or_else(|| "expected `  - {...}`".to_owned())?;
    serde_json::from_str(json)
        .map(Some)
        .map_err(|e| e.to_string())
}

/// Bytes up to and with the last newline.
pub(super) fn whole_lines(bytes: &[u8]) -> usize {
    let newline = bytes.iter().rposition(|byte| *byte == b'\n');
    newline.map_or(0, |last| last + 1)
}

fn header(text: &str) -> Result<Header, Failure> {
    #[derive(Deserialize)]
    struct Versions {
        version: u32,
        request: Option<RequestVersion>,
    }
    #[derive(Deserialize)]
    struct RequestVersion {
        #[serde(default)]
        version: u32,
    }
    let found: Versions =
        serde_saphyr::from_str(text).map_err(|_| not_a_run("it has no `version`"))?;
    if found.version > FORMAT {
        return Err(newer("written", found.version, FORMAT));
    }
    let request = found.request.map_or(0, |request| request.version);
    if request > REQUEST_VERSION {
        return Err(newer("its request is", request, REQUEST_VERSION));
    }
    serde_saphyr::from_str(text).map_err(|error| not_a_run(&error.to_string()))
}

fn newer(what: &str, format: u32, known: u32) -> Failure {
    Failure::message(
        Exit::Newer,
        format!("{what} in format {format}, this hl reads up to {known}"),
    )
    .help("use the newer hl that wrote it")
}

/// Judged from the last part of the run: how it ended, or whether the process
/// that began it still runs.
fn ending(header: &Header, events: &[Event]) -> Ending {
    let tally = Tally::of(events);
    if let Some(finished) = finished(&tally) {
        return finished;
    }
    let process = match &tally.resumed {
        None => process_of(header.pid, header.pid_start, &header.boot_id),
        Some(part) => process_of(part.info.pid, part.info.pid_start, &part.boot_id),
    };
    if process.is_some_and(Process::is_running) {
        Ending::Running
    } else {
        Ending::Interrupted
    }
}

/// How a run ended that came to its end.
pub(super) fn finished(tally: &Tally) -> Option<Ending> {
    let (outcome, exit, took) = tally.finished?;
    let duration = took.saturating_add(tally.earlier).as_millis();
    Some(Ending::Finished {
        outcome,
        exit,
        duration_ms: u64::try_from(duration).unwrap_or(u64::MAX),
    })
}

/// A process that was written down, unless it was of another boot.
pub(super) fn process_of(pid: u32, start: u64, boot: &str) -> Option<Process> {
    (boot == boot_id()).then_some(Process { pid, start })
}

fn not_a_run(why: &str) -> Failure {
    Failure::message(Exit::Definition, format!("not a run file: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Paths;
    use crate::plan::{EventKind, Listener, RunInfo, Status, StepEnd, StepId, Stream};
    use crate::runs::{Journal, RunRequest};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn info(id: &str) -> RunInfo {
        RunInfo {
            id: id.to_owned(),
            recipe: "up dev".to_owned(),
            command: vec!["hl".to_owned(), "up: # \"x\"\u{85}".to_owned()],
            dry_run: false,
            rehearsal: false,
            steps: 2,
            version: "0.1.0".to_owned(),
            pid: std::process::id(),
            pid_start: Process::this().start,
            operator: "me@here".to_owned(),
            plan_digest: "00".to_owned(),
        }
    }

    fn kinds() -> impl Strategy<Value = EventKind> {
        let text =
            "[ -~\u{e4}\u{7f}\u{85}\u{2028}\u{feff}\u{fffe}\u{1f600}\n\t\u{1}\"'\\\\:#{}]{0,20}";
        prop_oneof![
            (1u32..4).prop_map(|attempt| EventKind::StepStarted { attempt }),
            text.prop_map(|message| EventKind::Warning { message }),
            (any::<u32>(), any::<u64>(), text).prop_map(|(pid, pid_start, program)| {
                EventKind::ChildStarted {
                    pid,
                    pid_start,
                    program,
                    spool: vec!["a".to_owned()],
                    number: 1,
                }
            }),
            (text, text, any::<i64>()).prop_map(|(summary, word, number)| {
                EventKind::StepFinished(StepEnd {
                    changed: Some(true),
                    duration_ms: 12,
                    outputs: [("k".to_owned(), json!({ word: [number, null, 1.5] }))].into(),
                    fingerprint: Some("aa-bb".to_owned()),
                    ..StepEnd::new(Status::Succeeded, summary)
                })
            }),
        ]
    }

    fn event(step: Option<&str>, kind: EventKind) -> Event {
        Event {
            time: "2026-01-02T03:04:05.678Z".to_owned(),
            step: step.map(StepId::from),
            kind,
        }
    }

    /// Journals events; gives the file's bytes and what should be read back.
    fn journal(kinds: Vec<EventKind>) -> (Vec<u8>, Vec<Event>) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        let id = "20260102-030405-abcd";
        let flags = [("jobs".to_owned(), Value::from(4))].into();
        let mut journal = Journal::new(&paths, flags, None);
        let mut events = vec![event(None, EventKind::RunStarted(info(id)))];
        events.extend(kinds.into_iter().map(|kind| event(Some("r/a b"), kind)));
        for event in &events {
            journal.event(event).unwrap();
        }
        let line = EventKind::Output {
            stream: Stream::Stdout,
            line: "x".to_owned(),
        };
        journal.event(&event(None, line)).unwrap();
        let bytes = fs::read(paths.runs().join(format!("{id}.yaml"))).unwrap();
        (bytes, events)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn cut_at_every_byte_it_reads_as_a_prefix(kinds in prop::collection::vec(kinds(), 0..4)) {
            let (bytes, events) = journal(kinds);
            let top = bytes.windows(9).position(|w| w == b"\nevents:\n").unwrap() + 9;
            let mut most = 0;
            for cut in 0..=bytes.len() {
                let read = parse(&bytes[..cut]);
                if cut < top {
                    prop_assert_eq!(read.unwrap_err().exit, Exit::Definition);
                    continue;
                }
                let read = read.unwrap();
                prop_assert!(events.starts_with(&read.events));
                prop_assert!(read.events.len() >= most);
                most = read.events.len();
                // What ends in a newline is YAML for everyone.
                if bytes[cut - 1] == b'\n' {
                    let text = std::str::from_utf8(&bytes[..cut]).unwrap();
                    let yaml: Value = serde_saphyr::from_str(text).unwrap();
                    let seen = yaml["events"].as_array().map_or(0, Vec::len);
                    prop_assert_eq!(seen, read.events.len());
                    prop_assert_eq!(&yaml["flags"]["jobs"], &json!(4));
                }
            }
            prop_assert_eq!(most, events.len());
        }
    }

    #[test]
    fn the_ending_is_outcome_running_or_interrupted() {
        let (bytes, _) = journal(Vec::new());
        assert_eq!(parse(&bytes).unwrap().ending, Ending::Running);
        let text = String::from_utf8(bytes).unwrap();
        let start = Process::this().start;
        let gone = text.replace(&format!("pid_start: {start}"), "pid_start: 1");
        assert_eq!(parse(gone.as_bytes()).unwrap().ending, Ending::Interrupted);
        let end = EventKind::RunFinished {
            outcome: Outcome::Cancelled,
            exit: 130,
            duration_ms: 5,
            earlier_ms: 3,
        };
        let (bytes, _) = journal(vec![end]);
        let finished = Ending::Finished {
            outcome: Outcome::Cancelled,
            exit: 130,
            duration_ms: 8,
        };
        assert_eq!(parse(&bytes).unwrap().ending, finished);
    }

    #[test]
    fn a_run_that_ends_while_it_is_read_has_ended() {
        let (bytes, _) = journal(Vec::new());
        let text = String::from_utf8(bytes).unwrap();
        let start = Process::this().start;
        let gone = text.replace(&format!("pid_start: {start}"), "pid_start: 1");
        let end = r#"  - {"time":"2026-01-02T03:04:05Z","event":"run_finished","outcome":"succeeded","exit":0,"duration_ms":5}"#;
        let mut contents = [gone.clone(), format!("{gone}{end}\n")].into_iter();
        let (run, bytes) = read_by(|| contents.next().map(String::into_bytes).ok_or(())).unwrap();
        assert!(matches!(
            run.unwrap().ending,
            Ending::Finished { exit: 0, .. }
        ));
        assert!(bytes.ends_with(b"}\n"));
        // One that was cut off stays so.
        let (run, _) = read_by(|| Ok::<_, ()>(gone.clone().into_bytes())).unwrap();
        assert_eq!(run.unwrap().ending, Ending::Interrupted);
    }

    #[test]
    fn a_newer_format_is_76() {
        let (bytes, _) = journal(Vec::new());
        let text = String::from_utf8(bytes).unwrap();
        let newer = text.replace("version: 1\n", "version: 2\n");
        assert_eq!(parse(newer.as_bytes()).unwrap_err().exit, Exit::Newer);
    }

    #[test]
    fn a_newer_request_is_76_and_one_without_a_version_is_read() {
        let (bytes, _) = journal(Vec::new());
        let text = String::from_utf8(bytes).unwrap();
        let with = |request: &str| text.replace("\nevents:\n", &format!("\n{request}\nevents:\n"));
        // Nothing is expected of its shape.
        let newer = with("request: {\"version\":3,\"orchard\":[]}");
        let failure = parse(newer.as_bytes()).unwrap_err();
        assert_eq!(failure.exit, Exit::Newer);
        let wanted = "its request is in format 3, this hl reads up to 2";
        assert_eq!(failure.to_string(), wanted);
        let old = with("request: {\"recipe\":{\"name\":\"12\",\"args\":[\"no\",\"1e3\"]}}");
        let request = parse(old.as_bytes()).unwrap().header.request.unwrap();
        let RunRequest::Recipe(recipe) = request.request else {
            panic!("{request:?}");
        };
        assert_eq!((recipe.name.as_str(), recipe.args.len()), ("12", 2));
        assert_eq!(recipe.args, ["no", "1e3"]);
    }

    #[test]
    fn a_wrong_line_is_named() {
        let (mut bytes, _) = journal(Vec::new());
        let lines = String::from_utf8_lossy(&bytes).lines().count();
        bytes.extend_from_slice(b"nonsense\n");
        let message = parse(&bytes).unwrap_err().to_string();
        let wanted = format!("line {}: expected `  - {{...}}`", lines + 1);
        assert!(message.contains(&wanted), "{message}");
    }
}
