//! `hl sim`: a world is served until a signal comes.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::access::Access;
use super::args::ServeArgs;
use super::guests::systems;
use super::open::open;
use super::place::{Place, cannot};
use super::{exports, report, ssh};
use crate::base::{StopSource, Watch};
use crate::cli::session::{Session, usage};
use crate::diag::{Exit, Failure};
use crate::lab;
use crate::lab::timeouts::parse_duration;
use crate::rehearse::read_faults;
use crate::report::Paint;
use hl_sim::{Faults, Server, ServerConfig, Tls, World};

pub(super) fn serve(session: &Session, args: &ServeArgs) -> Result<Exit, Failure> {
    if !args.listen.ip().is_loopback() {
        return Err(
            usage(format!("`{}` is not a loopback address", args.listen))
                .help("the simulator has no business on a network: use 127.0.0.1"),
        );
    }
    let cwd = &session.caller.cwd;
    let mut place = Place::open(args.world.as_ref().map(|dir| cwd.join(dir)))?;
    let opened = open(session, args, &place.dir)?;
    let faults = faults(session, args, &opened.world)?;
    let systems = systems(session, &place.dir);
    let mut watch = Watch::start().map_err(|error| cannot("listen for signals", &error))?;
    let log = args.log.as_ref().map(|file| cwd.join(file));
    let running = Server::start(ServerConfig {
        listen: vec![args.listen],
        tls: Tls::Given(opened.certificate),
        guests: Arc::clone(&systems.guests),
        faults,
        // Of one that is gone afterwards, nobody reads the file.
        save_to: place.is_kept().then(|| opened.file.into_std_path_buf()),
        log_to: log.map(camino::Utf8PathBuf::into_std_path_buf),
        ..ServerConfig::new(opened.world)
    })
    .map_err(|error| Failure::message(Exit::CannotWrite, error.to_string()))?;
    // A rule may want a certificate that is under an authority of its own.
    lab::write(&opened.ca_file, running.ca_pem(), 0o644)?;
    for line in running.healed() {
        session.tell(Paint::Warn, "Healed", line);
    }
    let ssh = ssh::open(session, &running, &systems, &place.dir)?;
    let access = Access {
        url: format!("https://{}", running.addr()),
        ca_file: opened.ca_file,
        token_id: opened.token_id,
        secret: opened.secret,
        objects: opened.objects,
        admin: opened.admin,
        ssh: ssh.as_ref().map(|(access, _)| access.clone()),
    };
    place.announce(&access)?;
    exports::print(session, &access, &args.clients)?;
    let ends = if args.until_stdin_closes {
        "the end of standard input ends it"
    } else {
        "Ctrl-C ends it"
    };
    let serving = format!(
        "a simulated Proxmox VE on {}; {}. {ends}",
        running.addr(),
        systems.about
    );
    session.tell(Paint::Active, "Serving", serving);
    let closed = closed(args.until_stdin_closes);
    while watch.arrived().is_none() && !closed.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(100));
    }
    if let Some((_, nodes)) = &ssh {
        nodes.close();
    }
    let ended = report::ended(session, running);
    if let Some(guests) = &systems.on_loopback {
        guests.stop_all();
    }
    ended
}

/// Rules, with what `--slow` says as rules too.
fn faults(session: &Session, args: &ServeArgs, world: &World) -> Result<Faults, Failure> {
    let file = args.faults.faults.as_ref();
    let file = file.map(|file| session.caller.cwd.join(file));
    let rules = read_faults(&args.faults.fault, file.as_deref())?;
    let invalid = |message: String| Failure::message(Exit::Definition, message);
    let mut faults = Faults::new(&rules).map_err(|bad| invalid(bad.message))?;
    if let Some(lacking) = faults.lacking(world).into_iter().next() {
        return Err(invalid(lacking.message));
    }
    for entry in &args.slow {
        let (task, time) = entry
            .split_once('=')
            .and_then(|(task, time)| Some((task, parse_duration(time)?)))
            .ok_or_else(|| {
                usage(format!("`--slow {entry}` is not TASK=TIME")).help("such as --slow clone=7s")
            })?;
        faults = faults.slow(task, time);
    }
    Ok(faults)
}

/// Becomes true when standard input ends, if that is to be known.
fn closed(watched: bool) -> Arc<AtomicBool> {
    let closed = Arc::new(AtomicBool::new(false));
    if watched {
        let told = Arc::clone(&closed);
        std::thread::spawn(move || {
            let mut input = std::io::stdin().lock();
            let mut piece = [0; 4096];
            // An error is an end, too.
            while input.read(&mut piece).is_ok_and(|count| count > 0) {}
            told.store(true, Ordering::Relaxed);
        });
    }
    closed
}
