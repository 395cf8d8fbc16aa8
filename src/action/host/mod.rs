//! A machine that work is to be done on: what is on it, asked once over one
//! connection, and the checks that read the answer. They change nothing.
//!
//! | file | what is in it |
//! |---|---|
//! | `probe.sh` | what the machine is asked: a POSIX script that only reads |
//! | `probe` | `host.probe` |
//! | `facts` | the answer as data |
//! | `check` | `host.check` |
//! | `installed` | the places of the bootstrap |
//! | `configured` | secrets and the node's file |
//! | `hardware` | processors, memory, disk, nested virtualisation |
//! | `locks` | lock files of tofu's providers |

mod check;
mod configured;
mod facts;
mod hardware;
mod installed;
mod locks;
mod probe;

pub use check::HostCheck;
pub use probe::HostProbe;
