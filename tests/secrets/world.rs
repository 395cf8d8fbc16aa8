//! A site-config with secrets, and keys for it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::Hl;

/// In every secret of a world, and nowhere else.
pub(super) const CANARY: &str = "canary-4b1d";

/// Values as in a site of some age.
pub(super) const SECRETS: &str = "\
# who gave us this: canary-4b1d
api_tokens:
  # the first one
  kestrel: root@pam!orchard=canary-4b1d-token
passwords:
  vm_root: \"$6$salt$canary-4b1d\"
ssh_keys:
  ana@desk: ssh-ed25519 AAAAcanary-4b1d ana@desk
auth:
  site_token: canary-4b1d-site
  node_tokens:
    vault1: canary-4b1d-vault
";

/// A directory with a site-config in `site/` and age keys in `keys/`.
pub(super) struct World {
    dir: TempDir,
}

impl World {
    /// With `keys/own.txt` and `keys/other.txt`.
    pub(super) fn new() -> Self {
        let world = Self {
            dir: TempDir::new().unwrap(),
        };
        for dir in ["site", "keys", "tmp"] {
            fs::create_dir(world.path(dir)).unwrap();
        }
        for name in ["own", "other"] {
            let file = world.path(&format!("keys/{name}.txt"));
            tool("age-keygen", &["-o", file.to_str().unwrap()], "");
        }
        world
    }

    /// With a clear `secrets.yaml`, 0600.
    pub(super) fn clear() -> Self {
        let world = Self::new();
        world.write("secrets.yaml", SECRETS);
        world
    }

    /// With a `secrets.yaml.enc` for the own key, made by sops itself.
    pub(super) fn sealed() -> Self {
        Self::sealed_with(SECRETS)
    }

    /// The same with another text.
    pub(super) fn sealed_with(text: &str) -> Self {
        let world = Self::new();
        world.write("secrets.yaml.enc", &world.seal(text, "own"));
        world
    }

    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path("site").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("site").join(name)).unwrap()
    }

    pub(super) fn mode(&self, name: &str) -> u32 {
        let path = self.path("site").join(name);
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    /// A public key.
    pub(super) fn recipient(&self, name: &str) -> String {
        let file = self.path(&format!("keys/{name}.txt"));
        tool("age-keygen", &["-y", file.to_str().unwrap()], "")
            .trim()
            .to_owned()
    }

    /// A text encrypted by sops itself.
    pub(super) fn seal(&self, text: &str, name: &str) -> String {
        let key = self.recipient(name);
        let args = [
            "encrypt",
            "--age",
            &key,
            "--input-type",
            "yaml",
            "--output-type",
            "yaml",
            "--filename-override",
            "x.yaml",
            "/dev/stdin",
        ];
        tool("sops", &args, text)
    }

    /// `hl` in the site-config, with the own key.
    pub(super) fn hl(&self, words: &str) -> Hl {
        let path = |relative| self.path(relative).to_str().unwrap().to_owned();
        Hl::new(&self.path("site"))
            .env("HOME", path(""))
            .env("TMPDIR", path("tmp"))
            .env("HL_SITE", path("site"))
            .env("SOPS_AGE_KEY_FILE", path("keys/own.txt"))
            .cmd(words)
    }
}

/// Files that hold a text, in a directory of this user.
pub(super) fn holding(dir: &Path, text: &str, found: &mut Vec<PathBuf>) {
    // What goes away meanwhile was not left behind.
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            holding(&path, text, found);
        } else if fs::read(&path)
            .is_ok_and(|bytes| bytes.windows(text.len()).any(|w| w == text.as_bytes()))
        {
            found.push(path);
        }
    }
}

/// Runs a real tool.
pub(super) fn tool(name: &str, args: &[&str], input: &str) -> String {
    let mut child = Command::new(name)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{name}: {e}; `scripts/tools` installs it"));
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{name} {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
