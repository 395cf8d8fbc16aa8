//! The parent of one child. It reads no configuration and loads nothing: it must
//! be small, and nothing that is wrong in a lab may keep it from its work.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode};
use std::sync::atomic::Ordering;

use camino::Utf8PathBuf;
use rustix::process::{Pid, Signal, kill_process, setsid};
use signal_hook::low_level::emulate_default_handler;

use super::attempt::{Attempt, ChildEnd, Fence};
use crate::base::{Process, boot_id, catch_signals, forbid_core_dumps};

/// The verb: `hl __keep BASE PROGRAM ARGS...`, where BASE is what the names of
/// the attempt's files begin with. It may change with every version.
pub const VERB: &str = "__keep";

/// The variable with the text for the fence; the child does not get it.
pub const SAYS: &str = "HL_KEEPER_SAYS";

/// Clock ticks of a second in `/proc` (`USER_HZ`, the same on all that `hl` runs on).
const CLOCK_TICKS: u64 = 100;

/// It could not do its work, and has started nothing: there is no fence.
pub const CANNOT: u8 = 73;

/// Whether the arguments (without the program's name) call the parent.
pub fn is_keeper(args: &[OsString]) -> bool {
    args.first().is_some_and(|verb| verb == VERB)
}

/// Runs the child that the arguments name, unless somebody else has begun to, and
/// ends as the child did.
/// What cannot be done is said on stderr, which is the child's.
pub fn keep(args: &[OsString]) -> ExitCode {
    let Some(([base], command)) = args.get(1..).and_then(|args| args.split_first_chunk()) else {
        return ExitCode::from(CANNOT);
    };
    let attempt = Attempt::at(Utf8PathBuf::from(base.to_string_lossy().into_owned()));
    match run(&attempt, command) {
        Ok(code) => code,
        // Who made the fence runs it, and everybody finds its end there.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => ExitCode::SUCCESS,
        Err(error) => {
            let base = attempt.base();
            writeln!(io::stderr(), "cannot write to `{base}.*`: {error}").ok();
            ExitCode::from(CANNOT)
        }
    }
}

fn run(attempt: &Attempt, command: &[OsString]) -> io::Result<ExitCode> {
    // Caught, not ignored: the child starts with their usual meaning, also where
    // a shell had them ignored, and this process lives to write the end.
    let heard = catch_signals()?;
    let heard = || i32::try_from(heard.load(Ordering::SeqCst)).unwrap_or_default();
    // Fails only for the leader of a group, which has a session then.
    setsid().ok();
    // Where a sandbox forbids it, the limit of `hl` holds.
    forbid_core_dumps().ok();
    if heard() != 0 {
        // It was stopped before it began, and ends as anything would.
        emulate_default_handler(heard())?;
    }
    attempt.raise(&Fence {
        keeper: Process::this(),
        boot_id: boot_id(),
        says: env::var(SAYS).unwrap_or_default(),
    })?;
    let before = heard();
    let end = if before == 0 {
        child(command, heard)
    } else {
        ChildEnd {
            signal: Some(before),
            ..ChildEnd::default()
        }
    };
    let (user_ms, system_ms) = cpu_of_children();
    let end = ChildEnd {
        at: jiff::Timestamp::now().to_string(),
        user_ms,
        system_ms,
        ..end
    };
    if attempt.close(&end).is_err()
        && let Some(signal) = end.signal
    {
        // The `hl` that watches learns of it all the same.
        emulate_default_handler(signal)?;
    }
    let code = end.code.and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(CANNOT)))
}

/// Runs the child to its end; `heard`: the last signal that came.
fn child(command: &[OsString], heard: impl Fn() -> i32) -> ChildEnd {
    let failed = |error: io::Error| ChildEnd {
        error: Some(error.to_string()),
        ..ChildEnd::default()
    };
    let Some((program, args)) = command.split_first() else {
        return failed(io::Error::from(io::ErrorKind::InvalidInput));
    };
    let started = Command::new(program).args(args).env_remove(SAYS).spawn();
    let ended = started.and_then(|mut child| {
        // It came before there was a child to hear it.
        if heard() != 0 {
            pass_on(&child, heard());
        }
        child.wait()
    });
    match ended {
        Ok(status) => ChildEnd {
            code: status.code(),
            signal: status.signal(),
            ..ChildEnd::default()
        },
        Err(error) => failed(error),
    }
}

fn pass_on(child: &Child, heard: i32) {
    let signal = if heard == Signal::TERM.as_raw() {
        Signal::TERM
    } else {
        Signal::INT
    };
    // Not reaped yet, so the number is still its own.
    kill_process(Pid::from_child(child), signal).ok();
}

/// CPU time of the children that were waited for, in user mode and in the kernel,
/// in milliseconds: fields 16 and 17 of `/proc/self/stat`, in clock ticks.
fn cpu_of_children() -> (u64, u64) {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    // Field 3 is the first behind the name.
    let mut fields = fields.split_whitespace().skip(13);
    let mut milliseconds = || {
        let ticks: u64 = fields.next().and_then(|ticks| ticks.parse().ok())?;
        Some(ticks.saturating_mul(1000) / CLOCK_TICKS)
    };
    let mut next = || milliseconds().unwrap_or_default();
    (next(), next())
}
