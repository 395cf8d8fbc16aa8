//! Many runs, as `hl runs` lists them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{Paint, Palette};
use crate::base::{Lines, quoted, short_duration};
use crate::lab::Paths;
use crate::plan::{Outcome, sanitize};
use crate::runs::{Ending, Entry, Page, Summary};

/// `hl runs --json`
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunsDocument {
    /// `hl.runs/1`
    pub schema: &'static str,
    /// Newest first.
    pub runs: Vec<RunRow>,
    /// Run files that could not be read, newest first.
    pub unreadable: Vec<Unreadable>,
    /// How many older runs there are; `--all` lists them too.
    pub older: usize,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunRow {
    /// `YYYYMMDD-HHMMSS-xxxx`, UTC.
    pub id: String,
    /// What is enough of it to name the run.
    pub short: String,
    /// What was asked for.
    pub recipe: String,
    /// The command line, redacted.
    pub command: Vec<String>,
    /// Flags that change what a run does.
    pub flags: BTreeMap<String, Value>,
    /// Nothing was changed.
    pub dry_run: bool,
    /// In the sealed world of a rehearsal.
    pub rehearsal: bool,
    /// `user@host`
    pub operator: String,
    /// RFC 3339 in UTC.
    pub started_at: String,
    /// The time of its last event; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// How it ended, or did not.
    pub outcome: RunState,
    /// The exit code of its process, when it came to an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
    /// Seconds; so far, while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// Its process, while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its file, relative to the lab.
    pub file: String,
}

/// How a run ended, or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Every step succeeded or was skipped.
    Succeeded,
    /// At least one step failed.
    Failed,
    /// The user stopped it, or did not approve.
    Cancelled,
    /// It runs now.
    Running,
    /// Its process is gone, and it never came to an end.
    Interrupted,
}

/// A run file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unreadable {
    /// The id in its name.
    pub id: String,
    /// The file, relative to the lab.
    pub file: String,
    /// Why.
    pub reason: String,
}

impl RunState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
        }
    }

    /// Its colour.
    pub fn paint(self) -> Paint {
        match self {
            Self::Succeeded => Paint::Good,
            Self::Failed => Paint::Bad,
            Self::Cancelled | Self::Interrupted => Paint::Warn,
            Self::Running => Paint::Active,
        }
    }
}

impl From<&Ending> for RunState {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Finished { outcome, .. } => match outcome {
                Outcome::Succeeded => Self::Succeeded,
                Outcome::Failed => Self::Failed,
                Outcome::Cancelled => Self::Cancelled,
            },
            Ending::Running => Self::Running,
            Ending::Interrupted => Self::Interrupted,
        }
    }
}

impl RunRow {
    /// The row of a run; `short` is enough of its id.
    pub fn new(paths: &Paths, short: &str, summary: &Summary, now: Timestamp) -> Self {
        let header = &summary.header;
        let outcome = RunState::from(&summary.ending);
        let running = outcome == RunState::Running;
        let (exit, took) = match summary.ending {
            Ending::Finished {
                exit, duration_ms, ..
            } => (Some(exit), Some(Duration::from_millis(duration_ms))),
            Ending::Running => {
                let since = summary.last.as_ref().and_then(|last| between(last, now));
                (
                    None,
                    summary.took.zip(since).map(|(took, since)| took + since),
                )
            }
            Ending::Interrupted => (None, summary.took),
        };
        Self {
            id: header.id.clone(),
            short: short.to_owned(),
            recipe: header.recipe.clone(),
            command: header.command.clone(),
            flags: header.flags.clone(),
            dry_run: header.dry_run,
            rehearsal: header.rehearsal,
            operator: header.operator.clone(),
            started_at: header.started_at.clone(),
            ended_at: summary.last.clone().filter(|_| !running),
            outcome,
            exit,
            duration_seconds: took.map(|took| took.as_secs_f64()),
            pid: running.then_some(summary.pid),
            file: file(paths, &header.id),
        }
    }

    /// How long it took, for people.
    pub fn took(&self) -> String {
        let took = self.duration_seconds.map(Duration::from_secs_f64);
        took.map(short_duration).unwrap_or_default()
    }

    fn cells(&self, zone: &TimeZone) -> [String; 6] {
        [
            self.short.clone(),
            local(&self.started_at, zone),
            sanitize(&self.recipe),
            sanitize(&self.flag_words().join(" ")),
            self.outcome.word().to_owned(),
            self.took(),
        ]
    }

    /// The flags as they were typed.
    pub fn flag_words(&self) -> Vec<String> {
        let mut words: Vec<String> = self
            .dry_run
            .then(|| "--dry-run".to_owned())
            .into_iter()
            .collect();
        for (name, value) in &self.flags {
            let flag = format!("--{}", name.replace('_', "-"));
            match value {
                Value::Bool(false) | Value::Null => {}
                Value::Bool(true) => words.push(flag),
                Value::String(text) => words.extend([flag, quoted(text)]),
                Value::Array(items) => {
                    let items: Vec<String> = items.iter().map(plain).collect();
                    words.extend([flag, quoted(&items.join(","))]);
                }
                Value::Number(_) | Value::Object(_) => words.extend([flag, plain(value)]),
            }
        }
        words
    }
}

/// A value as it is typed: text without quotes.
pub(super) fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn file(paths: &Paths, id: &str) -> String {
    let path = paths.runs().join(format!("{id}.yaml"));
    paths.show(&path).into_string()
}

fn between(start: &str, end: Timestamp) -> Option<Duration> {
    let start: Timestamp = start.parse().ok()?;
    Duration::try_from(end.duration_since(start)).ok()
}

impl RunsDocument {
    /// The document of a page of runs.
    pub fn new(paths: &Paths, page: &Page, now: Timestamp) -> Self {
        let mut document = Self {
            schema: "hl.runs/1",
            runs: Vec::new(),
            unreadable: Vec::new(),
            older: page.older,
        };
        for entry in &page.entries {
            match &entry.summary {
                Ok(summary) => {
                    let row = RunRow::new(paths, &entry.short, summary, now);
                    document.runs.push(row);
                }
                Err(_) => document.unreadable.push(Unreadable::new(paths, entry)),
            }
        }
        document
    }

    /// The list for people, with local times.
    pub fn text(&self, zone: &TimeZone, palette: Palette) -> String {
        let mut rows: Vec<([String; 6], Option<Paint>)> = Vec::new();
        let mut unreadable = self.unreadable.iter().peekable();
        for run in &self.runs {
            // Their times are only in their names.
            while let Some(bad) = unreadable.next_if(|bad| bad.id > run.id) {
                rows.push((bad.cells(), None));
            }
            rows.push((run.cells(zone), Some(run.outcome.paint())));
        }
        rows.extend(unreadable.map(|bad| (bad.cells(), None)));
        let titles = ["run", "when", "recipe", "flags", "outcome", "took"];
        let mut widths = titles.map(str::len);
        for (cells, paint) in &rows {
            if paint.is_some() {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = (*width).max(cell.chars().count());
                }
            }
        }
        let mut out = String::new();
        if !rows.is_empty() {
            line(&mut out, &titles.map(str::to_owned), &widths, |_, text| {
                palette.paint(Paint::Dim, text)
            });
        }
        for (cells, paint) in &rows {
            if let Some(paint) = paint {
                line(&mut out, cells, &widths, |column, text| match column {
                    0 => palette.paint(Paint::Bold, text),
                    4 => palette.paint(*paint, text),
                    _ => text.to_owned(),
                });
            } else {
                let reason = palette.paint(Paint::Bad, &cells[1]);
                out.line(format_args!("{}  {reason}", cells[0]));
            }
        }
        out
    }
}

impl Unreadable {
    fn cells(&self) -> [String; 6] {
        let reason = format!("unreadable: {}", sanitize(&self.reason));
        let [a, b, c, d] = <[String; 4]>::default();
        [self.id.clone(), reason, a, b, c, d]
    }

    fn new(paths: &Paths, entry: &Entry) -> Self {
        let said = match &entry.summary {
            Ok(_) => String::new(),
            Err(failure) => failure.to_string(),
        };
        let named = format!("run file `{}`: ", entry.path);
        Self {
            id: entry.id.clone(),
            file: paths.show(&entry.path).into_string(),
            reason: said.replace(&named, ""),
        }
    }
}

fn line(
    out: &mut String,
    cells: &[String; 6],
    widths: &[usize; 6],
    paint: impl Fn(usize, &str) -> String,
) {
    let mut text = String::new();
    let mut gap = 0;
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let pad = width - cell.chars().count();
        // Times stand below each other.
        let before = if column == 5 { pad } else { 0 };
        let painted = paint(column, cell);
        write!(text, "{:gap$}{:before$}{painted}", "", "").unwrap_or_default();
        gap = pad - before + 2;
    }
    out.line(text.trim_end());
}

/// How long ago a UTC time was: `12s ago`, `3m ago`, `5h ago`, `2 days ago`.
pub fn ago(time: &str, now: Timestamp) -> String {
    let seconds = time
        .parse::<Timestamp>()
        .map_or(0, |time| now.duration_since(time).as_secs().max(0));
    match seconds {
        0..60 => format!("{seconds}s ago"),
        60..3600 => format!("{}m ago", seconds / 60),
        3600..86400 => format!("{}h ago", seconds / 3600),
        86400..172_800 => "1 day ago".to_owned(),
        _ => format!("{} days ago", seconds / 86400),
    }
}

/// A UTC time as people here read it, to the minute.
pub fn local(time: &str, zone: &TimeZone) -> String {
    time.parse::<Timestamp>().map_or_else(
        |_| time.to_owned(),
        |time| {
            let time = time.to_zoned(zone.clone());
            time.strftime("%Y-%m-%d %H:%M").to_string()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Exit, Failure};
    use crate::runs::Header;
    use camino::Utf8PathBuf;

    fn entry(id: &str, ending: Ending) -> Entry {
        let header = Header {
            version: 1,
            id: id.to_owned(),
            started_at: "2026-01-02T03:04:05.000Z".to_owned(),
            operator: "me@here".to_owned(),
            host: "here".to_owned(),
            command: vec!["hl".to_owned()],
            recipe: "up dev".to_owned(),
            request: None,
            migrated_from: None,
            flags: [
                ("yes".to_owned(), true.into()),
                ("jobs".to_owned(), 2.into()),
                ("with".to_owned(), serde_json::json!(["a", "b"])),
            ]
            .into(),
            dry_run: ending == Ending::Interrupted,
            rehearsal: false,
            steps: 3,
            plan_digest: String::new(),
            hl_version: "0.1.0".to_owned(),
            pid: 77,
            pid_start: 1,
            boot_id: String::new(),
        };
        Entry {
            id: id.to_owned(),
            short: id.rsplit('-').next().unwrap().to_owned(),
            path: Utf8PathBuf::from(format!("/lab/state/runs/{id}.yaml")),
            summary: Ok(Summary {
                header,
                ending,
                took: Some(Duration::from_mins(1)),
                last: Some("2026-01-02T03:04:06.000Z".to_owned()),
                pid: 77,
            }),
        }
    }

    #[test]
    fn an_age_has_one_unit() {
        let now = "2026-01-10T00:00:00Z".parse().unwrap();
        let said = [
            "2026-01-09T23:59:01Z",
            "2026-01-09T23:00:01Z",
            "2026-01-09T00:00:01Z",
            "2026-01-08T23:00:00Z",
            "2026-01-01T00:00:00Z",
            "2026-02-01T00:00:00Z",
        ];
        let wanted = [
            "59s ago",
            "59m ago",
            "23h ago",
            "1 day ago",
            "9 days ago",
            "0s ago",
        ];
        assert_eq!(said.map(|time| ago(time, now)), wanted);
    }

    #[test]
    fn runs_stand_in_columns_and_an_unreadable_one_in_its_place() {
        let finished = |outcome, exit| Ending::Finished {
            outcome,
            exit,
            duration_ms: 723_000,
        };
        let mut bad = entry("20260102-030405-0003", Ending::Running);
        let why = format!(
            "run file `{}`: not a run file: it has no `events:`",
            bad.path
        );
        bad.summary = Err(Failure::message(Exit::Definition, why));
        let page = Page {
            entries: vec![
                entry("20260102-030405-0005", Ending::Running),
                entry("20260102-030405-0004", finished(Outcome::Failed, 7)),
                bad,
                entry("20260102-030405-0002", Ending::Interrupted),
                entry("20260102-030405-0001", finished(Outcome::Succeeded, 0)),
            ],
            older: 2,
        };
        let now = "2026-01-02T03:04:09Z".parse().unwrap();
        let document = RunsDocument::new(&Paths::live("/lab"), &page, now);
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        insta::assert_snapshot!(document.text(&zone, Palette { color: false }), @r"
        run   when              recipe  flags                                outcome         took
        0005  2026-01-02 05:04  up dev  --jobs 2 --with a,b --yes            running       1m 03s
        0004  2026-01-02 05:04  up dev  --jobs 2 --with a,b --yes            failed       12m 03s
        20260102-030405-0003  unreadable: not a run file: it has no `events:`
        0002  2026-01-02 05:04  up dev  --dry-run --jobs 2 --with a,b --yes  interrupted   1m 00s
        0001  2026-01-02 05:04  up dev  --jobs 2 --with a,b --yes            succeeded    12m 03s
        ");
        assert_eq!(document.runs[0].pid, Some(77));
        assert_eq!(document.runs[2].duration_seconds, Some(60.0));
        assert_eq!(
            document.unreadable[0].file,
            "state/runs/20260102-030405-0003.yaml"
        );
    }
}
