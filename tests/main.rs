//! The one integration binary: the real `hl` in a scrubbed environment.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot run here says that it is skipped"
)]

mod arch;
mod circles;
mod cli;
mod components;
mod e2e;
mod engine;
mod environment;
mod history;
mod hosts;
mod kill;
mod l1;
mod l2;
mod layers;
mod legacy;
mod manifest;
mod outlive;
mod platform;
mod playbook;
mod publish;
mod pull;
mod pve;
mod reference;
mod rehearse;
mod resume;
mod runway;
mod scenario;
mod secrets;
mod serve;
mod serve_page;
mod serve_repos;
mod shipped;
mod sim;
mod sim_verb;
mod site;
mod support;
mod timeouts;
mod trust;
