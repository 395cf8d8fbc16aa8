//! Whether a run is dry: the request, `DRY_RUN`, `config/settings.env`, in this
//! order.

use super::caller::Caller;
use crate::diag::Failure;
use crate::lab::{Lab, Settings, dry_run_variable};

/// Whether a run is dry, and because of which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryRun {
    /// It is.
    pub on: bool,
    /// `config/settings.env:3`, when a file is why. Who asked for a change has to
    /// learn why nothing changed.
    pub because: Option<String>,
}

impl DryRun {
    /// A run that is dry by its own nature, or is not.
    pub fn forced(on: bool) -> Self {
        Self { on, because: None }
    }
}

/// Decides for a run in `lab`; `asked` when the request says that it is dry.
///
/// # Errors
/// The variable or the setting is no yes or no (65).
pub fn dry_run(caller: &Caller, lab: &Lab, asked: bool) -> Result<DryRun, Failure> {
    // Read in any case: a mistake in it must not wait for the day that it matters.
    let setting = Settings::load(&lab.paths)?.dry_run;
    let given = caller.set.iter().rev().find(|(name, _)| name == "DRY_RUN");
    let variable = given
        .map(|(_, value)| value.as_str())
        .or_else(|| caller.var("DRY_RUN"));
    let variable = match variable {
        Some(value) => dry_run_variable(value)?,
        None => None,
    };
    Ok(if asked {
        DryRun::forced(true)
    } else if let Some(on) = variable {
        DryRun::forced(on)
    } else {
        DryRun {
            on: setting.value,
            because: setting.shown_place().filter(|_| setting.value),
        }
    })
}
