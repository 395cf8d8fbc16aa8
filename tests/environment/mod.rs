//! The environment with the real Doppler CLI against a loopback server that
//! speaks its API, and the files that document the variables.

mod api;
mod documents;
mod doppler;
mod full_disk;
mod large;
mod world;
