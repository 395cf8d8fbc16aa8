//! The resolver: files of a site-config to what a tool is given. Every value
//! knows the file and line that gave it.
//!
//! | file | what is in it |
//! |---|---|
//! | `value` | ordered values with their origins; secrets that do not print |
//! | `show` | as JSON, redacted or in the clear, and as a list of origins |
//! | `machine` | one virtual machine: preset, template, instance, vmid, defaults |
//! | `posture` | postures, and the token that a machine proves itself with |
//! | `node` | a node, and the site's defaults |
//! | `env` | an environment on a node; a single machine on a node |
//! | `layers` | what a manifest's node is made from |
//! | `ansible` | an environment's variables for Ansible |
//! | `spec` | a spec with its keys |
//! | `host` | a host, from `nodes/` or `hosts/` |

mod ansible;
mod env;
mod host;
mod layers;
mod machine;
mod node;
mod posture;
mod show;
mod spec;
mod value;

pub use env::Inline;
pub(super) use env::machines;
pub use layers::Layers;
pub(super) use node::secret_missing;
pub use show::{Explained, Shown};
pub(super) use spec::KEY_PREFIX;
pub use value::{Object, Origin, Resolved, Traced, Value};
