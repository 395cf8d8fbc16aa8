//! What the site says about an environment, for ansible: variables for the
//! inventory, and secrets for a file that is gone when the playbook is.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value, json};

use crate::action;
use crate::action::StepContext;
use crate::diag::Exit;
use crate::diag::StepError;
use crate::lab;
use crate::site;
use crate::site::resolve::{Object, Origin, Traced, Value as SiteValue};

/// Keys whose value is known whatever the files say.
const ALWAYS: [&str; 2] = ["env_name", "posture_name"];

/// Variables of an environment.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Variables {
    /// For all hosts: `timezone`, `packages`, `ssh_permit_root_login` ... as
    /// `hl site resolve ansible` names them, those only that a file gives: what
    /// none says, the playbook has defaults for.
    pub(super) all: Map<String, Value>,
    /// For a host: `hl_packages`.
    pub(super) hosts: BTreeMap<String, Map<String, Value>>,
    /// The port that the posture wants ssh on.
    pub(super) port: Option<u64>,
}

/// The variables. An environment that the site does not have any more has none.
pub(super) fn variables(ctx: &StepContext<'_>, env: &str) -> Result<Variables, StepError> {
    let tree = action::site::tree(ctx.lab);
    let resolved = match tree.resolve_ansible(env, None) {
        Err(failure) if failure.exit == Exit::Unknown => return Ok(Variables::default()),
        resolved => resolved?,
    };
    let shown = serde_json::to_value(resolved.redacted()).unwrap_or_default();
    let mut found = Variables::default();
    for (key, traced) in resolved.value.iter() {
        if key == "ssh_authorized_keys" || !(is_said(traced) || ALWAYS.contains(&key)) {
            continue;
        }
        if let Some(value) = shown.get(key) {
            found.all.insert(key.to_owned(), value.clone());
        }
    }
    found.port = found.all.get("ssh_port").and_then(Value::as_u64);
    if let Some(server) = site::spec_server(&tree) {
        found.all.insert("spec_server".to_owned(), json!(server));
    }
    for vm in site::machines(&tree, env)?.vms {
        if !vm.packages.is_empty() {
            let own = Map::from_iter([("hl_packages".to_owned(), json!(vm.packages))]);
            found.hosts.insert(vm.name, own);
        }
    }
    Ok(found)
}

/// Whether a file gives it; of a list, any item.
fn is_said(traced: &Traced) -> bool {
    match (&traced.origin, &traced.value) {
        (Origin::Default, SiteValue::List(items)) => !items.is_empty(),
        (Origin::Default, _) => false,
        _ => true,
    }
}

/// Writes what hosts are given in secret, for `--extra-vars @FILE`: `hl_secret`
/// with `authorized_keys`, `root_password` and `auth_token` by host. Nothing
/// when there is none of it.
pub(super) fn secrets(
    ctx: &StepContext<'_>,
    env: &str,
    file: &Utf8Path,
) -> Result<bool, StepError> {
    let tree = action::site::tree(ctx.lab);
    let Some(loaded) = action::site::secrets(ctx, &tree)? else {
        return Ok(false);
    };
    let secrets = Some(&loaded.secrets);
    let vms = match tree.resolve_vms(env, secrets) {
        Err(failure) if failure.exit == Exit::Unknown => return Ok(false),
        resolved => resolved?,
    };
    let mut told = Map::new();
    let keys = loaded.secrets.ssh_keys.iter();
    let keys: Vec<&str> = keys.map(|(_, key)| key.reveal()).collect();
    if !keys.is_empty() {
        told.insert("authorized_keys".to_owned(), json!(keys));
    }
    if let Some(password) = loaded.secrets.passwords.get("vm_root") {
        told.insert("root_password".to_owned(), json!(password.reveal()));
    }
    let machines = vms.value.items("vms").iter().filter_map(Traced::map);
    let tokens: Map<String, Value> = machines.filter_map(token).collect();
    if !tokens.is_empty() {
        told.insert("auth_token".to_owned(), Value::Object(tokens));
    }
    if told.is_empty() {
        return Ok(false);
    }
    lab::write(file, json!({ "hl_secret": told }).to_string(), 0o600)?;
    Ok(true)
}

/// The files that may hold secrets of the site.
pub(super) fn secret_files(ctx: &StepContext<'_>) -> [Utf8PathBuf; 2] {
    let site = ctx.lab.paths.site();
    ["secrets.yaml", "secrets.yaml.enc"].map(|name| site.join(name))
}

fn token(vm: &Object) -> Option<(String, Value)> {
    let SiteValue::Secret(secret) = &vm.get("auth_token")?.value else {
        return None;
    };
    let token = Some(secret.reveal()).filter(|token| !token.is_empty())?;
    Some((vm.text("name")?.to_owned(), json!(token)))
}
