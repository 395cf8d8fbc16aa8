//! The token may do all that L1 and L2 do.

use super::environment;
use super::storage::could_hold;
use crate::action::{Done, StepContext};
use crate::base::ticked;
use crate::diag::StepError;
use crate::diag::closest;
use crate::pve::rights::{self, Objects};
use crate::pve::{Client, Network, Permissions, Settings, Storage};

/// Compares what the token holds on each path with what the layers use.
pub(super) fn check(ctx: &StepContext<'_>, env: &str) -> Result<Done, StepError> {
    let settings = Settings::read(ctx.env, &ctx.lab.paths)?;
    let client = ctx.pve()?;
    let (major, _) = client.version()?.major_minor();
    let objects = Objects::from_env(ctx.env);
    let mut required = rights::required(&objects, major);
    for bridge in environment::bridges(ctx, env).into_keys() {
        let other = Objects {
            bridge,
            ..objects.clone()
        };
        required.extend(rights::required(&other, major));
    }
    let mut granted = Permissions::new();
    for path in required.keys().map(String::as_str).chain(["/"]) {
        granted.extend(client.permissions(Some(path))?);
    }
    let mut missing = rights::missing(&required, &granted);
    if !missing.is_empty() {
        let seen = Seen::of(&client, &objects);
        missing.retain(|path, _| !seen.has_another_fault(path, &objects));
    }
    if missing.is_empty() {
        let count: usize = required.values().map(std::collections::BTreeSet::len).sum();
        return Ok(Done::new(format!(
            "`{}` holds the {count} rights that L1 and L2 use",
            settings.token_id
        )));
    }
    let parts: Vec<String> = missing
        .iter()
        .map(|(path, privileges)| format!("{} on `{path}`", ticked(privileges)))
        .collect();
    Err(StepError::new(format!(
        "`{}` lacks {}",
        settings.token_id,
        parts.join("; ")
    ))
    .help("as root on the node, run the commands that follow")
    .helps(rights::grant_commands(&missing, &settings.token_id)))
}

/// What the token sees of the objects on the node.
struct Seen {
    storages: Vec<Storage>,
    networks: Vec<Network>,
}

impl Seen {
    fn of(client: &Client, objects: &Objects) -> Self {
        Self {
            storages: client.storages(&objects.node).unwrap_or_default(),
            networks: client.networks(&objects.node).unwrap_or_default(),
        }
    }

    /// Whether the object is not the one that is meant: misspelt, or a storage
    /// that can only take other things. Rights on it would be the wrong remedy, and its
    /// own check has the right one.
    fn has_another_fault(&self, path: &str, objects: &Objects) -> bool {
        if let Some(name) = path.strip_prefix("/storage/") {
            return match self.storages.iter().find(|s| s.storage == name) {
                None => {
                    let names = self.storages.iter().map(|s| s.storage.as_str());
                    closest(name, names).is_some()
                }
                Some(storage) => [
                    (&objects.storage_iso, "iso"),
                    (&objects.storage_import, "import"),
                ]
                .iter()
                .any(|(named, content)| *named == name && !could_hold(storage, content)),
            };
        }
        if path.starts_with("/sdn/") {
            let bridges: Vec<_> = self.networks.iter().filter(|n| n.is_bridge()).collect();
            let names = || bridges.iter().map(|bridge| bridge.iface.as_str());
            return !names().any(|name| name == objects.bridge)
                && closest(&objects.bridge, names()).is_some();
        }
        false
    }
}
