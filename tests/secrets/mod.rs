//! Secrets with the real sops and age: what opens, what does not, and that no
//! value is seen anywhere; and a site-config from nothing.

mod begin;
mod canary;
mod editing;
mod flow;
mod memory;
mod run;
mod sinks;
mod world;
