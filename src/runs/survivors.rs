//! Children that outlived their run.
//!
//! A killed `hl` leaves its children running, on purpose: they finish what
//! they were making. Before anything else changes the lab, they are waited
//! for, and what they wrote is redacted into the logs.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use super::read::process_of;
use super::{Ending, ids, read};
use crate::base::short_duration;
use crate::base::{Process, Signal, StopSource, remedy};
use crate::diag::{Exit, Failure};
use crate::lab::{Lab, Redactor, spool};
use crate::plan::{EventKind, StepId};

/// How often the waiting looks.
const LOOK: Duration = Duration::from_millis(100);

/// How often the waiting says that it waits.
const REMIND: Duration = Duration::from_mins(1);

/// A child that still runs though the `hl` that started it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    /// The run it belongs to.
    pub run: String,
    /// The step, where the journal knows it.
    pub step: Option<StepId>,
    /// What runs.
    pub program: String,
    /// The leader of its group, which may be gone while others of it live.
    pub process: Process,
}

/// What the waiting has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// One line.
    pub message: String,
    /// Whom it is about.
    pub survivors: Vec<Survivor>,
}

/// The children of earlier runs that still run.
pub fn survivors(lab: &Lab) -> Vec<Survivor> {
    find(lab).unwrap_or_default().0
}

/// Waits until no child of an earlier run is left, then redacts what they
/// wrote into their logs and removes the spools. Call it with the lab locked,
/// before anything changes.
///
/// With `interrupt`, each gets one SIGINT first, as by Ctrl-C. A stop while
/// waiting ends the waiting (130), not the children.
pub fn settle(
    lab: &Lab,
    redactor: &Redactor,
    interrupt: bool,
    stops: &mut dyn StopSource,
    say: &mut dyn FnMut(Notice),
) -> Result<(), Failure> {
    let (mut left, mut spools) = find(lab)?;
    if !left.is_empty() {
        if interrupt {
            for survivor in &left {
                survivor.process.interrupt_group();
            }
        }
        let began = Instant::now();
        say(notice(&left, interrupt, None));
        let mut reminded = began;
        while !left.is_empty() {
            thread::sleep(LOOK);
            if let Some(signal) = stops.arrived() {
                return Err(given_up(&left, signal));
            }
            left.retain(|survivor| survivor.process.group_is_alive());
            if reminded.elapsed() >= REMIND && !left.is_empty() {
                reminded = Instant::now();
                say(notice(&left, interrupt, Some(began.elapsed())));
            }
        }
        // The run that was waited for may have been one of several.
        (left, spools) = find(lab)?;
        if !left.is_empty() {
            return settle(lab, redactor, interrupt, stops, say);
        }
    }
    for path in spools {
        spool::sweep(&path, redactor).map_err(|error| {
            let path = lab.paths.show(&path);
            let message = format!("cannot put left-over output `{path}` into its log: {error}");
            Failure::message(Exit::CannotWrite, message).helps(remedy(&error))
        })?;
    }
    Ok(())
}

/// The survivors, and the spools of all runs that are over. Error: a run that
/// is not over was written by a newer `hl` (76).
fn find(lab: &Lab) -> Result<(Vec<Survivor>, Vec<Utf8PathBuf>), Failure> {
    let mut survivors = Vec::new();
    let mut spools = Vec::new();
    let known = ids(&lab.paths);
    for id in &known {
        let path = lab.paths.runs().join(format!("{id}.yaml"));
        let left = spools_of(&lab.paths.logs(id));
        if is_finished(&path) {
            spools.extend(left);
            continue;
        }
        let run = match read(&path) {
            Ok(run) => run,
            // What it left running cannot be told.
            Err(failure) if failure.exit == Exit::Newer => return Err(failure),
            // An unreadable one is named in the list of runs; its spools stay.
            Err(_) => continue,
        };
        if run.ending == Ending::Running {
            continue;
        }
        let mut boot = run.header.boot_id.as_str();
        for event in &run.events {
            if let EventKind::Resumed(resumed) = &event.kind {
                boot = &resumed.boot_id;
            }
            if let EventKind::ChildStarted {
                pid,
                pid_start,
                program,
                ..
            } = &event.kind
                && let Some(process) = process_of(*pid, *pid_start, boot)
                && process.group_is_alive()
            {
                survivors.push(Survivor {
                    run: id.clone(),
                    step: event.step.clone(),
                    program: program.clone(),
                    process,
                });
            }
        }
        // `hl` was killed before it wrote the child down, or something that the
        // child started left its group and still writes.
        for holder in holders(&left, id) {
            if survivors
                .iter()
                .all(|known| known.process.pid != holder.process.pid)
            {
                survivors.push(holder);
            }
        }
        spools.extend(left);
    }
    Ok((survivors, spools))
}

/// Whether the last line of a run file is the end of the run, without reading
/// all of it.
fn is_finished(path: &Utf8Path) -> bool {
    use std::io::{Read, Seek, SeekFrom};
    let tail = || -> io::Result<Vec<u8>> {
        let mut file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(4096)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        Ok(tail)
    };
    let tail = tail().unwrap_or_default();
    let text = String::from_utf8_lossy(&tail);
    let last = text
        .strip_suffix('\n')
        .and_then(|text| text.lines().next_back());
    last.is_some_and(|line| line.contains(r#""event":"run_finished""#))
}

fn spools_of(logs: &Utf8Path) -> Vec<Utf8PathBuf> {
    let Ok(entries) = logs.read_dir_utf8() else {
        return Vec::new();
    };
    let mut spools: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.into_path()))
        .filter(|path| spool::log_of(path).is_some())
        .collect();
    spools.sort_unstable();
    spools
}

/// Processes that have one of these files open.
fn holders(files: &[Utf8PathBuf], run: &str) -> Vec<Survivor> {
    if files.is_empty() {
        return Vec::new();
    }
    let Ok(processes) = Utf8Path::new("/proc").read_dir_utf8() else {
        return Vec::new();
    };
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().parse::<u32>().ok());
    pids.filter(|pid| {
        let open = Utf8PathBuf::from(format!("/proc/{pid}/fd")).read_dir_utf8();
        open.is_ok_and(|mut open| {
            open.any(|fd| {
                let target = fd.ok().and_then(|fd| fd.path().read_link_utf8().ok());
                target.is_some_and(|target| files.contains(&target))
            })
        })
    })
    .filter_map(|pid| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Some(Survivor {
            run: run.to_owned(),
            step: None,
            program: name.trim().to_owned(),
            process: Process::leader_of(pid)?,
        })
    })
    .collect()
}

fn notice(left: &[Survivor], interrupt: bool, waited: Option<Duration>) -> Notice {
    let (names, still) = (names(left), still_run(left));
    let message = match (waited, interrupt) {
        (Some(waited), _) => {
            format!("{names} {still}, waited {} so far", short_duration(waited))
        }
        (None, true) => format!("{names}, left over by an earlier run, was asked to stop"),
        (None, false) => format!(
            "{names} {still}, left over by an earlier run; Ctrl-C stops the waiting, not the child"
        ),
    };
    Notice {
        message,
        survivors: left.to_vec(),
    }
}

fn given_up(left: &[Survivor], signal: Signal) -> Failure {
    let still = still_run(left);
    let pids: Vec<String> = left.iter().map(|s| format!("-{}", s.process.pid)).collect();
    Failure::message(
        signal.into(),
        format!("stopped waiting: {} {still}", names(left)),
    )
    .help("run it again to wait again")
    .help(format!(
        "`kill -INT -- {}` asks once, as Ctrl-C would have",
        pids.join(" ")
    ))
}

fn still_run(left: &[Survivor]) -> &'static str {
    match left {
        [_] => "still runs",
        _ => "still run",
    }
}

fn names(left: &[Survivor]) -> String {
    let names: Vec<String> = left
        .iter()
        .map(|survivor| {
            let step = survivor
                .step
                .as_ref()
                .map(|step| format!(", step `{step}`"));
            format!(
                "`{}` (process {}{} of run {})",
                survivor.program,
                survivor.process.pid,
                step.unwrap_or_default(),
                survivor.run
            )
        })
        .collect();
    names.join(", ")
}
