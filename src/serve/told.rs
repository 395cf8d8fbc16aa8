//! What others are told of the daemon: systemd, where it started it, and the other
//! processes of the user.

use sd_notify::NotifyState;

use super::shared::Shared;
use crate::app::serving::{Running, RunningFile};
use crate::base::Process;

/// Tells them.
#[derive(Debug)]
pub(super) struct Told {
    /// None where there is no place for it.
    file: Option<RunningFile>,
    /// How it is reached on this machine.
    url: String,
}

impl Told {
    /// The daemon listens on `port`, and is reached on this machine by `url`.
    pub(super) fn new(shared: &Shared, port: u16, url: String) -> Self {
        let file = RunningFile::at(&shared.caller, port);
        let file = file.inspect_err(|error| {
            tracing::warn!(%error, "`hl serve status` cannot find this controller");
        });
        Self {
            file: file.ok(),
            url,
        }
    }

    /// It answers. Said again at the end of each reload.
    pub(super) fn ready(&self, shared: &Shared, status: &str) {
        let running = Running {
            url: self.url.clone(),
            fingerprint: shared.certificates.fingerprint().to_string(),
            process: Process::this(),
        };
        if let Some(file) = &self.file
            && let Err(error) = file.write(&running)
        {
            tracing::warn!(%error, "`hl serve status` cannot find this controller");
        }
        notify(&[NotifyState::Ready, NotifyState::Status(status)]);
    }
}

/// It reads everything again, and goes on answering.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "there is no clock"),
    }
}

/// It ends.
pub(super) fn stopping(status: &str) {
    notify(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}
