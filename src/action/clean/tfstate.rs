//! Whether a tofu state still holds something.

use std::fs;
use std::path::{Path, PathBuf};

use camino::Utf8Path;
use serde_json::Value;

use super::Reason;
use crate::tofu::state::{self, State};
use crate::tofu::summary::Vm;

/// Why a state file, its backups or its lock stay; `None` for any other file
/// and for states that hold nothing.
pub(super) fn held(path: &Path) -> Option<Reason> {
    let name = path.file_name()?.to_str()?;
    if name.ends_with(".tfstate.lock.info") {
        return Some(Reason::Locked);
    }
    let (stem, _) = name.split_once(".tfstate")?;
    let main = path.with_file_name(format!("{stem}.tfstate"));
    let lock = path.with_file_name(format!(".{stem}.tfstate.lock.info"));
    if lock.exists() {
        return Some(Reason::Locked);
    }
    // A backup goes with its state; alone, it is judged itself.
    let judged: PathBuf = if main.exists() { main } else { path.to_owned() };
    match resources(&judged) {
        Ok(names) if names.is_empty() => None,
        Ok(names) => Some(Reason::Resources(names)),
        Err(error) => Some(Reason::Unreadable(error)),
    }
}

/// The key of the state that a file below `states` is of.
pub fn state_key(states: &Utf8Path, file: &Utf8Path) -> Option<String> {
    state::key_of(states, file)
}

/// Names of what a state holds: of machines their own.
fn resources(path: &Path) -> Result<Vec<String>, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    if says_where(&bytes) {
        return Ok(Vec::new());
    }
    let state = State::parse(&bytes)?;
    let name = |(key, vm): (String, Vm)| if vm.name.is_empty() { key } else { vm.name };
    let machines = state.vms.into_iter().map(name);
    Ok(machines.chain(state.others).collect())
}

/// Whether a file of this name is the one in tofu's data directory: it says in which
/// backend the state is, and holds nothing itself.
fn says_where(bytes: &[u8]) -> bool {
    let file: Value = serde_json::from_slice(bytes).unwrap_or_default();
    file.get("backend").is_some() && file.get("resources").is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_stays_while_it_holds_something() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("terraform.tfstate");
        let backup = dir.path().join("terraform.tfstate.backup");
        let full = r#"{"version": 4, "resources": [
            {"mode": "data", "type": "x", "name": "y", "instances": [{}]},
            {"mode": "managed", "type": "proxmox_virtual_environment_vm", "name": "vm",
             "instances": [{"index_key": "web", "attributes": {"name": "web"}}]}]}"#;
        fs::write(&backup, full).unwrap();
        assert_eq!(
            held(&backup),
            Some(Reason::Resources(vec!["web".to_owned()]))
        );
        fs::write(&state, r#"{"version": 4, "resources": []}"#).unwrap();
        assert_eq!((held(&state), held(&backup)), (None, None));
        fs::write(&state, full).unwrap();
        assert!(held(&state).is_some() && held(&backup).is_some());
        fs::write(&state, "{").unwrap();
        assert!(matches!(held(&state), Some(Reason::Unreadable(_))));
        fs::write(&state, "").unwrap();
        assert_eq!(held(&state), None);
        // What tofu has in its data directory.
        fs::write(&state, r#"{"version": 3, "backend": {"type": "local"}}"#).unwrap();
        assert_eq!(held(&state), None);
        fs::write(dir.path().join(".terraform.tfstate.lock.info"), "{}").unwrap();
        assert_eq!(held(&state), Some(Reason::Locked));
        assert_eq!(held(&dir.path().join("main.tf")), None);
    }
}
