//! A host whose network is more than one link with a default route gets no bridge, and
//! `--local` confirms none that the gateway does not answer over.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{roles, yaml};
use crate::e2e::ready;

/// A host: what `ip` says of it, and its files.
struct Host(TempDir);

impl Host {
    /// One link, its address and its default route, as a Debian is installed.
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        host.program(
            "ip",
            "case \"$*\" in *address*) cat \"$0.links\";; *-6*) cat \"$0.6\";; *) cat \"$0.4\";; esac",
        );
        host.links(&json!([]))
            .routes("4", &json!([]))
            .routes("6", &json!([]))
            .file(
                "etc/network/interfaces",
                "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n\
                 allow-hotplug ens18\n# its address\niface ens18 inet static\n\taddress 192.0.2.30/24\n\
                 \tgateway 192.0.2.1\n\tdns-nameservers 192.0.2.1\niface ens18 inet6 auto\n",
            );
        host
    }

    fn bin(&self) -> PathBuf {
        self.0.path().join("bin")
    }

    fn program(&self, name: &str, script: &str) {
        let file = self.bin().join(name);
        fs::create_dir_all(self.bin()).unwrap();
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn file(&self, path: &str, text: &str) -> &Self {
        let file = self.0.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        self
    }

    /// These links beside `lo`, `ens18` and those of guests.
    fn links(&self, more: &Value) -> &Self {
        self.port(&json!([]), more)
    }

    /// These addresses of `ens18` beside its own, and these links.
    fn port(&self, addresses: &Value, more: &Value) -> &Self {
        let own = json!([
            {"family": "inet", "local": "192.0.2.30", "prefixlen": 24, "scope": "global"},
            {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"},
            {"family": "inet6", "local": "2001:db8::5", "prefixlen": 64, "scope": "global", "dynamic": true, "mngtmpaddr": true},
        ]);
        let own = [
            own.as_array().unwrap().clone(),
            addresses.as_array().unwrap().clone(),
        ]
        .concat();
        let links = json!([
            {"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8, "scope": "host"}]},
            {"ifname": "ens18", "address": "02:00:00:00:00:01", "addr_info": own},
            {},
            {"ifname": "ens19", "address": "02:00:00:00:00:02",
             "addr_info": [{"family": "inet6", "local": "fe80::2", "prefixlen": 64, "scope": "link"}]},
            {"ifname": "tap100i0", "addr_info": [{"family": "inet", "local": "10.1.0.1", "prefixlen": 24, "scope": "global"}]},
            {"ifname": "docker0", "linkinfo": {"info_kind": "bridge"},
             "addr_info": [{"family": "inet", "local": "172.17.0.1", "prefixlen": 16, "scope": "global"}]},
            {"ifname": "veth12ab", "master": "docker0", "linkinfo": {"info_kind": "veth"}},
        ]);
        let links = [
            links.as_array().unwrap().clone(),
            more.as_array().unwrap().clone(),
        ]
        .concat();
        self.file("bin/ip.links", &json!(links).to_string())
    }

    /// These routes beside those of every host.
    fn routes(&self, family: &str, more: &Value) -> &Self {
        let usual = json!([
            {"dst": "default", "gateway": "192.0.2.1", "dev": "ens18", "protocol": "dhcp"},
            {"dst": "192.0.2.0/24", "dev": "ens18", "protocol": "kernel", "scope": "link"},
            {"dst": "192.0.2.1", "dev": "ens18", "protocol": "dhcp", "scope": "link"},
            {"type": "local", "dst": "192.0.2.30", "dev": "ens18", "table": "local", "protocol": "kernel"},
        ]);
        let usual = match family {
            "4" => usual.as_array().unwrap().clone(),
            _ => vec![
                json!({"dst": "default", "gateway": "fe80::9", "dev": "ens18", "protocol": "ra"}),
            ],
        };
        let routes = [usual, more.as_array().unwrap().clone()].concat();
        self.file(&format!("bin/ip.{family}"), &json!(routes).to_string())
    }

    fn run(&self, command: &mut Command) -> Output {
        let path = format!("{}:/usr/sbin:/usr/bin:/bin", self.bin().display());
        command.env("PATH", path).output().unwrap()
    }

    /// What a bridge over `ens18` would lose.
    #[track_caller]
    fn losses(&self) -> String {
        let output = self.run(
            Command::new("/usr/bin/python3")
                .arg(roles("roles/pve_setup/files/network-losses.py"))
                .args(["ens18", "vmbr0"])
                .arg(self.0.path()),
        );
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

#[test]
fn one_link_with_its_default_route_loses_nothing() {
    let host = Host::new();
    assert_eq!(host.losses(), "");
    // As Debian's cloud images have it; `ens19` is matched by the port's own pattern.
    host.file(
        "etc/network/interfaces",
        "auto lo\niface lo inet loopback\n",
    );
    host.file(
        "etc/systemd/network/10-pin.link",
        "[Match]\nMACAddress=02:00:00:00:00:02\n",
    );
    assert_eq!(host.losses(), "");
}

#[test]
fn netplan_is_read() {
    let yaml = Command::new("/usr/bin/python3")
        .args(["-c", "import yaml"])
        .status();
    if !yaml.is_ok_and(|status| status.success()) {
        // Nobody knows what is in it: that is a loss too.
        let host = Host::new();
        host.file("etc/netplan/50-own.yaml", "network: {version: 2}\n");
        assert!(
            host.losses()
                .contains("/etc/netplan/50-own.yaml cannot be read")
        );
        return;
    }
    let host = Host::new();
    host.file(
        "etc/netplan/90-default.yaml",
        "network:\n  version: 2\n  ethernets:\n    all-en: {match: {name: en*}, dhcp4: true, dhcp6: true}\n    \
         all-eth: {match: {name: eth*}, dhcp4: true}\n    own: {match: {macaddress: \"02:00:00:00:00:01\"}, set-name: ens18}\n",
    );
    assert_eq!(host.losses(), "");
    host.file(
        "etc/netplan/91-more.yaml",
        "network:\n  ethernets:\n    eno2: {dhcp4: true}\n    ens18: {mtu: 9000}\n    \
         other: {match: {macaddress: \"02:00:00:00:00:02\"}}\n  bonds:\n    bond0: {interfaces: [eno2]}\n",
    );
    let said = host.losses();
    for part in [
        "`eno2` is named",
        "`ens18` has `mtu`",
        "`ens19` is named",
        "`bond0` is named",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// Each of these is lost, and is named.
#[test]
fn all_else_is_named() {
    let second = json!([{"ifname": "eth1", "addr_info": [
        {"family": "inet", "local": "198.51.100.7", "prefixlen": 24, "scope": "global"}]}]);
    let joined = json!([
        {"ifname": "br1", "linkinfo": {"info_kind": "bridge"}, "addr_info": [
            {"family": "inet", "local": "198.51.100.8", "prefixlen": 24, "scope": "global"}]},
        {"ifname": "eno3", "master": "br1"}]);
    let further = json!([
        {"family": "inet", "local": "192.0.2.31", "prefixlen": 24, "scope": "global"},
        {"family": "inet6", "local": "2001:db8::30", "prefixlen": 64, "scope": "global"}]);
    let by_hand = json!([{"dst": "10.9.0.0/16", "gateway": "192.0.2.9", "dev": "ens18"}]);
    let router = json!([
        {"dst": "default", "gateway": "2001:db8::1", "dev": "ens18", "protocol": "static"}]);
    let own = "auto bond0\niface bond0 inet manual\n\tbond-slaves eno1 eno2\niface ens18 inet6 static\n\
               \taddress 2001:db8::30/64\n\tpost-up ip route add 10.9.0.0/16 via 192.0.2.9\n";
    lost(&["`eth1` has the address 198.51.100.7/24"], |host| {
        host.links(&second);
    });
    lost(&["`br1` has the address 198.51.100.8/24"], |host| {
        host.links(&joined);
    });
    lost(
        &[
            "further address 192.0.2.31/24",
            "the IPv6 address 2001:db8::30/64",
        ],
        |host| {
            host.port(&further, &json!([]));
        },
    );
    lost(
        &["`ens18` has the route 10.9.0.0/16 via 192.0.2.9"],
        |host| {
            host.routes("4", &by_hand);
        },
    );
    lost(&["`ens18` has the route default via 2001:db8::1"], |host| {
        host.routes("6", &router);
    });
    lost(
        &[
            "`bond0` is named in /etc/network/interfaces.d/own",
            "`inet6 static`",
            "post-up ip route add",
        ],
        |host| {
            host.file("etc/network/interfaces.d/own", own);
        },
    );
    lost(
        &["`ens18.20` is named in /etc/systemd/network/20-vlan.netdev"],
        |host| {
            host.file(
                "etc/systemd/network/20-vlan.netdev",
                "[NetDev]\nName=ens18.20\nKind=vlan\n",
            );
        },
    );
}

/// A host that was prepared so is told of these losses.
#[track_caller]
fn lost(parts: &[&str], prepare: impl Fn(&Host)) {
    let host = Host::new();
    prepare(&host);
    let said = host.losses();
    for part in parts {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// networkd that nobody stops would set the port's address again.
#[test]
fn a_port_of_networkd_is_named() {
    let host = Host::new();
    host.file(
        "etc/systemd/network/10-lan.network",
        "[Match]\nName=ens*\n[Network]\nDHCP=yes\n",
    );
    assert_eq!(host.losses(), "", "it is not enabled");
    let wants = host
        .0
        .path()
        .join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).unwrap();
    symlink("/nowhere", wants.join("systemd-networkd.service")).unwrap();
    let said = host.losses();
    assert!(
        said.contains("`ens18` is set up by systemd-networkd"),
        "{said}"
    );
}

/// The tasks as ansible runs them, on this machine: they only look.
#[test]
fn the_role_refuses_before_it_changes_anything() {
    if !ready(false, &["ansible-playbook"]) {
        return;
    }
    let host = Host::new();
    let second = json!([{"ifname": "eth1", "addr_info": [
        {"family": "inet", "local": "198.51.100.7", "prefixlen": 24, "scope": "global"}]}]);
    host.links(&second);
    let said = look(&host, &["-e", "pve_bridge_gateway=192.0.2.1"]);
    for part in [
        "eth1",
        "198.51.100.7/24",
        "Nothing was changed",
        "Make vmbr0 by hand",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Of the machine itself only its gateway tells whether the bridge works.
    host.file("bin/ip.4", "[{\"dst\": \"default\", \"dev\": \"ens18\"}]");
    let said = look(&host, &[]);
    assert!(said.contains("has no gateway"), "{said}");
    let said = look(
        &host,
        &[
            "-e",
            "{\"pve_bridge_port\": \"ens18 ens19\", \"pve_bridge_address\": \"192.0.2.30/24\"}",
        ],
    );
    assert!(said.contains("one only"), "{said}");
    // In the role nothing that changes is before it.
    for (file, at) in [("pve_setup", 1), ("pve_install", 1)] {
        let tasks = yaml(&format!("roles/{file}/tasks/main.yml"));
        let first = &tasks[at]["block"][0];
        let task = if first.is_null() { &tasks[at] } else { first };
        assert!(task.to_string().contains("network.yml"), "{file}: {task}");
    }
}

/// Runs the tasks that look at the network; they have to refuse.
#[track_caller]
fn look(host: &Host, words: &[&str]) -> String {
    let playbook = host.0.path().join("look.yml");
    let text = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.include_role: {name: pve_setup, tasks_from: network.yml}\n";
    fs::write(&playbook, text).unwrap();
    let program = which::which("ansible-playbook").unwrap();
    let output = host.run(
        Command::new(program)
            .args(["-i", "heron,", "-c", "local"])
            .args(words)
            .arg(&playbook)
            .env("ANSIBLE_HOME", host.0.path())
            .env("ANSIBLE_LOCALHOST_WARNING", "false")
            .env("ANSIBLE_ROLES_PATH", roles("roles")),
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success(), "{text}");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_gateway_answers_over_the_bridge_or_it_does_not() {
    let answers = |ping: &str, neighbour: &str| {
        let host = Host::new();
        for (name, script) in [
            ("ping", ping),
            ("arping", "exit 2"),
            ("bash", "exit 1"),
            ("ip", neighbour),
            ("sleep", ""),
        ] {
            host.program(name, script);
        }
        let program = roles("roles/pve_setup/files/hl-network");
        let output =
            host.run(
                Command::new("/bin/sh")
                    .arg(program)
                    .args(["answers", "vmbr0", "192.0.2.1"]),
            );
        output.status.code()
    };
    let asked = "test \"$*\" = \"-c 1 -W 1 -I vmbr0 192.0.2.1\"";
    assert_eq!(answers(asked, "exit 0"), Some(0));
    // It drops pings, and says where it is.
    let known = "test \"$*\" = \"-4 neighbour show 192.0.2.1 dev vmbr0\" && echo '192.0.2.1 lladdr 02:00:00:00:00:09 REACHABLE'";
    assert_eq!(answers("exit 1", known), Some(0));
    assert_eq!(answers("exit 1", "echo '192.0.2.1 FAILED'"), Some(1));
}

/// Where ansible runs on the host itself, a connection says nothing: nothing is confirmed
/// before the gateway answered.
#[test]
fn on_the_machine_itself_the_gateway_confirms() {
    let tasks = yaml("roles/pve_setup/tasks/make-bridge.yml");
    let tasks = tasks.as_array().unwrap();
    let at = |part: &str| {
        tasks
            .iter()
            .position(|task| task.to_string().contains(part))
            .unwrap()
    };
    let (gateway, connection) = (at("hl-network answers"), at("wait_for_connection"));
    assert!(at("hl-network try") < gateway && gateway < at("hl-network confirm"));
    assert_eq!(
        tasks[gateway]["when"],
        "ansible_connection | default('ssh') == 'local'"
    );
    assert!(tasks[gateway].to_string().contains("pve_answers.rc == 0"));
    assert_eq!(
        tasks[connection]["when"],
        "ansible_connection | default('ssh') != 'local'"
    );
}
