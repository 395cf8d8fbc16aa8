//! Archives that a run let the node download for a machine: what undoes the machine takes
//! them away again.

use std::time::Duration;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::archive::CONTENT;
use crate::action;
use crate::action::StepContext;
use crate::action::pull::free_volume;
use crate::action::tofu::built;
use crate::base::if_there;
use crate::diag::StepError;
use crate::lab;
use crate::pve::{self, Client};

/// How long the node may take to remove one.
const PATIENCE: Duration = Duration::from_mins(2);

/// `.build/tofu/KEY/downloaded.json`
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    /// The run that let the node download.
    run: String,
    /// What was not there before.
    volumes: Vec<String>,
}

fn file(ctx: &StepContext<'_>, key: &str) -> Utf8PathBuf {
    built(&ctx.lab.paths).join(key).join("downloaded.json")
}

/// What this run noted of a machine. What cannot be read was noted by nobody.
fn record(ctx: &StepContext<'_>, key: &str) -> Result<Record, StepError> {
    let file = file(ctx, key);
    let text = if_there(std::fs::read(&file))
        .map_err(|error| StepError::io("read", &file, &error))?
        .unwrap_or_default();
    let record: Record = serde_json::from_slice(&text).unwrap_or_default();
    let is_own = record.run == ctx.run_id && !record.run.is_empty();
    Ok(if is_own { record } else { Record::default() })
}

/// Notes a volume that is not there yet, before the node is asked for it.
pub(super) fn note(ctx: &StepContext<'_>, key: &str, volid: &str) -> Result<(), StepError> {
    let mut record = record(ctx, key)?;
    ctx.run_id.clone_into(&mut record.run);
    record.volumes.push(volid.to_owned());
    let text = serde_json::to_string(&record).unwrap_or_default();
    Ok(lab::write(&file(ctx, key), text, 0o600)?)
}

/// Takes away what this run let a host download for a machine; gives what could not be
/// taken away, and why.
pub(in crate::action) fn remove_downloads(
    ctx: &StepContext<'_>,
    host: &str,
    key: &str,
) -> Result<Vec<String>, StepError> {
    let record = record(ctx, key)?;
    if record.volumes.is_empty() {
        return Ok(Vec::new());
    }
    let node = action::site::node(ctx, host);
    let client = ctx.lasting_pve()?;
    let mut left = Vec::new();
    for volid in &record.volumes {
        let removed = match remove(ctx, &client, node, volid) {
            // Who may download may not delete: root of the node may.
            Err(pve::Error::Forbidden { .. }) => free_volume(ctx, host, volid),
            removed => removed.map_err(StepError::from),
        };
        if let Err(error) = removed {
            left.push(format!(
                "`{volid}` stays on `{node}`: {}; on `{node}`: `pvesm free {volid}`",
                error.message
            ));
        }
    }
    Ok(left)
}

fn remove(
    ctx: &StepContext<'_>,
    client: &Client,
    node: &str,
    volid: &str,
) -> Result<(), pve::Error> {
    let (storage, _) = volid.split_once(':').unwrap_or((volid, ""));
    let there = client.storage_content(node, storage, Some(CONTENT))?;
    if !there.iter().any(|volume| volume.volid == volid) {
        return Ok(());
    }
    if let Some(task) = client.delete_volume(node, storage, volid)? {
        client.wait_task(&task, ctx.cancel, PATIENCE)?;
    }
    Ok(())
}
