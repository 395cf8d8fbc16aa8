//! How a world is reached: its address, its certificate, who may use it.

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::pve::rights::Objects;
use crate::rehearse::invent_secret;
use hl_sim::{Seed, SeedToken, SeedUser, World};

const ROOT: &str = "root@pam";

/// All that a client needs.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Access {
    /// `https://127.0.0.1:8006`
    pub(super) url: String,
    /// What it has to trust.
    pub(super) ca_file: Utf8PathBuf,
    pub(super) token_id: String,
    pub(super) secret: String,
    pub(super) objects: Objects,
    /// Asked for by `--admin`.
    pub(super) admin: Option<Admin>,
    /// Where root is that makes systems.
    #[serde(default)]
    pub(super) ssh: Option<SshAccess>,
}

/// How the nodes' own systems are reached.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SshAccess {
    pub(super) user: String,
    /// The private key.
    pub(super) identity: Utf8PathBuf,
    /// That of the node that answers.
    pub(super) address: String,
}

/// A token that may do everything, and root's password.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Admin {
    token_id: String,
    secret: String,
    pub(super) password: String,
}

impl Access {
    /// The token to use, with its secret: that which may do more.
    pub(super) fn token(&self) -> (&str, &str) {
        match &self.admin {
            Some(admin) => (&admin.token_id, &admin.secret),
            None => (&self.token_id, &self.secret),
        }
    }
}

impl Admin {
    /// One with new secrets.
    pub(super) fn invent() -> Self {
        Self {
            token_id: format!("{ROOT}!admin"),
            secret: invent_secret(),
            password: invent_secret(),
        }
    }

    /// Gives a world the token, and its root the password.
    pub(super) fn enter(&self, world: &mut World) {
        let seed = Seed {
            users: vec![SeedUser {
                id: ROOT.to_owned(),
                password: Some(self.password.clone()),
                grants: Vec::new(),
            }],
            tokens: vec![SeedToken {
                id: self.token_id.clone(),
                secret: self.secret.clone(),
                privsep: false,
                grants: Vec::new(),
            }],
            ..Seed::default()
        };
        let made = World::seeded(&seed);
        for (id, root) in made.users.into_iter().filter(|(id, _)| id == ROOT) {
            // What else the world knows of root stays.
            let known = world.users.entry(id).or_insert_with(|| root.clone());
            known.password = root.password;
            known.enabled = true;
            known.expire = 0;
        }
        world.tokens.extend(made.tokens);
    }
}
