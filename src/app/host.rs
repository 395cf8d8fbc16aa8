//! Who is told of a run: a terminal, a page, an outer run.

use camino::Utf8PathBuf;

use crate::engine::Approver;
use crate::legacy::Migration;
use crate::plan::{Listener, Plan};
use crate::report::Look;

/// What is worth knowing before the first step. Texts hold no secret.
#[derive(Debug)]
pub enum Notice {
    /// Children of an unfinished run still work, and are waited for.
    Waiting(String),
    /// Something is not as it should be.
    Warning(String),
    /// These files of an older tool, named relative to the lab, would be taken over by a live run.
    LegacyFound(Vec<Utf8PathBuf>),
    /// What an older tool left was taken over.
    LegacyTaken(Migration),
}

/// Who is told of a run, watches it and answers for a person.
pub trait Host {
    /// Something is known before the run begins.
    fn notice(&self, notice: Notice);

    /// How a run is shown: what the files beside the journal take of it.
    fn look(&self) -> Look;

    /// Who listens besides, called once, before the first step. `look` knows how
    /// to go on with the run, and how long steps usually take.
    fn watch(&self, plan: &Plan, look: Look) -> Box<dyn Listener>;

    /// Who says yes or no.
    fn approver(&self) -> &dyn Approver;
}
