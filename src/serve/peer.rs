//! What is known of a request beside its head: extensions that the daemon adds to it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The address of the client, as the socket has it. No header changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::serve) struct Peer(pub(in crate::serve) IpAddr);

impl Peer {
    /// An address; an IPv4 one that came over IPv6 is the IPv4 one.
    pub(in crate::serve) fn of(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    /// Those who are counted as one client: of IPv6 a whole /64, because an owner of
    /// one address of it owns all.
    pub(in crate::serve) fn network(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(address) => {
                let prefix = u128::from(address) >> 64 << 64;
                IpAddr::V6(Ipv6Addr::from(prefix))
            }
        }
    }
}

/// The number of a request since the daemon started: it is in the access log, and in
/// the answer as `X-Request-Id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serve) struct RequestId(pub(in crate::serve) u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_over_both_protocols() {
        let (four, mapped) = ("192.0.2.7", "::ffff:192.0.2.7");
        assert_eq!(
            Peer::of(mapped.parse().unwrap()),
            Peer::of(four.parse().unwrap())
        );
        let six = "2001:db8::7".parse().unwrap();
        assert_eq!(Peer::of(six).0, six);
    }
}
