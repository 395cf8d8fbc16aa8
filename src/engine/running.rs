//! A child that runs: one of this process, or one that is [kept](crate::keeper).

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::Duration;

use duct::Handle;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

use crate::base::Process;
use crate::diag::{Exit, StepError};
use crate::keeper::KeptChild;

/// A child that runs, or has ended and is not reaped yet.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each child that runs"
)]
pub(super) enum Running {
    /// It ends unwritten when this process does.
    Own(Own),
    /// Its parent outlives this process.
    Kept(KeptChild),
}

/// A child of this process.
pub(super) struct Own {
    handle: Handle,
    process: Process,
    pid: Pid,
    pidfd: Option<OwnedFd>,
}

/// Exit code or signal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
}

impl Running {
    /// A child that was started.
    pub(super) fn own(handle: Handle, program: &str) -> Result<Self, StepError> {
        let process = handle.pids().first().copied().unwrap_or_default();
        let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| {
            StepError::new(format!("`{program}` has no process id")).exit(Exit::Bug)
        })?;
        Ok(Self::Own(Own {
            handle,
            process: Process::of(process).unwrap_or(Process {
                pid: process,
                start: 0,
            }),
            pid,
            pidfd: pidfd_open(pid, PidfdFlags::empty()).ok(),
        }))
    }

    /// Its process, the leader of a group.
    pub(super) fn process(&self) -> Process {
        match self {
            Self::Own(own) => own.process,
            Self::Kept(kept) => kept.process(),
        }
    }

    /// Waits until it has ended, at most so long; whether it has.
    pub(super) fn wait(&mut self, at_most: Duration) -> bool {
        match self {
            Self::Own(own) => own.wait(at_most),
            Self::Kept(kept) => kept.wait(at_most),
        }
    }

    /// Whether a signal ended it; not reaped yet.
    pub(super) fn died(&self) -> bool {
        match self {
            Self::Own(own) => own
                .status()
                .is_some_and(|status| status.killed() || status.dumped()),
            Self::Kept(kept) => kept.end().is_none_or(|end| end.signal.is_some()),
        }
    }

    /// Reaps it when it has ended; `None` where nobody knows how.
    pub(super) fn reap(self) -> Result<Option<Ended>, StepError> {
        match self {
            Self::Own(own) => {
                let output = own.handle.wait().map_err(|e| {
                    StepError::new(format!("cannot wait for a child: {e}")).exit(Exit::Bug)
                })?;
                Ok(Some(Ended {
                    code: output.status.code(),
                    signal: output.status.signal(),
                }))
            }
            Self::Kept(kept) => Ok(kept.end().map(|end| Ended {
                code: end.code,
                signal: end.signal,
            })),
        }
    }
}

impl Own {
    fn wait(&self, at_most: Duration) -> bool {
        if let Some(pidfd) = &self.pidfd {
            let timeout = Timespec::try_from(at_most).unwrap_or_default();
            // An interrupted wait is only a shorter one.
            poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&timeout)).unwrap_or_default();
        } else {
            thread::sleep(at_most);
        }
        self.has_ended()
    }

    /// Leaves it to be reaped: until then its process group cannot become anyone
    /// else's.
    fn has_ended(&self) -> bool {
        match waitid(WaitId::Pid(self.pid), OPTIONS) {
            Ok(status) => status.is_some(),
            Err(error) => error != rustix::io::Errno::INTR,
        }
    }

    fn status(&self) -> Option<rustix::process::WaitIdStatus> {
        waitid(WaitId::Pid(self.pid), OPTIONS).ok().flatten()
    }
}

const OPTIONS: WaitIdOptions = WaitIdOptions::EXITED
    .union(WaitIdOptions::NOHANG)
    .union(WaitIdOptions::NOWAIT);
