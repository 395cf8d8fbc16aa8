//! A site-config on disk: the names of its files, and reading them.
//!
//! | file | what is in it |
//! |---|---|
//! | `names` | which files of a kind there are; what a name may be |
//! | `spec_names` | what a name of a spec may be, and which of their files count |
//! | `load` | reads each file once, holds it against its table |

mod load;
mod names;
mod spec_names;

pub(crate) use load::sorted;
pub(super) use load::{Loader, dangling};
pub use names::Tree;
pub(crate) use names::is_name;
pub use spec_names::is_spec_name;
