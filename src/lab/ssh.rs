//! `[ssh]` in `hl.toml` made concrete: the public keys that virtual machines
//! are given, and the private key that logs in.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use camino::{Utf8Path, Utf8PathBuf};

use super::Lab;
use crate::diag::{Diagnostic, Exit, Failure};

/// Keys that `ssh-keygen` makes under these names, best first.
const OWN: &[&str] = &["id_ed25519", "id_ecdsa", "id_rsa"];

/// The public keys, one line each, at least one: `[ssh] public_keys` (keys or
/// files), else the one beside `[ssh] identity`, else the user's own in
/// `HOME/.ssh`. Paths are relative to the lab, or begin with `~/`.
///
/// # Errors
/// There is none, or something else stands where a key should (65).
pub fn public_keys(lab: &Lab, home: Option<&Utf8Path>) -> Result<Vec<String>, Failure> {
    let settings = &lab.config.ssh;
    let mut keys = Vec::new();
    for entry in settings.public_keys.iter().map(|entry| entry.trim()) {
        if looks_like_key(entry) {
            check(entry, "in `public_keys`")?;
            keys.push(entry.to_owned());
        } else {
            keys.extend(read(&locate(entry, lab, home)?)?);
        }
    }
    if !keys.is_empty() {
        return Ok(keys);
    }
    if let Some(private) = identity(lab, home)? {
        let public = Utf8PathBuf::from(format!("{private}.pub"));
        if !public.is_file() {
            return Err(wrong(format!("there is no public key beside `{private}`"))
                .help(format!("write it: `ssh-keygen -y -f {private} > {public}`")));
        }
        return read(&public);
    }
    match own(home, ".pub") {
        Some(path) => read(&path),
        None => Err(wrong("there is no SSH key to give to new machines")
            .help("make one: `ssh-keygen -t ed25519`")
            .help(
                "or name one: `public_keys = [\"ssh-ed25519 AAAA...\"]` in `[ssh]` of `hl.toml`",
            )),
    }
}

/// The private key file that `[ssh] identity` names; nothing when it names
/// none, so that the agent and OpenSSH's defaults are used.
///
/// # Errors
/// There is no such file (65).
pub fn identity(lab: &Lab, home: Option<&Utf8Path>) -> Result<Option<Utf8PathBuf>, Failure> {
    let Some(named) = lab.config.ssh.identity.as_deref() else {
        return Ok(None);
    };
    let named = named.trim();
    if named.is_empty() {
        return Ok(None);
    }
    let path = locate(named, lab, home)?;
    if path.is_file() {
        return Ok(Some(path));
    }
    Err(wrong(format!("there is no private key `{path}`"))
        .help(format!("make it: `ssh-keygen -t ed25519 -f {path}`"))
        .help("or change `identity` in `[ssh]` of `hl.toml`"))
}

/// Whether neither the lab nor its user has a key yet: nothing is named in
/// `[ssh]`, and `HOME/.ssh` holds none.
pub fn is_keyless(lab: &Lab, home: Option<&Utf8Path>) -> bool {
    let settings = &lab.config.ssh;
    let named = settings.identity.as_deref().unwrap_or_default();
    settings.public_keys.is_empty() && named.trim().is_empty() && own(home, ".pub").is_none()
}

/// The user's own private key in `HOME/.ssh`, which OpenSSH tries by itself.
pub fn own_identity(home: Option<&Utf8Path>) -> Option<Utf8PathBuf> {
    own(home, "")
}

fn own(home: Option<&Utf8Path>, suffix: &str) -> Option<Utf8PathBuf> {
    let dir = home?.join(".ssh");
    let mut paths = OWN.iter().map(|name| dir.join(format!("{name}{suffix}")));
    paths.find(|path| path.is_file())
}

fn locate(path: &str, lab: &Lab, home: Option<&Utf8Path>) -> Result<Utf8PathBuf, Failure> {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Ok(home.join(rest)),
        (Some(_), None) => Err(
            wrong(format!("`{path}` needs a home, but `HOME` is not set"))
                .help("set `HOME`, or write the whole path"),
        ),
        (None, _) => Ok(lab.paths.root().join(path)),
    }
}

fn read(path: &Utf8Path) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        wrong(format!("cannot read the public key `{path}`: {error}"))
            .help("correct `public_keys` in `[ssh]` of `hl.toml`: keys, or files that hold them")
    })?;
    if text.contains("PRIVATE KEY") {
        return Err(wrong(format!("`{path}` is a private key"))
            .help(format!("name its public part: `{path}.pub`")));
    }
    let mut keys = Vec::new();
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if !line.is_empty() && !line.starts_with('#') {
            check(line, &format!("in `{path}`, line {}", index + 1))?;
            keys.push(line.to_owned());
        }
    }
    if keys.is_empty() {
        return Err(wrong(format!("`{path}` holds no public key"))
            .help("a public key is one line: `ssh-ed25519 AAAA... comment`"));
    }
    Ok(keys)
}

/// Whether an entry of `public_keys` is meant as a key, not as a file.
fn looks_like_key(text: &str) -> bool {
    text.contains(char::is_whitespace)
        && ["ssh-", "ecdsa-", "sk-"]
            .iter()
            .any(|start| text.starts_with(start))
}

/// A line of OpenSSH's public key format: type, base64 of a blob that begins
/// with the length (four bytes, big endian) and the name of that type, comment.
fn check(line: &str, place: &str) -> Result<(), Failure> {
    let mut words = line.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let blob = words.next().and_then(|body| STANDARD.decode(body).ok());
    let good = blob.is_some_and(|blob| {
        u32::try_from(kind.len()).is_ok_and(|length| {
            let header = [&length.to_be_bytes(), kind.as_bytes()].concat();
            blob.len() > header.len() && blob.starts_with(&header)
        })
    });
    if good {
        return Ok(());
    }
    // The text is not repeated: it may be anything.
    Err(wrong(format!("the text {place} is no public key"))
        .help("a public key is one line: `ssh-ed25519 AAAA... comment`"))
}

fn wrong(message: impl Into<String>) -> Failure {
    Failure::new(Exit::Definition, Diagnostic::error(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Config, Paths};

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZpcnN0a2V5Zmlyc3RrZXlmaXJzdGtleWZpcnN0 me@desk";

    struct World {
        _guard: tempfile::TempDir,
        root: Utf8PathBuf,
    }

    impl World {
        fn new(files: &[(&str, &str)]) -> Self {
            let guard = tempfile::tempdir().unwrap();
            let root = Utf8Path::from_path(guard.path()).unwrap().to_owned();
            fs::create_dir(root.join(".ssh")).unwrap();
            for (name, text) in files {
                fs::write(root.join(name), text).unwrap();
            }
            Self {
                _guard: guard,
                root,
            }
        }

        fn lab(&self, keys: &[&str], identity: Option<&str>) -> Lab {
            let mut config = Config::default();
            config.ssh.public_keys = keys.iter().map(|&key| key.to_owned()).collect();
            config.ssh.identity = identity.map(str::to_owned);
            Lab {
                paths: Paths::live(&self.root),
                config,
            }
        }

        fn keys(&self, keys: &[&str], identity: Option<&str>) -> Result<Vec<String>, Failure> {
            public_keys(&self.lab(keys, identity), Some(&self.root))
        }
    }

    #[test]
    fn keys_come_from_the_first_place_that_names_any() {
        let world = World::new(&[
            ("lab.pub", &format!("# mine\n{KEY}\n\n")),
            (".ssh/id_ed25519.pub", &format!("{KEY} own\n")),
            (".ssh/lab", "private"),
            (".ssh/lab.pub", &format!("{KEY} beside\n")),
        ]);
        let own = format!("{KEY} own");
        let beside = format!("{KEY} beside");
        assert_eq!(world.keys(&[KEY, "lab.pub"], None).unwrap(), [KEY, KEY]);
        assert_eq!(
            world.keys(&["~/.ssh/lab.pub"], None).unwrap(),
            [beside.as_str()]
        );
        assert_eq!(world.keys(&[], Some("~/.ssh/lab")).unwrap(), [beside]);
        assert_eq!(world.keys(&[], None).unwrap(), [own.as_str()]);
        assert_eq!(world.keys(&[], Some("")).unwrap(), [own]);
    }

    #[test]
    fn without_a_key_the_remedy_is_named() {
        let world = World::new(&[]);
        assert!(is_keyless(&world.lab(&[], None), Some(&world.root)));
        assert!(!is_keyless(&world.lab(&["x.pub"], None), Some(&world.root)));
        let failure = world.keys(&[], None).unwrap_err();
        assert_eq!(failure.exit, Exit::Definition);
        assert!(failure.diagnostics[0].help[0].contains("ssh-keygen -t ed25519"));
        let failure = world.keys(&[], Some("~/.ssh/none")).unwrap_err();
        assert!(failure.diagnostics[0].help[0].contains("ssh-keygen -t ed25519 -f"));
        fs::write(world.root.join("id"), "private").unwrap();
        let failure = world.keys(&[], Some("id")).unwrap_err();
        assert!(failure.diagnostics[0].help[0].contains("ssh-keygen -y"));
    }

    #[test]
    fn what_is_no_public_key_is_refused_and_not_repeated() {
        let private =
            "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n-----END OPENSSH PRIVATE KEY-----\n";
        let world = World::new(&[
            ("id", private),
            ("noise.pub", "canary\n"),
            ("empty.pub", "\n# canary\n"),
            ("liar.pub", &KEY.replacen("ssh-ed25519", "ssh-rsa", 1)),
        ]);
        for entry in [
            "id",
            "noise.pub",
            "empty.pub",
            "liar.pub",
            "gone.pub",
            "ssh-ed25519 canary",
        ] {
            let failure = world.keys(&[entry], None).unwrap_err();
            assert_eq!(failure.exit, Exit::Definition, "{entry}");
            assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
        }
    }

    #[test]
    fn an_identity_is_found_from_home_or_lab() {
        let world = World::new(&[("key", ""), (".ssh/key", "")]);
        let at = |named| identity(&world.lab(&[], Some(named)), Some(&world.root)).unwrap();
        assert_eq!(at("key"), Some(world.root.join("key")));
        assert_eq!(at("~/.ssh/key"), Some(world.root.join(".ssh/key")));
        assert_eq!(identity(&world.lab(&[], None), None).unwrap(), None);
        assert!(identity(&world.lab(&[], Some("~/key")), None).is_err());
    }
}
