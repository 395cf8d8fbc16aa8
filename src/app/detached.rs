//! A run that nobody sits at is started in a process of its own, which keeps
//! nothing of the one that asked for it. What that process says is in `announce`.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, kill_process};

use super::announce::{DETACHED, begun};
use crate::base::{Signal, StopSource};
use crate::diag::{Exit, Failure};

/// How often it is looked whether the start is to be stopped.
const LOOK: Duration = Duration::from_millis(20);

/// How long the last words of a process that has ended may take to arrive.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The most that is kept of the error output, in bytes.
const LONGEST: u64 = 256 * 1024;

/// What is started detached.
#[derive(Debug, Clone)]
pub struct DetachedCommand {
    /// The `hl` that is started; this one is `/proc/self/exe`.
    pub program: PathBuf,
    /// Its command line, program name left out.
    pub args: Vec<OsString>,
    /// Its working directory.
    pub dir: PathBuf,
    /// Variables beside those of this process.
    pub set: Vec<(OsString, OsString)>,
    /// Variables of this process that it does not get.
    pub without: Vec<OsString>,
    /// Its standard error is kept for [`Started::Ended`]; else it is that of this
    /// process until the run has begun.
    pub captured: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// The run holds the lab, and its journal has begun.
    Begun {
        /// The run's id.
        run: String,
        /// What it said on standard output before.
        said: String,
    },
    /// It could not start, or there was nothing to do.
    Ended {
        /// The exit code, 128 and the number of the signal that ended it.
        code: u8,
        /// What it said on standard output.
        said: String,
        /// What it said on standard error, where that was captured.
        stderr: String,
    },
}

/// Starts it, and waits until its run has begun or it has ended: it may wait for
/// children of an unfinished run. A stop meanwhile is passed on, but for a hangup,
/// which is what it is detached for.
///
/// # Errors
/// It cannot be started or waited for (70).
pub fn start(request: &DetachedCommand, stops: &mut dyn StopSource) -> Result<Started, Failure> {
    // What a shell or a server left open is not for what outlives it.
    close_fds::set_fds_cloexec(3, &[]);
    let mut command = Command::new(&request.program);
    command
        .arg0("hl")
        .args(&request.args)
        .current_dir(&request.dir)
        .envs(request.set.iter().map(|(name, value)| (name, value)))
        .env(DETACHED, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    for name in &request.without {
        command.env_remove(name);
    }
    if request.captured {
        command.stderr(Stdio::piped());
    }
    let mut child = command.spawn().map_err(|error| cannot(&error))?;
    let lines = lines_of(child.stdout.take());
    let errors = errors_of(child.stderr.take());
    let mut said = String::new();
    loop {
        match lines.recv_timeout(LOOK) {
            Ok(line) => {
                if let Some(run) = begun(&line) {
                    let run = run.to_owned();
                    // It is ours until this process ends: no zombie is left of it.
                    thread::spawn(move || child.wait().ok());
                    return Ok(Started::Begun { run, said });
                }
                said.push_str(&line);
                said.push('\n');
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        pass_on(&child, stops);
    }
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|error| cannot(&error))? {
            break status;
        }
        pass_on(&child, stops);
        thread::sleep(LOOK);
    };
    Ok(Started::Ended {
        code: code(status),
        said,
        stderr: errors.recv_timeout(LAST_WORDS).unwrap_or_default(),
    })
}

fn cannot(error: &io::Error) -> Failure {
    Failure::message(Exit::Bug, format!("cannot start a detached run: {error}"))
}

/// Its lines, up to the one that says that the run has begun.
fn lines_of(pipe: Option<ChildStdout>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let Some(pipe) = pipe else { return };
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            let last = begun(&line).is_some();
            if sender.send(line).is_err() || last {
                return;
            }
        }
    });
    receiver
}

/// Its error output, at its end.
fn errors_of(pipe: Option<ChildStderr>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let mut bytes = Vec::new();
        pipe.by_ref().take(LONGEST).read_to_end(&mut bytes).ok();
        // A full pipe must not stop it.
        io::copy(&mut pipe, &mut io::sink()).ok();
        sender
            .send(String::from_utf8_lossy(&bytes).into_owned())
            .ok();
    });
    receiver
}

/// Stops what has not begun yet, as Ctrl-C would.
fn pass_on(child: &Child, stops: &mut dyn StopSource) {
    while let Some(signal) = stops.arrived() {
        // Nobody has waited for it yet: the id is its own.
        if signal != Signal::Hangup {
            kill_process(Pid::from_child(child), rustix::process::Signal::INT).ok();
        }
    }
}

/// As a shell would say it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    let code = code.and_then(|code| u8::try_from(code).ok());
    code.unwrap_or(Exit::Bug.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Once(Option<Signal>);

    impl StopSource for Once {
        fn arrived(&mut self) -> Option<Signal> {
            self.0.take()
        }
    }

    fn shell(script: &str, signal: Option<Signal>) -> Started {
        let request = DetachedCommand {
            program: PathBuf::from("/usr/bin/env"),
            // It may be ignored where the tests are run.
            args: ["--default-signal=INT", "sh", "-c", script]
                .map(OsString::from)
                .to_vec(),
            dir: PathBuf::from("/"),
            set: vec![("GIVEN".into(), "given".into())],
            without: vec!["HOME".into()],
            captured: true,
        };
        start(&request, &mut Once(signal)).unwrap()
    }

    #[test]
    fn what_ends_before_it_has_begun_says_how() {
        let script = "echo \"$GIVEN ${HOME-none} $HL_DETACHED\"; pwd; echo no >&2; exit 75";
        let ended = Started::Ended {
            code: 75,
            said: "given none 1\n/\n".to_owned(),
            stderr: "no\n".to_owned(),
        };
        assert_eq!(shell(script, None), ended);
        let killed = shell("kill -KILL $$", None);
        assert!(
            matches!(killed, Started::Ended { code: 137, .. }),
            "{killed:?}"
        );
    }

    #[test]
    fn what_has_begun_is_not_waited_for() {
        // A full error output does not keep it either.
        let script = "echo first; head -c 1000000 /dev/zero >&2; printf '\\001run ID\\n'; sleep 1; echo late";
        let begun = Started::Begun {
            run: "ID".to_owned(),
            said: "first\n".to_owned(),
        };
        assert_eq!(shell(script, None), begun);
    }

    #[test]
    fn a_stop_before_it_has_begun_is_passed_on_and_a_hangup_is_not() {
        let script = "trap 'exit 130' INT; echo waits; n=0; while [ $n -lt 600 ]; do sleep 0.1; n=$((n+1)); done";
        let stopped = shell(script, Some(Signal::Interrupt));
        assert!(
            matches!(stopped, Started::Ended { code: 130, .. }),
            "{stopped:?}"
        );
        let ended = shell("sleep 0.2; exit 3", Some(Signal::Hangup));
        assert!(matches!(ended, Started::Ended { code: 3, .. }), "{ended:?}");
    }
}
