//! The build address: set, well-formed, and nobody's.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::action::at_once::at_once;
use crate::action::probe::refusal_counts;
use crate::action::{Done, StepContext};
use crate::diag::StepError;
use crate::pve::BuildAddress;

pub(super) const NAME: &str = "PVE_BUILD_ADDRESS";
/// What machines of a home network answer on, one way or the other.
const PORTS: &[u16] = &[22, 80, 443, 445, 3389, 8006];
const LIMIT: Duration = Duration::from_secs(1);

/// Nobody accepts or refuses a connection there: on a network of one's own a
/// refusal comes from a machine that has the address.
pub(super) fn check(ctx: &StepContext<'_>) -> Result<Done, StepError> {
    let example = format!(
        "a free address of the bridge's network, outside of the DHCP range: `{NAME}=192.168.1.250/24,gw=192.168.1.1`"
    );
    let Some(text) = ctx.env.get(NAME) else {
        return Err(StepError::new(format!(
            "`{NAME}` is not set: templates are built on a machine that needs an address"
        ))
        .help(format!("add {example}")));
    };
    let address = BuildAddress::parse(text).map_err(|why| {
        StepError::new(format!("`{NAME}` cannot be used: {why}")).help(format!("give {example}"))
    })?;
    match answering(address) {
        Some(port) => Err(StepError::new(format!(
            "`{}`, the build address, is in use: port {port} answers",
            address.ip
        ))
        .help(format!("give another one, {example}"))
        .help(
            "a machine left over from a build that was broken off? `qm list` on the node shows it",
        )),
        None => Ok(Done::new(format!("`{}` is free", address.ip))),
    }
}

/// The port on which somebody answered.
fn answering(address: BuildAddress) -> Option<u16> {
    let refusals_count = refusal_counts(address.ip);
    let answers = at_once(PORTS, PORTS.len(), |port| {
        probe(SocketAddr::new(address.ip, *port))
    });
    let with = |wanted| {
        let mut all = PORTS.iter().zip(&answers);
        all.find(|(_, answer)| **answer == wanted)
            .map(|(port, _)| *port)
    };
    with(Answer::Accepted).or_else(|| with(Answer::Refused).filter(|_| refusals_count))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Accepted,
    Refused,
    None,
}

fn probe(target: SocketAddr) -> Answer {
    match TcpStream::connect_timeout(&target, LIMIT) {
        Ok(_) => Answer::Accepted,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Answer::Refused,
        Err(_) => Answer::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_loopback_only_who_accepts_is_there() {
        let free = BuildAddress::parse("127.77.9.9/24,gw=127.77.9.1").unwrap();
        assert_eq!(answering(free), None);
    }

    #[test]
    fn a_closed_port_of_a_machine_is_a_refusal() {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        assert_eq!(probe(([127, 0, 0, 1], port).into()), Answer::Refused);
    }
}
