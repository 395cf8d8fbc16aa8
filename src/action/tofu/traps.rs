//! Two ways in which what an earlier run left stops the next `init`, and what
//! is done about them.
//!
//! A state inside `TF_DATA_DIR`: that directory's `terraform.tfstate` is the
//! backend's own record (format 3); a state there (format 4) is refused with
//! "does not support state version 4" (opentofu/opentofu#3643).
//!
//! A lock file whose provider is not what the module asks for any more. Here tofu says
//! so; a check that asks no tofu compares the two by itself (`tofu::lock_file`).

use std::fs;

use camino::Utf8Path;
use serde::Deserialize;

use super::workspace::{LOCK, Workspace};
use crate::action::StepContext;
use crate::base::if_there;
use crate::diag::Exit;
use crate::diag::StepError;
use crate::tofu::files;

/// The format of states; the backend's record has 3.
const STATE: u32 = 4;

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Head {
    version: u32,
    serial: u64,
    lineage: String,
}

impl Head {
    /// Of a file that is there and is a state.
    fn of(path: &Utf8Path) -> Result<Option<Self>, StepError> {
        let text = if_there(fs::read(path)).map_err(|error| StepError::io("read", path, &error))?;
        let head: Option<Self> = text.and_then(|text| serde_json::from_slice(&text).ok());
        Ok(head.filter(|head| head.version == STATE))
    }
}

/// What is to be done with a state in the data directory.
#[derive(Debug, PartialEq, Eq)]
enum StrayState {
    /// It is the only one: it belongs where states are.
    Take,
    /// The one in its place goes on from it: an old copy.
    Drop,
    /// Both hold something that the other does not.
    Refuse,
}

fn judge(stray: &Head, own: Option<&Head>) -> StrayState {
    match own {
        None => StrayState::Take,
        Some(own) if own.lineage == stray.lineage && own.serial >= stray.serial => StrayState::Drop,
        Some(_) => StrayState::Refuse,
    }
}

/// Puts a state that lies in the data directory where it belongs.
pub(super) fn stray_state(ctx: &StepContext<'_>, space: &Workspace) -> Result<(), StepError> {
    let place = space.data.join("terraform.tfstate");
    let Some(stray) = Head::of(&place)? else {
        return Ok(());
    };
    let show = |path: &Utf8Path| ctx.lab.paths.show(path).into_string();
    let (from, to) = (show(&place), show(&space.state));
    match judge(&stray, Head::of(&space.state)?.as_ref()) {
        StrayState::Take => {
            fs::rename(&place, &space.state)
                .map_err(|error| StepError::io("move", &place, &error))?;
            files::private(&space.state)?;
            ctx.note(format!(
                "the state in `{from}` is now `{to}`, where it belongs"
            ));
        }
        StrayState::Drop => {
            let kept = files::beside(&space.state, ".from-data");
            fs::rename(&place, &kept).map_err(|error| StepError::io("move", &place, &error))?;
            files::private(&kept)?;
            ctx.note(format!(
                "an old copy of the state in `{from}` is now `{}`",
                show(&kept)
            ));
        }
        StrayState::Refuse => {
            return Err(StepError::new(format!(
                "there are two states, `{to}` and `{from}`, and neither is a copy of the other"
            ))
            .exit(Exit::Definition)
            .help(format!(
                "compare them: `tofu show {from}`, `tofu show {to}`"
            ))
            .help(format!(
                "then remove the wrong one, or keep the other: `mv {from} {to}`"
            )));
        }
    }
    Ok(())
}

/// Whether an init failed because the lock file holds another version of a
/// provider than the module wants.
pub(super) fn is_stale_lock(error: &StepError) -> bool {
    let said = error.tail.join(" ");
    let words: Vec<&str> = said.split_whitespace().collect();
    let said = words.join(" ");
    said.contains("locked provider") && said.contains("does not match configured version")
}

/// Takes a lock file away that `hl` keeps, so that the next init writes
/// another; `false` when the module in the checkout has one, which `hl` does not touch.
pub(in crate::action) fn drop_lock(source: &Utf8Path, lock: &Utf8Path) -> Result<bool, StepError> {
    if source.join(LOCK).exists() {
        return Ok(false);
    }
    files::remove(lock)?;
    Ok(true)
}

/// What to do about a lock file of the checkout; `source` as it is shown.
pub(in crate::action) fn renew(source: &Utf8Path) -> String {
    format!(
        "`{source}/{LOCK}` is yours: remove it, or renew it there with `tofu init -upgrade -backend=false`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(serial: u64, lineage: &str) -> Head {
        Head {
            version: STATE,
            serial,
            lineage: lineage.to_owned(),
        }
    }

    #[test]
    fn a_state_is_taken_dropped_or_refused() {
        assert_eq!(judge(&head(3, "a"), None), StrayState::Take);
        assert_eq!(judge(&head(3, "a"), Some(&head(3, "a"))), StrayState::Drop);
        assert_eq!(
            judge(&head(3, "a"), Some(&head(2, "a"))),
            StrayState::Refuse
        );
        assert_eq!(
            judge(&head(3, "a"), Some(&head(9, "b"))),
            StrayState::Refuse
        );
    }

    #[test]
    fn the_record_of_a_backend_is_no_state() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path())
            .unwrap()
            .join("terraform.tfstate");
        assert_eq!(Head::of(&path).unwrap(), None);
        fs::write(&path, r#"{"version": 3, "backend": {"type": "local"}}"#).unwrap();
        assert_eq!(Head::of(&path).unwrap(), None);
        fs::write(&path, r#"{"version": 4, "serial": 7, "lineage": "x"}"#).unwrap();
        assert_eq!(Head::of(&path).unwrap(), Some(head(7, "x")));
    }

    #[test]
    fn a_stale_lock_is_known_by_what_tofu_says_however_it_is_wrapped() {
        let said = |text: &str| {
            let tail = text.lines().map(str::to_owned).collect();
            is_stale_lock(&StepError::new("init").tail(tail))
        };
        assert!(said(
            "Could not retrieve the list: locked\n  provider registry.opentofu.org/bpg/proxmox 0.111.1 does not match\n configured version constraint >= 0.120.0"
        ));
        assert!(!said(
            "no available releases match the given constraints >= 9.0.0"
        ));
    }
}
