//! The server: sockets, TLS, and the threads that the simulator lives on.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use rustls::version::TLS12;
use rustls::{DEFAULT_VERSIONS, ServerConfig as TlsConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::runtime::{Builder, Runtime};

use super::certs::{self, Certificate};
use super::command::CommandLine;
use super::fault::{Faults, TlsFault};
use super::gate::Gate;
use super::guests::{Guests, NoGuests};
use super::heal::heal;
use super::http;
use super::log::{RequestLine, RequestLog};
use super::machine::Sim;
use super::power;
use super::world::World;

/// How long `stop` waits for workers.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// What a server is started with.
pub struct ServerConfig {
    /// Addresses to listen on; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Sockets that listen already, for a network that this process is not in.
    pub listeners: Vec<TcpListener>,
    /// The certificate.
    pub tls: Tls,
    /// The world to begin with.
    pub world: World,
    /// Who runs the virtual machines.
    pub guests: Arc<dyn Guests>,
    /// What goes wrong, and how slow it is.
    pub faults: Faults,
    /// Where the world is saved after every change.
    pub save_to: Option<PathBuf>,
    /// A file that gets a line of JSON for each request.
    pub log_to: Option<PathBuf>,
}

impl ServerConfig {
    /// A world on a free port of 127.0.0.1, under an authority of its own; its VMs have
    /// nothing inside, nothing goes wrong, and nothing is kept.
    pub fn new(world: World) -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            listeners: Vec::new(),
            tls: Tls::Authority(vec!["127.0.0.1".to_owned()]),
            world,
            guests: Arc::new(NoGuests),
            faults: Faults::default(),
            save_to: None,
            log_to: None,
        }
    }
}

impl std::fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerConfig")
            .field("listen", &self.listen)
            .field("listeners", &self.listeners)
            .field("faults", &self.faults)
            .field("save_to", &self.save_to)
            .field("log_to", &self.log_to)
            .finish_non_exhaustive()
    }
}

/// Where the server's certificate comes from.
#[derive(Debug, Clone)]
pub enum Tls {
    /// One that exists.
    Given(Certificate),
    /// A new one for these names and addresses, under a new authority.
    Authority(Vec<String>),
    /// A new one for these names and addresses that signed itself.
    SelfSigned(Vec<String>),
}

/// Why a server does not start or stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No address was given.
    #[error("no address to listen on")]
    NoAddress,
    /// An address cannot be listened on.
    #[error("cannot listen on `{0}`: {1}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The certificate or its key cannot be used.
    #[error("cannot use the certificate: {0}")]
    Certificate(String),
    /// The server's threads cannot be started.
    #[error("cannot start the server's threads: {0}")]
    Threads(#[source] io::Error),
    /// The file for requests cannot be opened.
    #[error("cannot write to `{path}`: {source}")]
    Log {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The world cannot be saved.
    #[error("cannot save the world: {0}")]
    Save(String),
    /// Guests or files were left behind.
    #[error("not everything ended well: {0}")]
    Stop(String),
}

/// Starts servers.
#[derive(Debug, Clone, Copy)]
pub struct Server;

/// A running server. Dropping it stops it.
pub struct Running {
    addrs: Vec<SocketAddr>,
    ca_pem: String,
    fingerprint: String,
    healed: Vec<String>,
    sim: Arc<Sim>,
    handle: Handle<SocketAddr>,
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("addrs", &self.addrs)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Boots the world's guests, then listens. Returns when requests are
    /// answered; the server lives on threads of its own.
    pub fn start(config: ServerConfig) -> Result<Running, Error> {
        let fault = config.faults.tls();
        let certificate = certificate(config.tls, fault, &config.listen)?;
        let (tls, fingerprint) = tls_config(&certificate, fault == Some(TlsFault::Old))?;
        let mut listeners = Vec::new();
        for addr in &config.listen {
            listeners.push(listen(*addr)?);
        }
        for listener in config.listeners {
            listeners.push(taken(listener)?);
        }
        let addrs: Vec<SocketAddr> = listeners.iter().map(|(addr, _)| *addr).collect();
        if addrs.is_empty() {
            return Err(Error::NoAddress);
        }
        let log = match config.log_to {
            Some(path) => RequestLog::to(&path).map_err(|source| Error::Log {
                path: path.display().to_string(),
                source,
            })?,
            None => RequestLog::default(),
        };
        let sim = Arc::new(Sim::new(
            config.world,
            config.guests,
            config.faults,
            log,
            config.save_to,
        ));
        sim.change(|world| {
            world.fingerprint.clone_from(&fingerprint);
            sim.faults.begin(world);
        });
        if let Some(error) = sim.save_error() {
            return Err(Error::Save(error));
        }
        let healed = heal(&sim);
        power::boot(&sim);

        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("sim")
            .enable_all()
            .build()
            .map_err(Error::Threads)?;
        let app = Router::new()
            .fallback(http::serve)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&sim));
        let handle = Handle::new();
        for (addr, listener) in listeners {
            // Tokio registers the socket with the runtime that it is in.
            let _inside = runtime.enter();
            let mut server = axum_server::from_tcp(listener)
                .map_err(|error| Error::Listen(addr, error))?
                .acceptor(Gate::new(tls.clone()))
                .handle(handle.clone());
            server
                .http_builder()
                .http1()
                .title_case_headers(true)
                .keep_alive(true);
            let service = app.clone().into_make_service();
            // HTTP/2 would drop the reason phrase, and nothing offers it.
            runtime.spawn(server.http1_only().serve(service));
        }
        Ok(Running {
            addrs,
            ca_pem: certificate.ca_pem,
            fingerprint,
            healed,
            sim,
            handle,
            runtime: Some(runtime),
        })
    }
}

impl Running {
    /// The first address that is listened on.
    pub fn addr(&self) -> SocketAddr {
        self.addrs
            .first()
            .copied()
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// All addresses that are listened on.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// What a client has to trust, PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// SHA-256 of the leaf, upper-case hexadecimal with colons.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What was undone or finished at the start, because the process that began
    /// it is gone: one line each.
    pub fn healed(&self) -> &[String] {
        &self.healed
    }

    /// The last requests, oldest first.
    pub fn requests(&self) -> Vec<RequestLine> {
        self.sim.log.lines()
    }

    /// How many requests there were.
    pub fn request_count(&self) -> u64 {
        self.sim.log.counts().0
    }

    /// How many requests were not GET or HEAD.
    pub fn write_count(&self) -> u64 {
        self.sim.log.counts().1
    }

    /// What was asked for and is not there (501): method and path, and how often. Of
    /// more than a few hundred different ones, the first.
    pub fn not_implemented(&self) -> Vec<(String, u64)> {
        self.sim.log.not_implemented()
    }

    /// Why the file for requests is not complete, if it is not.
    pub fn log_error(&self) -> Option<String> {
        self.sim.log.error()
    }

    /// Each rule of [`ServerConfig::faults`], and how often it had its effect.
    pub fn faults(&self) -> Vec<(String, u64)> {
        self.sim.faults.counts()
    }

    /// The world as it is now.
    pub fn world(&self) -> World {
        self.sim.world().clone()
    }

    /// Changes the world behind the clients' backs, as a hand on the node would.
    pub fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        self.sim.change(change)
    }

    /// The command line of a node; `None`: there is no such node.
    pub fn command_line(&self, node: &str) -> Option<CommandLine> {
        self.sim.world().node(node)?;
        Some(CommandLine {
            sim: Arc::clone(&self.sim),
            node: node.to_owned(),
            runtime: self.runtime.as_ref()?.handle().clone(),
        })
    }

    /// Ends the delays of tasks that [`ServerConfig::faults`] make: slow ones do their
    /// work now, and those that hang end.
    pub fn hurry(&self) {
        self.sim.hurry();
    }

    /// Stops listening, lets tasks end, stops the guests, saves the world.
    pub fn stop(mut self) -> Result<(), Error> {
        match self.end() {
            errors if errors.is_empty() => Ok(()),
            errors => Err(Error::Stop(errors.join("; "))),
        }
    }

    fn end(&mut self) -> Vec<String> {
        let Some(runtime) = self.runtime.take() else {
            return Vec::new();
        };
        self.handle.shutdown();
        let errors = self.sim.stop(STOP_PATIENCE);
        runtime.shutdown_timeout(Duration::from_secs(2));
        errors
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.end());
    }
}

fn listen(addr: SocketAddr) -> Result<(SocketAddr, TcpListener), Error> {
    let listener = TcpListener::bind(addr).map_err(|error| Error::Listen(addr, error))?;
    taken(listener)
}

/// A socket as the server wants it, and where it listens.
fn taken(listener: TcpListener) -> Result<(SocketAddr, TcpListener), Error> {
    let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
    let fail = |error| Error::Listen(unknown, error);
    let bound = listener.local_addr().map_err(fail)?;
    let fail = |error| Error::Listen(bound, error);
    listener.set_nonblocking(true).map_err(fail)?;
    Ok((bound, listener))
}

/// The certificate to show: what was asked for, or what a rule makes of it, which is
/// under an authority of its own.
fn certificate(
    tls: Tls,
    fault: Option<TlsFault>,
    listen: &[SocketAddr],
) -> Result<Certificate, rcgen::Error> {
    let own = || -> Vec<String> {
        let addresses = listen.iter().map(|addr| addr.ip().to_string());
        addresses.chain(["localhost".to_owned()]).collect()
    };
    let names = |tls: &Tls| match tls {
        Tls::Given(_) => own(),
        Tls::Authority(names) | Tls::SelfSigned(names) => names.clone(),
    };
    match fault {
        None | Some(TlsFault::Old) => match tls {
            Tls::Given(certificate) => Ok(certificate),
            Tls::Authority(names) => certs::with_authority(&names),
            Tls::SelfSigned(names) => certs::self_signed(&names),
        },
        Some(TlsFault::Expired) => certs::valid(&names(&tls), -20..-10),
        Some(TlsFault::NotYetValid) => certs::valid(&names(&tls), 10..20),
        Some(TlsFault::WrongName) => certs::with_authority(&["other.invalid".to_owned()]),
        // What clients are told to trust is not it.
        Some(TlsFault::SelfSigned) => {
            let trusted = certs::with_authority(&names(&tls))?;
            Ok(Certificate {
                ca_pem: trusted.ca_pem,
                ..certs::self_signed(&names(&tls))?
            })
        }
    }
}

fn tls_config(certificate: &Certificate, old: bool) -> Result<(RustlsConfig, String), Error> {
    let unusable = |error: &dyn std::fmt::Display| Error::Certificate(error.to_string());
    let chain = CertificateDer::pem_slice_iter(certificate.cert_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(&error))?;
    let Some(leaf) = chain.first() else {
        return Err(unusable(&"no certificate in its PEM"));
    };
    let fingerprint = certs::fingerprint(leaf);
    let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes())
        .map_err(|error| unusable(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: &[&SupportedProtocolVersion] = if old { &[&TLS12] } else { DEFAULT_VERSIONS };
    let mut config = TlsConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| unusable(&error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| unusable(&error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((RustlsConfig::from_config(Arc::new(config)), fingerprint))
}
