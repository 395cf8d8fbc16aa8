//! `hosts/HOST.yaml` and `nodes/NODE.yaml` as `hl` writes them.
//!
//! | file | what is in it |
//! |---|---|
//! | `look.sh` | what a machine is asked: a POSIX script that only reads |
//! | `look` | runs it, here or over ssh |
//! | `facts` | its lines, and the host file that follows from them |
//! | `node` | the node file |
//! | `place` | a file of that name, without touching one that is there |

mod facts;
mod look;
mod node;
mod place;

pub use facts::{Facts, HostFile};
pub use look::look;
pub use node::NodeFile;
pub use place::{Place, Placed, is_name};
