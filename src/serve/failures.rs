//! Failed tokens by address: a guesser is slowed down, and others are not.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::peer::Peer;

/// Failures that an address may have at once.
const BURST: u32 = 10;
/// After this time without a failure, one of them is forgotten.
const FORGIVEN: Duration = Duration::from_secs(6);
/// Addresses that are remembered. Of more, the oldest are forgotten.
const ADDRESSES: usize = 10_000;

/// Failed tokens by address.
#[derive(Debug, Default)]
pub(in crate::serve) struct Failures(Mutex<HashMap<IpAddr, Failed>>);

#[derive(Debug, Clone, Copy)]
struct Failed {
    count: u32,
    /// When `count` was true.
    at: Instant,
}

impl Failed {
    /// What is left of the failures by now.
    fn left(self, now: Instant) -> u32 {
        let passed = now.saturating_duration_since(self.at).as_secs() / FORGIVEN.as_secs();
        self.count
            .saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX))
    }
}

impl Failures {
    /// Whether a token of this address is looked at.
    pub(in crate::serve) fn allowed(&self, peer: IpAddr) -> bool {
        self.allowed_at(peer, Instant::now())
    }

    /// A token of this address was wrong.
    pub(in crate::serve) fn failed(&self, peer: IpAddr) {
        self.failed_at(peer, Instant::now());
    }

    fn allowed_at(&self, peer: IpAddr, now: Instant) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&Peer::of(peer).network())
            .is_none_or(|failed| failed.left(now) < BURST)
    }

    fn failed_at(&self, peer: IpAddr, now: Instant) {
        let peer = Peer::of(peer).network();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ADDRESSES && !all.contains_key(&peer) {
            make_room(&mut all, now);
        }
        let left = all.get(&peer).map_or(0, |failed| failed.left(now));
        let count = left.saturating_add(1).min(BURST);
        all.insert(peer, Failed { count, at: now });
    }
}

/// Forgets those who are forgiven; if that are few, the older half too.
fn make_room(all: &mut HashMap<IpAddr, Failed>, now: Instant) {
    all.retain(|_, failed| failed.left(now) > 0);
    if all.len() < ADDRESSES / 2 {
        return;
    }
    let mut times: Vec<Instant> = all.values().map(|failed| failed.at).collect();
    times.sort_unstable();
    if let Some(middle) = times.get(times.len() / 2).copied() {
        all.retain(|_, failed| failed.at > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_guesser_waits_and_others_do_not() {
        let failures = Failures::default();
        let (guesser, other) = (address("192.0.2.1"), address("192.0.2.2"));
        let now = Instant::now();
        for _ in 0..BURST {
            assert!(failures.allowed_at(guesser, now));
            failures.failed_at(guesser, now);
        }
        assert!(!failures.allowed_at(guesser, now));
        assert!(failures.allowed_at(other, now));
        // One more try for each time that passed, and no store of them.
        let later = now + FORGIVEN;
        assert!(failures.allowed_at(guesser, later));
        failures.failed_at(guesser, later);
        assert!(!failures.allowed_at(guesser, later));
        assert!(failures.allowed_at(guesser, later + FORGIVEN * 1000));
    }

    #[test]
    fn an_ipv6_network_is_one_guesser() {
        let failures = Failures::default();
        let now = Instant::now();
        for host in 0..BURST {
            failures.failed_at(address(&format!("2001:db8::{host:x}")), now);
        }
        assert!(!failures.allowed_at(address("2001:db8::ffff"), now));
        assert!(failures.allowed_at(address("2001:db8:0:1::1"), now));
    }

    #[test]
    fn memory_has_a_limit() {
        let failures = Failures::default();
        let start = Instant::now();
        for number in 0..u32::try_from(3 * ADDRESSES).unwrap() {
            let peer = IpAddr::V4(std::net::Ipv4Addr::from(number));
            failures.failed_at(peer, start + Duration::from_millis(number.into()) / 100);
        }
        let all = failures.0.lock().unwrap();
        assert!(all.len() <= ADDRESSES && all.len() >= ADDRESSES / 4);
    }
}
