//! What a world begins with, as a person writes it: TOML.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use serde_json::Value;

use super::faults::open;
use super::seed_guest::{WrittenContainer, WrittenVm};
use super::seed_table::SEED;
use crate::diag::{Diagnostic, Failure, Source};
use crate::pve::rights::Objects;
use crate::shape::{self, Format, Node};
use hl_sim::{
    Bridge, Downloads, Login, Profile, Seed, SeedFile, SeedStorage, SeedToken, SeedUser, parse_size,
};

/// A world that begins: with what, and what of it a lab uses.
#[derive(Debug, Clone)]
pub struct BeginningWorld {
    /// Its seed.
    pub seed: Seed,
    /// The node, storages and bridge that a lab uses of it.
    pub objects: Objects,
}

impl BeginningWorld {
    /// A world and what a lab uses of it.
    pub fn of(seed: Seed, objects: Objects) -> Self {
        Self { seed, objects }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    pve: Option<String>,
    node: Option<String>,
    nodes: Vec<String>,
    cpus: Option<u32>,
    memory: Option<String>,
    clock: Option<i64>,
    pools: Vec<String>,
    storage: Option<Vec<WrittenStorage>>,
    bridge: Option<Vec<Bridge>>,
    user: Vec<SeedUser>,
    token: Vec<SeedToken>,
    vm: Vec<WrittenVm>,
    container: Vec<WrittenContainer>,
    ssh: Login,
    downloads: BTreeMap<String, Utf8PathBuf>,
    take_downloads: bool,
}

#[derive(Debug, Deserialize)]
struct WrittenStorage {
    id: String,
    r#type: String,
    content: Vec<String>,
    size: Option<String>,
    used: Option<String>,
    shared: Option<bool>,
    active: Option<bool>,
    enabled: Option<bool>,
    #[serde(default)]
    file: Vec<WrittenFile>,
}

#[derive(Debug, Deserialize)]
struct WrittenFile {
    name: String,
    size: String,
    disk: Option<String>,
}

/// Reads what a world begins with.
///
/// # Errors
/// The file cannot be read, or all that is wrong with it (65).
pub fn read_seed(path: &Utf8Path) -> Result<BeginningWorld, Failure> {
    let source = open(path)?;
    let written: Written = shape::read(&source, &SEED, |root, findings| {
        findings.extend(contradictions(&source, root));
    })?;
    let dir = path.parent().unwrap_or(Utf8Path::new("."));
    let seed = written.seed(dir);
    let objects = objects(&seed);
    Ok(BeginningWorld { seed, objects })
}

/// The JSON Schema of such a file.
pub fn seed_schema() -> Value {
    shape::document("a seed", shape::schema(Format::Toml, &SEED))
}

/// What no table can say.
fn contradictions(source: &Source, root: &Node) -> Vec<Diagnostic> {
    let list = |key: &str| root.get(key).map(Node::items).unwrap_or_default();
    let mut found = Vec::new();
    let mut at = |node: &Node, message: String| {
        found.push(Diagnostic::error(message).at(node.mark.place(source, "")));
    };
    for (tables, name) in [
        (&["storage"][..], "id"),
        (&["bridge"], "name"),
        (&["vm", "container"], "vmid"),
        (&["token"], "id"),
    ] {
        let mut known = BTreeSet::new();
        let all = tables.iter().flat_map(|table| list(table));
        for node in all.filter_map(|item| item.get(name)) {
            let value = node.to_json().to_string();
            if !known.insert(value.clone()) {
                let tables: Vec<_> = tables
                    .iter()
                    .map(|table| format!("`[[{table}]]`"))
                    .collect();
                let tables = tables.join(" or ");
                at(node, format!("two {tables} have the `{name}` {value}"));
            }
        }
    }
    let guests = list("vm").iter().chain(list("container"));
    for guest in guests {
        misplaced(root, guest, &mut at);
    }
    let people = list("user").iter().chain(list("token"));
    for grant in people.flat_map(|one| one.get("grant").map(Node::items).unwrap_or_default()) {
        if grant.get("role").is_some() == grant.get("privileges").is_some() {
            at(grant, "expected either `role` or `privileges`".to_owned());
        }
    }
    found
}

/// What a guest says that is nowhere in the world, or that hangs on what is not said.
fn misplaced(root: &Node, guest: &Node, at: &mut dyn FnMut(&Node, String)) {
    let fresh = Seed::default();
    let items = |key: &str| root.get(key).map(Node::items).unwrap_or_default();
    let storages: Vec<&str> = match root.get("storage") {
        Some(all) => all
            .items()
            .iter()
            .filter_map(|item| item.get("id")?.text())
            .collect(),
        None => fresh.storages.iter().map(|own| own.id.as_str()).collect(),
    };
    let mounts = guest.get("mount").map(Node::items).unwrap_or_default();
    let mounts = mounts.iter().map(|mount| mount.get("disk"));
    let disks = [guest.get("disk"), guest.get("rootfs")];
    for disk in disks.into_iter().chain(mounts).flatten() {
        let storage = disk.text().and_then(|text| text.split_once(':'));
        if let Some((storage, _)) = storage
            && !storages.contains(&storage)
        {
            at(disk, format!("there is no storage `{storage}`"));
        }
    }
    let first = root.get("node").and_then(Node::text).unwrap_or(&fresh.node);
    if let Some(node) = guest.get("node")
        && let Some(name) = node.text()
        && name != first
        && !items("nodes").iter().any(|own| own.text() == Some(name))
    {
        at(node, format!("there is no node `{name}`"));
    }
    for (key, needed) in [
        ("system", "disk"),
        ("cloudinit", "disk"),
        ("ip", "bridge"),
        ("gateway", "bridge"),
    ] {
        let wanted = guest.get(key);
        let wanted = wanted.filter(|node| !matches!(node.value, shape::Value::Bool(false)));
        if let (Some(node), None) = (wanted, guest.get(needed)) {
            at(node, format!("`{key}` needs `{needed}`"));
        }
    }
}

fn size(text: &str) -> u64 {
    parse_size(text).unwrap_or_default()
}

impl Written {
    fn seed(self, dir: &Utf8Path) -> Seed {
        let fresh = Seed::default();
        let storages = self.storage.map_or(fresh.storages, |all| {
            all.into_iter().map(WrittenStorage::storage).collect()
        });
        let has_paths = |id: &str| {
            let kind = storages
                .iter()
                .find(|one| one.id == id)
                .map(|one| one.kind.as_str());
            matches!(kind, Some("dir" | "nfs" | "cifs" | "cephfs" | "btrfs"))
        };
        let vms = self.vm.into_iter().map(|vm| vm.seed(&has_paths));
        let containers = self.container.into_iter();
        let containers = containers.map(|container| container.seed(&has_paths));
        let guests = vms.chain(containers).collect();
        let files = self.downloads.into_iter();
        Seed {
            profile: match self.pve.as_deref() {
                Some("8.4") => Profile::v8_4(),
                _ => Profile::v9_1(),
            },
            node: self.node.unwrap_or(fresh.node),
            more_nodes: self.nodes,
            cpus: self.cpus.unwrap_or(fresh.cpus),
            memory: self.memory.as_deref().map_or(fresh.memory, size),
            bridges: self.bridge.unwrap_or(fresh.bridges),
            users: self.user,
            tokens: self.token,
            pools: self.pools,
            downloads: Downloads {
                files: files
                    .map(|(url, file)| (url, dir.join(file).into_std_path_buf()))
                    .collect(),
                taken: self.take_downloads,
            },
            login: self.ssh,
            clock: self.clock,
            vms: guests,
            storages,
        }
    }
}

impl WrittenStorage {
    fn storage(self) -> SeedStorage {
        let content: Vec<&str> = self.content.iter().map(String::as_str).collect();
        let fresh = SeedStorage::new(&self.id, &self.r#type, &content);
        let file = |file: WrittenFile| SeedFile {
            name: file.name,
            size: size(&file.size),
            disk: file.disk.as_deref().map_or(0, size),
        };
        SeedStorage {
            total: self.size.as_deref().map_or(fresh.total, size),
            used: self.used.as_deref().map_or(fresh.used, size),
            shared: self.shared.unwrap_or(fresh.shared),
            active: self.active.unwrap_or(true),
            enabled: self.enabled.unwrap_or(true),
            files: self.file.into_iter().map(file).collect(),
            ..fresh
        }
    }
}

/// What a lab uses of a world: the first of each kind.
fn objects(seed: &Seed) -> Objects {
    let fresh = Objects::default();
    let holds = |kind: &str, default: String| {
        let mut fit = seed
            .storages
            .iter()
            .filter(|storage| storage.content.iter().any(|own| own == kind));
        fit.next().map_or(default, |storage| storage.id.clone())
    };
    Objects {
        node: seed.node.clone(),
        storage_vm: holds("images", fresh.storage_vm),
        storage_iso: holds("iso", fresh.storage_iso),
        storage_import: holds("import", fresh.storage_import),
        bridge: seed
            .bridges
            .first()
            .map_or(fresh.bridge, |bridge| bridge.name.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Exit;
    use hl_sim::World;

    fn read(text: &str) -> Result<BeginningWorld, Failure> {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("seed.toml");
        std::fs::write(&path, text).unwrap();
        read_seed(&path)
    }

    #[test]
    fn an_empty_file_is_a_fresh_installation() {
        let begun = read("").unwrap();
        assert_eq!(begun.seed, Seed::default());
        assert_eq!(begun.objects, Objects::default());
    }

    #[test]
    fn a_whole_file_becomes_a_world() {
        let begun = read(
            r#"
            pve = "8.4"
            node = "n1"
            nodes = ["n2"]
            memory = "64G"
            pools = ["prod"]

            [downloads]
            "https://h/a.iso" = "files/a.iso"

            [[storage]]
            id = "tank"
            type = "zfspool"
            content = ["images"]
            size = "1T"

            [[storage]]
            id = "nas"
            type = "nfs"
            content = ["iso", "import"]
            [[storage.file]]
            name = "iso/x.iso"
            size = "5M"

            [[bridge]]
            name = "vmbr7"

            [[user]]
            id = "me@pve"
            password = "secret"
            grant = [{ path = "/", role = "PVEAuditor" }]

            [[vm]]
            vmid = 9000
            name = "debian-13"
            template = true
            system = true
            agent = true
            cloudinit = true
            disk = "tank:3G"
            bridge = "vmbr7"
            config = { onboot = true, sockets = 2, tags = "a;b" }

            [[container]]
            vmid = 200
            node = "n2"
            hostname = "web"
            running = true
            rootfs = "tank:4G"
            bridge = "vmbr7"
            ip = "192.168.1.60/24"
            gateway = "192.168.1.1"
            features = "nesting=1"
            keys = ["ssh-ed25519 AAAA me"]
            config = { onboot = true }
            [[container.mount]]
            path = "/data"
            disk = "tank:2G"
            "#,
        )
        .unwrap();
        let objects = &begun.objects;
        assert_eq!(
            (objects.node.as_str(), objects.bridge.as_str()),
            ("n1", "vmbr7")
        );
        assert_eq!(
            (objects.storage_vm.as_str(), objects.storage_iso.as_str()),
            ("tank", "nas")
        );
        let seed = &begun.seed;
        assert_eq!((seed.profile.major, seed.memory), (8, 64 << 30));
        assert!(seed.downloads.files["https://h/a.iso"].ends_with("files/a.iso"));
        assert!(seed.storages[1].shared && seed.storages[1].files[0].size == 5 << 20);
        let config = &seed.vms[0].config;
        for (key, value) in [
            ("scsi0", "tank:base-9000-disk-0,size=3G"),
            ("ide2", "tank:vm-9000-cloudinit,media=cdrom"),
            ("net0", "virtio=BC:24:11:00:23:28,bridge=vmbr7"),
            ("onboot", "1"),
            ("sockets", "2"),
            ("tags", "a;b"),
            ("agent", "1"),
        ] {
            assert_eq!(config[key], value, "{key}");
        }
        let container = &seed.vms[1].config;
        for (key, value) in [
            ("hostname", "web"),
            ("rootfs", "tank:vm-200-disk-0,size=4G"),
            ("mp0", "tank:vm-200-disk-1,mp=/data,size=2G"),
            (
                "net0",
                "name=eth0,bridge=vmbr7,gw=192.168.1.1,hwaddr=BC:24:11:00:00:C8,\
                 ip=192.168.1.60/24,type=veth",
            ),
            ("features", "nesting=1"),
            ("unprivileged", "1"),
            ("memory", "512"),
            ("onboot", "1"),
        ] {
            assert_eq!(container[key], value, "{key}");
        }
        let world = World::seeded(seed);
        assert_eq!(world.nodes.len(), 2);
        assert!(world.vms[&9000].is_template());
        assert_eq!(world.vms[&200].node, "n2");
        assert_eq!(world.users["me@pve"].password.as_deref(), Some("secret"));
    }

    #[test]
    fn all_that_contradicts_itself_has_its_place() {
        let failure = read(
            r#"[[vm]]
            vmid = 100
            disk = "tank:3G"
            [[vm]]
            vmid = 100
            system = true
            [[user]]
            id = "a@pve"
            grant = [{ path = "/" }]
            [[container]]
            vmid = 100
            node = "n7"
            rootfs = "tank:4G"
            ip = "dhcp"
            "#,
        )
        .err()
        .unwrap();
        assert_eq!(failure.exit, Exit::Definition);
        let lines: Vec<usize> = failure
            .diagnostics
            .iter()
            .map(|found| found.place.as_ref().unwrap().line_column().0)
            .collect();
        assert_eq!(lines, [3, 5, 6, 9, 11, 12, 13, 14], "{failure}");
        let failure = read(
            r#"
            storag = 1
            [[vm]]
            vmid = 5
            disk = "x"
            memory = 1
            "#,
        )
        .err()
        .unwrap();
        assert_eq!(failure.diagnostics.len(), 4, "{failure}");
    }
}
