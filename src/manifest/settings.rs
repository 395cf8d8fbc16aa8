//! What a plan is made of besides its manifest.

use std::collections::BTreeMap;

use crate::plan::{OnFailure, Step};
use crate::runs::ManifestVerb;

/// What a plan is made of besides its manifest.
#[derive(Debug, Clone)]
pub struct PlanSettings {
    /// What is done.
    pub verb: ManifestVerb,
    /// The host.
    pub host: String,
    /// Instead of what the manifest says of failures.
    pub on_error: Option<OnFailure>,
    /// The layer whose module makes machines, e.g. `l2`.
    pub makes: String,
    /// The layer that converges them, e.g. `l3`.
    pub converges: String,
    /// `[timeouts]` of the lab.
    pub tiers: BTreeMap<String, String>,
    /// Its playbook, relative to the lab.
    pub playbook: String,
    /// What runs first: nothing else begins when one of these fails.
    pub preflight: Vec<Step>,
}
