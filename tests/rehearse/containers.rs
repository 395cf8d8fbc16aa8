//! Containers as guests: nothing in them asks for settings, root logs in.

use hl_sim::{ContainerSystem, GuestKind, GuestSpec, Guests as _};

use super::guests::Room;
use super::in_namespaces;

const DISK: &str = "s:vm-60-disk-0";

#[test]
fn a_container_has_its_settings_from_its_node() {
    in_namespaces(
        "containers::a_container_has_its_settings_from_its_node",
        || {
            let room = Room::new();
            let at = "192.168.7.60";
            let run = |script: &str| {
                let out = room.ssh_as("root", at, script);
                let said = String::from_utf8_lossy(&out.stdout).into_owned();
                let why = String::from_utf8_lossy(&out.stderr).into_owned();
                assert!(out.status.success(), "{script}\n{said}\n{why}");
                said
            };
            let start = |name: &str| {
                let nameserver = ("nameserver".to_owned(), "192.168.7.1".to_owned());
                let spec = GuestSpec {
                    kind: GuestKind::Lxc,
                    name: name.to_owned(),
                    user: None,
                    ssh_keys: Vec::new(),
                    agent: false,
                    config: [nameserver].into(),
                    ..room.spec(60, at)
                };
                room.host.start(&spec).unwrap();
            };
            room.host.create_disk(DISK, None).unwrap();
            let system = ContainerSystem {
                template: "local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst".to_owned(),
                ssh_keys: vec![room.key()],
            };
            room.host.unpack(DISK, &system).unwrap();
            start("web");
            assert_eq!(
                run("id -un; hostname; cat /proc/1/comm; \
                     cat /run/systemd/container; ip -o -4 addr show eth0 | grep -o 192.168.7.60/24; \
                     cat /etc/resolv.conf; systemctl is-active ssh"),
                "root\nweb\nsystemd\nlxc\n192.168.7.60/24\nnameserver 192.168.7.1\nactive\n"
            );
            run(
                "! command -v cloud-init && ! command -v qemu-ga && ! test -e /var/lib/cloud/data/instance-id",
            );
            assert!(!room.host.agent_ready(60));
            assert!(!room.ssh_as("ops", at, "true").status.success());
            // The node names it again at each start; the rest is its own.
            run(
                "echo other >/etc/hostname; echo kept >/srv/note; cp /etc/ssh/ssh_host_ed25519_key.pub /srv",
            );
            room.host.stop(60).unwrap();
            start("renamed");
            assert_eq!(
                run("hostname; cat /srv/note; cmp /srv/*.pub /etc/ssh/ssh_host_ed25519_key.pub"),
                "renamed\nkept\n"
            );
            room.host.stop(60).unwrap();
        },
    );
}
