//! The endpoints, by area. Each file has its table of routes at the top.

#![expect(
    clippy::unnecessary_wraps,
    reason = "every handler has the type that the route table wants"
)]

mod access;
mod appliances;
mod backups;
mod cluster;
mod ct_config;
mod ct_create;
mod datacenter;
mod disk_keys;
mod domains;
mod files;
mod firewall;
mod firewall_level;
mod firewall_names;
mod ha;
mod network;
mod node;
mod node_settings;
mod pools;
mod roles;
mod sdn;
mod sdn_keys;
mod sdn_lock;
mod snapshots;
mod storage;
mod storage_config;
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
mod vm_migrate;
mod vm_power;
mod vm_reassign;
mod vm_restore;

pub(super) use vm_end::{convert, forget, own_base};

use super::route::Route;

/// All routes there are.
pub(super) const TABLES: &[&[Route]] = &[
    access::ROUTES,
    appliances::ROUTES,
    backups::ROUTES,
    cluster::ROUTES,
    ct_config::ROUTES,
    ct_create::ROUTES,
    datacenter::ROUTES,
    domains::ROUTES,
    files::ROUTES,
    firewall::CLUSTER,
    firewall::CT,
    firewall::GROUPS,
    firewall::NODE,
    firewall::VM,
    firewall::VNET,
    firewall_names::CLUSTER,
    firewall_names::CT,
    firewall_names::VM,
    ha::ROUTES,
    network::ROUTES,
    node::ROUTES,
    node_settings::ROUTES,
    pools::ROUTES,
    roles::ROUTES,
    sdn::CONTROLLER_ROUTES,
    sdn::DNS_ROUTES,
    sdn::IPAM_ROUTES,
    sdn::ROUTES,
    sdn::SUBNET_ROUTES,
    sdn::VNET_ROUTES,
    sdn::ZONE_ROUTES,
    sdn_lock::ROUTES,
    snapshots::ROUTES,
    storage::ROUTES,
    storage_config::ROUTES,
    tasks::ROUTES,
    tokens::ROUTES,
    users::ROUTES,
    vm::ROUTES,
    vm_agent::ROUTES,
    vm_clone::ROUTES,
    vm_config::ROUTES,
    vm_disk::ROUTES,
    vm_end::ROUTES,
    vm_migrate::ROUTES,
    vm_power::ROUTES,
    vm_restore::ROUTES,
];
