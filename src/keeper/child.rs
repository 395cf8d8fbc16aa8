//! A child as its parent has it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::{fs, io};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

use super::attempt::{Attempt, ChildEnd, Fence};
use super::message::{Order, Told, send};
use crate::base::Process;

/// Clock ticks of a second in `/proc` (`USER_HZ`, the same on all that `hl` runs on).
const CLOCK_TICKS: u64 = 100;

/// A started child.
pub(super) struct Child {
    attempt: Attempt,
    process: std::process::Child,
    /// Readable when it has ended; absent where the system has none.
    pidfd: Option<OwnedFd>,
    /// Who is told of it; absent once `hl` is gone, or has seen the end.
    watcher: Option<UnixStream>,
    has_ended: bool,
}

impl Child {
    /// Starts the child of an order, unless somebody else has begun to; the watcher
    /// is told which. `fence`: all but the order's own text.
    pub(super) fn begin(order: &Order, with: Vec<OwnedFd>, fence: &Fence) -> Option<Self> {
        let [watcher, out, err] = <[OwnedFd; 3]>::try_from(with).ok()?;
        let watcher = UnixStream::from(watcher);
        // Nobody waits for what was not begun: the next part of the run begins it.
        if is_readable(&watcher) {
            return None;
        }
        let attempt = Attempt::at(order.base.clone());
        let raised = attempt.raise(&Fence {
            says: order.says.clone(),
            ..fence.clone()
        });
        let mut raised = match raised {
            Ok(raised) => raised,
            Err(error) => {
                let why = if error.kind() == io::ErrorKind::AlreadyExists {
                    Told::Taken
                } else {
                    Told::CannotWrite(error.to_string())
                };
                tell(&watcher, &why);
                return None;
            }
        };
        let started = Command::new(&order.program)
            .args(&order.args)
            .current_dir(&order.cwd)
            .env_clear()
            .envs(&order.env)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn();
        let child = match started {
            Ok(child) => child,
            Err(error) => {
                attempt.withdraw();
                tell(&watcher, &Told::CannotStart(error.to_string()));
                return None;
            }
        };
        let pid = child.id();
        let process = Process::of(pid).unwrap_or(Process { pid, start: 0 });
        // Who attaches without it finds the child by what it holds open.
        raised.started(process).ok();
        Some(Self {
            watcher: tell(&watcher, &Told::Started(process)).then_some(watcher),
            pidfd: pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).ok(),
            attempt,
            process: child,
            has_ended: false,
        })
    }

    /// What to wait for: its end, then that its watcher has seen it.
    pub(super) fn waits_for(&self) -> Option<BorrowedFd<'_>> {
        if self.has_ended {
            self.watcher.as_ref().map(AsFd::as_fd)
        } else {
            self.pidfd.as_ref().map(AsFd::as_fd)
        }
    }

    /// Writes down its end when it has ended. Whether anything is left to be done:
    /// until its watcher has seen the end, its process is not reaped, so that its
    /// process group cannot become anyone else's.
    pub(super) fn goes_on(&mut self) -> bool {
        if !self.has_ended {
            let Some(end) = self.end() else {
                return true;
            };
            self.has_ended = true;
            // Where it cannot be written, the `hl` that watches learns of it all the same.
            self.attempt.close(&end).ok();
            self.watcher
                .take_if(|watcher| !tell(watcher, &Told::Ended(end)));
        }
        self.watcher.take_if(|watcher| is_readable(watcher));
        if self.watcher.is_some() {
            return true;
        }
        // Ended, so this waits for nothing.
        self.process.wait().ok();
        false
    }

    fn end(&self) -> Option<ChildEnd> {
        let pid = Pid::from_child(&self.process);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(pid), options).ok().flatten()?;
        let (user_ms, system_ms) = cpu_of(self.process.id());
        Some(ChildEnd {
            code: status.exit_status(),
            signal: status.terminating_signal(),
            at: jiff::Timestamp::now().to_string(),
            user_ms,
            system_ms,
        })
    }
}

/// Whether there is somebody who was told.
fn tell(watcher: &UnixStream, what: &Told) -> bool {
    send(watcher, what, &[]).is_ok()
}

/// Whether the other side has closed it; it never writes.
fn is_readable(watcher: &UnixStream) -> bool {
    let mut polled = [PollFd::new(watcher, PollFlags::IN)];
    poll(&mut polled, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// CPU time of a process that has ended and of what it waited for, in user mode and
/// in the kernel, in milliseconds: fields 14 to 17 of `/proc/PID/stat`, in clock ticks.
fn cpu_of(pid: u32) -> (u64, u64) {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    // Field 3 is the first behind the name.
    let fields = fields.split_whitespace().skip(11).take(4);
    let ticks: Vec<u64> = fields
        .map(|field| field.parse().unwrap_or_default())
        .collect();
    let sum = |own: usize, of_others: usize| {
        let both = [own, of_others].into_iter().filter_map(|at| ticks.get(at));
        both.sum::<u64>().saturating_mul(1000) / CLOCK_TICKS
    };
    (sum(0, 2), sum(1, 3))
}
