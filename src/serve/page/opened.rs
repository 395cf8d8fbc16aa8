//! The lab behind a page, opened on a thread that may block.

use std::sync::Arc;

use camino::Utf8PathBuf;
use jiff::Timestamp;

use super::problem::Problem;
use super::shown::Clean;
use crate::diag::Failure;
use crate::lab::{Lab, Paths};
use crate::runs::is_id;
use crate::serve::shared::Shared;

/// The lab as it is now.
#[derive(Debug)]
pub(super) struct Opened {
    /// Who the daemon is.
    pub(super) shared: Arc<Shared>,
    /// The lab.
    pub(super) lab: Lab,
    /// Cleans what is shown of it.
    pub(super) clean: Clean,
    /// The time of the page.
    pub(super) now: Timestamp,
}

/// A run that is there.
#[derive(Debug)]
pub(super) struct Found {
    /// The paths of the lab that it runs in: those of a rehearsal differ.
    pub(super) paths: Paths,
    /// Its journal.
    pub(super) file: Utf8PathBuf,
}

/// Opens the lab and does something with it.
pub(super) async fn opened<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Opened) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let shared = Arc::clone(shared);
    blocking(move || {
        let lab = match shared.caller.lab_if_any() {
            Ok(Some(lab)) => lab,
            Ok(None) => return Err(Problem::no_lab()),
            Err(failure) => return Err(Problem::internal(failure.to_string())),
        };
        work(&Opened {
            clean: Clean::new(&shared.caller, &lab),
            lab,
            shared,
            now: Timestamp::now(),
        })
    })
    .await
}

/// Does what may block where it keeps nobody waiting.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Problem::internal("the page was not made")))
}

impl Opened {
    /// The run of that id: a live one or one of a rehearsal.
    pub(super) fn run(&self, id: &str) -> Result<Found, Problem> {
        let live = &self.lab.paths;
        let places = [live.clone(), live.rehearsal()].into_iter();
        let mut found = places.filter(|_| is_id(id)).map(|paths| Found {
            file: paths.runs().join(format!("{id}.yaml")),
            paths,
        });
        found
            .find(|found| found.file.is_file())
            .ok_or_else(|| Problem::not_found("There is no run of that id."))
    }

    /// Tells a failure.
    pub(super) fn problem(&self, failure: &Failure) -> Problem {
        Problem::of(failure, &self.clean)
    }
}
