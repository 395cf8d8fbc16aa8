//! A session that is open.

use super::sessions::May;

/// A session that is open.
#[derive(Clone)]
pub(super) struct Login {
    /// Its token: what the cookie holds.
    pub(super) token: String,
    /// What it may do.
    pub(super) may: May,
}

impl Login {
    /// Whether it may act.
    pub(super) fn operates(&self) -> bool {
        self.may == May::Operate
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({:?})", self.may)
    }
}
