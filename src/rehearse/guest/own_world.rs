//! The own world of a guest that is a Proxmox VE: its API at the guest's addresses, its
//! command line, and the guests of its own.
//!
//! A guest asks for it when its `pve-cluster` starts, at a socket that it alone sees. A
//! thread of the holder answers, which is in the guest's network namespace; so is all
//! that it starts, and a machine of that world is reached through the guest alone.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener};
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::sockopt::socket_peercred;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};

use super::line::Line;
use super::own_guests::OwnGuests;
use super::sockets::bind_socket;
use hl_sim::{
    Bridge, Downloads, Guests, Profile, Running, Seed, SeedStorage, Server, ServerConfig, Tls,
    World, certs,
};

/// The directory in a guest, with the sockets and the certificate of its world.
pub(super) const DIR: &str = "/run/hl/node";
/// Where the guest asks for its world.
pub(super) const WISH: &str = "wish.sock";
/// Where its programs ask, once there is one.
pub(super) const COMMANDS: &str = "node.sock";
/// The port of the API.
const PORT: u16 = 8006;
/// Between two looks at the socket and at the guest's bridges.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest request.
const LONGEST: u64 = 4096;
/// What the interfaces of bridges are called.
const BRIDGE: &str = "vmbr";
/// What `local` of a node that was a Debian may hold, when nobody has said otherwise.
const LOCAL: [&str; 6] = ["backup", "images", "iso", "rootdir", "snippets", "vztmpl"];

/// Makes the machines of a world, when there is one.
pub(super) type MakeGuests = Box<dyn Fn() -> Result<Arc<dyn Guests>, String> + Send>;

/// What a guest asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Wish {
    /// Its host name, which is that of the node.
    pub(super) node: String,
    /// Version of its `pve-manager`.
    pub(super) version: String,
    /// Identity of the boot: a world ends with it.
    pub(super) boot: String,
}

/// What a guest's own world is made of.
pub(super) struct Owner {
    /// Directory on this machine that the guest sees as [`DIR`].
    pub(super) shown: PathBuf,
    /// Where the world is kept: on the guest's disk, out of its sight.
    pub(super) kept: PathBuf,
    /// The network namespace of the guest.
    pub(super) network: File,
    /// The guest's address.
    pub(super) address: Option<Ipv4Addr>,
    /// Its PID 1.
    pub(super) line: Weak<Line>,
    /// Makes the machines of its world.
    pub(super) guests: MakeGuests,
}

/// The thread that answers a guest. It ends, with the world, when this is dropped.
#[derive(Debug)]
pub(super) struct OwnWorld {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl OwnWorld {
    /// Takes the socket at which a guest asks; to be called before it starts.
    pub(super) fn listen(shown: &Path) -> Result<UnixListener, String> {
        bind_socket(shown, WISH)
            .map_err(|error| format!("no socket in `{}`: {error}", shown.display()))
    }

    /// Begins to answer.
    pub(super) fn attend(listener: UnixListener, owner: Owner) -> Result<Self, String> {
        let ends = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ends);
        listener
            .set_nonblocking(true)
            .map_err(|error| error.to_string())?;
        let named = thread::Builder::new().name("own-world".to_owned());
        let thread = named
            .spawn(move || attend(&listener, &owner, &told))
            .map_err(|error| error.to_string())?;
        Ok(Self {
            ends,
            thread: Some(thread),
        })
    }
}

impl Drop for OwnWorld {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// A world that is served.
struct Served {
    running: Running,
    wish: Wish,
    /// The bridges of the guest that the world was told of.
    bridges: BTreeSet<String>,
}

fn attend(listener: &UnixListener, owner: &Owner, ends: &AtomicBool) {
    // From here on this thread, and each that it makes, is in the guest's network.
    let kind = Some(LinkNameSpaceType::Network);
    if let Err(error) = move_into_link_name_space(owner.network.as_fd(), kind) {
        warn(&format!("the guest's network is not reached: {error}"));
        return;
    }
    let mut served: Option<Served> = None;
    while !ends.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => answer(&stream, owner, &mut served),
            Err(_) => thread::sleep(PAUSE),
        }
        if let Some(served) = &mut served {
            served.follow_bridges();
        }
    }
    if let Some(served) = served {
        served.stop();
    }
}

fn warn(text: &str) {
    writeln!(io::stderr(), "warning: the world of a guest: {text}").ok();
}

/// One request: a line of JSON from root of the guest. The answer is an error, or
/// nothing when the world is there.
fn answer(stream: &UnixStream, owner: &Owner, served: &mut Option<Served>) {
    let told = request(stream).and_then(|wish| grant(owner, served, wish));
    let mut stream = stream;
    if let Err(error) = told {
        stream.write_all(error.as_bytes()).ok();
    }
    stream.shutdown(Shutdown::Both).ok();
}

fn request(stream: &UnixStream) -> Result<Wish, String> {
    let failed = |error: io::Error| error.to_string();
    stream.set_nonblocking(false).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    if !socket_peercred(stream).is_ok_and(|peer| peer.uid.is_root()) {
        return Err("please run as root".to_owned());
    }
    let mut text = Vec::new();
    stream
        .take(LONGEST)
        .read_to_end(&mut text)
        .map_err(failed)?;
    let wish: Wish = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if wish.node.is_empty() || wish.node.len() > 63 || !wish.node.chars().all(plain) {
        return Err(format!("`{}` cannot be the name of a node", wish.node));
    }
    Ok(wish)
}

fn grant(owner: &Owner, served: &mut Option<Served>, wish: Wish) -> Result<(), String> {
    if let Some(own) = served
        && own.wish.boot == wish.boot
        && own.wish.node == wish.node
    {
        return Ok(());
    }
    // After a restart of the guest nothing of the last boot runs any more.
    if let Some(earlier) = served.take() {
        earlier.stop();
    }
    *served = Some(Served::start(owner, wish)?);
    Ok(())
}

impl Served {
    fn start(owner: &Owner, wish: Wish) -> Result<Self, String> {
        fs::create_dir_all(&owner.kept)
            .map_err(|error| format!("cannot create `{}`: {error}", owner.kept.display()))?;
        let file = owner.kept.join("world.json");
        let world = if file.exists() {
            World::load(&file).map_err(|error| format!("cannot read its world: {error}"))?
        } else {
            World::seeded(&seed(&wish))
        };
        if !world.nodes.iter().any(|node| node.name == wish.node) {
            let known = world.nodes.first().map_or("", |node| node.name.as_str());
            return Err(format!(
                "this node is `{known}`, and the host is called `{}` now",
                wish.node
            ));
        }
        let certificate = certificate(owner, &wish.node)?;
        for (name, text) in [
            ("pve-root-ca.pem", &certificate.ca_pem),
            ("pve-ssl.pem", &certificate.cert_pem),
        ] {
            fs::write(owner.shown.join(name), text)
                .map_err(|error| format!("cannot write `{name}`: {error}"))?;
        }
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))
            .map_err(|error| format!("cannot listen on port {PORT}: {error}"))?;
        let guests = OwnGuests::new((owner.guests)()?, Weak::clone(&owner.line));
        let running = Server::start(ServerConfig {
            listen: Vec::new(),
            listeners: vec![listener],
            tls: Tls::Given(certificate),
            guests: Arc::new(guests),
            save_to: Some(file),
            ..ServerConfig::new(world)
        })
        .map_err(|error| format!("its API does not start: {error}"))?;
        let line = running
            .command_line(&wish.node)
            .ok_or_else(|| format!("there is no node `{}`", wish.node))?;
        let socket = bind_socket(&owner.shown, COMMANDS)
            .map_err(|error| format!("no socket in `{}`: {error}", owner.shown.display()))?;
        line.serve(socket).map_err(|error| error.to_string())?;
        if let Err(error) = line.booted() {
            warn(&error);
        }
        let mut served = Self {
            running,
            wish,
            bridges: BTreeSet::new(),
        };
        served.follow_bridges();
        Ok(served)
    }

    /// The node has the bridges that the guest has.
    fn follow_bridges(&mut self) {
        let found = bridges();
        if found == self.bridges {
            return;
        }
        let earlier = std::mem::replace(&mut self.bridges, found.clone());
        self.running.change(|world| {
            let Some(node) = world.nodes.first_mut() else {
                return;
            };
            for bridge in &mut node.bridges {
                bridge.active = found.contains(&bridge.name) || !earlier.contains(&bridge.name);
            }
            for name in found {
                if !node.bridges.iter().any(|bridge| bridge.name == name) {
                    node.bridges.push(Bridge {
                        name,
                        cidr: None,
                        gateway: None,
                        active: true,
                    });
                }
            }
        });
    }

    fn stop(self) {
        if let Err(error) = self.running.stop() {
            warn(&error.to_string());
        }
    }
}

/// The bridges of the network that this thread is in.
fn bridges() -> BTreeSet<String> {
    let text = fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    let names = text.lines().filter_map(|line| line.split_once(':'));
    names
        .map(|(name, _)| name.trim().to_owned())
        .filter(|name| name.starts_with(BRIDGE))
        .collect()
}

/// A node that was a Debian: one storage, and nobody but root.
fn seed(wish: &Wish) -> Seed {
    let major = wish.version.split('.').next();
    Seed {
        profile: match major {
            Some("8") => Profile::v8_4(),
            _ => Profile::v9_1(),
        },
        node: wish.node.clone(),
        storages: vec![SeedStorage::new("local", "dir", &LOCAL)],
        bridges: Vec::new(),
        tokens: Vec::new(),
        downloads: Downloads::taken(),
        ..Seed::default()
    }
}

/// The certificate of the node, for the names and addresses that it has.
#[derive(Serialize, Deserialize)]
struct Kept {
    names: Vec<String>,
    cert_pem: String,
    key_pem: String,
    ca_pem: String,
}

fn certificate(owner: &Owner, node: &str) -> Result<certs::Certificate, String> {
    let mut names = vec!["127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(["localhost".to_owned(), node.to_owned()]);
    names.extend(owner.address.map(|address| address.to_string()));
    let file = owner.kept.join("certificate.json");
    let kept = fs::read_to_string(&file).ok();
    let kept = kept.and_then(|text| serde_json::from_str::<Kept>(&text).ok());
    if let Some(kept) = kept.filter(|kept| kept.names == names) {
        return Ok(certs::Certificate {
            cert_pem: kept.cert_pem,
            key_pem: kept.key_pem,
            ca_pem: kept.ca_pem,
        });
    }
    let made = certs::with_authority(&names)
        .map_err(|error| format!("cannot make a certificate: {error}"))?;
    let kept = Kept {
        names,
        cert_pem: made.cert_pem.clone(),
        key_pem: made.key_pem.clone(),
        ca_pem: made.ca_pem.clone(),
    };
    let text = serde_json::to_string(&kept).map_err(|error| error.to_string())?;
    fs::write(&file, text)
        .map_err(|error| format!("cannot write `{}`: {error}", file.display()))?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_what_its_guest_says() {
        let wish = |version: &str| Wish {
            node: "heron".to_owned(),
            version: version.to_owned(),
            boot: "b".to_owned(),
        };
        let made = seed(&wish("8.4.1"));
        assert_eq!((made.profile.major, made.node.as_str()), (8, "heron"));
        assert_eq!(seed(&wish("9.1.2")).profile.major, 9);
        assert!(made.tokens.is_empty() && made.bridges.is_empty());
    }
}
