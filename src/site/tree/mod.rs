//! A site-config on disk: kinds of files, their names, and reading them.
//!
//! | file | what is in it |
//! |---|---|
//! | `kind` | the kinds of files and their directories |
//! | `names` | which files of a kind there are; what a name may be |
//! | `load` | reads each file once, holds it against its table |

mod kind;
mod load;
mod names;

pub use kind::Kind;
pub(super) use load::{Loader, dangling, sorted};
pub use names::Tree;
pub(super) use names::is_name;
