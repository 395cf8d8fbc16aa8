//! The world that rehearsals keep, opened without a rehearsal: to look at it, to
//! serve it by `hl sim`, to remove it.

use camino::{Utf8Path, Utf8PathBuf};

use super::api::{api_variables, serve_on_loopback};
use super::lock::cannot;
use super::lock::{Lock, hold};
use super::world::{self, ANEW, Keys};
use crate::base::Process;
use crate::diag::{Exit, Failure};
use crate::lab::Paths;
use crate::pve::rights::Objects;
use hl_sim::{Running, World};

/// A rehearsal's world that `hl sim` may serve: no rehearsal runs while this lives.
#[derive(Debug)]
pub struct OpenedWorld {
    /// Token.
    pub token_id: String,
    /// Its secret.
    pub secret: String,
    /// Node, storages, bridge.
    pub objects: Objects,
    _lock: Option<Lock>,
}

/// Opens the directory of a rehearsal's world; `None` when it is none.
///
/// # Errors
/// A rehearsal has it (75).
pub fn open_world(dir: &Utf8Path) -> Result<Option<OpenedWorld>, Failure> {
    let Some(keys) = keys(dir) else {
        return Ok(None);
    };
    // Anywhere else it is a copy, which nobody rehearses with.
    let root = dir.ancestors().nth(3);
    let paths = root
        .filter(|_| dir.ends_with("state/rehearsal/world"))
        .map(|root| Paths::live(root).rehearsal());
    let lock = paths.map(|paths| Lock::take(&paths, Process::this(), |_| Ok(())));
    Ok(Some(OpenedWorld {
        objects: keys.identity.objects,
        token_id: keys.identity.token_id,
        secret: keys.secret,
        _lock: lock.transpose()?,
    }))
}

fn keys(dir: &Utf8Path) -> Option<Keys> {
    let text = std::fs::read_to_string(dir.join("keys.json")).ok()?;
    serde_json::from_str(&text).ok()
}

/// The kept world behind an API on loopback, as it was saved last: what is
/// changed there is lost. Needs no root, boots nothing.
#[derive(Debug)]
pub struct Snapshot {
    /// The API.
    pub running: Running,
    token_id: String,
    secret: String,
    ca: tempfile::NamedTempFile,
}

/// Serves the kept world of a lab; `None` when there is none. `paths` are those
/// of the rehearsal.
///
/// # Errors
/// It cannot be read (73).
pub fn snapshot(paths: &Paths) -> Result<Option<Snapshot>, Failure> {
    let dir = paths.out().join("world");
    let file = dir.join("world.json");
    let Some(keys) = keys(&dir).filter(|_| file.exists()) else {
        return Ok(None);
    };
    let world = World::load(file.as_std_path())
        .map_err(|error| cannot("read", &file, &error).help(ANEW))?;
    let running = serve_on_loopback(world)?;
    let ca = tempfile::NamedTempFile::new()
        .and_then(|ca| std::fs::write(ca.path(), running.ca_pem()).map(|()| ca))
        .map_err(|error| {
            Failure::message(
                Exit::CannotWrite,
                format!("cannot write a temporary file: {error}"),
            )
        })?;
    Ok(Some(Snapshot {
        running,
        token_id: keys.identity.token_id,
        secret: keys.secret,
        ca,
    }))
}

impl Snapshot {
    /// The variables that lead there, and nowhere else.
    pub fn variables(&self) -> [(&'static str, String); 6] {
        let ca = self.ca.path().display().to_string();
        api_variables(
            &self.running,
            ca,
            self.token_id.clone(),
            self.secret.clone(),
        )
    }
}

/// What [`remove`] would take away: the world, and what rehearsals generated.
/// What they said (runs, logs, reports) stays.
pub fn removable(paths: &Paths) -> Vec<Utf8PathBuf> {
    let found = world::generated(paths).into_iter();
    found
        .filter_map(|path| Utf8PathBuf::try_from(path).ok())
        .filter(|path| !path.ends_with("lock"))
        .collect()
}

/// Removes the world and what rehearsals generated.
///
/// # Errors
/// A rehearsal runs (75), or something cannot be removed (73).
pub fn remove(paths: &Paths) -> Result<(), Failure> {
    let Some(_held) = hold(paths)? else {
        return Ok(());
    };
    world::clean_up(paths)?;
    world::empty(paths)
}
