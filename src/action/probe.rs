//! What a refused connection says about an address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// Of the block that is reserved for documentation (RFC 5737): no machine has it.
const NOBODYS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Whether a refusal means that some machine has the address. Not on loopback,
/// and not in a rehearsal's network: there every address is this machine's own,
/// and its kernel refuses for all of them.
pub(super) fn refusal_counts(address: IpAddr) -> bool {
    let own = |ip: IpAddr| UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok();
    !address.is_loopback() && !own(NOBODYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_refuses_for_nobody() {
        assert!(!refusal_counts(IpAddr::V4(Ipv4Addr::new(127, 1, 2, 3))));
    }
}
