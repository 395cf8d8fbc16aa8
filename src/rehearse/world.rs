//! A rehearsal's world on disk: `state/rehearsal/world/`. It is kept from one
//! rehearsal to the next, as a real node would be.
//!
//! ```text
//! world/world.json   the simulated node        world/keys.json   token and certificate
//! world/disks/       what is on its disks      world/run/        of running guests
//! world/ca.pem       what tools have to trust  lock              one rehearsal at a time
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::guest;
use super::lock::{Lock, cannot};
use super::seed::{cluster, invent_secret};
use crate::diag::{Diagnostic, Exit, Failure};
use crate::lab::{self, Paths};
use crate::pve::rights::Objects;
use hl_sim::{World, certs};

/// Kept by `--fresh`: what earlier rehearsals said, and the lock that is held.
const KEPT: [&str; 2] = ["runs", "logs"];

/// What the node is called, who may use it, and where it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// The node, its storages and its bridge.
    #[serde(flatten)]
    pub(super) objects: Objects,
    /// `PM_TOKEN_ID`
    pub(super) token_id: String,
    /// Names and addresses that the certificate is for.
    pub(super) names: Vec<String>,
    /// Other nodes that the site knows.
    #[serde(default)]
    pub(super) others: Vec<Other>,
}

/// Another node of the lab. All of them are one cluster in a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Other {
    /// Its name.
    pub(super) node: String,
    /// Its storage for disks.
    pub(super) storage_vm: String,
    /// Its bridge.
    pub(super) bridge: String,
}

impl Identity {
    fn others(&self) -> Vec<Objects> {
        let others = self.others.iter();
        others
            .map(|other| Objects {
                node: other.node.clone(),
                storage_vm: other.storage_vm.clone(),
                bridge: other.bridge.clone(),
                ..self.objects.clone()
            })
            .collect()
    }

    /// The values by the variables that set them.
    fn variables(&self) -> [(&'static str, String); 8] {
        let (own, others) = (&self.objects, self.others.iter());
        let others = others.map(|o| format!("{} with {}, {}", o.node, o.storage_vm, o.bridge));
        [
            ("PVE_NODE", own.node.clone()),
            ("PVE_STORAGE_VM", own.storage_vm.clone()),
            ("PVE_STORAGE_ISO", own.storage_iso.clone()),
            ("PVE_STORAGE_IMPORT", own.storage_import.clone()),
            ("PVE_BRIDGE", own.bridge.clone()),
            ("PM_TOKEN_ID", self.token_id.clone()),
            ("PVE_ACCESS_HOST", self.names.join(", ")),
            ("site/nodes", others.collect::<Vec<_>>().join("; ")),
        ]
    }
}

/// What a kept world needs besides itself to be the same again.
#[derive(Serialize, Deserialize)]
pub(super) struct Keys {
    pub(super) identity: Identity,
    pub(super) secret: String,
    ca_pem: String,
    cert_pem: String,
    key_pem: String,
}

/// An open world: nobody else has it while this lives.
pub(super) struct LockedWorld {
    /// `state/rehearsal/world`
    pub(super) dir: Utf8PathBuf,
    /// The node, to be given to a server.
    pub(super) world: World,
    /// Secret of the token in it.
    pub(super) secret: String,
    /// What the server proves itself with.
    pub(super) certificate: certs::Certificate,
    /// Whether it was made just now.
    pub(super) new: bool,
    pub(super) lock: Lock,
}

impl LockedWorld {
    /// Opens the world of a lab, whose lock this process has, or makes it; `paths`
    /// are those of the rehearsal.
    ///
    /// # Errors
    /// It cannot be read or written (73); it was made for other names than the
    /// lab now has (65).
    pub(super) fn open(
        lock: Lock,
        paths: &Paths,
        identity: &Identity,
        fresh: bool,
    ) -> Result<Self, Failure> {
        let dir = paths.out().join("world");
        lab::create_dir(&dir.join("run"))?;
        // Before their records are removed.
        clean_up(paths)?;
        if fresh {
            empty(paths)?;
        }
        let keys_file = dir.join("keys.json");
        let world_file = dir.join("world.json");
        lab::create_dir(&dir.join("run"))?;
        // Without both, what is there is from a start that was cut off.
        let kept = keys_file.exists() && world_file.exists();
        let keys = if kept {
            read(&keys_file)?
        } else {
            make(&keys_file, identity)?
        };
        let world = if kept {
            same(&keys.identity, identity)?;
            World::load(world_file.as_std_path())
                .map_err(|error| cannot("read", &world_file, &error).help(ANEW))?
        } else {
            World::seeded(&cluster(
                &identity.objects,
                &identity.others(),
                &identity.token_id,
                &keys.secret,
            ))
        };
        lab::write(&dir.join("ca.pem"), &keys.ca_pem, 0o644)?;
        Ok(Self {
            dir,
            world,
            secret: keys.secret,
            certificate: certs::Certificate {
                cert_pem: keys.cert_pem,
                key_pem: keys.key_pem,
                ca_pem: keys.ca_pem,
            },
            new: !kept,
            lock,
        })
    }
}

pub(super) const ANEW: &str = "begin with an empty world: `hl rehearse --fresh`";

/// Ends what an earlier rehearsal left running of guests.
pub(super) fn clean_up(paths: &Paths) -> Result<(), Failure> {
    guest::clean_up(paths.out().join("world/run").as_std_path())
        .map_err(|error| Failure::message(Exit::CannotWrite, error))
}

fn read(path: &Utf8Path) -> Result<Keys, Failure> {
    let text = fs::read_to_string(path).map_err(|error| cannot("read", path, &error))?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::message(
            Exit::Definition,
            format!("`{path}` is not what a rehearsal writes: {error}"),
        )
        .help(ANEW)
    })
}

fn make(path: &Utf8Path, identity: &Identity) -> Result<Keys, Failure> {
    let made = certs::with_authority(&identity.names).map_err(|error| {
        Failure::message(Exit::Bug, format!("cannot make a certificate: {error}"))
    })?;
    let keys = Keys {
        identity: identity.clone(),
        secret: invent_secret(),
        ca_pem: made.ca_pem,
        cert_pem: made.cert_pem,
        key_pem: made.key_pem,
    };
    let text = serde_json::to_string_pretty(&keys)
        .map_err(|error| Failure::message(Exit::Bug, error.to_string()))?;
    lab::write(path, text, 0o600)?;
    Ok(keys)
}

/// A node does not change its name because a variable did.
fn same(kept: &Identity, wanted: &Identity) -> Result<(), Failure> {
    let findings: Vec<Diagnostic> = kept
        .variables()
        .into_iter()
        .zip(wanted.variables())
        .filter(|((_, kept), (_, wanted))| kept != wanted)
        .map(|((name, kept), (_, wanted))| {
            Diagnostic::error(format!(
                "the rehearsal's world has `{kept}` for `{name}`, the lab says `{wanted}`"
            ))
            .help(ANEW)
        })
        .collect();
    if findings.is_empty() {
        Ok(())
    } else {
        Err(Failure::many(Exit::Definition, findings))
    }
}

/// Removes what earlier rehearsals made, the record of what happened excepted.
pub(super) fn empty(paths: &Paths) -> Result<(), Failure> {
    generated(paths).iter().try_for_each(|path| remove(path))
}

/// What earlier rehearsals made, the record of what happened excepted.
pub(super) fn generated(paths: &Paths) -> Vec<PathBuf> {
    let state = paths.state();
    let mut found = listing(paths.out().as_std_path());
    found.retain(|path| path != state.as_std_path() && !path.ends_with("reports"));
    let mut inner = listing(state.as_std_path());
    inner.retain(|path| !KEPT.iter().any(|kept| path.ends_with(kept)));
    found.append(&mut inner);
    found.retain(|path| !path.ends_with("lock"));
    found.sort();
    found
}

fn listing(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .collect()
}

/// A tree, or a file. Follows no link.
fn remove(path: &Path) -> Result<(), Failure> {
    let is_dir = path.symlink_metadata().is_ok_and(|m| m.is_dir());
    let removed = if is_dir {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::message(
            Exit::CannotWrite,
            format!("cannot remove `{}`: {error}", path.display()),
        )
        .help("a rehearsal by root made it: run this as root")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Process;

    fn identity() -> Identity {
        Identity {
            objects: Objects::default(),
            token_id: "hl@pve!hl".to_owned(),
            names: vec!["192.168.1.10".to_owned()],
            others: Vec::new(),
        }
    }

    fn open(paths: &Paths, identity: &Identity, fresh: bool) -> Result<LockedWorld, Failure> {
        let lock = Lock::take(paths, Process::this(), |_| Ok(()))?;
        LockedWorld::open(lock, paths, identity, fresh)
    }

    #[test]
    fn a_world_is_kept_locked_and_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let paths = Paths::live(root).rehearsal();
        let first = open(&paths, &identity(), false).unwrap();
        assert!(first.new);
        assert_eq!(
            open(&paths, &identity(), false).err().unwrap().exit,
            Exit::Busy
        );
        let text = serde_json::to_string(&first.world).unwrap();
        fs::write(first.dir.join("world.json"), text).unwrap();
        fs::create_dir_all(first.dir.join("disks/d/usr-work/work")).unwrap();
        let (secret, ca) = (first.secret.clone(), first.certificate.ca_pem.clone());
        drop(first);
        fs::create_dir_all(paths.runs()).unwrap();
        fs::write(paths.runs().join("x.yaml"), "").unwrap();
        fs::create_dir_all(paths.templates()).unwrap();

        let second = open(&paths, &identity(), false).unwrap();
        assert!(!second.new);
        assert_eq!((&second.secret, &second.certificate.ca_pem), (&secret, &ca));
        drop(second);

        let mut other = identity();
        other.objects.node = "pve2".to_owned();
        let failure = open(&paths, &other, false).err().unwrap();
        assert!(failure.to_string().contains("`pve2`"), "{failure}");

        let fresh = open(&paths, &other, true).unwrap();
        assert!(fresh.new && fresh.secret != secret);
        assert!(!fresh.dir.join("disks").exists() && !paths.templates().exists());
        assert!(paths.runs().join("x.yaml").exists());
    }
}
