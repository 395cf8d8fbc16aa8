//! What a world begins with, as a person writes it: TOML.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use serde_json::Value;

use super::faults::open;
use super::seed_table::SEED;
use crate::diag::{Diagnostic, Failure, Source};
use crate::pve::rights::Objects;
use crate::shape::{self, Format, Node};
use hl_sim::{
    Bridge, Downloads, Grant, Login, Profile, Seed, SeedFile, SeedStorage, SeedToken, SeedUser,
    SeedVm, parse_size,
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
    bridge: Option<Vec<WrittenBridge>>,
    user: Vec<WrittenUser>,
    token: Vec<WrittenToken>,
    vm: Vec<WrittenVm>,
    ssh: WrittenLogin,
    downloads: BTreeMap<String, Utf8PathBuf>,
    take_downloads: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WrittenLogin {
    user: Option<String>,
    keys: Vec<String>,
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

#[derive(Debug, Deserialize)]
struct WrittenBridge {
    name: String,
    cidr: Option<String>,
    gateway: Option<String>,
    active: Option<bool>,
}

#[derive(Deserialize)]
struct WrittenUser {
    id: String,
    password: Option<String>,
    #[serde(default)]
    grant: Vec<WrittenGrant>,
}

#[derive(Deserialize)]
struct WrittenToken {
    id: String,
    secret: String,
    privsep: Option<bool>,
    #[serde(default)]
    grant: Vec<WrittenGrant>,
}

#[derive(Debug, Deserialize)]
struct WrittenGrant {
    path: String,
    role: Option<String>,
    #[serde(default)]
    privileges: Vec<String>,
    propagate: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the table")]
struct WrittenVm {
    vmid: u32,
    name: Option<String>,
    template: bool,
    running: bool,
    system: bool,
    agent: bool,
    cores: Option<u32>,
    memory: Option<u32>,
    disk: Option<String>,
    bridge: Option<String>,
    cloudinit: bool,
    config: BTreeMap<String, Value>,
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
    for (table, name) in [
        ("storage", "id"),
        ("bridge", "name"),
        ("vm", "vmid"),
        ("token", "id"),
    ] {
        let mut known = BTreeSet::new();
        for node in list(table).iter().filter_map(|item| item.get(name)) {
            let value = node.to_json().to_string();
            if !known.insert(value.clone()) {
                at(node, format!("two `[[{table}]]` have the `{name}` {value}"));
            }
        }
    }
    let own = list("storage")
        .iter()
        .filter_map(|item| item.get("id")?.text());
    let own: Vec<&str> = own.collect();
    let fresh = Seed::default();
    let known: Vec<&str> = match root.get("storage") {
        Some(_) => own,
        None => fresh
            .storages
            .iter()
            .map(|storage| storage.id.as_str())
            .collect(),
    };
    for vm in list("vm") {
        let disk = vm.get("disk");
        let storage = disk
            .and_then(Node::text)
            .and_then(|text| text.split_once(':'));
        if let (Some(node), Some((storage, _))) = (disk, storage)
            && !known.contains(&storage)
        {
            at(node, format!("there is no storage `{storage}`"));
        }
        for key in ["system", "cloudinit"] {
            let wanted = vm
                .get(key)
                .filter(|node| matches!(node.value, shape::Value::Bool(true)));
            if let (Some(node), None) = (wanted, disk) {
                at(node, format!("`{key}` needs `disk`"));
            }
        }
    }
    let people = list("user").iter().chain(list("token"));
    for grant in people.flat_map(|one| one.get("grant").map(Node::items).unwrap_or_default()) {
        if grant.get("role").is_some() == grant.get("privileges").is_some() {
            at(grant, "expected either `role` or `privileges`".to_owned());
        }
    }
    found
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
        let vms = self.vm.into_iter().map(|vm| vm.vm(&has_paths)).collect();
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
            bridges: self.bridge.map_or(fresh.bridges, |all| {
                all.into_iter().map(WrittenBridge::bridge).collect()
            }),
            users: self.user.into_iter().map(WrittenUser::user).collect(),
            tokens: self.token.into_iter().map(WrittenToken::token).collect(),
            pools: self.pools,
            downloads: Downloads {
                files: files
                    .map(|(url, file)| (url, dir.join(file).into_std_path_buf()))
                    .collect(),
                taken: self.take_downloads,
            },
            login: Login {
                user: self.ssh.user.unwrap_or(fresh.login.user),
                keys: self.ssh.keys,
            },
            clock: self.clock,
            vms,
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

impl WrittenBridge {
    fn bridge(self) -> Bridge {
        Bridge {
            name: self.name,
            cidr: self.cidr,
            gateway: self.gateway,
            active: self.active.unwrap_or(true),
        }
    }
}

impl WrittenUser {
    fn user(self) -> SeedUser {
        SeedUser {
            id: self.id,
            password: self.password,
            grants: grants(self.grant),
        }
    }
}

impl WrittenToken {
    fn token(self) -> SeedToken {
        SeedToken {
            id: self.id,
            secret: self.secret,
            privsep: self.privsep.unwrap_or(true),
            grants: grants(self.grant),
        }
    }
}

fn grants(written: Vec<WrittenGrant>) -> Vec<Grant> {
    let each = written.into_iter().map(|grant| Grant {
        path: grant.path,
        role: grant.role,
        privileges: grant.privileges,
        propagate: grant.propagate.unwrap_or(true),
    });
    each.collect()
}

impl WrittenVm {
    /// What is written in `config` wins over what follows from the other keys.
    fn vm(self, has_paths: &dyn Fn(&str) -> bool) -> SeedVm {
        let vmid = self.vmid;
        let mut config = BTreeMap::new();
        let flag = |set: bool| set.then(|| "1".to_owned());
        let number = |number: Option<u32>| number.map(|number| number.to_string());
        let pairs = [
            ("name", self.name),
            ("template", flag(self.template)),
            ("agent", flag(self.agent)),
            ("cores", number(self.cores)),
            ("memory", number(self.memory)),
        ];
        for (key, value) in pairs {
            config.extend(value.map(|value| (key.to_owned(), value)));
        }
        let [_, high, middle, low] = vmid.to_be_bytes();
        config.extend(self.bridge.map(|bridge| {
            let mac = format!("BC:24:11:{high:02X}:{middle:02X}:{low:02X}");
            ("net0".to_owned(), format!("virtio={mac},bridge={bridge}"))
        }));
        if let Some((storage, size)) = self.disk.as_deref().and_then(|disk| disk.split_once(':')) {
            let kind = if self.template { "base" } else { "vm" };
            let volume = |name: String, end: &str| {
                if has_paths(storage) {
                    format!("{storage}:{vmid}/{name}.{end}")
                } else {
                    format!("{storage}:{name}")
                }
            };
            let disk = volume(format!("{kind}-{vmid}-disk-0"), "qcow2");
            config.insert("scsi0".to_owned(), format!("{disk},size={size}"));
            config.insert("boot".to_owned(), "order=scsi0".to_owned());
            if self.cloudinit {
                let drive = volume(format!("vm-{vmid}-cloudinit"), "qcow2");
                config.insert("ide2".to_owned(), format!("{drive},media=cdrom"));
            }
        }
        for (key, value) in self.config {
            let text = match (value.as_str(), value.as_bool()) {
                (Some(text), _) => text.to_owned(),
                (None, Some(flag)) => u8::from(flag).to_string(),
                (None, None) => value.to_string(),
            };
            config.insert(key, text);
        }
        SeedVm {
            vmid,
            config,
            running: self.running,
            system: self.system,
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
        let world = World::seeded(seed);
        assert_eq!(world.nodes.len(), 2);
        assert!(world.vms[&9000].is_template());
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
        assert_eq!(lines, [3, 5, 6, 9], "{failure}");
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
