//! What `hl` and the parent of its children say to each other: JSON behind its
//! length, over a socket that nobody else has. Variables may hold secrets, so an
//! order is never an argument and never on a disk.

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use camino::Utf8PathBuf;
use rustix::cmsg_space;
use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::attempt::ChildEnd;
use crate::base::Process;

/// Descriptors that go with an order: where to tell of the child, and its output.
pub(super) const DESCRIPTORS: usize = 3;

/// Bytes of the length before a message.
const HEAD: usize = 4;

/// A child that is to be started.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_debug_implementations, reason = "variables may be secrets")]
pub struct Order {
    /// What the names of its attempt's files begin with, absolute.
    pub base: Utf8PathBuf,
    /// The text for the fence; never a secret.
    pub says: String,
    /// Its program, absolute.
    pub program: Utf8PathBuf,
    /// What the program is given.
    pub args: Vec<String>,
    /// Its working directory.
    pub cwd: Utf8PathBuf,
    /// All its variables.
    pub env: BTreeMap<String, String>,
}

/// What the parent tells of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Told {
    /// Its process, the leader of a group of its own.
    Started(Process),
    /// There is a fence already: it was not started.
    Taken,
    /// The fence cannot be written, so it was not started.
    CannotWrite(String),
    /// The program does not start; there is no fence.
    CannotStart(String),
    /// How it ended. Its process is left to be reaped until the socket is closed.
    Ended(ChildEnd),
}

/// Sends a message, with descriptors.
pub(super) fn send(
    mut socket: &UnixStream,
    message: &impl Serialize,
    with: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut bytes = vec![0; HEAD];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len().saturating_sub(HEAD);
    let length = u32::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
    bytes.splice(..HEAD, length.to_le_bytes());
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !with.is_empty() && !control.push(SendAncillaryMessage::ScmRights(with)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let parts = [IoSlice::new(&bytes)];
    let sent = retry_on_intr(|| sendmsg(socket, &parts, &mut control, SendFlags::NOSIGNAL))?;
    socket.write_all(bytes.get(sent..).unwrap_or_default())
}

/// Receives a message and its descriptors; `None` where the other side is gone.
pub(super) fn receive<T: DeserializeOwned>(
    mut socket: &UnixStream,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut head = [0; HEAD];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = retry_on_intr(|| {
        let parts = &mut [IoSliceMut::new(&mut head)];
        recvmsg(socket, parts, &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let mut with = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            with.extend(descriptors);
        }
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    socket.read_exact(head.get_mut(received.bytes..).unwrap_or_default())?;
    let length = u64::from(u32::from_le_bytes(head));
    let mut bytes = Vec::new();
    socket.take(length).read_to_end(&mut bytes)?;
    Ok(Some((serde_json::from_slice(&bytes)?, with)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn an_order_arrives_whole_with_its_descriptors() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let order = Order {
            base: "/lab/state/logs/run/step.1".into(),
            says: "{}".to_owned(),
            program: "/bin/true".into(),
            args: vec!["a b".to_owned(), String::new()],
            cwd: "/".into(),
            // More than a socket holds.
            env: BTreeMap::from([("LONG".to_owned(), "x".repeat(1_000_000))]),
        };
        let (mut reader, writer) = io::pipe().unwrap();
        let sent = order.clone();
        let sender = std::thread::spawn(move || {
            send(&ours, &sent, &[writer.as_fd(), writer.as_fd()]).unwrap();
        });
        let (arrived, with) = receive::<Order>(&theirs).unwrap().unwrap();
        sender.join().unwrap();
        assert!(arrived == order);
        assert_eq!(with.len(), 2);
        let mut with = with.into_iter().map(std::fs::File::from);
        with.next().unwrap().write_all(b"through").unwrap();
        drop(with);
        assert_eq!(io::read_to_string(&mut reader).unwrap(), "through");
        assert!(receive::<Order>(&theirs).unwrap().is_none());
    }

    #[test]
    fn half_an_order_is_none() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(&9u32.to_le_bytes()).unwrap();
        ours.write_all(b"{\"ba").unwrap();
        drop(ours);
        assert!(receive::<Order>(&theirs).is_err());
    }
}
