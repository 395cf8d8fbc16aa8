//! Guests: what a started VM or container of a rehearsal is.
//!
//! A disk is a directory; a running guest is a tree of processes in namespaces
//! of its own, over this machine's `/usr`, that behaves as a small Debian does
//! over SSH: users, sudo, apt, dpkg, units, services.
//!
//! | file | what it is about |
//! |---|---|
//! | `host` | [`GuestHost`]: starts, stops and cleans up; runs in the simulator's process |
//! | `disk`, `skeleton`, `packages`, `agent_package` | what is on a disk, and on a new one |
//! | `boot` | what one start is told |
//! | `sandbox`, `network`, `capabilities` | how the walls are put up |
//! | `init`, `cloud_init`, `container` | PID 1, and what it does before anything else |
//! | `unit`, `units`, `service`, `services`, `launch`, `pidfile`, `children` | real unit files, run for real |
//! | `node` | what the own system of a node has more: programs that ask the simulator |
//! | `own_world`, `own_guests`, `sockets` | what a guest that is a Proxmox VE has for a world of its own |
//! | `kernel` | which kernel a guest shows |
//! | `custom` | `cicustom`: what a snippet wants of a guest |
//! | `protocol`, `systemctl`, `show`, `client` | both sides of `systemctl` |
//! | `ask`, `line`, `agent` | both sides of the guest agent |
//! | `record` | what a killed holder leaves for the next one |

mod agent;
mod agent_package;
mod ask;
mod boot;
mod capabilities;
mod children;
mod client;
mod cloud_init;
mod container;
mod custom;
mod disk;
mod host;
mod init;
mod kernel;
mod launch;
mod line;
mod network;
mod node;
mod own_guests;
mod own_world;
mod packages;
mod pidfile;
mod protocol;
mod record;
mod sandbox;
mod service;
mod services;
mod show;
mod skeleton;
mod sockets;
mod systemctl;
mod unit;
mod units;

pub use boot::Network;
pub use disk::overlay_works;
pub use host::{GuestHost, GuestHostConfig};
pub use network::veth_works;
pub use skeleton::STAND_INS;

pub(super) use capabilities::drop_bounding as drop_rights;
pub(super) use client::main as systemctl_main;
pub(super) use host::clean_up;
pub(super) use init::main as init_main;
pub(super) use network::ip;
pub(super) use node::{main as node_main, wish_main};
pub(super) use sandbox::main as sandbox_main;
pub(super) use sockets::bind_socket;
