//! What a step said, a piece at a time.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use askama::Template;
use axum::response::Response;
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use super::extract::{InPath, InQuery};
use super::frame::{Frame, page};
use super::opened::{Found, Opened, opened};
use super::problem::Problem;
use super::shown::{State, step_state};
use super::visitor::Reader;
use crate::app::step_log;
use crate::base::private_read;
use crate::lab::Paths;
use crate::plan::{StepRun, StepState};
use crate::runs;

/// Bytes of a log on one page.
const PIECE: u64 = 64 * 1024;

#[derive(Template)]
#[template(path = "log.html")]
struct LogPage {
    frame: Frame,
    id: String,
    step: String,
    state: State,
    running: bool,
    lines: Vec<String>,
    from: u64,
    to: u64,
    length: u64,
    /// Where the piece before begins.
    before: u64,
}

/// From which byte on: a number, or `end` for the last piece.
#[derive(Debug, Deserialize)]
pub(super) struct Where {
    #[serde(default)]
    from: String,
}

/// `/runs/ID/logs/STEP`
pub(super) async fn logs(
    reader: Reader,
    InPath((id, step)): InPath<(String, String)>,
    InQuery(place): InQuery<Where>,
) -> Result<Response, Problem> {
    let frame = reader.frame("Log");
    let shown = opened(&reader.shared, move |opened| {
        told(opened, frame, &id, &step, &place.from)
    })
    .await?;
    Ok(page(&shown))
}

fn told(
    opened: &Opened,
    mut frame: Frame,
    id: &str,
    step: &str,
    from: &str,
) -> Result<LogPage, Problem> {
    let Found { paths, file } = opened.run(id)?;
    let run = runs::read(&file).map_err(|failure| opened.problem(&failure))?;
    let steps = run.timeline();
    let found = steps.iter().find(|run| run.step.as_str() == step);
    let found = found.ok_or_else(|| Problem::not_found("The run has no step of that name."))?;
    let nothing = || Problem::not_found("The step said nothing.");
    let log = log(&paths, id, found).ok_or_else(nothing)?;
    let piece = piece(&log, from)
        .map_err(|_| Problem::not_found("The log is gone: it was removed, or its run was."))?;
    let step = opened.clean.text(step);
    frame.title = format!("Log of {step}");
    Ok(LogPage {
        frame,
        id: id.to_owned(),
        step,
        state: step_state(found.state),
        running: found.state == StepState::Running,
        lines: opened.clean.lines(&piece.text),
        from: piece.from,
        to: piece.to,
        length: piece.length,
        before: piece.before,
    })
}

/// The log that a step named when it ended; of a step that did not end, the one that
/// it has in the plan.
fn log(paths: &Paths, id: &str, step: &StepRun) -> Option<Utf8PathBuf> {
    let logs = paths.logs(id);
    let named = step.end.as_ref().map(|end| end.log.as_deref());
    let path = match named {
        Some(log) => paths.root().join(log?),
        None => step_log(paths, id, &step.step),
    };
    // A journal that somebody has changed names no file of another place.
    (path.parent() == Some(logs.as_path())).then_some(path)
}

/// A piece of a file.
struct Piece {
    text: String,
    /// Its bytes in the file.
    from: u64,
    to: u64,
    length: u64,
    /// Where the piece before begins.
    before: u64,
}

/// The piece that begins at this byte, or the last one. It ends with a line where that
/// is not too long.
fn piece(path: &Utf8Path, from: &str) -> io::Result<Piece> {
    let mut file = private_read(path)?;
    let length = file.metadata()?.len();
    let from = if from == "end" {
        line_from(&mut file, length.saturating_sub(PIECE))?
    } else {
        from.parse().unwrap_or_default()
    };
    let from = from.min(length);
    let before = line_from(&mut file, from.saturating_sub(PIECE))?;
    let bytes = read(&mut file, from)?;
    let mut end = bytes.len();
    if from + (end as u64) < length {
        let newline = bytes.iter().rposition(|byte| *byte == b'\n');
        end = newline.map_or(end, |newline| newline + 1);
    }
    let text = bytes.get(..end).unwrap_or_default();
    Ok(Piece {
        text: String::from_utf8_lossy(text).into_owned(),
        from,
        to: from + end as u64,
        length,
        before,
    })
}

/// The next byte from this one on at which a line begins; itself, where none does soon.
fn line_from(file: &mut File, at: u64) -> io::Result<u64> {
    let Some(before) = at.checked_sub(1) else {
        return Ok(0);
    };
    let bytes = read(file, before)?;
    let newline = bytes.iter().position(|byte| *byte == b'\n');
    Ok(newline.map_or(at, |newline| at + newline as u64))
}

fn read(file: &mut File, from: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(PIECE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("a.log");
        let lines: Vec<String> = (0..9000)
            .map(|n| format!("line {n} ä{}", "x".repeat(n % 60)))
            .collect();
        let whole = lines.join("\n") + "\n" + &"y".repeat(100_000) + "\nlast without end";
        std::fs::write(&path, &whole).unwrap();
        let (mut from, mut joined, mut count) = (0, String::new(), 0);
        loop {
            let piece = piece(&path, &from.to_string()).unwrap();
            assert_eq!(piece.from, from);
            assert!(piece.to - piece.from <= PIECE);
            joined.push_str(&piece.text);
            from = piece.to;
            count += 1;
            if from == piece.length {
                break;
            }
            assert!(count < 100);
        }
        assert_eq!(joined, whole);
        let last = piece(&path, "end").unwrap();
        assert!(last.text.ends_with("last without end"));
        // Back from a place in the lines, the piece before begins with a line.
        let place = whole.find("line 4000").unwrap();
        let back = piece(&path, &place.to_string()).unwrap().before;
        let first = piece(&path, &back.to_string()).unwrap();
        assert!(first.text.starts_with("line "), "{back}");
        assert!(first.to >= place as u64 - 100 && back < place as u64);
        assert_eq!(
            (last.to, last.length),
            (whole.len() as u64, whole.len() as u64)
        );
        let beyond = piece(&path, "99999999999").unwrap();
        assert_eq!(
            (beyond.text.as_str(), beyond.from),
            ("", whole.len() as u64)
        );
        assert_eq!(piece(&path, "no number").unwrap().from, 0);
        std::fs::write(&path, "").unwrap();
        assert_eq!(piece(&path, "end").unwrap().text, "");
    }
}
