//! `hl sim`: the Proxmox VE simulator on loopback, for trying things by hand.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::args::SimArgs;
use super::session::{Session, usage};
use crate::base::{StopSource, Watch};
use crate::diag::{Exit, Failure};
use crate::lab;
use crate::lab::timeouts::parse_duration;
use crate::plan::sanitize;
use crate::pve::rights::Objects;
use crate::rehearse::guest::{GuestHost, GuestHostConfig, Network, overlay_works};
use crate::rehearse::{OnLoopback, invent_secret, open_world, seed};
use crate::report::Paint;
use hl_sim::{Guests, Latency, NoGuests, Server, ServerConfig, World, certs};

/// What a kept world needs besides itself to be the same again.
#[derive(Debug, Serialize, Deserialize)]
struct Keys {
    token_id: String,
    secret: String,
    ca_pem: String,
    cert_pem: String,
    key_pem: String,
}

/// What L0 wants to find free, on loopback as all of `hl sim`. Builds go on in
/// a rehearsal only.
const BUILD_ADDRESS: &str = "127.76.0.9/8,gw=127.0.0.1";

pub(super) fn sim(session: &Session, args: &SimArgs) -> Result<Exit, Failure> {
    if !args.listen.ip().is_loopback() {
        return Err(
            usage(format!("`{}` is not a loopback address", args.listen))
                .help("the simulator has no business on a network: use 127.0.0.1"),
        );
    }
    let temporary =
        tempfile::tempdir().map_err(|error| cannot("make a temporary directory", &error))?;
    let dir = match &args.world {
        Some(dir) => private(session.caller.cwd.join(dir))?,
        None => Utf8PathBuf::try_from(temporary.path().to_owned()).map_err(|_| {
            Failure::message(
                Exit::CannotWrite,
                "the temporary directory's name is not UTF-8",
            )
        })?,
    };
    // A rehearsal's world has its own token, and a certificate for the lab's node. It
    // is locked as long as this lives.
    let rehearsal = open_world(&dir)?;
    let (objects, keys, ca_file) = match &rehearsal {
        Some(world) => {
            let keys = made(world.token_id.clone(), world.secret.clone())?;
            (world.objects.clone(), keys, dir.join("sim-ca.pem"))
        }
        None => (objects(session), keys(&dir, session)?, dir.join("ca.pem")),
    };
    let world_file = dir.join("world.json");
    let world = if world_file.exists() {
        World::load(world_file.as_std_path())
            .map_err(|error| cannot(&format!("read `{world_file}`"), &error))?
    } else {
        World::seeded(&seed(&objects, &keys.token_id, &keys.secret))
    };
    lab::write(&ca_file, &keys.ca_pem, 0o644)?;
    let (guests, about) = guests(session, &dir);
    let config = ServerConfig {
        listen: vec![args.listen],
        tls: hl_sim::Tls::Given(certs::Certificate {
            ca_pem: keys.ca_pem.clone(),
            cert_pem: keys.cert_pem.clone(),
            key_pem: keys.key_pem.clone(),
        }),
        world,
        guests: Arc::clone(&guests),
        latency: latency(&args.slow)?,
        save_to: Some(world_file.into_std_path_buf()),
    };
    let mut watch = Watch::start().map_err(|error| cannot("listen for signals", &error))?;
    let running = Server::start(config)
        .map_err(|error| Failure::message(Exit::CannotWrite, error.to_string()))?;
    for line in running.healed() {
        session.tell(Paint::Warn, "Healed", line);
    }
    let exports = [
        ("PVE_ACCESS_HOST", format!("https://{}", running.addr())),
        ("PVE_CA_FILE", ca_file.to_string()),
        ("PM_TOKEN_ID", keys.token_id),
        ("PM_TOKEN_SECRET", keys.secret),
        ("PVE_NODE", objects.node),
        ("PVE_STORAGE_VM", objects.storage_vm),
        ("PVE_STORAGE_ISO", objects.storage_iso),
        ("PVE_STORAGE_IMPORT", objects.storage_import),
        ("PVE_BRIDGE", objects.bridge),
        ("PVE_BUILD_ADDRESS", BUILD_ADDRESS.to_owned()),
        ("DOPPLER", "0".to_owned()),
    ];
    let lines = exports.map(|(name, value)| format!("export {name}='{value}'"));
    session.data(&lines.join("\n"))?;
    let serving = format!(
        "a simulated Proxmox VE on {}; {about}. Ctrl-C ends it",
        running.addr()
    );
    session.tell(Paint::Active, "Serving", serving);
    while watch.arrived().is_none() {
        std::thread::sleep(Duration::from_millis(100));
    }
    let requests = running.request_count();
    running
        .stop()
        .map_err(|error| Failure::message(Exit::CannotWrite, error.to_string()))?;
    session.tell(Paint::Good, "Stopped", format!("after {requests} requests"));
    Ok(Exit::Ok)
}

/// Makes the directory of a world where it is missing: what is in there is its
/// owner's alone.
fn private(dir: Utf8PathBuf) -> Result<Utf8PathBuf, Failure> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    match builder.create(&dir) {
        Ok(()) => Ok(dir),
        Err(error) => Err(cannot(&format!("make `{dir}`"), &error)),
    }
}

/// Real SSH guests where this machine allows them, and what is said of them.
fn guests(session: &Session, dir: &Utf8Path) -> (Arc<dyn Guests>, String) {
    let none = |why: String| {
        (
            Arc::new(NoGuests) as Arc<dyn Guests>,
            format!("its VMs have no systems inside: {why}"),
        )
    };
    if !rustix::process::geteuid().is_root() {
        return none("only root can make them".to_owned());
    }
    if let Err(why) = overlay_works(dir.as_std_path()) {
        return none(why);
    }
    let config = GuestHostConfig {
        disks_dir: dir.join("disks").into_std_path_buf(),
        run_dir: dir.join("run").into_std_path_buf(),
        apt_repo: session
            .caller
            .var("HL_GUEST_APT")
            .map(PathBuf::from)
            .filter(|repo| repo.join("Packages").is_file()),
        exe: match std::env::current_exe() {
            Ok(exe) => exe,
            Err(error) => return none(error.to_string()),
        },
        network: Network::Machine,
    };
    let (palette, quiet) = (session.palette(), session.globals.quiet);
    match GuestHost::new(&config) {
        Ok(host) => {
            let guests = OnLoopback::new(host, move |guest, address| {
                if !quiet {
                    let user = guest.user.as_deref().unwrap_or("root");
                    let verb = palette.verb(Paint::Good, "Started");
                    let line = format!(
                        "{verb} VM {} `{}`: ssh {user}@{address}",
                        guest.vmid,
                        sanitize(&guest.name)
                    );
                    // A closed stderr must not stop a guest.
                    drop(writeln!(std::io::stderr(), "{line}"));
                }
            });
            (
                Arc::new(guests),
                "its VMs are SSH guests on 127.77.x.y, in this machine's network and less cut off than in a rehearsal".to_owned(),
            )
        }
        Err(why) => none(why),
    }
}

/// The node as the surrounding variables describe it, else a fresh installation.
fn objects(session: &Session) -> Objects {
    let fresh = Objects::default();
    let get = |name: &str, default: String| {
        let value = session.caller.var(name).filter(|v| !v.is_empty());
        value.map_or(default, str::to_owned)
    };
    Objects {
        node: get("PVE_NODE", fresh.node),
        storage_vm: get("PVE_STORAGE_VM", fresh.storage_vm),
        storage_iso: get("PVE_STORAGE_ISO", fresh.storage_iso),
        storage_import: get("PVE_STORAGE_IMPORT", fresh.storage_import),
        bridge: get("PVE_BRIDGE", fresh.bridge),
    }
}

/// Token and certificate of a world: kept with it, made when it is new.
fn keys(dir: &Utf8Path, session: &Session) -> Result<Keys, Failure> {
    let file = dir.join("keys.json");
    if let Ok(text) = std::fs::read_to_string(&file) {
        return serde_json::from_str(&text).map_err(|error| {
            Failure::message(
                Exit::Definition,
                format!("`{file}` is not what `hl sim` writes: {error}"),
            )
        });
    }
    let token_id = session.caller.var("PM_TOKEN_ID").unwrap_or("hl@pve!hl");
    let keys = made(token_id.to_owned(), invent_secret())?;
    lab::write(
        &file,
        serde_json::to_string(&keys).unwrap_or_default(),
        0o600,
    )?;
    Ok(keys)
}

/// A certificate for loopback beside a token.
fn made(token_id: String, secret: String) -> Result<Keys, Failure> {
    let names = ["127.0.0.1", "localhost", "::1"].map(str::to_owned);
    let made = certs::with_authority(&names).map_err(|error| {
        Failure::message(Exit::Bug, format!("cannot make a certificate: {error}"))
    })?;
    Ok(Keys {
        token_id,
        secret,
        ca_pem: made.ca_pem,
        cert_pem: made.cert_pem,
        key_pem: made.key_pem,
    })
}

fn latency(slow: &[String]) -> Result<Latency, Failure> {
    let mut tasks = BTreeMap::new();
    for entry in slow {
        let (task, time) = entry
            .split_once('=')
            .and_then(|(task, time)| Some((task, parse_duration(time)?)))
            .ok_or_else(|| {
                usage(format!("`--slow {entry}` is not TASK=TIME")).help("such as --slow clone=7s")
            })?;
        tasks.insert(task.to_owned(), time);
    }
    Ok(Latency {
        tasks,
        refusal: Duration::ZERO,
    })
}

fn cannot(what: &str, error: &std::io::Error) -> Failure {
    Failure::message(Exit::CannotWrite, format!("cannot {what}: {error}"))
}
