//! A world from its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use sha2::{Digest, Sha256};

use super::acl::{self, ROOT};
use super::card;
use super::hex;
use super::power;
use super::seed::{Grant, Seed, SeedFile, SeedStorage, SeedVm};
use super::storage::ROOTDIR;
use super::vm::{self, Run, Vm};
use super::volume::{self, Storage, Volume};
use super::world::{AclEntry, Bridge, FORMAT, Node, Pool, Token, User, World};

impl World {
    /// The world that a seed describes.
    pub fn seeded(seed: &Seed) -> Self {
        let secret = match seed.clock {
            Some(clock) => format!("clock {clock}"),
            None => jiff::Timestamp::now().to_string(),
        };
        let secret = hex::lower(&Sha256::digest(secret));
        let mut world = Self {
            format: FORMAT,
            profile: seed.profile.clone(),
            nodes: Vec::new(),
            storages: seed.storages.iter().map(storage).collect(),
            volumes: Vec::new(),
            users: BTreeMap::new(),
            tokens: BTreeMap::new(),
            roles: acl::builtin_roles(seed.profile.major),
            acl: Vec::new(),
            groups: BTreeMap::new(),
            realms: BTreeMap::new(),
            kept: BTreeMap::new(),
            pools: seed
                .pools
                .iter()
                .map(|name| (name.clone(), Pool::default()))
                .collect(),
            vms: BTreeMap::new(),
            tasks: Vec::new(),
            unmade: Vec::new(),
            begun: Vec::new(),
            downloads: seed.downloads.clone(),
            login: seed.login.clone(),
            clock: seed.clock,
            secret,
            fingerprint: String::new(),
            counter: 0,
        };
        let now = world.now();
        let names = std::iter::once(&seed.node).chain(&seed.more_nodes);
        let nodes = names.enumerate();
        world
            .nodes
            .extend(nodes.map(|(place, name)| node(seed, place, name, now)));
        for entry in &seed.storages {
            for file in &entry.files {
                world.seed_file(&seed.node, &entry.id, file);
            }
        }
        world.seed_people(seed);
        for entry in &seed.vms {
            world.seed_vm(entry.node.as_ref().unwrap_or(&seed.node), entry);
        }
        world
    }

    fn seed_file(&mut self, node: &str, storage: &str, file: &SeedFile) {
        let content = file.name.split('/').next().unwrap_or_default();
        let format = volume::format_of(&file.name);
        let ctime = self.now();
        self.volumes.push(Volume {
            volid: format!("{storage}:{}", file.name),
            node: node.to_owned(),
            content: content.to_owned(),
            format: format.to_owned(),
            size: file.size,
            used: file.size,
            disk: file.disk,
            ctime,
            ..Volume::default()
        });
    }

    fn seed_people(&mut self, seed: &Seed) {
        let nobody = User {
            password: None,
            enabled: true,
            expire: 0,
            about: BTreeMap::new(),
        };
        self.users.insert(ROOT.to_owned(), nobody.clone());
        for user in &seed.users {
            let known = User {
                password: user.password.clone(),
                ..nobody.clone()
            };
            self.users.insert(user.id.clone(), known);
            self.seed_grants(&user.id, &user.grants);
        }
        for token in &seed.tokens {
            let owner = token.id.split('!').next().unwrap_or_default().to_owned();
            if !self.users.contains_key(&owner) {
                self.users.insert(owner.clone(), nobody.clone());
                self.seed_grants(&owner, &[Grant::role("/", "Administrator")]);
            }
            let known = Token {
                secret: token.secret.clone(),
                privsep: token.privsep,
                expire: 0,
                comment: None,
            };
            self.tokens.insert(token.id.clone(), known);
            self.seed_grants(&token.id, &token.grants);
        }
    }

    fn seed_grants(&mut self, who: &str, grants: &[Grant]) {
        for grant in grants {
            let role = grant.role.clone().unwrap_or_else(|| {
                let name = format!("Seeded{}", self.roles.len());
                let rights: BTreeSet<String> = grant.privileges.iter().cloned().collect();
                self.roles.insert(name.clone(), rights);
                name
            });
            self.acl.push(AclEntry {
                path: grant.path.clone(),
                who: who.to_owned(),
                role,
                propagate: grant.propagate,
            });
        }
    }

    fn seed_vm(&mut self, node: &str, seed: &SeedVm) {
        let ctime = self.now();
        for (key, drive) in vm::drives_of(seed.kind, &seed.config) {
            let own = drive
                .volume()
                .is_some_and(|(_, name)| !name.starts_with("iso/"));
            if !own || self.volume(&drive.file).is_some() {
                continue;
            }
            let size = drive.size().unwrap_or(0);
            self.volumes.push(Volume {
                volid: drive.file.clone(),
                node: node.to_owned(),
                content: seed.kind.pick("images", ROOTDIR).to_owned(),
                format: match drive.file.rsplit_once('.') {
                    Some((_, format)) => format.to_owned(),
                    None => "raw".to_owned(),
                },
                size,
                used: size / 2,
                ctime,
                vmid: Some(seed.vmid),
                ..Volume::default()
            });
            if !drive.is_cloudinit() {
                let holds = seed.system && matches!(seed.kind.pick("rootfs", &*key), "rootfs");
                let image = holds.then(|| "a seed".to_owned());
                self.unmade.push((drive.file.clone(), image));
            }
        }
        let mut known = Vm {
            kind: seed.kind,
            root_keys: seed.keys.clone(),
            ..Vm::new(node, seed.config.clone())
        };
        if seed.running && !known.is_template() {
            let (address, _) = power::ip_settings(&known);
            known.run = Some(Run {
                pid: 1000 + seed.vmid,
                since: ctime,
                address: address.filter(|ip| ip.contains('/')),
                mac: card::first(&known).and_then(|card| card.mac),
                agent: known.agent(),
                paused: false,
                frozen: false,
            });
        }
        self.vms.insert(seed.vmid, known);
    }
}

/// The same network for the node at `place` of a cluster: the first one's
/// address, counted on. Nothing but IPv4 is counted.
fn counted(cidr: &str, place: usize, gateway: Option<&str>) -> Option<String> {
    let (address, prefix) = cidr.split_once('/')?;
    let [a, b, c, first] = address.parse::<Ipv4Addr>().ok()?.octets();
    let hosts = (first..=254).chain(1..first);
    let free = hosts
        .map(|last| Ipv4Addr::new(a, b, c, last).to_string())
        .filter(|address| Some(address.as_str()) != gateway);
    free.take(place + 1)
        .last()
        .map(|address| format!("{address}/{prefix}"))
}

fn node(seed: &Seed, place: usize, name: &str, now: i64) -> Node {
    Node {
        name: name.to_owned(),
        cpus: seed.cpus,
        memory: seed.memory,
        online: true,
        booted: now,
        bridges: seed
            .bridges
            .iter()
            .map(|bridge| Bridge {
                cidr: match (&bridge.cidr, place) {
                    (Some(cidr), 1..) => counted(cidr, place, bridge.gateway.as_deref()),
                    (cidr, _) => cidr.clone(),
                },
                ..bridge.clone()
            })
            .collect(),
        interfaces: Vec::new(),
        pending: None,
        settings: BTreeMap::new(),
    }
}

fn storage(seed: &SeedStorage) -> (String, Storage) {
    let known = Storage {
        kind: seed.kind.clone(),
        content: seed.content.clone(),
        total: seed.total,
        base_used: seed.used,
        shared: seed.shared,
        active: seed.active,
        enabled: seed.enabled,
        nodes: Vec::new(),
        options: BTreeMap::new(),
    };
    (seed.id.clone(), known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::GuestKind;

    #[test]
    fn the_same_seed_gives_the_same_world() {
        let seed = Seed {
            clock: Some(1_700_000_000),
            ..Seed::default()
        };
        let (mut one, mut two) = (World::seeded(&seed), World::seeded(&seed));
        assert_eq!(one, two);
        assert_eq!(one.new_mac(), two.new_mac());
        assert_ne!(one.new_uuid(), one.new_uuid());
    }

    #[test]
    fn nodes_of_a_cluster_differ() {
        let seed = Seed {
            more_nodes: vec!["n2".to_owned(), "n3".to_owned()],
            ..Seed::default()
        };
        let world = World::seeded(&seed);
        let addresses: Vec<_> = (0..3).map(|place| world.address_of(place)).collect();
        assert_eq!(addresses, ["192.168.1.10", "192.168.1.11", "192.168.1.12"]);
        let prints: BTreeSet<_> = ["pve", "n2", "n3"]
            .map(|node| world.fingerprint_of(node))
            .into();
        assert_eq!(prints.len(), 3);
        let gateway = Some("10.0.0.254");
        assert_eq!(
            counted("10.0.0.253/24", 1, gateway).as_deref(),
            Some("10.0.0.1/24")
        );
        // Nodes that were copied by hand have one address.
        let mut copied = world;
        for node in &mut copied.nodes {
            node.bridges[0].cidr = Some("10.0.0.1/24".to_owned());
        }
        let addresses: Vec<_> = (0..3).map(|place| copied.address_of(place)).collect();
        assert_eq!(addresses, ["10.0.0.1", "127.0.0.2", "127.0.0.3"]);
    }

    #[test]
    fn a_seeded_vm_has_its_disks() {
        let mut seed = Seed::default();
        seed.vms.push(SeedVm {
            vmid: 9000,
            config: BTreeMap::from([
                ("template".to_owned(), "1".to_owned()),
                (
                    "scsi0".to_owned(),
                    "local-lvm:base-9000-disk-0,size=3G".to_owned(),
                ),
                (
                    "ide2".to_owned(),
                    "local-lvm:vm-9000-cloudinit,media=cdrom".to_owned(),
                ),
                ("ide3".to_owned(), "local:iso/x.iso,media=cdrom".to_owned()),
            ]),
            running: true,
            system: true,
            ..SeedVm::default()
        });
        let world = World::seeded(&seed);
        assert_eq!(
            world.volume("local-lvm:base-9000-disk-0").unwrap().size,
            3 << 30
        );
        assert!(world.volume("local:iso/x.iso").is_none());
        let image = Some("a seed".to_owned());
        assert_eq!(
            world.unmade,
            [("local-lvm:base-9000-disk-0".to_owned(), image)]
        );
        assert!(world.vms[&9000].run.is_none(), "a template does not run");
    }

    #[test]
    fn a_seeded_container_is_on_its_node() {
        let mut seed = Seed::default();
        seed.more_nodes.push("n2".to_owned());
        let config = [
            ("hostname", "web"),
            ("rootfs", "local-lvm:vm-200-disk-0,size=4G"),
            ("mp0", "local-lvm:vm-200-disk-1,mp=/data,size=2G"),
            ("mp1", "/srv/of-the-node,mp=/srv"),
            (
                "net0",
                "name=eth0,bridge=vmbr0,ip=192.168.1.60/24,type=veth",
            ),
        ];
        seed.vms.push(SeedVm {
            vmid: 200,
            kind: GuestKind::Lxc,
            node: Some("n2".to_owned()),
            config: config
                .map(|(key, text)| (key.to_owned(), text.to_owned()))
                .into(),
            running: true,
            system: true,
            keys: vec!["ssh-ed25519 AAAA me".to_owned()],
        });
        let world = World::seeded(&seed);
        let container = &world.vms[&200];
        assert_eq!(
            (container.kind, container.node.as_str()),
            (GuestKind::Lxc, "n2")
        );
        let run = container.run.as_ref().unwrap();
        assert_eq!(run.address.as_deref(), Some("192.168.1.60/24"));
        let disk = world.volume("local-lvm:vm-200-disk-1").unwrap();
        assert_eq!(
            (disk.content.as_str(), disk.node.as_str()),
            ("rootdir", "n2")
        );
        let root = (
            "local-lvm:vm-200-disk-0".to_owned(),
            Some("a seed".to_owned()),
        );
        let data = ("local-lvm:vm-200-disk-1".to_owned(), None);
        let unmade: BTreeSet<_> = world.unmade.iter().cloned().collect();
        assert_eq!(unmade, [root, data].into());
    }
}
