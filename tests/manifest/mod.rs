//! Manifests with the real binary, on the example site-config and in labs.

mod docs;
mod faults;
mod given;
mod graph;
mod large;
mod levels;
mod names;
mod show;
mod starter;
