//! `hl` runs a Proxmox VE home lab in layers, and rehearses it before it is real.
//!
//! One idea carries the house: everything is a [`plan::Plan`], a DAG of steps.
//! Files on disk become typed specs, specs become a plan (pure data), the
//! [`engine`] executes the plan and emits [`plan::Event`]s, and everything a
//! person or a machine sees listens to those events.
//!
//! Rooms, from the ground up (a lower one never imports a higher one;
//! `tests/arch.rs` holds the table):
//!
//! | floor | rooms |
//! |---|---|
//! | 0 | [`base`]: text, files, processes, signals; [`diag`]: errors with places, exit codes, "did you mean"; [`shape`]: a file held against its table |
//! | 1 | [`plan`]: Step, Plan, Event, order; [`lab`]: root, paths, environment, redaction, lock; [`keeper`]: a parent of children that outlives `hl` |
//! | 2 | [`pve`]: API client; [`site`]: site-config; [`runs`]: the journal; [`handoff`]: what steps publish; [`control`]: a run is spoken to |
//! | 3 | [`tofu`] and [`templates`]: what actions and verbs share; [`legacy`]: what older tools left |
//! | 4 | [`action`]: what a step can do, one file per action |
//! | 5 | [`engine`]: executes a plan; [`layers`]: `layer.toml` to recipes to plans; [`manifest`]: graphs of machines; [`platform`]: adapters to files and plans; [`report`]: listens to events |
//! | 6 | [`rehearse`]: the sealed network, guests, a lab's simulated world; [`app`]: the use cases |
//! | 7 | [`cli`]: the only place that knows the command line; [`serve`]: the controller, the only one that knows tokio and axum |
//!
//! The simulator is a crate of its own, [`hl_sim`].

pub mod action;
pub mod app;
pub mod base;
pub mod cli;
pub mod control;
pub mod diag;
pub mod engine;
pub mod handoff;
pub mod keeper;
pub mod lab;
pub mod layers;
pub mod legacy;
pub mod manifest;
pub mod plan;
pub mod platform;
pub mod pve;
pub mod rehearse;
pub mod report;
pub mod runs;
pub mod serve;
pub mod shape;
pub mod site;
pub mod templates;
pub mod tofu;
