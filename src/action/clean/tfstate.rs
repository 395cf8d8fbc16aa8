//! Whether a tofu state still holds something. Format: state version 4, as
//! OpenTofu 1.x writes it (`resources[].{mode,type,name,instances[].attributes}`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Reason;

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
        Err(error) => Some(Reason::Unreadable(error.to_string())),
    }
}

/// Names of the managed resources in a state: of virtual machines their own.
fn resources(path: &Path) -> io::Result<Vec<String>> {
    let text = fs::read(path)?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let state: Value = serde_json::from_slice(&text).map_err(io::Error::other)?;
    let list = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let mut names = Vec::new();
    for resource in list(&state, "resources") {
        let text = |key: &str| {
            resource
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        if text("mode") != "managed" {
            continue;
        }
        for instance in list(&resource, "instances") {
            let own = instance
                .pointer("/attributes/name")
                .and_then(Value::as_str)
                .map(str::to_owned);
            names.push(own.unwrap_or_else(|| format!("{}.{}", text("type"), text("name"))));
        }
    }
    Ok(names)
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
        fs::write(dir.path().join(".terraform.tfstate.lock.info"), "{}").unwrap();
        assert_eq!(held(&state), Some(Reason::Locked));
        assert_eq!(held(&dir.path().join("main.tf")), None);
    }
}
