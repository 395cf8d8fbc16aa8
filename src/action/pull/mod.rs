//! Machines that ask for their spec and apply it themselves.
//!
//! Cloud-init brings a program, its settings, and a token where the posture wants one,
//! by a snippet that is on the node until the machine has followed it.
//!
//! | file | what |
//! |---|---|
//! | `settings` | what a machine is told of its controller and its posture |
//! | `cloud_config` | the snippet's text |
//! | `apply.py`, `hl-spec.service` | what runs on the machine |
//! | `node_shell` | files of the node, over SSH |
//! | `place` | which volume a machine's snippet is |
//! | `snippet` | `pull.snippet`: the snippet is on the node |
//! | `applied` | what a machine says that it applied |
//! | `wait` | `pull.wait`: it applied its spec |
//! | `clean` | `pull.clean`: the snippet is gone |
//! | `work_dir` | files of a step, gone when it is over |

mod applied;
mod clean;
mod cloud_config;
mod node_shell;
mod place;
mod settings;
mod snippet;
mod wait;
mod work_dir;

pub use clean::PullClean;
pub(super) use cloud_config::file as snippet_file;
pub(super) use node_shell::NodeShell;
pub(super) use place::{
    file_name as snippet_name, free_volume, remove_snippet, volume as snippet_volume,
};
pub use settings::pull_findings;
pub(super) use settings::{fingerprint as controller_fingerprint, no_server};
pub use snippet::PullSnippet;
pub use wait::PullWait;
pub(super) use work_dir::WorkDir;
