//! The endpoints, by area. Each file has its table of routes at the top.

#![expect(
    clippy::unnecessary_wraps,
    reason = "every handler has the type that the route table wants"
)]

mod access;
mod cluster;
mod domains;
mod files;
mod node;
mod pools;
mod roles;
mod snapshots;
mod storage;
mod tasks;
mod tokens;
mod users;
mod vm;
mod vm_agent;
mod vm_clone;
mod vm_config;
mod vm_create;
mod vm_disk;
mod vm_end;
mod vm_power;

pub(super) use vm_end::{convert, forget, own_base};

use super::route::Route;

/// All routes there are.
pub(super) const TABLES: &[&[Route]] = &[
    access::ROUTES,
    cluster::ROUTES,
    domains::ROUTES,
    files::ROUTES,
    node::ROUTES,
    pools::ROUTES,
    roles::ROUTES,
    snapshots::ROUTES,
    storage::ROUTES,
    tasks::ROUTES,
    tokens::ROUTES,
    users::ROUTES,
    vm::ROUTES,
    vm_agent::ROUTES,
    vm_clone::ROUTES,
    vm_config::ROUTES,
    vm_create::ROUTES,
    vm_disk::ROUTES,
    vm_end::ROUTES,
    vm_power::ROUTES,
];
