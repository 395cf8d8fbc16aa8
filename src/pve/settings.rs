//! What the environment says about the API: where it is, who we are, whom we
//! trust.

use camino::Utf8PathBuf;
use rustls_pki_types::CertificateDer;

use super::error::BadSetting;
use super::{Endpoint, Error, Fingerprint, Policy, https};
use crate::lab::{Environment, Paths};

/// Everything that is needed to call the API.
#[derive(Clone)]
pub struct Settings {
    /// `PVE_ACCESS_HOST`
    pub endpoint: Endpoint,
    /// `PM_TOKEN_ID`: `user@realm!name`
    pub token_id: String,
    /// `PM_TOKEN_SECRET`
    pub(super) token_secret: String,
    /// `PVE_FINGERPRINT` and `PVE_TLS_INSECURE`
    pub policy: Policy,
    /// The pinned certificate, also when [`Policy::Insecure`] overrides it.
    pub pinned: Option<Fingerprint>,
    /// The certificates of `PVE_CA_FILE`.
    pub(super) authorities: Vec<CertificateDer<'static>>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("token_id", &self.token_id)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads and checks the variables. All that is wrong is in one
    /// [`Error::Settings`]; nothing is contacted.
    pub fn read(env: &Environment, paths: &Paths) -> Result<Self, Error> {
        let mut bad = Vec::new();
        let endpoint = required(env, "PVE_ACCESS_HOST", &mut bad).and_then(|text| {
            Endpoint::parse(text)
                .map_err(|why| {
                    bad.push(wrong(
                        "PVE_ACCESS_HOST",
                        why,
                        "set it to the host and, unless it is 8006, the port: `PVE_ACCESS_HOST=pve.example:8006`",
                    ));
                })
                .ok()
        });
        let token_id = required(env, "PM_TOKEN_ID", &mut bad);
        if let Some(why) = token_id.and_then(|id| check_token_id(id).err()) {
            bad.push(wrong(
                "PM_TOKEN_ID",
                why,
                "`pveum user token list USER@REALM` lists the names",
            ));
        }
        let token_secret = required(env, "PM_TOKEN_SECRET", &mut bad);
        if token_secret.is_some_and(|s| !s.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')) {
            bad.push(wrong(
                "PM_TOKEN_SECRET",
                "expected letters, digits and dashes only".to_owned(),
                "it is the `value` that `pveum user token add` printed once",
            ));
        }
        let pinned = env.get("PVE_FINGERPRINT").and_then(|text| {
            let parsed = Fingerprint::parse(text);
            if parsed.is_none() {
                bad.push(wrong(
                    "PVE_FINGERPRINT",
                    "expected the 64 hexadecimal digits of a SHA-256 fingerprint".to_owned(),
                    "on the node: `openssl x509 -in /etc/pve/local/pve-ssl.pem -noout -fingerprint -sha256`",
                ));
            }
            parsed
        });
        let insecure = flag(env, "PVE_TLS_INSECURE", &mut bad);
        let authorities = authorities(env, paths, &mut bad);
        match (endpoint, token_id, token_secret) {
            (Some(endpoint), Some(token_id), Some(token_secret)) if bad.is_empty() => Ok(Self {
                endpoint,
                token_id: token_id.to_owned(),
                token_secret: token_secret.to_owned(),
                policy: match (insecure, pinned) {
                    (true, _) => Policy::Insecure,
                    (false, Some(print)) => Policy::Pinned(print),
                    (false, None) => Policy::Roots,
                },
                pinned,
                authorities,
            }),
            _ => Err(Error::Settings(bad)),
        }
    }

    /// User of the token: `user@realm`.
    pub fn user(&self) -> &str {
        self.token_id
            .split_once('!')
            .map_or(self.token_id.as_str(), |(user, _)| user)
    }
}

/// What is wrong with a token's id. Of what may be the secret in its place
/// nothing is repeated.
pub fn check_token_id(id: &str) -> Result<(), String> {
    if is_token_id(id) {
        return Ok(());
    }
    let expected = "expected `user@realm!name`";
    Err(match id.split_once('=') {
        Some((id, _)) if is_token_id(id) => {
            format!(
                "{expected}, found `{id}` with `=` and more: what follows is the secret, for `PM_TOKEN_SECRET`"
            )
        }
        None if id.contains('@') => format!("{expected}, found `{id}`"),
        _ => format!("{expected}, found something else (not shown: it may be the secret)"),
    })
}

/// `user@realm!name`, as provider and builder want it too.
fn is_token_id(id: &str) -> bool {
    let parts = id
        .split_once('@')
        .and_then(|(user, rest)| Some((user, rest.split_once('!')?)));
    parts.is_some_and(|(user, (realm, name))| {
        [user, realm, name].iter().all(|part| !part.is_empty())
            && !id.contains(|c: char| c.is_whitespace() || c == '=')
    })
}

fn required<'a>(env: &'a Environment, name: &str, bad: &mut Vec<BadSetting>) -> Option<&'a str> {
    let value = env.get(name);
    if value.is_none() {
        bad.push(BadSetting {
            name: name.to_owned(),
            problem: "is not set".to_owned(),
            help: format!("add `{name}=...` to `.env`"),
        });
    }
    value
}

fn wrong(name: &str, why: impl Into<String>, help: &str) -> BadSetting {
    BadSetting {
        name: name.to_owned(),
        problem: format!("cannot be used: {}", why.into()),
        help: help.to_owned(),
    }
}

/// `1` or `0`, with the usual spellings; unset is no.
fn flag(env: &Environment, name: &str, bad: &mut Vec<BadSetting>) -> bool {
    match env.get(name).map(str::to_ascii_lowercase).as_deref() {
        None | Some("0" | "false" | "no" | "off") => false,
        Some("1" | "true" | "yes" | "on") => true,
        Some(other) => {
            let why = format!("expected `1` or `0`, found `{other}`");
            bad.push(wrong(name, why, &format!("set `{name}=0` or `{name}=1`")));
            false
        }
    }
}

/// The certificates of `PVE_CA_FILE`; a relative path is relative to the lab.
fn authorities(
    env: &Environment,
    paths: &Paths,
    bad: &mut Vec<BadSetting>,
) -> Vec<CertificateDer<'static>> {
    let Some(file) = env.get("PVE_CA_FILE") else {
        return Vec::new();
    };
    let path: Utf8PathBuf = paths.root().join(file);
    https::authorities(&path).unwrap_or_else(|why| {
        bad.push(wrong(
            "PVE_CA_FILE",
            why,
            "copy `/etc/pve/pve-root-ca.pem` from the node, and name that file",
        ));
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Provenance, Var};

    pub(crate) fn env(pairs: &[(&str, &str)]) -> Environment {
        let mut env = Environment::default();
        for (name, value) in pairs {
            env.set(
                *name,
                Var {
                    value: (*value).to_owned(),
                    from: Provenance::Process,
                    secret: false,
                },
            );
        }
        env
    }

    #[test]
    fn everything_that_is_wrong_is_in_one_error() {
        let env = env(&[
            ("PVE_ACCESS_HOST", "http://pve"),
            ("PM_TOKEN_ID", "root@pam"),
            ("PVE_FINGERPRINT", "AB:CD"),
            ("PVE_TLS_INSECURE", "maybe"),
            ("PVE_CA_FILE", "missing.pem"),
        ]);
        let error = Settings::read(&env, &Paths::live("/nowhere")).unwrap_err();
        let Error::Settings(bad) = error else {
            panic!("{error:?}")
        };
        let names: Vec<_> = bad.iter().map(|b| b.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "PVE_ACCESS_HOST",
                "PM_TOKEN_ID",
                "PM_TOKEN_SECRET",
                "PVE_FINGERPRINT",
                "PVE_TLS_INSECURE",
                "PVE_CA_FILE"
            ]
        );
        assert!(bad.iter().all(|b| !b.help.is_empty()));
    }

    #[test]
    fn a_secret_is_never_shown() {
        let env = env(&[
            ("PVE_ACCESS_HOST", "pve.lab"),
            ("PM_TOKEN_ID", "hl@pve!hl"),
            ("PM_TOKEN_SECRET", "11112222-canary"),
        ]);
        let settings = Settings::read(&env, &Paths::live("/nowhere")).unwrap();
        assert!(!format!("{settings:?}").contains("canary"));
        assert_eq!(settings.user(), "hl@pve");
    }

    #[test]
    fn token_ids() {
        assert!(is_token_id("hl@pve!hl"));
        assert!(!is_token_id("hl@pve"));
        assert!(!is_token_id("@pve!hl"));
        assert!(!is_token_id("hl@pve!hl=secret"));
    }
}
