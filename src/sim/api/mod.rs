//! The endpoints, by area. Each file has its table of routes at the top.

mod access;
mod cluster;
mod node;
mod pools;
mod storage;
mod tasks;

use super::route::Route;

/// All routes there are.
pub(super) const TABLES: &[&[Route]] = &[
    access::ROUTES,
    cluster::ROUTES,
    node::ROUTES,
    pools::ROUTES,
    storage::ROUTES,
    tasks::ROUTES,
];
