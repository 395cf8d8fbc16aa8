//! What a killed `hl platform render` began is finished before anybody looks at it.

use crate::diag::Failure;
use crate::lab::{Lab, Lock};
use crate::platform::{is_torn, settle};

/// Finishes or forgets it, where there is something.
///
/// # Errors
/// The lab is held (75), or cannot be written (73).
pub(super) fn settled(lab: &Lab) -> Result<(), Failure> {
    if !is_torn(&lab.paths) {
        return Ok(());
    }
    let _lock = Lock::take(&lab.paths, "hl platform")?;
    settle(&lab.paths)
}
