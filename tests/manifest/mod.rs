//! Manifests with the real binary, on the example site-config and in labs.

mod docs;
mod faults;
mod given;
mod graph;
mod inject;
mod large;
mod levels;
mod names;
mod plan;
mod show;
mod starter;
mod states;
