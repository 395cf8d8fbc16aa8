//! What the bootstrap puts on a machine.

use super::facts::Facts;
use crate::action::Done;
use crate::base::quoted;
use crate::diag::{StepError, say};

/// `hl` runs, and its directory of configuration is there.
pub(super) fn check(facts: &Facts) -> Result<Done, StepError> {
    let bin = &facts.bin;
    let (machine, etc) = (&facts.machine, &facts.etc);
    if facts.not_executable {
        return Err(
            StepError::new(format!("`{bin}` on {machine} is not executable"))
                .help(facts.command(&format!("chmod 755 {}", quoted(bin)))),
        );
    }
    if facts.hl.is_empty() {
        return Err(StepError::new(format!("`{bin}` is not on {machine}"))
            .help(say("install it: ").hl("scenario bootstrap-install --host NAME")));
    }
    if !facts.has_etc {
        return Err(
            StepError::new(format!("the directory `{etc}` is not on {machine}"))
                .help(facts.command(&format!("mkdir -p {}", quoted(etc)))),
        );
    }
    let mode = u32::from_str_radix(&facts.etc_mode, 8).unwrap_or_default();
    if mode & 0o022 != 0 {
        let message = format!("others may write in `{etc}` on {machine}: its mode is {mode:o}");
        return Err(
            StepError::new(message).help(facts.command(&format!("chmod go-w {}", quoted(etc))))
        );
    }
    Ok(Done::new(format!("{} and `{etc}`", facts.hl)))
}
