//! Whether the VPN's peer answers. A ping would need rights that not everybody
//! has, so it is a connection: to a port that was named it must be accepted; to
//! the port of ssh, which is tried otherwise, a refusal is an answer as well.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::answer::PORT;
use crate::action::probe::refusal_counts;
use crate::base::{Cancel, host_port};
use crate::diag::StepError;

/// A tunnel may have to shake hands first.
const CONNECT: Duration = Duration::from_secs(5);
const TRIES: u8 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// Whether the peer that `[network] vpn_peer` names answers; the inner error
/// says why it does not.
///
/// # Errors
/// The run is being stopped.
pub(super) fn answers(peer: &str, cancel: &Cancel) -> Result<Result<(), String>, StepError> {
    let Some((host, port)) = host_port(peer) else {
        return Ok(Err("it is no address".to_owned()));
    };
    let mut tried = 1;
    loop {
        match once(host, port) {
            Ok(()) => return Ok(Ok(())),
            Err(why) if tried == TRIES => return Ok(Err(why)),
            Err(_) => tried += 1,
        }
        cancel.sleep(PAUSE)?;
    }
}

fn once(host: &str, port: Option<u16>) -> Result<(), String> {
    let found = (host, port.unwrap_or(PORT))
        .to_socket_addrs()
        .map_err(|_| format!("the name `{host}` leads nowhere"))?;
    let mut last = format!("the name `{host}` leads nowhere");
    for address in found {
        match connect(address, port.is_none()) {
            Ok(()) => return Ok(()),
            Err(why) => last = why,
        }
    }
    Err(last)
}

fn connect(address: SocketAddr, or_refused: bool) -> Result<(), String> {
    match TcpStream::connect_timeout(&address, CONNECT) {
        Ok(_) => Ok(()),
        Err(error)
            if or_refused
                && error.kind() == ErrorKind::ConnectionRefused
                && refusal_counts(address.ip()) =>
        {
            Ok(())
        }
        Err(error) => Err(format!("port {}: {}", address.port(), error.kind())),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn said(peer: &str) -> Result<(), String> {
        answers(peer, &Cancel::default()).unwrap()
    }

    #[test]
    fn a_named_port_must_accept() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = listener.local_addr().unwrap().to_string();
        assert_eq!(said(&peer), Ok(()));
        let (_closed, address) = crate::base::closed_port();
        let peer = address.to_string();
        assert!(said(&peer).unwrap_err().contains("connection refused"));
    }
}
