//! How many connections there may be, at all and from one address: a client that takes
//! more takes them from nobody else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::peer::Peer;

/// Counts connections.
#[derive(Debug)]
pub(super) struct Gate {
    most: usize,
    most_of_one: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// The place of one connection; dropping it makes room.
#[derive(Debug)]
pub(super) struct Admitted {
    gate: Arc<Gate>,
    network: IpAddr,
}

impl Gate {
    /// At most so many, and so many of one address (of IPv6: of one /64).
    pub(super) fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_of_one,
            open: Mutex::default(),
        })
    }

    /// A place for a connection of this client, if there is one.
    pub(super) fn admit(self: &Arc<Self>, peer: Peer) -> Option<Admitted> {
        let network = peer.network();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.by_network.get(&network).copied().unwrap_or_default();
        if open.all >= self.most || own >= self.most_of_one {
            return None;
        }
        open.all += 1;
        open.by_network.insert(network, own + 1);
        Some(Admitted {
            gate: Arc::clone(self),
            network,
        })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let open = &self.gate.open;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(own) = open.by_network.get_mut(&self.network) {
            *own -= 1;
            if *own == 0 {
                open.by_network.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        Peer::of(text.parse().unwrap())
    }

    #[test]
    fn one_client_cannot_take_the_places_of_others() {
        let gate = Gate::new(5, 3);
        let greedy: Vec<_> = (0..4).map(|_| gate.admit(peer("192.0.2.1"))).collect();
        assert_eq!(greedy.iter().flatten().count(), 3);
        let (one, two) = (gate.admit(peer("192.0.2.2")), gate.admit(peer("192.0.2.3")));
        assert!(one.is_some() && two.is_some());
        // All are taken.
        assert!(gate.admit(peer("192.0.2.4")).is_none());
        drop(one);
        assert!(gate.admit(peer("192.0.2.1")).is_none());
        let _three = gate.admit(peer("192.0.2.4")).unwrap();
        drop(greedy);
        drop(two);
        assert!(gate.admit(peer("192.0.2.1")).is_some());
        let open = gate.open.lock().unwrap();
        assert_eq!((open.all, open.by_network.len()), (1, 1));
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let gate = Gate::new(9, 1);
        let _one = gate.admit(peer("2001:db8::1")).unwrap();
        assert!(gate.admit(peer("2001:db8::2")).is_none());
        assert!(gate.admit(peer("2001:db8:0:1::1")).is_some());
    }
}
