//! The token may do all that L1 and L2 do.

use super::check::client;
use crate::action::{Done, StepContext, StepError};
use crate::diag::closest;
use crate::pve::rights::{self, Objects};
use crate::pve::{Permissions, Settings};

/// Compares what the token holds on each path with what the layers use.
pub(super) fn check(ctx: &StepContext<'_>) -> Result<Done, StepError> {
    let settings = Settings::read(ctx.env, &ctx.lab.paths)?;
    let client = client(ctx)?;
    let (major, _) = client.version()?.major_minor();
    let required = rights::required(&Objects::from_env(ctx.env), major);
    let mut granted = Permissions::new();
    for path in required.keys().map(String::as_str).chain(["/"]) {
        granted.extend(client.permissions(Some(path))?);
    }
    let mut missing = rights::missing(&required, &granted);
    let objects = Objects::from_env(ctx.env);
    // A storage that cannot be seen, and is called almost like one that can,
    // is most likely misspelt: its own check says so, and has both remedies.
    let seen = client.storages(&objects.node).unwrap_or_default();
    missing.retain(|path, _| {
        let Some(name) = path.strip_prefix("/storage/") else {
            return true;
        };
        let names = || seen.iter().map(|storage| storage.storage.as_str());
        names().any(|other| other == name) || closest(name, names()).is_none()
    });
    if missing.is_empty() {
        let count: usize = required.values().map(std::collections::BTreeSet::len).sum();
        return Ok(Done::new(format!(
            "`{}` holds the {count} rights that L1 and L2 use",
            settings.token_id
        )));
    }
    let parts: Vec<String> = missing
        .iter()
        .map(|(path, privileges)| {
            let names: Vec<_> = privileges.iter().map(|p| format!("`{p}`")).collect();
            format!("{} on `{path}`", names.join(", "))
        })
        .collect();
    let mut error = StepError::new(format!(
        "`{}` lacks {}",
        settings.token_id,
        parts.join("; ")
    ))
    .help("as root on the node, run the commands that follow");
    error
        .help
        .extend(rights::grant_commands(&missing, &settings.token_id));
    Err(error)
}
