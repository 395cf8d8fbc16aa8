//! Files of a step that may hold a secret: gone when the step is over.

use camino::{Utf8Path, Utf8PathBuf};

use crate::action::{ChildSpec, StepContext};
use crate::diag::StepError;
use crate::lab;

/// The step's own directory; removed with all that is in it when this is dropped.
pub(in crate::action) struct WorkDir(Utf8PathBuf);

impl WorkDir {
    pub(in crate::action) fn of(ctx: &StepContext<'_>) -> Self {
        Self(ctx.work.clone())
    }

    /// Writes a file for its owner alone.
    pub(in crate::action) fn write(
        &self,
        name: &str,
        text: &str,
    ) -> Result<Utf8PathBuf, StepError> {
        let file = self.0.join(name);
        lab::write(&file, text, 0o600)?;
        Ok(file)
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // What cannot be removed goes with the run's logs.
        std::fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

/// An `ssh` whose standard input is a file, which a shell opens: what is in it is in no
/// argument.
pub(super) fn ssh_reading(file: &Utf8Path, args: Vec<String>) -> ChildSpec {
    let opened = ["-c", "exec ssh \"$@\" <\"$0\"", file.as_str()];
    let opened = opened.into_iter().map(str::to_owned);
    ChildSpec::new("sh", opened.chain(args))
}
