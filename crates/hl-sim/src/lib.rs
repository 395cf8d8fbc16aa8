//! The embedded Proxmox VE simulator: enough of the API that real clients run
//! against it unchanged.
//!
//! A [`World`] is plain data: nodes, storages, users, virtual machines, tasks.
//! [`Server::start`] puts it behind HTTPS, on threads of its own; the
//! program that started it talks to the [`Running`] server without async. Started
//! VMs become real through [`Guests`].
//!
//! A request goes gate -> http -> route -> api -> world: `gate` takes the
//! connection, `http` the wire rules and who is asking, `route` finds the
//! handler, `dispatch` calls it (for a node's own command line, `command`, too), `api` has the handlers by area, and only they know what Proxmox VE
//! would do. What takes time is a task (`machine`), and holds the VM's lock. What
//! goes wrong, rules say (`fault`).

mod acl;
mod api;
mod auth;
mod backup;
mod bus;
mod call;
mod card;
pub mod certs;
mod command;
mod config;
mod cpu;
mod ctkeys;
mod ctrights;
mod ctshow;
mod ctvalues;
mod disks;
mod dispatch;
mod downloads;
mod drive;
mod edit;
mod error;
mod fault;
mod feature;
mod fetch;
mod fields;
mod gate;
mod guests;
mod heal;
mod hex;
mod http;
mod interfaces;
mod kept;
mod keys;
mod kind;
mod line;
mod listed;
mod locks;
mod log;
mod machine;
mod memory;
mod mount;
mod names;
mod params;
mod power;
mod profile;
mod resources;
mod route;
mod seed;
mod seeding;
mod server;
mod show;
mod size;
mod snapshot;
mod snippets;
mod storage;
mod store;
mod task;
mod upload;
mod values;
mod vm;
mod vmkeys;
mod volume;
mod words;
mod world;

pub use command::{
    ANSWER_LIMIT, CommandLine, CommandReply, CommandRequest, PROGRAMS, REQUEST_LIMIT,
};
pub use config::Config;
pub use downloads::Downloads;
pub use fault::{BadFault, FaultRule, Faults, Hits};
pub use guests::{AgentRun, ContainerSystem, GuestMount, GuestSpec, Guests, NoGuests};
pub use log::RequestLine;
pub use profile::Profile;
pub use route::endpoints;
pub use seed::{Grant, Seed, SeedFile, SeedStorage, SeedToken, SeedUser, SeedVm};
pub use server::{Error, Running, Server, ServerConfig, Tls};
pub use size::parse as parse_size;
pub use task::Task;
pub use vm::{GuestKind, Run, Snapshot, Vm};
pub use volume::{Storage, Volume};
pub use world::{AclEntry, Bridge, Group, Login, Node, Pool, Token, User, World};
