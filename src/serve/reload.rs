//! SIGHUP: specs, certificate and repositories are read again, while requests go on
//! being answered from those of before. What cannot be read stays as it was.

use std::sync::Arc;

use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;

use super::repos;
use super::shared::Shared;
use super::specs::Specs;
use super::told::{Told, reloading};
use crate::diag::Failure;

/// Reloads at each SIGHUP; those that come during a reload are one more.
pub(super) async fn on_hangup(
    mut hangup: Signal,
    shared: Arc<Shared>,
    options: repos::Options,
    told: Arc<Told>,
) {
    while hangup.recv().await.is_some() {
        tracing::info!("reloading");
        reloading();
        let (copy, options) = (Arc::clone(&shared), options.clone());
        let reloaded = spawn_blocking(move || reload(&copy, &options)).await;
        let failed = reloaded.unwrap_or_else(|error| vec![error.to_string()]);
        let status = if failed.is_empty() {
            "reloaded".to_owned()
        } else {
            format!("not reloaded, but as before: {}", failed.join(", "))
        };
        tracing::info!("{status}");
        told.ready(&shared, &status);
    }
}

/// What could not be read again.
fn reload(shared: &Shared, options: &repos::Options) -> Vec<String> {
    let specs = Specs::load(&shared.caller).map(|specs| {
        specs.warn();
        shared.specs.set(specs);
    });
    let certificate = shared.certificates.reload();
    let repos = repos::prepare(&shared.caller, options).map(|repos| shared.repos.set(repos));
    let all: [(&str, Result<(), Failure>); 3] = [
        ("specs", specs),
        ("certificate", certificate),
        ("repositories", repos),
    ];
    let failed = all.into_iter().filter_map(|(what, result)| {
        let failure = result.err()?;
        tracing::error!(what, %failure, "not reloaded");
        Some(what.to_owned())
    });
    failed.collect()
}
