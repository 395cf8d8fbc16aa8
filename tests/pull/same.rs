//! A spec of which a machine asks, or which is pushed to it; and whether two machines
//! became the same.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::actions::base64;
use crate::support::TestLab;

const TOKEN: &str = "c0ffee21-of-the-machine";
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFG7YvXM6cXkAyOfyLKgJ2tQ8Ll9UqtRz2Pss2V1n4Yb ana@desk";

const SSH: &str = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes \
    -o UserKnownHostsFile=state/rehearsal/state/known_hosts \
    -i state/rehearsal/state/ssh/id_ed25519 -o IdentitiesOnly=yes";

/// What each machine of `NAME:ADDRESS ...` is, in a file each, and beside it what is its
/// own.
const LOOK: &str = r#"
set -eu
for at in "$@"; do
  name=${at%%:*}
  SSH ops@${at##*:} sudo sh -s >state/rehearsal/look-$name.txt <<'END'
set -eu
# What ansible brings for itself, and nothing that it was asked for.
ansible='^(python3-apt|python-apt-common|python3-distro-info|distro-info-data|iso-codes|lsb-release) '
echo "== packages"; dpkg-query -W -f='${Package} ${db:Status-Status}\n' | grep ' installed$' | grep -vE "$ansible" | sort
echo "== users"; awk -F: '$3 >= 1000 && $3 < 60000 {print $1 ":" $6 ":" $7}' /etc/passwd | sort
echo "== sudo"; getent group sudo; cat /etc/sudoers.d/90-hl
echo "== keys"
for home in /home/*; do
  echo "$home"; cat "$home/.ssh/authorized_keys"
  stat -c '%U %a' "$home/.ssh" "$home/.ssh/authorized_keys"
done
echo "== services"
for unit in nginx chrony fail2ban ssh; do
  echo "$unit $(systemctl is-enabled $unit 2>/dev/null || true) $(systemctl is-active $unit || true)"
done
echo "== sshd"; sshd -T | grep -v '^listenaddress' | sort
echo "== zone"; cat /etc/timezone; readlink /etc/localtime
END
  SSH ops@${at##*:} 'hostname; head -1 /etc/hosts; sudo stat -c "%a %n" /var/lib/hl-spec/token /var/lib/hl-spec/spec.json 2>/dev/null || true' >state/rehearsal/own-$name.txt
done
"#;

/// The controller, a posture that wants a token of each machine, and a spec. Nothing in
/// them is what L3 or the program on the machine would do by itself: what either leaves
/// out is missed. The lab's own user keeps its way in, and `sudo` without a password.
const FILES: [(&str, &str); 3] = [
    (
        "site/site.yaml",
        "defaults:\n  spec_server: https://192.168.1.5:44443\n  domain: lab.example\n",
    ),
    (
        "site/v2/postures/closed.yaml",
        "auth: {method: node_token}\nssh: {permit_root_login: forced-commands-only, password_authentication: \"yes\"}\nsudo: {nopasswd: false}\npackages: [nftables]\n",
    ),
    (
        "site/v2/specs/edge.yaml",
        "schema_version: 1\naccess:\n  posture: closed\n  users:\n    - {name: ana, sudo: true, ssh_keys: [ana@desk]}\n    - {name: guest}\nplatform:\n  packages: [nginx, chrony]\n  services: {enable: [nginx], disable: [chrony, absent]}\nconfig: {timezone: Europe/Lisbon}\n",
    ),
];

/// The shipped lab with them, with the secrets that they need, and with `look.sh`.
pub(crate) fn lab() -> TestLab {
    let lab = TestLab::shipped();
    for (path, text) in FILES {
        lab.write(path, text);
    }
    let toml = lab.read("hl.toml");
    lab.write(
        "hl.toml",
        &format!("{toml}\n[serve]\ncert_dir = \"state/serve\"\n"),
    )
    .write("look.sh", &by_ssh(LOOK))
    .write(
        "site/secrets.yaml",
        &format!("ssh_keys:\n  ana@desk: {KEY}\nauth:\n  node_tokens:\n    edge: {TOKEN}\n"),
    );
    let secrets = lab.path("site/secrets.yaml");
    fs::set_permissions(secrets, fs::Permissions::from_mode(0o600)).unwrap();
    lab
}

/// A script whose `SSH` logs in on machines of the rehearsal.
pub(crate) fn by_ssh(script: &str) -> String {
    script.replace("SSH ", &format!("{SSH} "))
}

/// Packages, users, keys, services and sshd's settings of both, once `look.sh` has run.
pub(crate) fn are(lab: &TestLab, by_pull: &str, by_push: &str) {
    let look = |name: &str| lab.read(&format!("state/rehearsal/look-{name}.txt"));
    let (pulled, pushed) = (look(by_pull), look(by_push));
    for part in [
        "nginx installed",
        "chrony installed",
        "nftables installed",
        "ana:/home/ana:/bin/bash",
        KEY,
        "%sudo ALL=(ALL) ALL",
        "ops ALL=(ALL) NOPASSWD:ALL",
        "nginx enabled active",
        "chrony disabled inactive",
        "permitrootlogin forced-commands-only",
        "passwordauthentication yes",
        "Europe/Lisbon",
    ] {
        assert!(pulled.contains(part), "`{part}` is not in\n{pulled}");
    }
    assert_eq!(pulled, pushed, "by pull (left), by push (right)");
}

/// Each has its own name and the site's domain, and what it needs to ask again.
pub(crate) fn are_named(lab: &TestLab, by_pull: &str, by_push: &str) {
    let own = |name: &str| lab.read(&format!("state/rehearsal/own-{name}.txt"));
    assert_eq!(
        own(by_pull),
        format!(
            "{by_pull}\n127.0.1.1 {by_pull}.lab.example {by_pull}\n600 /var/lib/hl-spec/token\n600 /var/lib/hl-spec/spec.json\n"
        )
    );
    assert_eq!(
        own(by_push),
        format!("{by_push}\n127.0.1.1 {by_push}.lab.example {by_push}\n")
    );
}

/// The token is nowhere but where it belongs.
pub(crate) fn holds_no_token(root: &Path) {
    let encoded = base64(TOKEN);
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                dirs.push(path);
            } else if kind.is_file() {
                let bytes = fs::read(&path).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                // A guest's start is the simulated node's own.
                let own = path.starts_with(root.join("state/rehearsal/world/run"))
                    || path.ends_with("site/secrets.yaml")
                    || path.ends_with("var/lib/hl-spec/token");
                assert!(
                    own || !text.contains(TOKEN) && !text.contains(&encoded),
                    "the token is in {}",
                    path.display()
                );
            }
        }
    }
}
