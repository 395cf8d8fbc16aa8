//! An image that was built, as one step hands it to the next.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An image file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Built {
    /// Name: a folder of `layers/l1-templates/images`.
    pub(super) name: String,
    /// Where it is: relative to the lab, or on another machine to the user's home.
    pub(super) file: String,
    /// Its SHA-256.
    pub(super) sha256: String,
}
