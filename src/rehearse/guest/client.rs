//! The guest's side of `systemctl` and its relatives: asks PID 1, prints the reply.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use super::protocol::{Reply, Request};

/// Where PID 1 listens.
pub(super) const SOCKET: &str = "/run/hl/init.sock";

fn ask(request: &Request) -> Result<Reply, String> {
    let mut stream = UnixStream::connect(SOCKET).map_err(|_| {
        "System has not been booted with systemd as init system (PID 1). Can't operate.".to_owned()
    })?;
    let text = serde_json::to_string(request).map_err(|e| e.to_string())?;
    stream
        .write_all(text.as_bytes())
        .and_then(|()| stream.shutdown(Shutdown::Write))
        .map_err(|e| e.to_string())?;
    let mut reply = String::new();
    stream
        .read_to_string(&mut reply)
        .map_err(|e| e.to_string())?;
    serde_json::from_str(&reply).map_err(|e| e.to_string())
}

/// `hl __systemctl PROGRAM ARGS...`
pub(in crate::rehearse) fn main(args: &[OsString]) -> ExitCode {
    let mut words = args.iter().map(|a| a.to_string_lossy().into_owned());
    let request = Request {
        program: words.next().unwrap_or_default(),
        args: words.collect(),
    };
    let reply = ask(&request).unwrap_or_else(|error| Reply::fail(1, error));
    io::stdout().write_all(reply.out.as_bytes()).ok();
    io::stderr().write_all(reply.err.as_bytes()).ok();
    ExitCode::from(reply.code)
}
