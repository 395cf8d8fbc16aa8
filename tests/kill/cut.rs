//! Where a run is cut, and the cutting.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::stage::Stage;

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_mins(10);

/// Where a run is killed.
pub(super) enum Cut {
    /// When this many step transitions are in the run file.
    After(usize),
    /// When this step has ended.
    Finished(&'static str),
    /// While a child of this step is at work, so long after it was started.
    Middle(&'static str, Duration),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(count) => write!(f, "killed after {count}"),
            Self::Finished(step) => write!(f, "killed after {step}"),
            Self::Middle(step, after) => write!(f, "killed {after:?} into {step}"),
        }
    }
}

impl Cut {
    /// Starts a rehearsal and kills the `hl` in it that journals. Gives what
    /// its run file then held; `None` when it was over before.
    pub(super) fn make(&self, stage: &Stage) -> Option<Vec<u8>> {
        let mut outer = stage
            .hl(stage.words())
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        let mut journaling = None;
        let mut seen = 0;
        loop {
            assert!(began.elapsed() < PATIENCE, "{self}: it never came to that");
            if let Some(status) = outer.try_wait().unwrap() {
                assert!(
                    status.success(),
                    "{self}: the rehearsal ended by itself: {status}"
                );
                return None;
            }
            let path = stage.run_path();
            // Read again only when it has grown: others need the processor.
            let long = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.len() > seen);
            let text = path
                .filter(long)
                .and_then(|path| fs::read_to_string(path).ok());
            let Some(text) = text else {
                sleep(Duration::from_millis(2));
                continue;
            };
            seen = text.len() as u64;
            let inner = *journaling.get_or_insert_with(|| inner(stage));
            if self.is_reached(&text) {
                if let Self::Middle(_, after) = self {
                    sleep(*after);
                }
                // It may be over by a hair.
                kill_process(inner, Signal::KILL).ok()?;
                break;
            }
        }
        let code = wait(&mut outer);
        assert_eq!(code, Some(137), "{self}: what a killed process ends with");
        Some(stage.run_file())
    }

    fn is_reached(&self, text: &str) -> bool {
        let has = |line: &str, event: &str| line.contains(&format!("\"event\":\"{event}\""));
        let of = |line: &str, step: &str| line.contains(&format!("\"step\":\"{step}\""));
        match self {
            Self::After(count) => {
                let transition =
                    |line: &&str| has(line, "step_started") || has(line, "step_finished");
                text.lines().filter(transition).count() >= *count
            }
            Self::Finished(step) => text
                .lines()
                .any(|line| of(line, step) && has(line, "step_finished")),
            Self::Middle(step, _) => text
                .lines()
                .any(|line| of(line, step) && has(line, "child_started")),
        }
    }
}

/// The `hl` inside the rehearsal of this lab: it has what is run among its words.
fn inner(stage: &Stage) -> Pid {
    let lab = format!("HL_LAB={}", stage.root().display());
    let of = |pid: u32| -> Option<Pid> {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let words: Vec<&[u8]> = line.split(|b| *b == 0).collect();
        let ours = environ.split(|b| *b == 0).any(|var| var == lab.as_bytes());
        let is_hl = words
            .first()
            .is_some_and(|program| program.ends_with(b"/hl"));
        let is_it = stage
            .inner()
            .iter()
            .all(|word| words.contains(&word.as_bytes()));
        (ours && is_hl && is_it).then(|| Pid::from_raw(i32::try_from(pid).ok()?))?
    };
    let began = Instant::now();
    loop {
        let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let name = entry.ok()?.file_name();
            name.to_str()?.parse::<u32>().ok()
        });
        if let Some(pid) = pids.into_iter().find_map(of) {
            return pid;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "no `hl` inside");
        sleep(Duration::from_millis(5));
    }
}

fn wait(child: &mut Child) -> Option<i32> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        assert!(began.elapsed() < PATIENCE, "the rehearsal does not end");
        sleep(Duration::from_millis(20));
    }
}
