//! What is served is prepared at the start, and again at each SIGHUP: specs and
//! certificate at once, repositories beside it. Requests go on being answered from those
//! of before, and what cannot be read stays as it was.

use std::future;
use std::sync::Arc;

use tokio::signal::unix::Signal;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

use super::repos::{self, Wanted};
use super::shared::Shared;
use super::specs::Specs;
use super::told::{Told, reloading};
use crate::diag::Failure;

/// Prepares what is served.
#[derive(Debug)]
pub(super) struct Reloads {
    shared: Arc<Shared>,
    options: repos::Options,
    told: Told,
}

/// Repositories that are being prepared, and what waits for them.
#[derive(Debug)]
struct Job {
    work: JoinHandle<()>,
    then: Then,
}

/// What waits for repositories to be prepared.
#[derive(Debug)]
enum Then {
    /// The start.
    Start(oneshot::Sender<()>),
    /// A reload, with what of it failed.
    Reload(Vec<&'static str>),
}

/// What a reload has read.
#[derive(Debug)]
struct Reload {
    wanted: Option<Wanted>,
    failed: Vec<&'static str>,
}

impl Reloads {
    pub(super) fn new(shared: &Arc<Shared>, options: repos::Options, told: Told) -> Self {
        Self {
            shared: Arc::clone(shared),
            options,
            told,
        }
    }

    /// Prepares `wanted`, tells `prepared`, and reloads at each SIGHUP. One that comes while
    /// repositories are prepared is dealt with at once, but for these: they are prepared
    /// again afterwards, once for all that came.
    pub(super) async fn run(
        self,
        mut hangup: Signal,
        wanted: Wanted,
        prepared: oneshot::Sender<()>,
    ) {
        let mut job = Some(self.begin(Some(wanted), Then::Start(prepared)));
        let mut next: Option<Reload> = None;
        loop {
            tokio::select! {
                hung_up = hangup.recv() => {
                    if hung_up.is_none() {
                        return;
                    }
                    next = Some(self.read().await);
                }
                then = end_of(&mut job) => match then {
                    // The daemon may not wait for it any more.
                    Then::Start(prepared) => drop(prepared.send(())),
                    // The next one tells.
                    Then::Reload(_) if next.is_some() => {}
                    Then::Reload(failed) => self.tell(&failed),
                },
            }
            if job.is_none()
                && let Some(Reload { wanted, failed }) = next.take()
            {
                job = Some(self.begin(wanted, Then::Reload(failed)));
            }
        }
    }

    fn begin(&self, wanted: Option<Wanted>, then: Then) -> Job {
        let shared = Arc::clone(&self.shared);
        let work = spawn_blocking(move || {
            if let Some(wanted) = wanted {
                wanted.prepare(|name, state| shared.repos.update(|all| all.with(name, state)));
            }
        });
        Job { work, then }
    }

    async fn read(&self) -> Reload {
        tracing::info!("reloading");
        reloading();
        let (shared, options) = (Arc::clone(&self.shared), self.options.clone());
        let read = spawn_blocking(move || read(&shared, &options)).await;
        read.unwrap_or_else(|error| {
            tracing::error!(%error, "a bug: not reloaded");
            Reload {
                wanted: None,
                failed: vec!["anything"],
            }
        })
    }

    fn tell(&self, failed: &[&str]) {
        let status = if failed.is_empty() {
            "reloaded".to_owned()
        } else {
            format!("not reloaded, but as before: {}", failed.join(", "))
        };
        tracing::info!("{status}");
        self.told.ready(&self.shared, &status);
    }
}

/// Waits for the job, where there is one, and takes it away.
async fn end_of(job: &mut Option<Job>) -> Then {
    let Some(running) = job else {
        return future::pending().await;
    };
    if let Err(error) = (&mut running.work).await {
        tracing::error!(%error, "a bug: repositories were not prepared");
    }
    match job.take() {
        Some(ended) => ended.then,
        None => future::pending().await,
    }
}

/// Reads all again. Repositories that are not wanted any more are gone by then.
fn read(shared: &Shared, options: &repos::Options) -> Reload {
    let specs = Specs::load(&shared.caller).map(|specs| {
        specs.warn();
        shared.specs.set(specs);
    });
    let certificate = shared.certificates.reload();
    let (wanted, repos) = match Wanted::read(&shared.caller, options) {
        Ok(wanted) => {
            shared.repos.update(|now| wanted.begin(now));
            (Some(wanted), Ok(()))
        }
        Err(failure) => (None, Err(failure)),
    };
    let all: [(&str, Result<(), Failure>); 3] = [
        ("specs", specs),
        ("certificate", certificate),
        ("repositories", repos),
    ];
    let failed = all.into_iter().filter_map(|(what, result)| {
        let failure = result.err()?;
        tracing::error!(what, %failure, "not reloaded");
        Some(what)
    });
    Reload {
        wanted,
        failed: failed.collect(),
    }
}
