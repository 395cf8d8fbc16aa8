//! Port 22 of a simulated node. Its system is started when somebody comes, in the walls
//! of a guest, and what they say is carried to the sshd in there.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::guest::{GuestHost, bind_socket};
use hl_sim::{CommandLine, GuestSpec, Guests as _, Login};

/// Where the programs of a node ask.
const SOCKET: &str = "node.sock";
/// The port of sshd.
pub(super) const SSH: u16 = 22;
/// What the systems of nodes have for a gateway in a network of their own.
pub(super) const GATEWAY: Ipv4Addr = Ipv4Addr::new(100, 127, 0, 254);
/// How many connections of a node are carried at once.
const AT_ONCE: usize = 32;
/// How long its sshd has to come up, and to take a connection.
const PATIENCE: Duration = Duration::from_secs(15);

/// A node that can be reached.
pub(super) struct Door {
    pub(super) host: Arc<GuestHost>,
    pub(super) line: CommandLine,
    pub(super) login: Login,
    /// Its private host key.
    pub(super) host_key: PathBuf,
    /// Where its sshd listens, out of sight of clients.
    pub(super) inner: Ipv4Addr,
    state: Mutex<State>,
    carried: AtomicUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Down,
    Up,
    /// For good.
    Closed,
}

impl Door {
    pub(super) fn new(
        host: &Arc<GuestHost>,
        line: CommandLine,
        login: Login,
        host_key: PathBuf,
        inner: Ipv4Addr,
    ) -> Self {
        Self {
            host: Arc::clone(host),
            line,
            login,
            host_key,
            inner,
            state: Mutex::new(State::Down),
            carried: AtomicUsize::new(0),
        }
    }

    /// Takes connections, each in a thread of its own.
    pub(super) fn open(self: &Arc<Self>, listener: TcpListener) -> io::Result<()> {
        let door = Arc::clone(self);
        let named = thread::Builder::new().name(format!("ssh-{}", self.line.node()));
        named.spawn(move || door.accept(&listener)).map(drop)
    }

    /// Starts nothing any more.
    pub(super) fn close(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Closed;
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept() else {
                thread::sleep(Duration::from_millis(50));
                continue;
            };
            if self.carried.fetch_add(1, Ordering::Relaxed) >= AT_ONCE {
                self.carried.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let door = Arc::clone(self);
            let spawned = thread::Builder::new().spawn(move || {
                if let Err(error) = door.carry(&stream) {
                    let node = door.line.node();
                    writeln!(io::stderr(), "warning: SSH of node `{node}`: {error}").ok();
                }
                door.carried.fetch_sub(1, Ordering::Relaxed);
            });
            if spawned.is_err() {
                self.carried.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Carries one connection to its end.
    fn carry(&self, client: &TcpStream) -> Result<(), String> {
        let inner = self.up()?;
        let failed = |error: io::Error| format!("its sshd is not reached: {error}");
        let server = TcpStream::connect_timeout(&inner, PATIENCE).map_err(failed)?;
        let (mut to_server, mut from_client) = (&server, client);
        let (mut to_client, mut from_server) = (client, &server);
        thread::scope(|scope| {
            scope.spawn(move || {
                // Whoever ends it first, the other is told so.
                io::copy(&mut from_client, &mut to_server).ok();
                to_server.shutdown(Shutdown::Write).ok();
            });
            io::copy(&mut from_server, &mut to_client).ok();
            to_client.shutdown(Shutdown::Both).ok();
        });
        Ok(())
    }

    /// Where its sshd is, once its system runs.
    fn up(&self) -> Result<SocketAddr, String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = SocketAddr::from((self.inner, SSH));
        match *state {
            State::Up => return Ok(inner),
            State::Closed => return Err("the simulator ends".to_owned()),
            State::Down => {}
        }
        let started = self.start(inner);
        if started.is_err() {
            self.host.stop(self.line.number()).ok();
        }
        started?;
        *state = State::Up;
        Ok(inner)
    }

    fn start(&self, inner: SocketAddr) -> Result<(), String> {
        let number = self.line.number();
        let dir = self.host.own_dir(number)?;
        let failed = |error: io::Error| format!("no socket in `{}`: {error}", dir.display());
        let listener = bind_socket(&dir, SOCKET).map_err(failed)?;
        let socket = dir.join(SOCKET);
        self.line.serve(listener).map_err(failed)?;
        let name = self.line.node();
        let address = if self.inner.is_loopback() {
            format!("ip={}/8", self.inner)
        } else {
            format!("ip={}/24,gw={}", self.inner, GATEWAY)
        };
        let system = GuestSpec {
            vmid: number,
            name: name.to_owned(),
            disk: Some(format!("node:{name}")),
            user: Some(self.login.user.clone()),
            ssh_keys: self.login.keys.clone(),
            ipconfig: Some(address),
            ..GuestSpec::default()
        };
        self.host.start_node(&system, &socket, &self.host_key)?;
        wait_for(inner)?;
        self.line.booted()
    }
}

/// Waits until somebody listens.
fn wait_for(address: SocketAddr) -> Result<(), String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let tried = TcpStream::connect_timeout(&address, PATIENCE);
        match tried {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= until => {
                return Err(format!("its sshd did not come up in {PATIENCE:?}: {error}"));
            }
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}
