//! The machines of an environment as L2 makes them: resolved, then held
//! against what a machine needs beyond the shape of its file. Everything that
//! is wrong is told at once, each with its place.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::env::{Cidr, Env, Ip, MachineKind, Vm};
use super::resolve::{Object, Origin, Traced, Value};
use super::shape::is_label;
use super::tree::Loader;
use super::{Kind, Tree};
use crate::diag::{Advice, Diagnostic, Exit, Failure};

/// The environments of a site, sorted; one that cannot be read has none.
pub fn list(tree: &Tree) -> Vec<String> {
    tree.names(Kind::Env).unwrap_or_default()
}

/// The machines of an environment.
///
/// # Errors
/// There is no such environment (66); a file is invalid, or a machine cannot
/// be made as it is described (65, every finding).
pub fn machines(tree: &Tree, env: &str) -> Result<Env, Failure> {
    // No token of a machine passes through L2: its plan and state keep all.
    let resolved = tree.resolve_vms(env, None)?;
    let mut reader = Reader::default();
    let vms = resolved.value.items("vms").iter();
    let vms: Vec<Vm> = vms.filter_map(|vm| reader.vm(vm)).collect();
    if reader.findings.is_empty() {
        return Ok(Env {
            name: env.to_owned(),
            vms,
        });
    }
    Err(Failure::many(Exit::Definition, reader.findings))
}

/// A machine whose layers were laid already, as a manifest's node: its `type` may stand
/// for its `kind`.
///
/// # Errors
/// It cannot be made as it is described (65, every finding).
pub fn machine(traced: &Traced) -> Result<Vm, Failure> {
    let mut reader = Reader::default();
    match reader.vm(traced) {
        Some(vm) if reader.findings.is_empty() => Ok(vm),
        _ => Err(Failure::many(Exit::Definition, reader.findings)),
    }
}

/// `defaults.spec_server` of `site.yaml`: where machines ask for their spec.
pub fn spec_server(tree: &Tree) -> Option<String> {
    default(tree, "spec_server")
}

/// `defaults.domain` of `site.yaml`: the domain of machines.
pub fn domain(tree: &Tree) -> Option<String> {
    default(tree, "domain")
}

/// A text below `defaults` of `site.yaml`.
fn default(tree: &Tree, key: &str) -> Option<String> {
    let site = Loader::new(tree).site()?;
    let text = site.root.get("defaults")?.get(key)?.text()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// What every token may let a container do, and what one does that says nothing of it:
/// the systemd of present distributions needs it.
pub(super) const NESTING: &str = "nesting";

#[derive(Default)]
struct Reader {
    findings: Vec<Diagnostic>,
    /// Fixed addresses with the machine that has each.
    taken: BTreeMap<Ipv4Addr, String>,
}

impl Reader {
    fn vm(&mut self, traced: &Traced) -> Option<Vm> {
        let vm = traced.map()?;
        let before = self.findings.len();
        let name = vm.text("name").unwrap_or_default().to_owned();
        if !is_label(&name) {
            self.told(
                vm.get("name"),
                format!("name `{name}` is not a host name"),
                Some("use letters a to z, digits and inner dashes, at most 63".to_owned()),
            );
        }
        let image = vm.text("image").filter(|image| !image.is_empty());
        if image.is_none() {
            self.told(
                Some(traced),
                format!("machine `{name}` has no `image`"),
                Some("give it an `image`, or a `template` that has one".to_owned()),
            );
        }
        let vmid = number(vm, "vmid");
        if let Some(id) = vmid.filter(|id| *id < 100) {
            self.told(
                vm.get("vmid"),
                format!("`vmid` of `{name}` is {id}, expected 100 or more"),
                None,
            );
        }
        let kind = kind(vm);
        let features = self.features(vm, &name, kind);
        let ip = self.ip(vm, &name);
        let gateway = self.gateway(vm, ip);
        let tags = self.names(vm, "tags", is_tag, "lower-case letters, digits and `_-+.`");
        let groups = self.names(
            vm,
            "groups",
            is_group,
            "letters, digits and `_`, not beginning with a digit; `all` and `ungrouped` are taken",
        );
        if self.findings.len() > before {
            return None;
        }
        // A default of `vmbr0` is no wish: `PVE_BRIDGE` may say otherwise.
        let bridge = vm.get("bridge").filter(|bridge| {
            !matches!(bridge.origin, Origin::Default)
                && bridge.text().is_some_and(|t| !t.is_empty())
        });
        Some(Vm {
            name,
            kind,
            image: image?.to_owned(),
            vmid: vmid.and_then(|id| u32::try_from(id).ok()),
            cores: u32::try_from(number(vm, "cores").unwrap_or(1)).ok()?,
            memory: number(vm, "memory").unwrap_or(1024),
            disk: number(vm, "disk").unwrap_or(10),
            ip,
            gateway,
            bridge: bridge.and_then(Traced::text).map(str::to_owned),
            tags,
            groups,
            packages: texts(vm, "packages"),
            features,
        })
    }

    /// What a container may do that others may not. Proxmox VE lets a token set one of
    /// them, and of unprivileged containers alone.
    fn features(&mut self, vm: &Object, name: &str, kind: MachineKind) -> Vec<String> {
        let mut features: Vec<String> = Vec::new();
        if kind == MachineKind::Vm && !vm.items("features").is_empty() {
            self.told(
                vm.get("features"),
                format!("`features` of `{name}`, a virtual machine, have no effect"),
                Some("write `kind: ct` to have a container, or leave them out".to_owned()),
            );
            return features;
        }
        if kind == MachineKind::Ct && vm.get("features").is_none_or(Traced::is_null) {
            return vec![NESTING.to_owned()];
        }
        for item in vm.items("features") {
            let Some(text) = item.text() else { continue };
            if text != NESTING {
                self.told(
                    Some(item),
                    format!("feature `{text}` of container `{name}` can be set by `root@pam` alone, not by a token"),
                    Some(format!("leave it out, or set it by hand, on the node: `pct set VMID --features {text}=1`")),
                );
            } else if features.is_empty() {
                features.push(text.to_owned());
            }
        }
        features
    }

    fn ip(&mut self, vm: &Object, name: &str) -> Ip {
        // Its shape is checked: an address with a prefix, `dhcp`, or nothing.
        let Some(cidr) = vm.text("ip").and_then(|text| text.parse::<Cidr>().ok()) else {
            return Ip::Dhcp;
        };
        if !cidr.is_host() {
            self.told(
                vm.get("ip"),
                format!("`{cidr}` is the address of a network, not of a host in it"),
                None,
            );
        } else if let Some(first) = self.taken.insert(cidr.address, name.to_owned()) {
            self.told(
                vm.get("ip"),
                format!("ip `{}` is taken by `{first}`", cidr.address),
                None,
            );
        }
        Ip::Static(cidr)
    }

    fn gateway(&mut self, vm: &Object, ip: Ip) -> Option<Ipv4Addr> {
        let gateway: Ipv4Addr = vm.text("gateway")?.parse().ok()?;
        let Ip::Static(cidr) = ip else {
            // The network gives one; the site's default is for the others.
            return None;
        };
        if cidr.address == gateway {
            self.told(
                vm.get("gateway"),
                format!("`{gateway}` is the machine's own address"),
                None,
            );
        } else if !cidr.contains(gateway) {
            self.told(
                vm.get("gateway"),
                format!("gateway `{gateway}` is not in `{cidr}`"),
                None,
            );
        }
        Some(gateway)
    }

    fn names(
        &mut self,
        vm: &Object,
        key: &'static str,
        valid: fn(&str) -> bool,
        rule: &str,
    ) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for item in vm.items(key) {
            let Some(text) = item.text() else { continue };
            if !valid(text) {
                self.told(
                    Some(item),
                    format!("`{text}` cannot be used in `{key}`"),
                    Some(format!("use {rule}")),
                );
            } else if !names.iter().any(|name| name == text) {
                names.push(text.to_owned());
            }
        }
        names
    }

    fn told(&mut self, at: Option<&Traced>, message: String, help: Option<String>) {
        let mut finding = Diagnostic::error(message);
        finding.place = at.and_then(|traced| traced.origin.place());
        finding.help.extend(help.map(Advice::from));
        self.findings.push(finding);
    }
}

/// `kind` of a machine, `type` of a manifest's node.
fn kind(vm: &Object) -> MachineKind {
    let said = vm.text("kind").or_else(|| vm.text("type"));
    match said {
        Some("ct") => MachineKind::Ct,
        _ => MachineKind::Vm,
    }
}

fn number(vm: &Object, key: &str) -> Option<u64> {
    if let Value::Number(number) = &vm.get(key)?.value {
        return number.as_u64();
    }
    None
}

fn texts(vm: &Object, key: &str) -> Vec<String> {
    let items = vm.items(key).iter();
    items
        .filter_map(|item| item.text().map(str::to_owned))
        .collect()
}

/// Whether a text can be a tag on the node.
pub fn is_tag(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.starts_with(plain) && text.chars().all(|c| plain(c) || "-+.".contains(c))
}

fn is_group(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !["all", "ungrouped"].contains(&text)
        && text.chars().all(plain)
        && !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use camino::Utf8Path;

    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<Env, Failure> {
        let guard = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(guard.path()).unwrap();
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        machines(&Tree::new(root, "site"), "dev")
    }

    fn told(files: &[(&str, &str)]) -> Vec<String> {
        let failure = read(files).unwrap_err();
        assert_eq!(failure.exit, Exit::Definition);
        let line = |d: &Diagnostic| {
            let place = d
                .place
                .as_ref()
                .map(|place| format!("{}:{} ", place.path(), place.line_column().0));
            format!("{}{}", place.unwrap_or_default(), d.message)
        };
        failure.diagnostics.iter().map(line).collect()
    }

    #[test]
    fn the_shipped_environment_is_valid() {
        let site = Utf8Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/site"));
        let tree = Tree::new(site, "site");
        let env = machines(&tree, "dev").unwrap();
        let names: Vec<_> = env
            .vms
            .iter()
            .map(|vm| (vm.name.as_str(), vm.image.as_str(), vm.vmid))
            .collect();
        assert_eq!(
            names,
            [
                ("web-1", "debian-13", Some(5101)),
                ("app-1", "ubuntu-24.04", Some(5102))
            ]
        );
        assert!(env.vms.iter().all(|vm| matches!(vm.ip, Ip::Static(_))));
        for env in list(&tree) {
            machines(&tree, &env).unwrap();
        }
    }

    #[test]
    fn layers_ids_and_defaults() {
        let files = [
            (
                "envs/dev.yaml",
                "vmid_base: 200\nvms:\n  - {name: a, template: tiny}\n  - {name: b, image: i, vmid: 900, cores: 4}\n  - {name: c, vm_preset: big, image: i, ip: 10.0.0.5/24}\n",
            ),
            (
                "vms/tiny.yaml",
                "image: debian-13\npreset: big\npackages: [nginx]\n",
            ),
            ("vms/presets/big.yaml", "cores: 2\nmemory: 4096\ndisk: 20\n"),
            ("site.yaml", "defaults: {gateway: 10.0.0.1}\n"),
        ];
        let env = read(&files).unwrap();
        let ids: Vec<_> = env.vms.iter().map(|vm| vm.vmid).collect();
        assert_eq!(ids, [Some(200), Some(900), Some(202)]);
        let [a, b, c] = env.vms.as_slice() else {
            panic!("{env:?}")
        };
        assert_eq!(
            (a.image.as_str(), a.cores, a.memory, a.disk),
            ("debian-13", 2, 4096, 20)
        );
        assert_eq!(a.packages, ["nginx"]);
        assert_eq!((b.cores, b.memory, b.disk, b.ip), (4, 1024, 10, Ip::Dhcp));
        // The site's gateway is for fixed addresses.
        assert_eq!(
            (a.gateway, c.gateway),
            (None, Some(Ipv4Addr::new(10, 0, 0, 1)))
        );
        assert_eq!(a.bridge, None);
        let without = [(
            "envs/dev.yaml",
            "vms:\n  - {name: a, image: i, bridge: vmbr9}\n",
        )];
        let env = read(&without).unwrap();
        assert_eq!(env.vms[0].vmid, None);
        assert_eq!(env.vms[0].bridge.as_deref(), Some("vmbr9"));
    }

    #[test]
    fn containers_say_that_they_are_and_only_nesting_is_a_tokens() {
        let files = [
            (
                "envs/dev.yaml",
                "vms:\n  - {name: a, template: box}\n  - {name: b, kind: ct, image: debian-12, features: [nesting, nesting]}\n  - {name: c, image: i}\n  - {name: d, kind: ct, image: i, features: []}\n",
            ),
            ("vms/box.yaml", "kind: ct\nimage: debian-13\n"),
        ];
        let env = read(&files).unwrap();
        let kinds: Vec<_> = env.vms.iter().map(|vm| vm.kind).collect();
        assert_eq!(
            kinds,
            [
                MachineKind::Ct,
                MachineKind::Ct,
                MachineKind::Vm,
                MachineKind::Ct
            ]
        );
        let features: Vec<_> = env.vms.iter().map(|vm| vm.features.len()).collect();
        assert_eq!(features, [1, 1, 0, 0]);
        let files = [(
            "envs/dev.yaml",
            "vms:\n  - {name: a, kind: ct, image: i, features: [nesting, keyctl]}\n  - {name: b, image: i, features: [nesting]}\n",
        )];
        assert_eq!(
            told(&files),
            [
                "site/envs/dev.yaml:2 feature `keyctl` of container `a` can be set by `root@pam` alone, not by a token",
                "site/envs/dev.yaml:3 `features` of `b`, a virtual machine, have no effect",
            ]
        );
    }

    #[test]
    fn what_cannot_be_made_is_told_at_once() {
        let files = [(
            "envs/dev.yaml",
            "vms:
  - name: Web
    image: i
    vmid: 99
  - {name: a, image: i, ip: 10.0.0.5/24, gateway: 10.0.1.1}
  - {name: b, image: i, ip: 10.0.0.5/16, tags: [Web], groups: [all]}
  - {name: c, ip: 10.0.0.0/24}
",
        )];
        assert_eq!(
            told(&files),
            [
                "site/envs/dev.yaml:2 name `Web` is not a host name",
                "site/envs/dev.yaml:4 `vmid` of `Web` is 99, expected 100 or more",
                "site/envs/dev.yaml:5 gateway `10.0.1.1` is not in `10.0.0.5/24`",
                "site/envs/dev.yaml:6 ip `10.0.0.5` is taken by `a`",
                "site/envs/dev.yaml:6 `Web` cannot be used in `tags`",
                "site/envs/dev.yaml:6 `all` cannot be used in `groups`",
                "site/envs/dev.yaml:7 machine `c` has no `image`",
                "site/envs/dev.yaml:7 `10.0.0.0/24` is the address of a network, not of a host in it",
            ]
        );
    }
}
