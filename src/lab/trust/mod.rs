//! Whose lab it is. A lab runs what its files say, as the user: so nothing of
//! it is read before it is known to be the user's own, or to be trusted.
//!
//! `owner` finds what others own or can write, `place` says which directory is
//! meant, `list` keeps what the user trusts.

mod list;
mod owner;
mod place;
mod user;

pub use list::{Entry, TrustList};
pub use owner::{Doubt, doubts};
pub use place::Place;
pub use user::User;
