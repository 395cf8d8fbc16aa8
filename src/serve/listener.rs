//! The socket that is listened on: one that systemd opened, or one of our own.

use std::net::{IpAddr, SocketAddr};

use listenfd::ListenFd;
use tokio::net::{TcpListener, TcpSocket};

use super::self_signed::host_name;
use crate::diag::{Exit, Failure};

/// Connections that wait to be taken.
const BACKLOG: u32 = 1024;

/// The socket of systemd's, if it gave one; else a new one.
///
/// # Errors
/// The address cannot be listened on (69), or systemd gave something else (2).
pub(super) fn open(bind: IpAddr, port: u16) -> Result<TcpListener, Failure> {
    let mut given = ListenFd::from_env();
    let wrong = |why: String| {
        Failure::message(
            Exit::Usage,
            format!("cannot use the sockets of systemd: {why}"),
        )
        .help("give one socket of TCP: a single `ListenStream=` in the socket unit")
    };
    match given.len() {
        0 => bound(SocketAddr::new(bind, port)),
        1 => {
            let listener = given
                .take_tcp_listener(0)
                .map_err(|error| wrong(error.to_string()))?
                .ok_or_else(|| wrong("it is gone".to_owned()))?;
            let listener = listener
                .set_nonblocking(true)
                .and_then(|()| TcpListener::from_std(listener));
            listener.map_err(|error| wrong(error.to_string()))
        }
        count => Err(wrong(format!("there are {count}"))),
    }
}

fn bound(address: SocketAddr) -> Result<TcpListener, Failure> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    };
    let listener = socket.and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    });
    listener.map_err(|error| {
        let failure =
            Failure::message(Exit::Runway, format!("cannot listen on {address}: {error}"));
        if error.kind() == std::io::ErrorKind::AddrInUse {
            return failure
                .help(format!(
                    "see who does: `ss -ltnp sport = :{}`",
                    address.port()
                ))
                .help("or choose another port: `--port PORT`");
        }
        failure
    })
}

/// How others reach a socket: by the name of this host, where it listens on all of its
/// addresses.
pub(super) fn url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        return format!("https://{}:{}", host_name(), address.port());
    }
    format!("https://{address}")
}

/// How processes of this machine reach it.
pub(super) fn local_url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    format!("https://{}", SocketAddr::new(ip, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_those_that_clients_can_use() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(url(at("127.0.0.1:44443")), "https://127.0.0.1:44443");
        assert_eq!(url(at("[2001:db8::1]:1")), "https://[2001:db8::1]:1");
        assert_eq!(url(at("0.0.0.0:1")), format!("https://{}:1", host_name()));
        assert_eq!(local_url(at("0.0.0.0:1")), "https://127.0.0.1:1");
        assert_eq!(local_url(at("[::]:1")), "https://[::1]:1");
        assert_eq!(local_url(at("192.0.2.1:1")), "https://192.0.2.1:1");
    }
}
