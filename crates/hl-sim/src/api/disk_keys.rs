//! Disks as calls name them: by their keys in a config.

use crate::call::Call;
use crate::drive::Drive;
use crate::edit;
use crate::error::{ApiError, bail};
use crate::vm::{Vm, is_disk};

/// The key that a parameter names: a disk of such a guest, or one that is unused.
pub(super) fn disk_key(call: &Call<'_>, name: &str) -> Result<String, ApiError> {
    let key = call.params.must(name)?;
    if is_disk(call.kind, key) || key.starts_with("unused") {
        return Ok(key.to_owned());
    }
    Err(ApiError::param(
        name,
        format!("value '{key}' does not have a value in the enumeration of disks"),
    ))
}

/// The disk of that key.
pub(super) fn drive_of(vm: &Vm, key: &str) -> Result<Drive, ApiError> {
    let text = vm
        .config
        .get(key)
        .ok_or_else(|| ApiError::die(format!("disk '{key}' does not exist")))?;
    edit::drive(vm.kind, key, text).map_err(ApiError::die)
}

/// Refuses a caller who saw another config.
pub(super) fn same_digest(call: &Call<'_>, vm: &Vm) -> Result<(), ApiError> {
    same(call.params.text("digest"), vm)
}

/// The same for a digest by another name.
pub(super) fn same(digest: Option<&str>, vm: &Vm) -> Result<(), ApiError> {
    if digest.is_some_and(|seen| seen != vm.digest()) {
        bail!("detected modified configuration - file changed by other user? Try again.");
    }
    Ok(())
}
