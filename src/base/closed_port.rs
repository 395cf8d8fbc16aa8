//! For tests: a port that refuses, and stays this test's own.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};

/// A port of 127.0.0.1 where nothing listens, and where nobody else can while the
/// socket lives. A listener that was closed does not do: for a moment a child that
/// another test starts has it still, or another test has its port.
pub(crate) fn closed_port() -> (OwnedFd, SocketAddr) {
    let socket = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = getsockname(&socket).unwrap();
    (socket, SocketAddr::try_from(address).unwrap())
}
