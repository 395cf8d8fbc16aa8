//! What a step of `platform.script` is given.

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Inputs of `platform.script`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    /// What `platform.extract` published.
    #[schemars(with = "String")]
    pub(super) dir: Utf8PathBuf,
    /// The adapter.
    pub(super) adapter: String,
    /// The script's name in it.
    pub(super) name: String,
    /// The script's file, below `scripts/` of the directory.
    #[schemars(with = "String")]
    pub(super) file: Utf8PathBuf,
    /// SHA-256 of the scripts of the adapter: when it changes the script runs again.
    #[expect(dead_code, reason = "an earlier result rests on it")]
    pub(super) digest: String,
    /// The lock that the platform was rendered with: when it changes all scripts run
    /// again.
    #[expect(dead_code, reason = "an earlier result rests on it")]
    pub(super) lock: String,
    /// The environment of the lock.
    pub(super) environment: String,
    /// What it is told, as JSON in `HL_PLATFORM_CONTEXT`.
    #[serde(default)]
    pub(super) context: Map<String, Value>,
    /// Variables with secrets that it needs; it gets no others.
    #[serde(default)]
    pub(super) secrets: Vec<String>,
    /// Secrets that it makes where there are none.
    #[serde(default)]
    pub(super) makes: Vec<String>,
    /// Placeholders whose values it finds.
    #[serde(default)]
    pub(super) fills: Vec<String>,
    /// Rendered files of the adapter, relative to `platform/generated`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) files: Vec<Utf8PathBuf>,
    /// Rendered files with placeholders that it fills in.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) templates: Vec<Utf8PathBuf>,
    /// It changes nothing.
    #[serde(default)]
    pub(super) reads: bool,
}
