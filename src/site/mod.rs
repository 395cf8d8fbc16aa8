//! site-config: found, read, held against its tables, and resolved to what
//! tools are given. Pure: files in, values out.
//!
//! | room | what is in it |
//! |---|---|
//! | `discover` | where the site-config is |
//! | `yaml` | YAML 1.2 with places |
//! | `kind` | the kinds of files and their directories |
//! | `shape` | what may stand in each file |
//! | `tree` | the names of files, and reading them |
//! | `check` | the whole of it, held against its tables and itself |
//! | `resolve` | what OpenTofu, Ansible, a machine and a person are given |
//! | `secrets` | `secrets.yaml`, in the clear or encrypted |
//! | `machine` | `nodes/` and `hosts/` files from what is really there |
//! | `starter` | a site-config to begin with |
//! | `env`, `instances` | one environment as L2 takes it |

mod check;
mod discover;
mod env;
mod instances;
mod kind;
pub mod machine;
pub mod resolve;
pub mod secrets;
mod shape;
pub mod starter;
mod tree;
mod yaml;

pub use check::{CheckedFile, Report};
pub use discover::{Found, SYSTEM, Search, Tried, discover, named_by_variable};
pub use env::{Cidr, Env, Ip, MachineKind, Vm};
pub use instances::{domain, is_tag, list, machine, machines, spec_server};
pub use kind::Kind;
pub use shape::{SCHEMAS, schema};
pub use tree::{Tree, is_spec_name};
pub(crate) use tree::{is_name, sorted};
pub use yaml::{YamlFile, parse_yaml};
