//! The public keys that new machines are given: `[ssh] public_keys` in
//! `hl.toml`, else the key beside `[ssh] identity`, else the user's own.

use camino::{Utf8Path, Utf8PathBuf};

use super::StepError;
use crate::diag::Exit;
use crate::lab::{Environment, Lab};

/// Keys that ssh-keygen makes by default, best first.
const OWN: [&str; 3] = ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"];

/// The keys, one line each, without a newline. At least one.
pub fn public_keys(lab: &Lab, env: &Environment) -> Result<Vec<String>, StepError> {
    let ssh = &lab.config.ssh;
    let home = env.get("HOME").map(Utf8PathBuf::from);
    let mut keys = Vec::new();
    for entry in &ssh.public_keys {
        if is_key(entry.trim()) {
            keys.push(entry.trim().to_owned());
        } else {
            keys.extend(read(&locate(entry, lab, home.as_deref()))?);
        }
    }
    if !keys.is_empty() {
        return Ok(keys);
    }
    if let Some(identity) = &ssh.identity {
        return read(&locate(&format!("{identity}.pub"), lab, home.as_deref()));
    }
    for name in OWN {
        if let Some(path) = home.as_ref().map(|home| home.join(".ssh").join(name))
            && path.is_file()
        {
            return read(&path);
        }
    }
    Err(StepError::new("there is no public key to give to new machines")
        .exit(Exit::Definition)
        .help("add `public_keys = [\"ssh-ed25519 AAAA...\"]` under `[ssh]` in `hl.toml`")
        .help("or make a key: `ssh-keygen -t ed25519`"))
}

/// `~/x`, or relative to the lab.
fn locate(path: &str, lab: &Lab, home: Option<&Utf8Path>) -> Utf8PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => lab.paths.root().join(path),
    }
}

fn read(path: &Utf8Path) -> Result<Vec<String>, StepError> {
    let wrong = |why: &str| {
        StepError::new(format!("public key `{path}` {why}"))
            .exit(Exit::Definition)
            .help("`public_keys` and `identity` are under `[ssh]` in `hl.toml`")
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    if text.contains("PRIVATE KEY") {
        return Err(wrong("is a private key; name the file that ends in `.pub`"));
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Vec<String> = lines.map(str::to_owned).collect();
    match keys.iter().find(|key| !is_key(key)) {
        Some(_) => Err(wrong("holds something that is no public key")),
        None if keys.is_empty() => Err(wrong("is empty")),
        None => Ok(keys),
    }
}

fn is_key(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let kind = words.next().unwrap_or_default();
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|known| kind.starts_with(known))
        && words.next().is_some_and(|body| body.starts_with("AAAA"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::lab::{Config, Paths, Provenance, Var};

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@desk";

    fn lab(root: &Utf8Path, keys: &[&str], identity: Option<&str>) -> Lab {
        let mut config = Config::default();
        config.ssh.public_keys = keys.iter().map(|&key| key.to_owned()).collect();
        config.ssh.identity = identity.map(str::to_owned);
        Lab { paths: Paths::live(root), config }
    }

    fn home(path: &Utf8Path) -> Environment {
        let var = Var { value: path.to_string(), from: Provenance::Process, secret: false };
        Environment::new(BTreeMap::from([("HOME".to_owned(), var)]))
    }

    #[test]
    fn keys_come_from_the_first_place_that_has_any() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let env = home(root);
        let get = |keys: &[&str], identity| public_keys(&lab(root, keys, identity), &env);
        assert!(get(&[], None).unwrap_err().help[1].contains("ssh-keygen"));
        std::fs::create_dir(root.join(".ssh")).unwrap();
        std::fs::write(root.join(".ssh/id_rsa.pub"), "ssh-rsa AAAArsa\n").unwrap();
        assert_eq!(get(&[], None).unwrap(), ["ssh-rsa AAAArsa"]);
        std::fs::write(root.join("lab.pub"), format!("# mine\n{KEY}\n")).unwrap();
        assert_eq!(get(&[], Some("lab")).unwrap(), [KEY]);
        assert_eq!(get(&["lab.pub", "ssh-rsa AAAAx"], Some("nope")).unwrap(), [KEY, "ssh-rsa AAAAx"]);
        assert_eq!(get(&["~/lab.pub"], None).unwrap(), [KEY]);
    }

    #[test]
    fn a_private_key_is_never_handed_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::write(root.join("id"), "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n").unwrap();
        std::fs::write(root.join("x"), "hello\n").unwrap();
        for name in ["id", "x", "none"] {
            let error = public_keys(&lab(root, &[name], None), &home(root)).unwrap_err();
            assert_eq!(error.exit, Exit::Definition);
            assert!(!error.message.contains("c2VjcmV0"));
        }
    }
}
