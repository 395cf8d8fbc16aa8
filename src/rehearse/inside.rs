//! `hl __inside`: the holder of a rehearsal. It seals the network, is the
//! simulated world while the user's recipe runs in it, and leaves nothing.

use std::fs;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use camino::Utf8PathBuf;

use super::controller::Controller;
use super::guest::{GuestHost, GuestHostConfig, Network, STAND_INS, overlay_works, veth_works};
use super::lock::Lock;
use super::nodes::Nodes;
use super::run::{self, InnerRun};
use super::seal;
use super::side::{Place, Side};
use super::world::LockedWorld;
use super::{keys, make_keys, nodes};
use crate::base::{Process, Signal, StopSource, Watch};
use crate::control;
use crate::diag::{Commands, Exit, Failure, render};
use crate::lab::{self, Paths};
use crate::plan::{TEXT, wrap};
use hl_sim::{Faults, Guests, Running, Server, ServerConfig, Tls, World};

/// Runs until the recipe is over; the exit code is that of the inner `hl`.
pub(super) fn main() -> ExitCode {
    match hold() {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            if !failure.diagnostics.is_empty() {
                writeln!(
                    io::stderr(),
                    "{}",
                    render(&failure, false, Commands::Rehearsed).trim_end()
                )
                .ok();
            }
            ExitCode::from(failure.exit.code())
        }
    }
}

fn failed(message: impl Into<String>) -> Failure {
    Failure::message(Exit::Several, message)
}

fn hold() -> Result<Exit, Failure> {
    // Before anything else: a signal must find somebody who cleans up.
    let mut watch =
        Watch::start().map_err(|e| failed(format!("cannot listen for signals: {e}")))?;
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|e| failed(format!("no orders: {e}")))?;
    let inner_run: InnerRun =
        serde_json::from_str(&line).map_err(|e| failed(format!("no orders: {e}")))?;
    let alone = watch_outer();

    let paths = Paths::live(inner_run.root.clone()).rehearsal();
    let lock = lock(&inner_run, &paths, &mut watch, &alone)?;
    let mut locked = LockedWorld::open(lock, &paths, &inner_run.identity, inner_run.fresh)?;
    let run_dir = locked.dir.join("run");
    let mut hosts = inner_run.hosts();
    hosts.extend(named_nodes(&inner_run, &locked.world));
    seal::close(&hosts, run_dir.as_std_path())
        .map_err(|e| failed(format!("the network cannot be sealed: {e}")))?;
    seal::prove_sealed(&inner_run.outer).map_err(|e| {
        failed(format!(
            "the network is not sealed, nothing was started: {e}"
        ))
    })?;
    say(
        &inner_run,
        "Sealed",
        "a network in which every address is this machine's own",
    );
    say(
        &inner_run,
        "Steps",
        "see this machine read-only, but for `state/rehearsal`; their `/tmp` and home are gone at the end",
    );

    let faults = faults(&inner_run, &locked.world)?;
    let guests = Arc::new(guest_host(&inner_run, &locked).map_err(failed)?);
    let server = Server::start(ServerConfig {
        listen: inner_run.listen.clone(),
        tls: Tls::Given(locked.certificate.clone()),
        guests: Arc::clone(&guests) as Arc<dyn Guests>,
        faults,
        save_to: Some(locked.dir.join("world.json").into_std_path_buf()),
        ..ServerConfig::new(locked.world.clone())
    })
    .map_err(|e| failed(format!("the simulator cannot start: {e}")))?;
    // A rule may want a certificate that is under an authority of its own.
    lab::write(&locked.dir.join("ca.pem"), server.ca_pem(), 0o644)?;
    let age = if locked.new {
        "new"
    } else {
        "kept from the last rehearsal"
    };
    say(
        &inner_run,
        "Simulating",
        &format!(
            "`{}` on {} ({age})",
            inner_run.nodes().join("`, `"),
            inner_run
                .listen
                .iter()
                .map(SocketAddr::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        ),
    );

    for line in server.healed() {
        say(&inner_run, "Healed", line);
    }
    make_keys(&paths)?;
    let nodes = nodes(&inner_run, &paths, &locked, &guests, &server)?;
    let control = control(&inner_run, &paths)?;
    let identity = nodes.as_ref().map(|_| keys::key(&paths));
    let place = Place {
        inner_run: &inner_run,
        locked: &locked,
        guests: &guests,
        identity: identity.as_deref(),
    };
    let exit = controller(place, &paths).and_then(|controller| {
        let exit = perform(place, control.as_ref(), &mut watch, &alone);
        if let Some(controller) = controller {
            controller.stop();
        }
        exit
    });
    locked.lock.ends();
    if let Some(socket) = control {
        // Left over at worst: the next run takes it away.
        fs::remove_file(socket).ok();
    }
    for (rule, _) in server.faults().iter().filter(|(_, count)| *count == 0) {
        say(&inner_run, "Faults", &format!("`{rule}` met nothing"));
    }
    if let Some(nodes) = nodes {
        nodes.close();
    }
    let ended = server.stop();
    guests.stop_all();
    if let Err(error) = ended {
        writeln!(io::stderr(), "warning: {error}").ok();
    }
    exit
}

/// What goes wrong, and whether the world has what it is about.
fn faults(inner_run: &InnerRun, world: &World) -> Result<Faults, Failure> {
    let invalid = |message: String| Failure::message(Exit::Definition, message);
    let faults = Faults::new(&inner_run.faults).map_err(|bad| invalid(bad.message))?;
    if let Some(lacking) = faults.lacking(world).into_iter().next() {
        return Err(invalid(lacking.message));
    }
    for rule in &inner_run.faults {
        say(inner_run, "Faults", &format!("`{rule}`"));
    }
    Ok(faults)
}

/// Takes the lab's rehearsal. A wait for an earlier one that is ending is said,
/// and ended by a signal or by the end of the `hl` that was typed.
fn lock(
    inner_run: &InnerRun,
    paths: &Paths,
    watch: &mut Watch,
    alone: &AtomicBool,
) -> Result<Lock, Failure> {
    let (pid, start) = inner_run.typed;
    let mut told = false;
    Lock::take(paths, Process { pid, start }, |ending| {
        if !told {
            told = true;
            let text = format!("for an earlier rehearsal to end (process {ending})");
            say(inner_run, "Waiting", &text);
        }
        let stop = match watch.arrived() {
            Some(Signal::Interrupt) => Exit::Interrupted,
            Some(_) => Exit::Terminated,
            None if alone.load(Ordering::Relaxed) => Exit::Terminated,
            None => return Ok(()),
        };
        Err(Failure::message(stop, "stopped before the rehearsal began"))
    })
}

/// Guests with a network of their own each, where this kernel can.
fn guest_host(inner_run: &InnerRun, locked: &LockedWorld) -> Result<GuestHost, String> {
    overlay_works(locked.dir.as_std_path())?;
    let apt_repo = inner_run
        .variables
        .get("HL_GUEST_APT")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HL_GUEST_APT").map(PathBuf::from))
        .filter(|repo| repo.join("Packages").is_file());
    let stubs = apt_repo
        .as_ref()
        .and_then(|repo| fs::read_to_string(repo.join("stubs.txt")).ok())
        .unwrap_or_default();
    let names: Vec<&str> = STAND_INS
        .iter()
        .map(|(name, _)| *name)
        .chain(stubs.split_whitespace())
        .collect();
    say(
        inner_run,
        "Guests",
        &format!(
            "run this machine's userland ({}); not the real thing in them: {}",
            release(),
            names.join(", ")
        ),
    );
    if apt_repo.is_none() {
        say(
            inner_run,
            "Guests",
            "can install nothing: `HL_GUEST_APT` names no repository (eval \"$(scripts/tools --print-env)\")",
        );
    }
    let network = if veth_works() {
        Network::Own
    } else {
        Network::Shared
    };
    if network == Network::Shared {
        say(
            inner_run,
            "Guests",
            "share one network: this kernel has no veth pairs",
        );
    }
    GuestHost::new(&GuestHostConfig {
        disks_dir: locked.dir.join("disks").into_std_path_buf(),
        run_dir: locked.dir.join("run").into_std_path_buf(),
        apt_repo,
        exe: inner_run.exe.clone(),
        network,
    })
}

/// `PRETTY_NAME` of this machine.
fn release() -> String {
    fs::read_to_string("/etc/os-release")
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or_else(
            || "unknown".to_owned(),
            |name| name.trim_matches('"').to_owned(),
        )
}

/// The controller that guests ask, where the lab has one that they can know.
fn controller(place: Place<'_>, paths: &Paths) -> Result<Option<Controller>, Failure> {
    let Some(port) = place.inner_run.controller else {
        return Ok(None);
    };
    let controller = Controller::start(place, paths, port)?;
    say(
        place.inner_run,
        "Serving",
        &format!("specs to guests, on port {port} of every address"),
    );
    Ok(Some(controller))
}

/// Where the run is spoken to from this machine.
fn control(inner_run: &InnerRun, paths: &Paths) -> Result<Option<Utf8PathBuf>, Failure> {
    // Its name is made of where this lies.
    lab::create_dir(&paths.state())?;
    let place = control::Place::of(paths, inner_run.runtime_dir.as_deref());
    match place.make() {
        Ok(socket) => Ok(Some(socket.to_owned())),
        Err(error) => {
            let text = format!("this rehearsal cannot be stopped from elsewhere: {error}");
            say(inner_run, "Warning", &text);
            Ok(None)
        }
    }
}

/// Where each node is, as the provider looks it up for SSH: the API knows no address of
/// a node that the lab does not say one of.
fn named_nodes(inner_run: &InnerRun, world: &World) -> Vec<(IpAddr, String)> {
    let named = world.nodes.iter().enumerate().filter(|(_, node)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
        node.name.chars().all(plain)
    });
    let asked = inner_run.listen.first().map(SocketAddr::ip);
    named
        .filter_map(|(place, node)| {
            let own = || world.address_of(place).parse().ok();
            let address = asked.filter(|_| place == 0).or_else(own)?;
            Some((address, node.name.clone()))
        })
        .collect()
}

/// Port 22 of the nodes, where each guest has a network of its own: else the sshd of a
/// guest without an address would find it taken.
fn nodes(
    inner_run: &InnerRun,
    paths: &Paths,
    locked: &LockedWorld,
    guests: &Arc<GuestHost>,
    server: &Running,
) -> Result<Option<Nodes>, Failure> {
    if guests.network() != Network::Own {
        say(
            inner_run,
            "Nodes",
            "have no SSH: this kernel has no veth pairs",
        );
        return Ok(None);
    }
    let world = server.world();
    let asked: Vec<Ipv4Addr> = inner_run
        .listen
        .iter()
        .filter_map(|address| match address.ip() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
        .collect();
    let place = |place: usize| {
        let own = world.address_of(place).parse().ok();
        let asked = asked.iter().copied().filter(|_| place == 0);
        let mut all: Vec<Ipv4Addr> = own.into_iter().chain(asked).collect();
        all.sort_unstable();
        all.dedup();
        (all, nodes::inner(place))
    };
    let dir = locked.dir.join("ssh");
    let nodes = Nodes::open(server, guests, &dir, &keys::key(paths), place)?;
    nodes::learn(&nodes, &paths.known_hosts())?;
    Ok(Some(nodes))
}

/// Runs the local side to its end: the inner `hl`, and what a killed one left.
fn perform(
    place: Place<'_>,
    control: Option<&Utf8PathBuf>,
    watch: &mut Watch,
    alone: &Arc<AtomicBool>,
) -> Result<Exit, Failure> {
    let inner_run = place.inner_run;
    let Side {
        child: mut inner,
        mut life,
    } = place.start(&inner_run.command, control, |inner| {
        if inner_run.asks {
            inner.env("HL_REHEARSAL_ASKS", "1");
        }
    })?;
    let told = AtomicBool::new(false);
    loop {
        if let Ok(Some(status)) = inner.try_wait() {
            return Ok(run::exit(status));
        }
        while let Some(signal) = watch.arrived() {
            writeln!(life, "{}", signal.name()).ok();
        }
        // The terminal's `hl` was killed: the run ends as by SIGTERM.
        if alone.load(Ordering::Relaxed) && !told.swap(true, Ordering::Relaxed) {
            writeln!(life, "{}", Signal::Terminate.name()).ok();
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Becomes true when the outer `hl` is gone: its end of our standard input closes.
fn watch_outer() -> Arc<AtomicBool> {
    let gone = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&gone);
    thread::spawn(move || {
        let mut rest = Vec::new();
        io::stdin().lock().read_to_end(&mut rest).ok();
        told.store(true, Ordering::Relaxed);
    });
    gone
}

fn say(inner_run: &InnerRun, verb: &str, text: &str) {
    if !inner_run.quiet {
        let text = wrap(text, TEXT, TEXT, inner_run.width);
        writeln!(io::stderr(), "{verb:>12} {text}").ok();
    }
}
