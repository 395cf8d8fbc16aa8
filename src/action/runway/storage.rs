//! Storages: there, active, for the right content, with room.

use super::environment::{MIN_FREE_GIB, MIN_FREE_PERCENT, number};
use crate::action::{Done, StepContext};
use crate::diag::StepError;
use crate::diag::{closest, did_you_mean};
use crate::pve::rights::{self, Objects};
use crate::pve::{Client, Storage};

const GIB: u64 = 1024 * 1024 * 1024;

/// Types whose volumes are files: only they can hold ISO and cloud images.
const FILES: &[&str] = &["dir", "nfs", "cifs", "cephfs", "btrfs", "glusterfs"];

/// What a storage is for.
#[derive(Clone, Copy)]
struct Purpose {
    variable: &'static str,
    content: &'static str,
    what: &'static str,
}

/// Disks of VMs and templates.
pub(super) fn vm(ctx: &StepContext<'_>) -> Result<Done, StepError> {
    let purpose = Purpose {
        variable: "PVE_STORAGE_VM",
        content: "images",
        what: "disks",
    };
    let objects = Objects::from_env(ctx.env);
    let storage = usable(ctx, &objects.node, &objects.storage_vm, purpose)?;
    let wanted = u64::from(number(ctx, MIN_FREE_PERCENT).map_err(StepError::new)?);
    if storage.total == 0 {
        return Ok(unknown_size(&storage));
    }
    let free = storage.avail.saturating_mul(100) / storage.total;
    if free < wanted {
        return Err(StepError::new(format!(
            "storage `{}` has {free} % free ({}), expected at least {wanted} %",
            storage.storage,
            gib(storage.avail)
        ))
        .help(remove_something(&objects.node, &storage.storage))
        .help(format!("or ask for less: `{}=...`", MIN_FREE_PERCENT.0)));
    }
    Ok(Done::new(format!(
        "`{}` takes disks, {free} % free ({})",
        storage.storage,
        gib(storage.avail)
    )))
}

/// Installer images.
pub(super) fn iso(ctx: &StepContext<'_>) -> Result<Done, StepError> {
    let objects = Objects::from_env(ctx.env);
    let purpose = Purpose {
        variable: "PVE_STORAGE_ISO",
        content: "iso",
        what: "ISO images",
    };
    files(ctx, &objects.node, &objects.storage_iso, purpose)
}

/// Cloud images.
pub(super) fn import(ctx: &StepContext<'_>) -> Result<Done, StepError> {
    let objects = Objects::from_env(ctx.env);
    let purpose = Purpose {
        variable: "PVE_STORAGE_IMPORT",
        content: "import",
        what: "cloud images",
    };
    files(ctx, &objects.node, &objects.storage_import, purpose)
}

fn files(
    ctx: &StepContext<'_>,
    node: &str,
    name: &str,
    purpose: Purpose,
) -> Result<Done, StepError> {
    let storage = usable(ctx, node, name, purpose)?;
    let wanted = u64::from(number(ctx, MIN_FREE_GIB).map_err(StepError::new)?);
    if storage.total == 0 {
        return Ok(unknown_size(&storage));
    }
    if storage.avail < wanted.saturating_mul(GIB) {
        return Err(StepError::new(format!(
            "storage `{name}` has {} free, expected at least {wanted} GiB",
            gib(storage.avail)
        ))
        .help(remove_something(node, name))
        .help(format!("or ask for less: `{}=...`", MIN_FREE_GIB.0)));
    }
    Ok(Done::new(format!(
        "`{name}` takes {}, {} free",
        purpose.what,
        gib(storage.avail)
    )))
}

/// Whether a storage of that type can be told to take that content.
pub(super) fn could_hold(storage: &Storage, content: &str) -> bool {
    content == "images" || FILES.contains(&storage.kind.as_str())
}

/// The storage, when it is there, on, active, and for that content.
fn usable(
    ctx: &StepContext<'_>,
    node: &str,
    name: &str,
    purpose: Purpose,
) -> Result<Storage, StepError> {
    let client = ctx.pve()?;
    let mut storages = client.storages(node)?;
    let Some(index) = storages.iter().position(|s| s.storage == name) else {
        return Err(absent(ctx, &client, name, purpose, &storages)?);
    };
    let storage = storages.swap_remove(index);
    if !storage.enabled {
        return Err(StepError::new(format!("storage `{name}` is switched off"))
            .help(format!("on the node: `pvesm set {name} --disable 0`")));
    }
    if !storage.active {
        return Err(
            StepError::new(format!("storage `{name}` is not active on `{node}`")).help(format!(
                "on `{node}`: `pvesm status --storage {name}` says why; a share that is not mounted, a pool that is not imported?"
            )),
        );
    }
    if storage.holds(purpose.content) {
        return Ok(storage);
    }
    let error = StepError::new(format!(
        "storage `{name}` does not take {} (content `{}`), it takes `{}`",
        purpose.what,
        purpose.content,
        storage.content.join(",")
    ));
    let others: Vec<_> = storages
        .iter()
        .filter(|other| other.active && other.holds(purpose.content))
        .map(|other| format!("`{}={}`", purpose.variable, other.storage))
        .collect();
    let error = if could_hold(&storage, purpose.content) {
        let mut content = storage.content.clone();
        content.push(purpose.content.to_owned());
        error.help(format!(
            "on the node: `pvesm set {name} --content {}`",
            content.join(",")
        ))
    } else {
        error.help(format!(
            "storages of type `{}` hold no files: name one of type `dir` or a network share in `{}`",
            storage.kind, purpose.variable
        ))
    };
    Err(if others.is_empty() {
        error
    } else {
        error.help(format!("or use one that does: {}", others.join(", ")))
    })
}

/// Why a storage is not listed: it does not exist, or not for this token. The
/// API says the same to both when the token holds nothing there, so then both
/// remedies are given.
fn absent(
    ctx: &StepContext<'_>,
    client: &Client,
    name: &str,
    purpose: Purpose,
    seen: &[Storage],
) -> Result<StepError, StepError> {
    let objects = Objects::from_env(ctx.env);
    let node = &objects.node;
    let path = format!("/storage/{name}");
    let granted = client.permissions(Some(&path))?;
    let visible = granted.get(&path).is_some_and(|held| !held.is_empty());
    let fitting: Vec<_> = seen
        .iter()
        .filter(|storage| storage.holds(purpose.content))
        .map(|storage| storage.storage.as_str())
        .collect();
    let unseen = if visible {
        ""
    } else {
        ", or the token may not see it"
    };
    let set = match fitting.as_slice() {
        [] => format!(
            "`pvesm status` on `{node}` lists its storages, `pvesm set NAME --content ...` says what one takes"
        ),
        [first, ..] => {
            let closest = closest(name, fitting.iter().copied()).unwrap_or(first);
            format!("set `{}={closest}` in `.env`", purpose.variable)
        }
    };
    let error = StepError::new(format!(
        "there is no storage `{name}` on `{node}`{unseen}; `{}` names it",
        purpose.variable
    ))
    .helps(did_you_mean(name, fitting.iter().copied()))
    .help(set);
    if visible {
        return Ok(error);
    }
    let mut missing = rights::required(&objects, client.version()?.major_minor().0);
    missing.retain(|other, _| *other == path);
    let token = ctx.env.get("PM_TOKEN_ID").unwrap_or_default();
    Ok(error
        .help(format!(
            "or, if `pvesm status` on `{node}` lists it, run there as root the commands that follow"
        ))
        .helps(rights::grant_commands(&missing, token)))
}

fn unknown_size(storage: &Storage) -> Done {
    Done::new(format!("`{}` is there", storage.storage)).warn(format!(
        "storage `{}` does not say how large it is, so its free space was not checked; `pvesm status --storage {}` on the node may say why",
        storage.storage, storage.storage
    ))
}

fn remove_something(node: &str, storage: &str) -> String {
    format!(
        "make room: on `{node}`, `pvesm list {storage}` shows what is there, `pvesm free VOLID` removes it"
    )
}

/// `12.3 GiB`
fn gib(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) / GIB;
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        assert_eq!(gib(0), "0.0 GiB");
        assert_eq!(gib(GIB * 3 / 2), "1.5 GiB");
        assert_eq!(gib(99 * GIB), "99.0 GiB");
    }
}
