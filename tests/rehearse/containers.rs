//! Containers as guests: nothing in them asks for settings, root logs in.

use hl_sim::{ContainerSystem, GuestKind, GuestMount, GuestSpec, Guests as _};

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
                    mounts: [("data", "/data", false), ("kept", "/srv/a/b", true)]
                        .map(|(name, path, read_only)| GuestMount {
                            volume: format!("s:vm-60-{name}"),
                            path: path.to_owned(),
                            read_only,
                        })
                        .into(),
                    ..room.spec(60, at)
                };
                room.host.start(&spec).unwrap();
            };
            for disk in [DISK, "s:vm-60-data", "s:vm-60-kept"] {
                room.host.create_disk(disk, None).unwrap();
            }
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
            // Its mount points are volumes of their own.
            run("mountpoint -q /data && echo mine >/data/file");
            run("mountpoint -q /srv/a/b && ! touch /srv/a/b/file 2>/dev/null");
            // The node names it again at each start; the rest is its own.
            run(
                "echo other >/etc/hostname; echo kept >/srv/note; cp /etc/ssh/ssh_host_ed25519_key.pub /srv",
            );
            room.host.stop(60).unwrap();
            start("renamed");
            assert_eq!(run("cat /data/file"), "mine\n");
            assert_eq!(
                run("hostname; cat /srv/note; cmp /srv/*.pub /etc/ssh/ssh_host_ed25519_key.pub"),
                "renamed\nkept\n"
            );
            room.host.stop(60).unwrap();
        },
    );
}

/// A mount point behind a link that leads elsewhere on the machine.
#[test]
fn a_mount_point_is_in_the_container_wherever_a_link_leads() {
    in_namespaces(
        "containers::a_mount_point_is_in_the_container_wherever_a_link_leads",
        || {
            let room = Room::new();
            let outside = tempfile::tempdir_in("/var/lib").unwrap();
            let at = "192.168.7.60";
            for disk in [DISK, "s:vm-60-data"] {
                room.host.create_disk(disk, None).unwrap();
            }
            let system = ContainerSystem {
                template: "local:vztmpl/debian-13.tar.zst".to_owned(),
                ssh_keys: vec![room.key()],
            };
            room.host.unpack(DISK, &system).unwrap();
            let spec = GuestSpec {
                kind: GuestKind::Lxc,
                user: None,
                ..room.spec(60, at)
            };
            room.host.start(&spec).unwrap();
            let own = outside.path().display();
            let link = format!("mkdir -p {own} && ln -s {own} /srv/link");
            assert!(room.ssh_as("root", at, &link).status.success());
            room.host.stop(60).unwrap();
            let mount = GuestMount {
                volume: "s:vm-60-data".to_owned(),
                path: "/srv/link/in".to_owned(),
                read_only: false,
            };
            let spec = GuestSpec {
                mounts: vec![mount],
                ..spec
            };
            room.host.start(&spec).unwrap();
            let written = room.ssh_as("root", at, "echo x >/srv/link/in/file");
            assert!(written.status.success(), "{written:?}");
            room.host.stop(60).unwrap();
            let made = std::fs::read_dir(outside.path()).unwrap().count();
            assert_eq!(made, 0, "something was made on the machine");
        },
    );
}
