//! Which volume a machine's snippet is, and taking it away.

use super::node_shell::NodeShell;
use crate::action::{self, StepContext};
use crate::diag::{Exit, StepError};
use crate::pve::{self, Client, GuestKind};
use crate::tofu::state::State;

/// What a storage that holds them calls them.
const CONTENT: &str = "snippets";

/// The file of a machine's snippet, by the name of its state and its own.
pub(in crate::action) fn file_name(key: &str, name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    let key: String = key.chars().map(plain).collect();
    format!("hl-{key}-{name}.yaml")
}

/// The storages of a node that hold snippets.
fn storages(client: &Client, node: &str) -> Result<Vec<String>, pve::Error> {
    let all = client.storages(node)?.into_iter();
    let holds = all.filter(|storage| storage.enabled && storage.active && storage.holds(CONTENT));
    Ok(holds.map(|storage| storage.storage).collect())
}

/// Where a machine's snippet is to be.
pub(in crate::action) fn volume(
    client: &Client,
    node: &str,
    storage: Option<&str>,
    file: &str,
) -> Result<String, StepError> {
    let all = storages(client, node)?;
    let chosen = match storage {
        Some(wanted) => all.iter().find(|name| *name == wanted),
        None => all.first(),
    };
    let Some(chosen) = chosen else {
        let what = storage.map_or_else(
            || format!("no storage of `{node}` holds snippets"),
            |wanted| format!("storage `{wanted}` of `{node}` holds no snippets"),
        );
        return Err(StepError::new(format!(
            "{what}, by which cloud-init is told of the controller"
        ))
        .exit(Exit::Runway)
        .help(format!(
            "on `{node}`: `pvesm set {} --content` with all that it holds, and `{CONTENT}`",
            storage.unwrap_or("local")
        )));
    };
    Ok(format!("{chosen}:{CONTENT}/{file}"))
}

/// The volumes of a node that are this file.
pub(super) fn volumes(client: &Client, node: &str, file: &str) -> Result<Vec<String>, pve::Error> {
    let end = format!(":{CONTENT}/{file}");
    let mut found = Vec::new();
    for storage in storages(client, node)? {
        let there = client.storage_content(node, &storage, Some(CONTENT))?;
        let ours = there
            .into_iter()
            .filter(|volume| volume.volid.ends_with(&end));
        found.extend(ours.map(|volume| volume.volid));
    }
    Ok(found)
}

/// Takes a machine's snippet out of its settings, and off its host, as the site names
/// it; how many files went.
pub(in crate::action) fn remove_snippet(
    ctx: &StepContext<'_>,
    host: &str,
    key: &str,
    name: &str,
) -> Result<usize, StepError> {
    let node = action::site::node(ctx, host);
    let client = ctx.pve()?;
    let file = file_name(key, name);
    let state = State::read(&ctx.lab.paths.tofu_state(key).join("terraform.tfstate"))?;
    if let Some(vm) = state.vms.get(name).filter(|vm| !vm.container)
        && let Some(vmid) = vm.vmid
    {
        detach(&client, &vm.node, vmid, &file)?;
    }
    let found = volumes(&client, node, &file)?;
    if !found.is_empty() {
        let shell = NodeShell::of(ctx, host)?;
        for volid in &found {
            shell.remove(volid)?;
        }
        if let Some(left) = volumes(&client, node, &file)?.first() {
            return Err(StepError::new(format!(
                "`{left}` is still on `{node}`, which may hold a token"
            ))
            .help(format!("on `{node}`: `pvesm free {left}`")));
        }
    }
    Ok(found.len())
}

/// Lets root of a host remove a volume that the token may not.
pub(in crate::action) fn free_volume(
    ctx: &StepContext<'_>,
    host: &str,
    volid: &str,
) -> Result<(), StepError> {
    NodeShell::of(ctx, host)?.free(volid)
}

/// A machine whose settings name a file that is gone does not start any more.
fn detach(client: &Client, node: &str, vmid: u32, file: &str) -> Result<(), StepError> {
    let config = match client.guest_config(GuestKind::Vm, node, vmid) {
        Err(error) if error.is_not_found() => return Ok(()),
        config => config?,
    };
    let custom = config.text("cicustom").unwrap_or_default();
    if !custom.ends_with(&format!("/{file}")) {
        return Ok(());
    }
    client.set_guest_config(GuestKind::Vm, node, vmid, &[("delete", "cicustom")])?;
    // The drive still has a copy of what the snippet said.
    client.renew_cloudinit(node, vmid)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_state_and_machine() {
        assert_eq!(file_name("m/pve/edge", "edge"), "hl-m-pve-edge-edge.yaml");
        assert_eq!(file_name("dev-pve", "web-1"), "hl-dev-pve-web-1.yaml");
    }
}
