//! A site-config on disk: the names of its files, and reading them.
//!
//! | file | what is in it |
//! |---|---|
//! | `names` | which files of a kind there are; what a name may be |
//! | `load` | reads each file once, holds it against its table |

mod load;
mod names;

pub(crate) use load::sorted;
pub(super) use load::{Loader, dangling};
pub use names::Tree;
pub(crate) use names::is_name;
