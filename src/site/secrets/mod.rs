//! `secrets.yaml`: tokens, passwords and keys, which are in no output.
//!
//! | file | what is in it |
//! |---|---|
//! | `model` | the values, in the file's order; printing them shows `(secret)` |
//! | `read` | finds the file and reads its text |

mod model;
mod read;

pub use model::{Keyed, Secret, Secrets};
