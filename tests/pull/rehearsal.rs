//! A container, a machine that pulls its spec and one to which the same is pushed, with
//! the real tools and real guests. Both machines become the same.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::same;
use crate::e2e::ready;
use crate::support::{Hl, TestLab};

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
with = { argv = ["sh", "look.sh", "puller:192.168.1.71", "pushed:192.168.1.72"] }

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
        "site/envs/dev.yaml",
        "vms:\n  - {name: puller, image: debian-13, vmid: 7101, ip: 192.168.1.71/24, gateway: 192.168.1.1}\n  - {name: pushed, image: debian-13, vmid: 7102, ip: 192.168.1.72/24, gateway: 192.168.1.1}\n  - {name: cache, kind: ct, image: debian-13, vmid: 7103, ip: 192.168.1.73/24, gateway: 192.168.1.1, disk: 4, memory: 512}\n",
    ),
];

fn lab() -> TestLab {
    let lab = same::lab();
    for (path, text) in FILES {
        lab.write(path, text);
    }
    lab.write("layers/l9-mine/bare.sh", &same::by_ssh(BARE));
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
    same::are(&room.lab, "puller", "pushed");
    same::are_named(&room.lab, "puller", "pushed");
    clean(&room);
    again(&room);
    container(&room);
}

/// Nothing is left of what brought the token, and it is nowhere but where it belongs.
fn clean(room: &Room) {
    let world = room.world();
    assert!(world["vms"]["7101"]["config"]["cicustom"].is_null());
    // So cloud-init leaves each in the site's domain when it starts again.
    for id in ["7101", "7102", "7103"] {
        let config = &world["vms"][id]["config"];
        assert_eq!(config["searchdomain"], "lab.example", "{config}");
    }
    let volumes = world["volumes"].to_string();
    assert!(!volumes.contains("hl-dev-pve-puller"), "{volumes}");
    let state = room
        .lab
        .read("state/rehearsal/.states/dev-pve/terraform.tfstate");
    assert!(state.contains("local:snippets/hl-dev-pve-puller.yaml"));
    same::holds_no_token(room.lab.root());
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
