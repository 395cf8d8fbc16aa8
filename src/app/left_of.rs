//! What is left of a manifest whose file is gone: its states, as a manifest that can be
//! destroyed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::base::{count, ticked};
use crate::diag::{Diagnostic, Source};
use crate::lab::Paths;
use crate::tofu::state::{STATE_FILE, State, keys_below};

/// A manifest made from states.
pub(super) struct LeftOf {
    /// Its text.
    pub(super) source: Source,
    /// That it was made so.
    pub(super) warning: Diagnostic,
}

/// A node for each state of the manifest on the host that holds anything; nothing when
/// none does. Who was in whom is not known, so all are side by side.
pub(super) fn left_of(paths: &Paths, manifest: &str, host: &str) -> Option<LeftOf> {
    let states = paths.states();
    let mut nodes: BTreeMap<String, Value> = BTreeMap::new();
    for name in keys_below(&states, &format!("{manifest}/{host}")) {
        let dir = states.join(manifest).join(host).join(&name);
        // One that cannot be read stops the run where its node is looked at.
        let state = State::read(&dir.join(STATE_FILE));
        if state.as_ref().is_ok_and(|state| state.resources == 0) {
            continue;
        }
        let mut vms = state.iter().flat_map(|state| state.vms.values());
        let container = vms.any(|vm| vm.container);
        let kind = if container { "ct" } else { "vm" };
        nodes.insert(
            name.clone(),
            json!({"name": name, "type": kind, "image": "unknown"}),
        );
    }
    if nodes.is_empty() {
        return None;
    }
    let shown = paths.show(&states.join(manifest).join(host));
    let message = format!(
        "there is no manifest `{manifest}`: {} of it on `{host}`, {}, by the states in `{shown}`",
        count(nodes.len(), "machine"),
        ticked(nodes.keys())
    );
    let text = json!({
        "schema_version": 2,
        "name": manifest,
        "nodes": nodes.into_values().collect::<Vec<Value>>(),
    });
    Some(LeftOf {
        source: Source::new(shown.as_str(), text.to_string()),
        warning: Diagnostic::warning(message)
            .note("what was in what is not known: they are destroyed side by side"),
    })
}
