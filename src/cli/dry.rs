//! Whether a run is dry: `--dry-run`, `DRY_RUN`, `config/settings.env`, in
//! this order. One that is dry because a file says so tells it first and last:
//! whoever asked for a change must learn why nothing changed.

use super::session::Session;
use crate::diag::Failure;
use crate::lab::{Lab, Settings, dry_run_variable};
use crate::report::Paint;

/// Whether a run is dry, and because of which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dry {
    pub on: bool,
    /// `config/settings.env:3`, when that is why.
    because: Option<String>,
}

impl Dry {
    /// A run that is dry by its own nature (`hl plan`), or is not.
    pub(super) fn plainly(on: bool) -> Self {
        Self { on, because: None }
    }

    /// Decides for a run in `lab`, and says so when the file decided.
    pub(super) fn decide(session: &Session, lab: &Lab) -> Result<Self, Failure> {
        // Read in any case: a mistake in it must not wait for the day that
        // it matters.
        let setting = Settings::load(&lab.paths)?.dry_run;
        let flags = &session.globals.env;
        let given = flags.iter().rev().find(|(name, _)| name == "DRY_RUN");
        let variable = given
            .map(|(_, value)| value)
            .or_else(|| session.process.get("DRY_RUN"));
        let variable = match variable {
            Some(value) => dry_run_variable(value)?,
            None => None,
        };
        let dry = if session.globals.dry_run {
            Self::plainly(true)
        } else if let Some(on) = variable {
            Self::plainly(on)
        } else {
            Self {
                on: setting.value,
                because: setting.shown_place().filter(|_| setting.value),
            }
        };
        dry.tell(session);
        Ok(dry)
    }

    /// The line that stands first and last. Also with `--quiet`: it is what a
    /// script that thinks it changed something has to be told.
    pub(super) fn tell(&self, session: &Session) {
        if let Some(place) = &self.because {
            let verb = session.palette().verb(Paint::Warn, "Dry run");
            session.say(&format!(
                "{verb} `dry_run=true` in {place}: nothing is changed; `DRY_RUN=false` in front of the command runs it live"
            ));
        }
    }
}
