//! What L2 made is looked for before L3: what is not there is named at once,
//! with the commands that help.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, SystemTime};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use super::stage::{Stage, sealed, tools};
use crate::support::TestLab;

const AGAIN: &str = "`hl l2-apply dev --node pve`";
const RESET: &str = "`hl l2-forget dev --node pve`";

fn has_ansible() -> bool {
    let path = tools().get("PATH").map(String::as_str).unwrap_or_default();
    std::env::split_paths(path).any(|dir| dir.join("ansible-playbook").is_file())
}

/// A hand on the node takes a machine away.
fn destroy(stage: &Stage, vmid: u32) {
    let own = format!("vm-{vmid}-");
    stage.sim.change(|world| {
        world.vms.remove(&vmid).unwrap();
        world.volumes.retain(|volume| {
            let volume = format!("{volume:?}");
            !volume.contains(&own)
        });
    });
}

/// The namespace gets an address at which sshd's port takes connections.
fn listens(address: &str) -> TcpListener {
    let added = Command::new("ip")
        .args(["addr", "add", &format!("{address}/32"), "dev", "lo"])
        .status()
        .unwrap();
    assert!(added.success());
    TcpListener::bind((address, 22)).unwrap()
}

#[test]
fn a_machine_that_was_destroyed_is_named_and_l2_makes_it_again() {
    if !sealed(
        "reconcile::a_machine_that_was_destroyed_is_named_and_l2_makes_it_again",
        "tofu",
    ) || !has_ansible()
    {
        return;
    }
    let stage = Stage::new();
    // Nothing was ever made.
    let none = stage.hl("l3").exits(69);
    none.says(&["`dev` has no machines on `pve`", AGAIN, RESET]);
    stage.hl("plan l3").exits(0);
    stage.applied();
    destroy(&stage, 5101);

    let ran = stage.hl("l3").exits(69);
    ran.says(&[
        "`web-1` (VM 5101 on `pve`) is gone from the node",
        AGAIN,
        RESET,
    ]);
    // The other one was started a moment ago: that is no finding.
    assert!(!ran.stderr.contains("app-1"), "{}", ran.stderr);
    stage.hl("l4 --limit web").exits(69).says(&["is gone"]);
    stage.hl("up --from l3").exits(69).says(&["is gone", AGAIN]);
    stage
        .hl("plan l3")
        .exits(0)
        .says(&["is gone from the node; a live run stops here"]);

    stage
        .hl("l2-apply dev --node pve --yes")
        .exits(0)
        .says(&["1 added"]);
    let _sshd = [listens("192.168.1.51"), listens("192.168.1.52")];
    // They answer; no sshd is behind the port, which is not this step's business.
    stage
        .hl("l3 --timeout 3s")
        .exits(124)
        .says(&["2 machines there"]);
    stage.is_clean();
}

#[test]
fn who_is_silent_stopped_or_unknown_is_told_apart() {
    if !sealed(
        "reconcile::who_is_silent_stopped_or_unknown_is_told_apart",
        "tofu",
    ) || !has_ansible()
    {
        return;
    }
    let stage = Stage::new();
    stage.applied();
    stage.sim.change(|world| {
        world.vms.get_mut(&5101).unwrap().run = None;
        let run = world.vms.get_mut(&5102).unwrap().run.as_mut().unwrap();
        run.since -= 86_400;
    });
    stage.hl("l3").exits(69).says(&[
        "`web-1` (VM 5101 on `pve`) is stopped",
        "`app-1` (VM 5102 on `pve`) does not answer at 192.168.1.52, port 22",
        AGAIN,
        RESET,
    ]);
    // Only those that the run is about.
    let ran = stage.hl("l3 --limit app-1").exits(69);
    assert!(!ran.stderr.contains("web-1"), "{}", ran.stderr);

    // The node cannot be asked: a state that was just written may be of
    // machines that boot, an old one is not.
    let _sshd = listens("192.168.1.51");
    let blind = |words: &str| {
        stage
            .hl(words)
            .env("PVE_ACCESS_HOST", "https://127.0.0.1:1")
    };
    blind("l3 --timeout 20s")
        .exits(124)
        .says(&["1 machine there, 1 machine booting"]);
    let tfstate = stage.lab.path(".states/dev-pve/terraform.tfstate");
    let file = std::fs::File::options().append(true).open(tfstate).unwrap();
    let old = SystemTime::now() - Duration::from_hours(1);
    file.set_modified(old).unwrap();
    blind("l3").exits(69).says(&[
        "`app-1` (VM 5102 on `pve`) does not answer at 192.168.1.52",
        "the node could not be asked about it",
        AGAIN,
    ]);
}

#[test]
fn the_state_forgets_what_is_gone_and_nothing_else() {
    if !sealed(
        "reconcile::the_state_forgets_what_is_gone_and_nothing_else",
        "tofu",
    ) {
        return;
    }
    let stage = Stage::new();
    stage.applied();
    stage
        .hl("l2-forget dev")
        .exits(0)
        .says(&["nothing is gone"]);
    destroy(&stage, 5101);
    let keys = "192.168.1.51 ssh-ed25519 AAAA\n192.168.1.52 ssh-ed25519 BBBB\n";
    stage.lab.write("state/known_hosts", keys);
    let tfstate = ".states/dev-pve/terraform.tfstate";
    let before = stage.lab.read(tfstate);

    let asked = stage.hl("l2-forget dev --node pve").exits(77);
    asked.says(&["forget `web-1` (VM 5101 on `pve`): it is not on the node"]);
    assert_eq!(stage.lab.read(tfstate), before);
    // Who cannot ask the node forgets nothing.
    let blind = stage
        .hl("l2-forget dev --yes")
        .env("PVE_ACCESS_HOST", "https://127.0.0.1:1");
    blind.exits(69).says(&["is unknown"]);
    assert_eq!(stage.lab.read(tfstate), before);

    let writes = stage.sim.write_count();
    stage
        .hl("l2-forget dev --yes")
        .exits(0)
        .says(&["forgot 1 machine"]);
    assert_eq!(stage.sim.write_count(), writes);
    assert_eq!(stage.vms().into_values().collect::<Vec<_>>(), ["app-1"]);
    let after = stage.lab.read(tfstate);
    assert!(
        !after.contains("\"web-1\"") && after.contains("\"app-1\""),
        "{after}"
    );
    assert_eq!(
        stage.lab.read("state/known_hosts"),
        "192.168.1.52 ssh-ed25519 BBBB\n"
    );
    stage
        .hl("l2-forget dev")
        .exits(0)
        .says(&["nothing is gone"]);
    // And what is gone is made again from there.
    stage.hl("l2-apply dev --yes").exits(0).says(&["1 added"]);
    assert_eq!(stage.vms().len(), 2);
    stage.is_clean();
}

#[test]
fn what_is_stopped_keeps_its_address_when_the_state_forgets_others() {
    if !sealed(
        "reconcile::what_is_stopped_keeps_its_address_when_the_state_forgets_others",
        "tofu",
    ) || !has_ansible()
    {
        return;
    }
    let stage = Stage::new();
    stage.applied();
    destroy(&stage, 5102);
    stage
        .sim
        .change(|world| world.vms.get_mut(&5101).unwrap().run = None);
    stage
        .hl("l2-forget dev --yes")
        .exits(0)
        .says(&["forgot 1 machine"]);
    let outputs = stage.lab.read(".build/tofu/dev-pve/outputs.json");
    assert!(
        outputs.contains("\"address\": \"192.168.1.51\""),
        "{outputs}"
    );
    assert!(!outputs.contains("app-1"), "{outputs}");
    let stopped = "`web-1` (VM 5101 on `pve`) is stopped";
    stage.hl("l3").exits(69).says(&[stopped, AGAIN, RESET]);
    // Only those that the run is about, of which there are none.
    let ran = stage.hl("l3 --limit app").exits(69);
    ran.says(&["no machine of `dev` on `pve` is in `--limit app`", AGAIN]);
    assert!(!ran.stderr.contains(stopped), "{}", ran.stderr);
    // Nor is the address lost where only the state is read.
    stage.hl("l2-outputs dev").exits(0).says(&["192.168.1.51"]);
    // What nobody remembers is told with the reason.
    std::fs::remove_file(stage.lab.path(".build/tofu/dev-pve/outputs.json")).unwrap();
    stage
        .hl("l3")
        .exits(69)
        .says(&["no address is known of `web-1`", "it is stopped"]);
}

#[test]
fn a_vpn_that_is_down_is_told_before_anything_else() {
    if !sealed(
        "reconcile::a_vpn_that_is_down_is_told_before_anything_else",
        "tofu",
    ) || !has_ansible()
    {
        return;
    }
    let stage = Stage::new();
    stage.applied();
    let settings = stage.lab.read("hl.toml");
    let peer = |peer: &str| {
        let section = format!("[network]\nvpn_peer = \"{peer}\"");
        let text = settings.replacen("[network]", &section, 1);
        stage.lab.write("hl.toml", &text);
    };
    peer("127.0.0.1:9");
    let ran = stage.hl("l3").exits(69);
    ran.says(&[
        "the VPN peer `127.0.0.1:9` does not answer: port 9: connection refused",
        "connect the VPN first",
        AGAIN,
        RESET,
    ]);
    assert!(!ran.stderr.contains("web-1"), "{}", ran.stderr);
    let _sshd = [listens("192.168.1.51"), listens("192.168.1.52")];
    let hub = TcpListener::bind("127.0.0.1:0").unwrap();
    peer(&hub.local_addr().unwrap().to_string());
    stage
        .hl("l3 --timeout 3s")
        .exits(124)
        .says(&["2 machines there"]);
    peer("10.8.0");
    stage
        .hl("l3")
        .exits(65)
        .says(&["`10.8.0` is no address", "hl.toml:"]);
}

/// A lab whose `l2-apply` writes a state, and whose `go` assumes what it made.
fn scripted() -> TestLab {
    let lab = TestLab::shipped();
    std::fs::remove_dir_all(lab.path("layers")).unwrap();
    let state = r#"{"version": 4, "resources": [{"mode": "managed", "type": "proxmox_virtual_environment_vm",
        "name": "vm", "instances": [{"index_key": "web-1", "attributes": {"vm_id": 5101, "node_name": "pve"}}]}],
        "outputs": {"vms": {"value": {"web-1": {"vmid": 5101, "node": "pve", "address": "127.0.0.77/8",
        "addresses": ["127.0.0.77"], "user": "ops"}}}}}"#;
    lab.write("made.json", state);
    lab.write(
        "layers/l2-made/layer.toml",
        r#"[layer]
id = "l2"
name = "Made"

[[recipe]]
name = "l2-apply"
params = [{ name = "env" }, { name = "node", option = true, default = "" }]
[[recipe.step]]
id = "make"
use = "command"
with = { argv = ["sh", "-c", "mkdir -p .states/{{ env }}-{{ node }} && cp made.json .states/{{ env }}-{{ node }}/terraform.tfstate"] }
"#,
    );
    lab.write(
        "layers/l3-goes/layer.toml",
        r#"[layer]
id = "l3"
name = "Goes"

[[recipe]]
name = "go"
[[recipe.step]]
id = "reconcile"
use = "machines.check"
with = { env = "dev", node = "pve" }
[[recipe.step]]
id = "go"
use = "command"
with = { argv = ["sh", "-c", "echo gone >> went"] }
"#,
    );
    lab
}

/// On a terminal what helps is offered, done, and the run starts again; a node
/// that cannot be asked is given the time that machines take to boot.
#[test]
fn on_a_terminal_the_choice_is_asked_and_carried_out() {
    for (keys, ends, runs) in [("\r", 69, 1), ("\u{1b}[B\r", 0, 3)] {
        let lab = scripted();
        let terminal = native_pty_system().openpty(PtySize::default()).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_hl"));
        command.args(["go"]);
        command.cwd(lab.root());
        command.env("HOME", lab.root());
        command.env("DOPPLER", "0");
        command.env("TERM", "xterm");
        let mut child = terminal.slave.spawn_command(command).unwrap();
        drop(terminal.slave);
        let mut reader = terminal.master.try_clone_reader().unwrap();
        let mut writer = terminal.master.take_writer().unwrap();
        let mut said = String::new();
        let mut buffer = [0; 4096];
        let mut answered = false;
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            said.push_str(&String::from_utf8_lossy(&buffer[..count]));
            if !answered && said.contains("type to filter") {
                writer.write_all(keys.as_bytes()).unwrap();
                answered = true;
            }
        }
        assert_eq!(child.wait().unwrap().exit_code(), ends, "{said}");
        assert_eq!(lab.path("went").exists(), ends == 0, "{said}");
        let files = std::fs::read_dir(lab.path("state/runs")).unwrap();
        let made = files.filter(|file| {
            let name = file.as_ref().unwrap().file_name();
            name.to_string_lossy().ends_with(".yaml")
        });
        assert_eq!(made.count(), runs, "{said}");
    }
}
