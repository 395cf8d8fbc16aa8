//! The daemon from its start to its end.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::accept::accept;
use super::certificate::Certificates;
use super::connection::Connections;
use super::failures::Failures;
use super::gate::Gate;
use super::listener;
use super::page::{self, Sessions};
use super::reload::Reloads;
use super::repos::{self, Repositories, Wanted};
use super::routes::router;
use super::shared::Shared;
use super::specs::Specs;
use super::swapped::Swapped;
use super::token::Token;
use super::told::{Told, stopping};
use crate::app::Caller;
use crate::app::serving::{RefusedRepo, ServeOptions, Started};
use crate::base::ticked;
use crate::control::Server;
use crate::diag::{Exit, Failure};
use crate::runs::{self, Ending};

/// Connections at once, at all and of one address.
const CONNECTIONS: usize = 4096;
const CONNECTIONS_OF_ONE: usize = 128;
/// File descriptors that are not for connections.
const DESCRIPTORS: usize = 256;
/// How long connections may take to end when the daemon does.
const DRAIN: Duration = Duration::from_secs(10);
/// How long what it says at its start waits for the repositories.
const ANNOUNCED: Duration = Duration::from_secs(10);
/// How long it may take to see which runs go on.
const LOOK: Duration = Duration::from_secs(2);
/// Runs that are looked at for those that go on.
const RUNS: usize = 50;

/// A daemon that is to run.
pub(super) struct Daemon<'a> {
    pub(super) caller: Caller,
    pub(super) options: &'a ServeOptions,
}

impl Daemon<'_> {
    /// Serves until SIGTERM or SIGINT.
    pub(super) async fn run(
        self,
        specs: Specs,
        announce: &mut dyn FnMut(&Started) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut ends = Ends::catch().map_err(|error| no_signals(&error))?;
        let hangup = signal(SignalKind::hangup()).map_err(|error| no_signals(&error))?;
        specs.warn();
        let options = self.options;
        let certificates = Arc::new(Certificates::load(&options.certificate, options.bind)?);
        let tls = certificates
            .config()
            .map_err(|error| Failure::message(Exit::Bug, format!("cannot speak TLS: {error}")))?;
        let listener = listener::open(options.bind, options.port)?;
        let address = listener.local_addr().map_err(|error| {
            Failure::message(Exit::Runway, format!("the socket has no address: {error}"))
        })?;
        let known = repos::Options {
            repos_dir: options.repos_dir.clone(),
            exclude: options.exclude.clone(),
            ..repos::Options::default()
        };
        let ending = known.ending();
        let wanted = tokio::select! {
            wanted = wanted(&self.caller, &known) => wanted?,
            () = ends.next() => {
                tracing::info!("stopping before anything was served");
                return Ok(());
            }
        };
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared {
            caller: self.caller,
            url: listener::url(address),
            certificates,
            repo_token: Token::new(options.repo_token.reveal()),
            repos: Swapped::new(wanted.begin(&Repositories::default())),
            specs: Swapped::new(specs),
            sessions: Sessions::new(),
            failures: Failures::default(),
            stopping: stopped.clone(),
        });
        let told = Told::new(&shared, address.port(), listener::local_url(address));
        let (held, mut none_held) = mpsc::channel::<Infallible>(1);
        let tls = TlsAcceptor::from(Arc::new(tls));
        let connections = Arc::new(Connections::new(tls, router(Arc::clone(&shared))));
        let gate = Gate::new(most_connections(), CONNECTIONS_OF_ONE);
        tokio::spawn(accept(listener, connections, gate, stopped, held));
        let logins = logins(&shared, address.port()).await;
        told.ready(&shared, "serving");
        let (prepared, first) = oneshot::channel();
        let reloads = Reloads::new(&shared, known, told).run(hangup, wanted, prepared);
        let reloads = tokio::spawn(reloads);
        let is_ended = tokio::select! {
            // In vain where it ended: then it is not prepared either.
            _ = timeout(ANNOUNCED, first) => false,
            () = ends.next() => true,
        };
        if !is_ended {
            announce(&started(&shared, address.port(), options)?)?;
            ends.next().await;
        }
        drop(ending);
        let status = last_words(going_on(&shared).await);
        tracing::info!("{status}");
        stopping(&status);
        reloads.abort();
        stop.send_replace(true);
        drop(logins);
        tokio::select! {
            _ = none_held.recv() => {}
            () = sleep(DRAIN) => tracing::warn!("connections that did not end are cut"),
            () = ends.next() => tracing::warn!("ended at once"),
        }
        Ok(())
    }
}

/// Signals that end the daemon.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn no_signals(error: &io::Error) -> Failure {
    Failure::message(Exit::Bug, format!("cannot listen to signals: {error}"))
}

async fn wanted(caller: &Caller, options: &repos::Options) -> Result<Wanted, Failure> {
    let (caller, options) = (caller.clone(), options.clone());
    let read = spawn_blocking(move || Wanted::read(&caller, &options)).await;
    read.map_err(|error| Failure::message(Exit::Bug, error.to_string()))?
}

/// The socket over which logins are given out; without it the rest is served.
async fn logins(shared: &Arc<Shared>, port: u16) -> Option<Server> {
    let shared = Arc::clone(shared);
    let opened = spawn_blocking(move || page::login::open(&shared, port)).await;
    let opened = opened.map_err(io::Error::other).flatten();
    opened
        .inspect_err(|error| tracing::warn!(%error, "nobody can log in to the page"))
        .ok()
}

/// The cap: no more than there are descriptors for.
fn most_connections() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current;
    let descriptors = descriptors.and_then(|count| usize::try_from(count).ok());
    descriptors.map_or(CONNECTIONS, |count| {
        count.saturating_sub(DESCRIPTORS).clamp(1, CONNECTIONS)
    })
}

fn started(shared: &Shared, port: u16, options: &ServeOptions) -> Result<Started, Failure> {
    let repos = shared.repos.get();
    Ok(Started {
        schema: "hl.serve/1",
        url: shared.url.clone(),
        port,
        fingerprint: shared.certificates.fingerprint().to_string(),
        specs: shared.specs.get().names()?,
        repos: repos.names(),
        preparing: repos.preparing(),
        refused: repos
            .refused()
            .map(|(name, why)| RefusedRepo {
                name: name.to_owned(),
                why: why.to_owned(),
            })
            .collect(),
        repo_token: options.repo_token.generated().map(str::to_owned),
    })
}

/// The runs of the lab that go on without the daemon.
async fn going_on(shared: &Arc<Shared>) -> Vec<String> {
    let shared = Arc::clone(shared);
    let looked = spawn_blocking(move || {
        let lab = shared.caller.lab_if_any().ok().flatten();
        let newest = lab.map(|lab| runs::page(&lab.paths, Some(RUNS)));
        let entries = newest.into_iter().flat_map(|page| page.entries);
        let running = entries.filter(|entry| {
            let summary = entry.summary.as_ref();
            summary.is_ok_and(|summary| summary.ending == Ending::Running)
        });
        running.map(|entry| entry.short).collect()
    });
    timeout(LOOK, looked)
        .await
        .ok()
        .and_then(Result::ok)
        .unwrap_or_default()
}

fn last_words(running: Vec<String>) -> String {
    match running.len() {
        0 => "stopping".to_owned(),
        1 => format!("stopping; run {} goes on", ticked(running)),
        _ => format!("stopping; runs {} go on", ticked(running)),
    }
}
