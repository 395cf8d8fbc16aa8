//! `secrets.yaml`: tokens, passwords and keys, which are in no output. The
//! file is clear text, or encrypted by SOPS for age keys. Clear values live in
//! this process and in pipes; a disk sees them only where somebody asked for
//! that (`decrypt`), or, while an editor is open, in a private directory in
//! memory.
//!
//! | file | what is in it |
//! |---|---|
//! | `model` | the values, in the file's order; printing them shows `(secret)` |
//! | `read` | from a document to the values |
//! | `vault` | which file of a site-config holds its secrets, and opening it |
//! | `envelope` | encrypted or not, by structure; what the `sops` section says |
//! | `exposed` | whether a file of secrets shows any |
//! | `graft` | clear values in the places of the encrypted file |
//! | `sops` | calls of the program |
//! | `problem` | what can go wrong with it, and the remedy |
//! | `keys` | where private keys are looked for |
//! | `git` | tracked, ignored, and what is in the index |
//! | `check` | what is wrong with them, without a value |
//! | `change` | between `secrets.yaml` and `secrets.yaml.enc` |
//! | `edit` | an editor, and what it leaves |
//! | `private` | the directory that an editor works in |
//! | `compare` | what differs between two, by name |

mod change;
mod check;
mod compare;
mod edit;
mod envelope;
mod exposed;
mod git;
mod graft;
mod keys;
mod model;
mod private;
mod problem;
mod read;
mod sops;
mod token;
mod vault;

pub use change::{Changed, How};
pub use check::{FileReport, Report};
pub use exposed::{is_exposed, sealed_line};
pub use git::Tracking;
pub use model::{Keyed, Secret, Secrets};
pub use vault::{Loaded, Vault};
