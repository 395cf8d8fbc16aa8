//! A container, a machine that pulls its spec and one to which the same is pushed, with
//! the real tools and real guests. Both machines become the same.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::actions::base64;
use crate::e2e::ready;
use crate::support::{Hl, TestLab};

const TOKEN: &str = "c0ffee21-of-the-machine";
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFG7YvXM6cXkAyOfyLKgJ2tQ8Ll9UqtRz2Pss2V1n4Yb ana@desk";

/// `made` makes all three, brings two to what they are to be, and looks at them.
const MINE: &str = r#"
[layer]
id = "l9"
name = "Mine"

[[recipe]]
name = "made"
[[recipe.step]]
id = "snippet"
use = "pull.snippet"
with = { key = "dev-pve", node = "pve", name = "puller", spec = "edge" }
[[recipe.step]]
id = "init"
use = "tofu.init"
with = { env = "dev", node = "pve", dir = "layers/l2-instantiate/tofu/vms" }
[[recipe.step]]
id = "templates"
use = "ct.template"
with = { env = "dev", node = "pve" }
[[recipe.step]]
id = "resolve"
use = "site.tfvars"
with = { env = "dev", node = "pve", dir = "layers/l2-instantiate/tofu/vms", snippets = "{{ steps.snippet.snippets }}", ct_templates = "{{ steps.templates.templates }}" }
[[recipe.step]]
id = "plan"
use = "tofu.plan"
with = { env = "dev", node = "pve", dir = "layers/l2-instantiate/tofu/vms", vars_file = "{{ steps.resolve.tfvars }}" }
[[recipe.step]]
id = "apply"
use = "tofu.apply"
with = { env = "dev", node = "pve", dir = "layers/l2-instantiate/tofu/vms", plan_file = "{{ steps.plan.plan_file }}" }
[[recipe.step]]
id = "start"
use = "vm.start"
with = { vms = "{{ steps.apply.provisioned_vms }}" }
[[recipe.step]]
id = "wait"
use = "vm.wait"
with = { vms = "{{ steps.apply.provisioned_vms }}" }
[[recipe.step]]
id = "outputs"
use = "tofu.outputs"
with = { env = "dev", node = "pve", addresses = "{{ steps.wait.addresses }}" }
[[recipe.step]]
id = "inventory"
use = "ansible.inventory"
with = { env = "dev", node = "pve" }
[[recipe.step]]
id = "reachable"
use = "ssh.wait"
with = { inventory = "{{ steps.inventory.inventory }}" }
[[recipe.step]]
id = "applied"
use = "pull.wait"
with = { inventory = "{{ steps.inventory.inventory }}", name = "puller", spec = "edge", digest = "{{ steps.snippet.digest }}" }
[[recipe.step]]
id = "clean"
use = "pull.clean"
with = { key = "dev-pve", node = "pve", name = "puller" }
[[recipe.step]]
id = "pushed"
use = "ansible.playbook"
with = { playbook = "layers/l3-system/ansible/system.yml", inventory = "{{ steps.inventory.inventory }}", limit = "pushed", spec = "edge", machine = "pushed" }
[[recipe.step]]
id = "look"
use = "command"
with = { argv = ["sh", "layers/l9-mine/look.sh"] }

[[recipe]]
name = "started"
[[recipe.step]]
id = "start"
use = "vm.start"
with = { vms = [{ name = "cache", vmid = 7103, node = "pve", kind = "ct" }] }
[[recipe.step]]
id = "reachable"
use = "ssh.wait"
with = { inventory = "state/rehearsal/.build/ansible/dev-pve/inventory.json", limit = "cache" }

[[recipe]]
name = "checked"
deps = ["started", "l3-converge dev --limit=cache --check"]

[[recipe]]
name = "converged"
deps = ["started", "l3-converge dev --limit=cache"]

[[recipe]]
name = "bared"
deps = ["started"]
[[recipe.step]]
id = "bare"
use = "command"
with = { argv = ["sh", "layers/l9-mine/bare.sh"] }
"#;

const SSH: &str = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes \
    -o UserKnownHostsFile=state/rehearsal/state/known_hosts \
    -i state/rehearsal/state/ssh/id_ed25519 -o IdentitiesOnly=yes";

/// What the two machines are, in one file each, and beside it what is each one's own.
const LOOK: &str = r#"
set -eu
for at in puller:192.168.1.71 pushed:192.168.1.72; do
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
for unit in nginx cron fail2ban ssh; do
  echo "$unit $(systemctl is-enabled $unit 2>/dev/null || true) $(systemctl is-active $unit || true)"
done
echo "== sshd"; sshd -T | grep -v '^listenaddress' | sort
echo "== zone"; cat /etc/timezone; readlink /etc/localtime
END
  SSH ops@${at##*:} 'hostname; head -1 /etc/hosts; sudo stat -c "%a %n" /var/lib/hl-spec/token /var/lib/hl-spec/spec.json 2>/dev/null || true' >state/rehearsal/own-$name.txt
done
"#;

/// Takes python from the container; what installs packages there brings it back, once.
const BARE: &str = r#"
set -eu
SSH root@192.168.1.73 sh -s <<'END'
set -eu
mv /usr/bin/python3 /usr/bin/python3.away
cat >/usr/local/bin/apt-get <<'ONCE'
#!/bin/sh
case "$*" in
  *install*python3*) mv /usr/bin/python3.away /usr/bin/python3; rm -f /usr/local/bin/apt-get; touch /srv/python-installed ;;
esac
ONCE
chmod 755 /usr/local/bin/apt-get
END
"#;

const FILES: &[(&str, &str)] = &[
    ("layers/l9-mine/layer.toml", MINE),
    (
        "site/site.yaml",
        "defaults:\n  spec_server: https://192.168.1.5:44443\n  domain: lab.example\n",
    ),
    (
        "site/v2/postures/closed.yaml",
        "auth: {method: node_token}\nssh: {permit_root_login: \"no\", password_authentication: \"no\"}\nsudo: {nopasswd: true}\npackages: [rsync]\n",
    ),
    (
        "site/v2/specs/edge.yaml",
        "schema_version: 1\naccess:\n  posture: closed\n  users:\n    - {name: ana, sudo: true, ssh_keys: [ana@desk]}\n    - {name: guest}\nplatform:\n  packages: [nginx, htop]\n  services: {enable: [nginx], disable: [absent]}\nconfig: {timezone: Europe/Lisbon}\n",
    ),
    (
        "site/envs/dev.yaml",
        "vms:\n  - {name: puller, image: debian-13, vmid: 7101, ip: 192.168.1.71/24, gateway: 192.168.1.1}\n  - {name: pushed, image: debian-13, vmid: 7102, ip: 192.168.1.72/24, gateway: 192.168.1.1}\n  - {name: cache, kind: ct, image: debian-13, vmid: 7103, ip: 192.168.1.73/24, gateway: 192.168.1.1, disk: 4, memory: 512}\n",
    ),
];

fn lab() -> TestLab {
    let lab = TestLab::shipped();
    for (path, text) in FILES {
        lab.write(path, text);
    }
    let toml = lab.read("hl.toml");
    let with_ssh = |text: &str| text.replace("SSH ", &format!("{SSH} "));
    lab.write(
        "hl.toml",
        &format!("{toml}\n[serve]\ncert_dir = \"state/serve\"\n"),
    )
    .write("layers/l9-mine/look.sh", &with_ssh(LOOK))
    .write("layers/l9-mine/bare.sh", &with_ssh(BARE))
    .write(
        "site/secrets.yaml",
        &format!("ssh_keys:\n  ana@desk: {KEY}\nauth:\n  node_tokens:\n    edge: {TOKEN}\n"),
    );
    let secrets = lab.path("site/secrets.yaml");
    fs::set_permissions(secrets, fs::Permissions::from_mode(0o600)).unwrap();
    lab
}

struct Room {
    lab: TestLab,
    home: TempDir,
}

impl Room {
    fn hl(&self, words: &str) -> Hl {
        let home = self.home.path().display().to_string();
        self.lab.hl(words).env("HOME", home)
    }

    fn world(&self) -> Value {
        let text = self.lab.read("state/rehearsal/world/world.json");
        serde_json::from_str(&text).unwrap()
    }
}

#[test]
fn a_container_and_the_same_spec_by_pull_and_by_push() {
    let programs = [
        "packer",
        "tofu",
        "ansible-playbook",
        "unshare",
        "ssh-keygen",
    ];
    if !ready(true, &programs) {
        return;
    }
    let room = Room {
        lab: lab(),
        home: TempDir::new().unwrap(),
    };
    room.hl("rehearse l1-ensure debian-13").exits(0);
    let ran = room.hl("rehearse made").exits(0);
    ran.says(&[
        "specs to guests, on port 44443",
        "`puller` has applied spec `edge`",
        "`cache` lets `root` in",
    ]);
    same(&room);
    clean(&room);
    again(&room);
    container(&room);
}

/// Packages, users, keys, services and sshd's settings of both.
fn same(room: &Room) {
    let look = |name: &str| room.lab.read(&format!("state/rehearsal/look-{name}.txt"));
    let (pulled, pushed) = (look("puller"), look("pushed"));
    for part in [
        "nginx installed",
        "htop installed",
        "ana:/home/ana:/bin/bash",
        KEY,
        "nginx enabled active",
        "permitrootlogin no",
        "Europe/Lisbon",
    ] {
        assert!(pulled.contains(part), "`{part}` is not in\n{pulled}");
    }
    assert_eq!(pulled, pushed, "by pull (left), by push (right)");
    let own = |name: &str| room.lab.read(&format!("state/rehearsal/own-{name}.txt"));
    assert_eq!(
        own("puller"),
        "puller\n127.0.1.1 puller.lab.example puller\n600 /var/lib/hl-spec/token\n600 /var/lib/hl-spec/spec.json\n"
    );
    assert_eq!(
        own("pushed"),
        "pushed\n127.0.1.1 pushed.lab.example pushed\n"
    );
}

/// Nothing is left of what brought the token, and it is nowhere but where it belongs.
fn clean(room: &Room) {
    let world = room.world();
    assert!(world["vms"]["7101"]["config"]["cicustom"].is_null());
    let volumes = world["volumes"].to_string();
    assert!(!volumes.contains("hl-dev-pve-puller"), "{volumes}");
    let state = room
        .lab
        .read("state/rehearsal/.states/dev-pve/terraform.tfstate");
    assert!(state.contains("local:snippets/hl-dev-pve-puller.yaml"));
    holds_no_token(room.lab.root());
}

fn holds_no_token(root: &Path) {
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

/// With nothing new, nothing is written, made or applied.
fn again(room: &Room) {
    let ran = room.hl("rehearse made").exits(0);
    ran.says(&[
        "`puller` is made already",
        "no changes",
        "there is no snippet",
    ]);
    assert!(
        !ran.stderr.contains("told again"),
        "it was told again\n{}",
        ran.stderr
    );
}

/// L3 on the container, which has no python at first; then root is shut out.
fn container(room: &Room) {
    let config = room.world()["vms"]["7103"]["config"].clone();
    assert_eq!(config["hostname"], "cache");
    assert_eq!(config["features"], "nesting=1");
    assert_eq!(config["memory"], "512");
    room.hl("rehearse bared").exits(0);
    // A check changes nothing, and does not fail.
    room.hl("rehearse checked").exits(0);
    let installed = || {
        let disks = room.lab.path("state/rehearsal/world/disks");
        let mut disks = fs::read_dir(disks).unwrap();
        disks.any(|disk| disk.unwrap().path().join("srv/python-installed").exists())
    };
    assert!(!installed());
    room.hl("rehearse converged").exits(0);
    assert!(installed());
    let ran = room.hl("rehearse converged").exits(0);
    assert!(!ran.stderr.contains("lets `root` in"), "{}", ran.stderr);
    ran.says(&["changed=0"]);
    room.hl("rehearse l2-destroy dev --yes")
        .exits(0)
        .says(&["3 destroyed"]);
    assert!(room.world()["vms"]["7103"].is_null());
}
