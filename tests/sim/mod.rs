//! The simulator over HTTPS, with a client that knows nothing of it.

mod access;
mod support;
mod wire;
