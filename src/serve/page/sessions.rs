//! Who is logged in to the page, and the links that were given out. Both are kept in
//! memory as digests, bounded in number, and end by themselves.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::base::hex;
use crate::serve::token::Token;

/// How long a link opens the page.
pub(super) const LINK: Duration = Duration::from_mins(5);

/// How long a session lasts.
pub(super) const SESSION: Duration = Duration::from_hours(12);

/// Links and sessions that there are at once; a new one ends the oldest.
const LINKS: usize = 16;
const SESSIONS: usize = 64;

/// Streams of events at once.
const STREAMS: usize = 128;

/// Bytes of a token: 256 bits.
const TOKEN: usize = 32;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    /// Look.
    Read,
    /// Look and act.
    Operate,
}

/// Who is logged in.
#[derive(Debug)]
pub(in crate::serve) struct Sessions {
    held: Mutex<Held>,
    streams: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Held {
    links: Vec<Pass>,
    sessions: Vec<Pass>,
}

/// A link or a session.
#[derive(Debug)]
struct Pass {
    token: Token,
    may: May,
    /// When it ends, on the clock of [`now`].
    until: Duration,
}

impl Sessions {
    /// Nobody is logged in.
    pub(in crate::serve) fn new() -> Self {
        Self {
            held: Mutex::default(),
            streams: Arc::new(Semaphore::new(STREAMS)),
        }
    }

    /// A link's token, which opens the page once within [`LINK`].
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub(super) fn link(&self, may: May) -> std::io::Result<String> {
        let token = random()?;
        self.link_at(&token, may, now());
        Ok(token)
    }

    /// What a link gives, without using it up.
    pub(super) fn preview(&self, link: &str) -> Option<May> {
        self.held(now()).find(link)
    }

    /// Uses a link up; gives the token of the session that begins.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub(super) fn enter(&self, link: &str) -> std::io::Result<Option<String>> {
        let token = random()?;
        Ok(self.enter_at(link, &token, now()).then_some(token))
    }

    /// What the session with this token may do; nothing when there is none.
    pub(super) fn may(&self, session: &str) -> Option<May> {
        self.may_at(session, now())
    }

    /// Ends one session.
    pub(super) fn leave(&self, session: &str) {
        let mut held = self.held(now());
        held.sessions.retain(|pass| !pass.token.is(session));
    }

    /// Ends all sessions and links; gives how many sessions there were.
    pub(super) fn leave_all(&self) -> usize {
        let mut held = self.held(now());
        held.links.clear();
        std::mem::take(&mut held.sessions).len()
    }

    /// Room for one more stream of events, as long as it is held.
    pub(super) fn stream(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.streams).try_acquire_owned().ok()
    }

    fn link_at(&self, token: &str, may: May, now: Duration) {
        let mut held = self.held(now);
        add(&mut held.links, LINKS, token, may, now + LINK);
    }

    fn enter_at(&self, link: &str, token: &str, now: Duration) -> bool {
        let mut held = self.held(now);
        let Some(place) = held.links.iter().position(|pass| pass.token.is(link)) else {
            return false;
        };
        let may = held.links.remove(place).may;
        add(&mut held.sessions, SESSIONS, token, may, now + SESSION);
        true
    }

    fn may_at(&self, session: &str, now: Duration) -> Option<May> {
        let held = self.held(now);
        let pass = held.sessions.iter().find(|pass| pass.token.is(session));
        pass.map(|pass| pass.may)
    }

    /// What has not ended by then.
    fn held(&self, now: Duration) -> MutexGuard<'_, Held> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.links.retain(|pass| now < pass.until);
        held.sessions.retain(|pass| now < pass.until);
        held
    }
}

impl Held {
    fn find(&self, link: &str) -> Option<May> {
        let pass = self.links.iter().find(|pass| pass.token.is(link));
        pass.map(|pass| pass.may)
    }
}

fn add(passes: &mut Vec<Pass>, most: usize, token: &str, may: May, until: Duration) {
    while passes.len() >= most {
        passes.remove(0);
    }
    let token = Token::new(token);
    passes.push(Pass { token, may, until });
}

/// 256 random bits, as hex.
fn random() -> std::io::Result<String> {
    let mut bytes = [0; TOKEN];
    // So few bytes come all at once.
    let count = getrandom(&mut bytes, GetRandomFlags::empty())?;
    if count == TOKEN {
        Ok(hex(&bytes))
    } else {
        Err(std::io::ErrorKind::UnexpectedEof.into())
    }
}

/// Time since the machine started, with the time in which it was suspended: nobody
/// can set this clock back.
fn now() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1000);
    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn a_link_opens_the_page_once_and_in_time() {
        let sessions = Sessions::new();
        sessions.link_at("link", May::Operate, START);
        assert_eq!(sessions.held(START).find("link"), Some(May::Operate));
        assert!(!sessions.enter_at("other", "s", START));
        assert!(sessions.enter_at("link", "s", (START + LINK).saturating_sub(MOMENT)));
        assert!(!sessions.enter_at("link", "t", (START + LINK).saturating_sub(MOMENT)));
        assert_eq!(sessions.may_at("s", START + LINK), Some(May::Operate));
        assert_eq!(sessions.may_at("link", START + LINK), None);
        sessions.link_at("late", May::Read, START);
        assert!(!sessions.enter_at("late", "u", START + LINK));
        assert_eq!(sessions.may_at("u", START + LINK), None);
    }

    #[test]
    fn a_session_ends_after_twelve_hours() {
        let sessions = Sessions::new();
        sessions.link_at("link", May::Read, START);
        assert!(sessions.enter_at("link", "s", START));
        assert_eq!(
            sessions.may_at("s", (START + SESSION).saturating_sub(MOMENT)),
            Some(May::Read)
        );
        assert_eq!(sessions.may_at("s", START + SESSION), None);
        assert_eq!(SESSION.as_secs(), 43_200);
    }

    #[test]
    fn of_too_many_the_oldest_end() {
        let sessions = Sessions::new();
        for number in 0..=LINKS {
            sessions.link_at(&format!("l{number}"), May::Read, START);
        }
        assert!(!sessions.enter_at("l0", "x", START));
        assert!(sessions.enter_at("l1", "x", START));
        for number in 0..SESSIONS {
            sessions.link_at("again", May::Read, START);
            assert!(sessions.enter_at("again", &format!("s{number}"), START));
        }
        assert_eq!(sessions.may_at("x", START), None);
        assert_eq!(sessions.may_at("s0", START), Some(May::Read));
    }

    #[test]
    fn logging_out_ends_one_or_all() {
        let sessions = Sessions::new();
        let link = || sessions.link(May::Read).unwrap();
        let (one, other) = (link(), link());
        assert_eq!(one.len(), 2 * TOKEN);
        assert_ne!(one, other);
        let [one, other] = [one, other].map(|link| sessions.enter(&link).unwrap().unwrap());
        sessions.leave(&one);
        assert_eq!(sessions.may(&one), None);
        assert_eq!(sessions.may(&other), Some(May::Read));
        let unused = link();
        assert_eq!(sessions.leave_all(), 1);
        assert_eq!(sessions.may(&other), None);
        assert_eq!(sessions.preview(&unused), None);
        // Neither form of them is kept in clear.
        assert!(!format!("{sessions:?}").contains(&other));
    }

    #[test]
    fn streams_are_bounded() {
        let sessions = Sessions::new();
        let held: Vec<_> = std::iter::from_fn(|| sessions.stream()).collect();
        assert_eq!(held.len(), STREAMS);
        drop(held);
        assert!(sessions.stream().is_some());
    }
}
