//! What a platform's bootstrap does: its scripts are written to a directory for the
//! owner alone, and run there one by one.
//!
//! | file | what |
//! |---|---|
//! | `extract` | `platform.extract`: scripts to a private directory, and what killed runs left there |
//! | `inputs` | what a step of it is given |
//! | `script` | `platform.script`: one script |
//! | `told` | what a script is told: its context, its variables |
//! | `found` | what a script found: values of placeholders, secrets |
//! | `live` | rendered files whose placeholders are filled in |
//! | `mark` | how a placeholder stands in a rendered file |

mod extract;
mod found;
mod inputs;
mod live;
pub mod mark;
mod script;
mod told;

pub use extract::{ExtractScripts, Leftover, is_inside, leftovers};
pub use live::{Filled, LiveRecord, RECORD, template_hash};
pub use script::RunScript;
