//! What stands at the top of a run file.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RunRequest, SavedRequest};
use crate::base::is_invisible;
use crate::base::{Lines, boot_id};
use crate::plan::RunInfo;

/// The format version that this `hl` writes. A newer one is not read (76).
pub const FORMAT: u32 = 1;

/// The top of a run file. All that is known when the run starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Format version of the file.
    pub version: u32,
    /// The run's id.
    pub id: String,
    /// RFC 3339 in UTC.
    pub started_at: String,
    /// `user@host`.
    pub operator: String,
    /// The machine.
    pub host: String,
    /// The command line, redacted.
    pub command: Vec<String>,
    /// What was asked for.
    pub recipe: String,
    /// The same as data, with the variables that were set for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<SavedRequest>,
    /// Flags that change what a run does, by name.
    pub flags: BTreeMap<String, Value>,
    /// Nothing was changed.
    pub dry_run: bool,
    /// In the sealed world of a rehearsal.
    pub rehearsal: bool,
    /// Number of steps.
    pub steps: usize,
    /// SHA-256 of the serialised plan, hex.
    pub plan_digest: String,
    /// The version of `hl`.
    pub hl_version: String,
    /// Process id of `hl`.
    pub pid: u32,
    /// Its start time in clock ticks since boot.
    pub pid_start: u64,
    /// The boot of the machine that these are of.
    pub boot_id: String,
    /// Where the file is, relative to the lab, that a run of an older tool was
    /// taken over from; absent for runs of `hl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrated_from: Option<String>,
}

impl Header {
    /// The header of a run that starts now.
    pub fn new(
        info: &RunInfo,
        started_at: &str,
        flags: BTreeMap<String, Value>,
        request: Option<SavedRequest>,
    ) -> Self {
        let host = info.operator.rsplit_once('@').map(|(_, host)| host);
        Self {
            version: FORMAT,
            id: info.id.clone(),
            started_at: started_at.to_owned(),
            operator: info.operator.clone(),
            host: host.unwrap_or_default().to_owned(),
            command: info.command.clone(),
            recipe: info.recipe.clone(),
            request,
            flags,
            dry_run: info.dry_run,
            rehearsal: info.rehearsal,
            steps: info.steps,
            plan_digest: info.plan_digest.clone(),
            hl_version: info.version.clone(),
            pid: info.pid,
            pid_start: info.pid_start,
            boot_id: boot_id(),
            migrated_from: None,
        }
    }

    /// What was asked for, where the run can be built again from it.
    pub fn asked_for(&self) -> Option<&RunRequest> {
        self.request.as_ref().map(|saved| &saved.request)
    }

    /// Whether an older tool made the run: it has no plan, and nothing of it
    /// can be run again.
    pub fn is_legacy(&self) -> bool {
        self.migrated_from.is_some()
    }

    /// The header as YAML, up to and with the line `events:`.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        let mut text = String::new();
        if let Value::Object(fields) = serde_json::to_value(self)? {
            // What a person looks for first; then the rest.
            let (mut first, rest): (Vec<_>, Vec<_>) = fields
                .into_iter()
                .partition(|(key, _)| place(key).is_some());
            first.sort_by_key(|(key, _)| place(key));
            for (key, value) in first.into_iter().chain(rest) {
                text.line(format_args!("{key}: {}", flow(&value)?));
            }
        }
        text.push_str("events:\n");
        Ok(text)
    }
}

fn place(key: &str) -> Option<usize> {
    let first = [
        "version",
        "id",
        "recipe",
        "command",
        "started_at",
        "operator",
        "host",
        "dry_run",
        "flags",
    ];
    first.iter().position(|name| *name == key)
}

/// A value as JSON that every YAML reader takes as a flow value: characters
/// that YAML or a terminal does not print are escaped.
pub fn flow<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let json = serde_json::to_string(value)?;
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        // Beyond these YAML has another way of saying it than JSON.
        let odd = c == '\u{7f}' || !c.is_ascii() && (c.is_control() || is_invisible(c));
        if odd && c <= '\u{ffff}' || ('\u{fff0}'..='\u{ffff}').contains(&c) {
            write!(text, "\\u{:04x}", u32::from(c)).unwrap_or_default();
        } else {
            text.push(c);
        }
    }
    Ok(text)
}
