//! A spec as variables of the shipped L3, so that a machine that it is pushed to becomes
//! what one becomes that pulls it (`pull/apply.py`).

use camino::Utf8Path;
use serde_json::{Value, json};

use crate::action;
use crate::action::StepContext;
use crate::diag::{Exit, StepError};
use crate::lab;
use crate::site::resolve::SpecError;

/// Writes them for `--extra-vars @FILE`: keys of users are from the site's secrets.
///
/// # Errors
/// The spec is invalid (65), or the file cannot be written.
pub(super) fn write(
    ctx: &StepContext<'_>,
    spec: &str,
    machine: &str,
    file: &Utf8Path,
) -> Result<(), StepError> {
    let tree = action::site::tree(ctx.lab);
    let loaded = action::site::secrets(ctx, &tree)?;
    let secrets = loaded.as_ref().map(|loaded| &loaded.secrets);
    let whole = |error: SpecError| StepError::from(error.failure);
    let resolved = tree.resolve_spec(spec, secrets).map_err(whole)?;
    let posture = tree.spec_posture(spec).map_err(whole)?;
    let document = serde_json::to_value(resolved.revealed())
        .map_err(|error| StepError::new(error.to_string()).exit(Exit::Bug))?;
    let vars = variables(spec, machine, &document, &posture);
    Ok(lab::write(file, vars.to_string(), 0o600)?)
}

fn variables(spec: &str, machine: &str, document: &Value, posture: &Value) -> Value {
    let text = |value: &Value, default: &str| value.as_str().unwrap_or(default).to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let identity = &document["identity"];
    // A spec that says none has its own name there, and many machines may share it.
    let hostname = identity["hostname"].as_str().filter(|name| *name != spec);
    let mut packages = list(&posture["packages"]);
    for package in list(&document["platform"]["packages"]) {
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    let users: Vec<Value> = list(&document["access"]["users"])
        .iter()
        .map(|user| {
            json!({
                "name": user["name"],
                "admin": user["sudo"].as_bool().unwrap_or(false),
                "keys": list(&user["ssh_keys"]),
            })
        })
        .collect();
    let services = &document["platform"]["services"];
    let mut vars = json!({
        "system_hostname": hostname.unwrap_or(machine),
        "system_domain": text(&identity["domain"], ""),
        "system_packages": ["sudo"],
        "packages": packages,
        "hl_packages": [],
        "system_users": users,
        "system_services": {
            "enable": list(&services["enable"]),
            "disable": list(&services["disable"]),
        },
        // Neither is in a spec.
        "system_time_sync": false,
        "system_identity": false,
        "ssh_permit_root_login": text(&posture["ssh"]["permit_root_login"], "prohibit-password"),
        "ssh_password_authentication": text(&posture["ssh"]["password_authentication"], "no"),
        "sudo_nopasswd": posture["sudo"]["nopasswd"].as_bool().unwrap_or(false),
        "fail2ban_enabled": posture["fail2ban"]["enabled"].as_bool().unwrap_or(false),
    });
    if let Some(zone) = document["config"]["timezone"].as_str() {
        vars["timezone"] = Value::from(zone);
    }
    vars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_gives_what_the_playbook_asks_for() {
        let document = json!({
            "schema_version": 1,
            "identity": {"hostname": "edge", "domain": "lab.example"},
            "access": {"posture": "stage", "users": [
                {"name": "ana", "sudo": true, "ssh_keys": ["ssh-ed25519 AAAA ana"]}, {"name": "guest"}]},
            "platform": {"packages": ["nginx", "htop"], "services": {"enable": ["nginx"]}},
            "config": {"timezone": "Europe/Lisbon"},
        });
        let posture = json!({"ssh": {"permit_root_login": "no"}, "sudo": {"nopasswd": true}, "fail2ban": {"enabled": true}, "packages": ["htop"]});
        let vars = variables("edge", "web", &document, &posture);
        assert_eq!(vars["system_hostname"], "web");
        assert_eq!(vars["packages"], json!(["htop", "nginx"]));
        assert_eq!(vars["system_users"][0]["keys"][0], "ssh-ed25519 AAAA ana");
        assert_eq!(
            vars["system_users"][1],
            json!({"name": "guest", "admin": false, "keys": []})
        );
        assert_eq!(
            vars["system_services"],
            json!({"enable": ["nginx"], "disable": []})
        );
        assert_eq!(vars["ssh_permit_root_login"], "no");
        assert_eq!(vars["ssh_password_authentication"], "no");
        assert_eq!(vars["sudo_nopasswd"], true);
        assert_eq!(vars["fail2ban_enabled"], true);
        assert_eq!(vars["timezone"], "Europe/Lisbon");
        let named = variables("other", "web", &document, &json!({}));
        assert_eq!(named["system_hostname"], "edge");
        assert_eq!(named["ssh_permit_root_login"], "prohibit-password");
        assert_eq!(named["sudo_nopasswd"], false);
        assert_eq!(named["fail2ban_enabled"], false);
    }
}
