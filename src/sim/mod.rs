//! The embedded Proxmox VE simulator: enough of the API that real clients run
//! against it unchanged.

mod guests;

pub use guests::{GuestSpec, Guests, NoGuests};
