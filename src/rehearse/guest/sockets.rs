//! Sockets of this machine that are shown in a guest.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::base::if_there;

/// Takes a socket in a directory, in the place of one that was left there. The path may
/// be longer than a socket's name.
///
/// # Errors
/// The directory cannot be opened, or the socket not taken.
pub(in crate::rehearse) fn bind_socket(dir: &Path, name: &str) -> io::Result<UnixListener> {
    let socket = dir.join(name);
    if_there(fs::remove_file(&socket))?;
    let folder = File::open(dir)?;
    let short = format!("/proc/self/fd/{}/{name}", folder.as_raw_fd());
    let listener = UnixListener::bind(short)?;
    // Who is root in the guest, the one that listens asks itself.
    fs::set_permissions(&socket, Permissions::from_mode(0o666))?;
    Ok(listener)
}
