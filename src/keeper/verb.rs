//! The parent of a run's children. It reads no configuration and loads nothing: it
//! must be small, and nothing that is wrong in a lab may keep it from its work. It
//! has one thread, and ends when `hl` is gone and no child is left.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::setsid;

use super::attempt::Fence;
use super::child::Child;
use super::message::{Order, receive};
use crate::base::{Process, boot_id, catch_signals, forbid_core_dumps};

/// The verb: `hl __keep RUN`, with a socket as its stdin; RUN is what a list of
/// processes shows. It may change with every version.
pub const VERB: &str = "__keep";

/// How often children are looked at where the system does not say that one ended.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 30_000_000,
};

/// Whether the arguments (without the program's name) call the parent.
pub fn is_keeper(args: &[OsString]) -> bool {
    args.first().is_some_and(|verb| verb == VERB)
}

/// Starts children as they are ordered, and waits for them.
pub fn keep() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads what it says; `hl` sees that it is gone.
        Err(_) => ExitCode::FAILURE,
    }
}

fn run() -> io::Result<()> {
    // Caught, not ignored: children start with their usual meaning, also where a
    // shell had them ignored, and this process lives to write their ends.
    catch_signals()?;
    // Fails only for the leader of a group, which has a session then.
    setsid().ok();
    // Where a sandbox forbids it, the limit of `hl` holds.
    forbid_core_dumps().ok();
    let orders = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut orders = Some(orders);
    let fence = Fence {
        keeper: Process::this(),
        boot_id: boot_id(),
        says: String::new(),
        child: None,
    };
    let mut children: Vec<Child> = Vec::new();
    while orders.is_some() || !children.is_empty() {
        if wait(orders.as_ref(), &children)?
            && let Some(socket) = &orders
        {
            match receive::<Order>(socket) {
                Ok(Some((order, with))) => children.extend(Child::begin(&order, with, &fence)),
                // What it was about to say is no order.
                Ok(None) | Err(_) => orders = None,
            }
        }
        children.retain_mut(Child::goes_on);
    }
    Ok(())
}

/// Waits until something is to be done; whether it is an order.
fn wait(orders: Option<&UnixStream>, children: &[Child]) -> io::Result<bool> {
    let others = children.iter().filter_map(Child::waits_for);
    let mut polled: Vec<PollFd<'_>> = (orders.map(AsFd::as_fd).into_iter().chain(others))
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    let all = polled.len() == children.len() + usize::from(orders.is_some());
    match poll(&mut polled, (!all).then_some(&LOOK)) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    let first = orders.and(polled.first());
    Ok(first.is_some_and(|first| !first.revents().is_empty()))
}
