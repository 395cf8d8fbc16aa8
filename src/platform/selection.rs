//! The adapters of a platform, each with its release and what it is told, in the
//! order in which they can be rendered.

use serde_json::{Map, Value};

use super::model::{Adapter, Release};
use super::platform_file::{Chosen, PlatformFile};

/// An adapter of a platform.
#[derive(Debug, Clone)]
pub struct Member<'a> {
    /// The adapter.
    pub adapter: &'a Adapter,
    /// What the file says of it.
    pub chosen: Chosen,
    /// The version of its product.
    pub release: Option<&'a Release>,
    /// Its inputs with what is derived and defaults; no secrets.
    pub inputs: Map<String, Value>,
    /// For each capability that it requires, the name of the adapter that provides it.
    pub requires: Vec<(String, String)>,
}

impl Member<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        self.adapter.name()
    }

    /// Its release as templates read it.
    pub(super) fn release(&self) -> Value {
        self.release.map_or(Value::Null, Release::told)
    }
}

/// A platform that nothing is wrong with.
#[derive(Debug, Clone)]
pub struct Platform<'a> {
    /// Its file.
    pub file: PlatformFile,
    /// Its adapters: each after those whose capabilities it requires, and otherwise as
    /// in the file.
    pub members: Vec<Member<'a>>,
    /// The adapter of each group.
    pub selected: Map<String, Value>,
}

impl Platform<'_> {
    /// `platform` as templates read it.
    pub(super) fn about(&self) -> Value {
        about(&self.file)
    }
}

/// `platform` as templates read it.
pub(super) fn about(file: &PlatformFile) -> Value {
    serde_json::json!({
        "organization": file.organization,
        "app_name": file.app_name,
    })
}
