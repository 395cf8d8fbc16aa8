//! A world that is to be served: kept, a rehearsal's, or a new one.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::access::Admin;
use super::args::ServeArgs;
use super::place::cannot;
use crate::cli::session::{Session, usage};
use crate::diag::{Exit, Failure};
use crate::lab;
use crate::pve::rights::Objects;
use crate::rehearse::{
    BeginningWorld, OpenedWorld, invent_secret, lab_token, open_world, read_seed, seed,
};
use hl_sim::World;
use hl_sim::certs::{self, Certificate};

/// A world with all that it takes to serve it.
pub(super) struct Opened {
    pub(super) world: World,
    pub(super) objects: Objects,
    pub(super) token_id: String,
    pub(super) secret: String,
    pub(super) admin: Option<Admin>,
    pub(super) certificate: Certificate,
    pub(super) ca_file: Utf8PathBuf,
    /// Where it is saved.
    pub(super) file: Utf8PathBuf,
    /// A rehearsal's: nobody rehearses as long as this lives.
    pub(super) rehearsal: Option<OpenedWorld>,
}

/// What a kept world needs besides itself to be the same again.
#[derive(Serialize, Deserialize)]
struct Keys {
    token_id: String,
    secret: String,
    ca_pem: String,
    cert_pem: String,
    key_pem: String,
    #[serde(default)]
    objects: Option<Objects>,
    #[serde(default)]
    admin: Option<Admin>,
}

impl Keys {
    /// A certificate for loopback beside a token.
    fn make(token_id: String, secret: String) -> Result<Self, Failure> {
        let names = ["127.0.0.1", "localhost", "::1"].map(str::to_owned);
        let made = certs::with_authority(&names).map_err(|error| {
            Failure::message(Exit::Bug, format!("cannot make a certificate: {error}"))
        })?;
        Ok(Self {
            token_id,
            secret,
            ca_pem: made.ca_pem,
            cert_pem: made.cert_pem,
            key_pem: made.key_pem,
            objects: None,
            admin: None,
        })
    }

    fn read(file: &Utf8Path) -> Result<Option<Self>, Failure> {
        let Ok(text) = std::fs::read_to_string(file) else {
            return Ok(None);
        };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            let message = format!("`{file}` is not what this program writes: {error}");
            Failure::message(Exit::Definition, message)
        })
    }

    fn write(&self, file: &Utf8Path) -> Result<(), Failure> {
        lab::write(file, serde_json::to_string(self).unwrap_or_default(), 0o600)
    }
}

/// Opens the world of a directory, or begins one there.
pub(super) fn open(session: &Session, args: &ServeArgs, dir: &Utf8Path) -> Result<Opened, Failure> {
    let file = dir.join("world.json");
    if args.seed.is_some() && file.exists() {
        return Err(usage(format!(
            "`{dir}` has a world already, which `--seed` would not change"
        ))
        .help(format!("begin anew: `hl sim reset --world {dir}`")));
    }
    // A rehearsal's world has its own token, and a certificate for the lab's node.
    if let Some(rehearsal) = open_world(dir)? {
        let keys = Keys::make(rehearsal.token_id.clone(), rehearsal.secret.clone())?;
        let objects = rehearsal.objects.clone();
        let begun = BeginningWorld::of(seed(&objects, &keys.token_id, &keys.secret), objects);
        let admin = args.admin.then(Admin::invent);
        let mut opened = finish(keys, begun, admin, file, dir.join("sim-ca.pem"))?;
        opened.rehearsal = Some(rehearsal);
        return Ok(opened);
    }
    let keys_file = dir.join("keys.json");
    let mut keys = if let Some(keys) = Keys::read(&keys_file)? {
        keys
    } else {
        let token_id = session.caller.var("PM_TOKEN_ID").unwrap_or("hl@pve!hl");
        Keys::make(token_id.to_owned(), invent_secret())?
    };
    let begun = if let Some(path) = &args.seed {
        let mut begun = read_seed(&session.caller.cwd.join(path))?;
        let token = lab_token(&begun.objects, &keys.token_id, &keys.secret);
        begun.seed.tokens.push(token);
        begun
    } else {
        let kept = keys.objects.clone().filter(|_| file.exists());
        let objects = kept.unwrap_or_else(|| objects(session));
        let mut seed = seed(&objects, &keys.token_id, &keys.secret);
        seed.downloads.taken = false;
        BeginningWorld::of(seed, objects)
    };
    if args.admin && keys.admin.is_none() {
        keys.admin = Some(Admin::invent());
    }
    keys.objects = Some(begun.objects.clone());
    keys.write(&keys_file)?;
    let admin = keys.admin.clone().filter(|_| args.admin);
    let mut opened = finish(keys, begun, admin, file, dir.join("ca.pem"))?;
    opened.world.downloads.taken |= args.take_downloads;
    Ok(opened)
}

fn finish(
    keys: Keys,
    begun: BeginningWorld,
    admin: Option<Admin>,
    file: Utf8PathBuf,
    ca_file: Utf8PathBuf,
) -> Result<Opened, Failure> {
    let mut world = if file.exists() {
        World::load(file.as_std_path())
            .map_err(|error| cannot(&format!("read `{file}`"), &error))?
    } else {
        World::seeded(&begun.seed)
    };
    if let Some(admin) = &admin {
        admin.enter(&mut world);
    }
    Ok(Opened {
        world,
        objects: begun.objects,
        token_id: keys.token_id,
        secret: keys.secret,
        admin,
        certificate: Certificate {
            ca_pem: keys.ca_pem,
            cert_pem: keys.cert_pem,
            key_pem: keys.key_pem,
        },
        ca_file,
        file,
        rehearsal: None,
    })
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
