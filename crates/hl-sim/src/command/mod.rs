//! A node's own command line: `qm`, `pct`, `pvesm`, `pveum` and `pvesh`, as root uses
//! them there.
//!
//! A program of the node asks at a socket that knows this node of this world and nothing
//! else. Its words become calls of the API, answered by the same handlers: rights, tasks,
//! locks and faults are the same. Tasks run in the foreground.
//!
//! | file | what it is about |
//! |---|---|
//! | `exchange` | what is asked and answered, and how much of it |
//! | `socket` | who may ask, how long, and how many at once |
//! | `node` | calls of the API, and tasks in the foreground |
//! | `options` | words become parameters |
//! | `verb` | a verb is a call and what is shown of its answer |
//! | `qm`, `pct`, `guest` | the verbs of VMs, of containers, of both |
//! | `pvesm`, `pveum` | the verbs of each program |
//! | `pvesh` | the API by its paths |
//! | `import` | `qm disk import` |
//! | `backups` | `vzdump` and `qmrestore` |
//! | `transfer` | `pct push` and `pct pull` |
//! | `print`, `lines` | answers as tables, JSON and lines |

mod backups;
mod exchange;
mod guest;
mod import;
mod lines;
mod node;
mod options;
mod pct;
mod print;
mod pvesh;
mod pvesm;
mod pveum;
mod qm;
mod run;
mod socket;
mod transfer;
mod verb;

pub use exchange::{ANSWER_LIMIT, CommandReply, CommandRequest, REQUEST_LIMIT};
pub use run::PROGRAMS;
pub use socket::CommandLine;
