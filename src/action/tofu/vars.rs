//! The variables of the shipped module, `layers/l2-instantiate/tofu/vms`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::site::{self, Ip, Vm};

/// All of them.
#[derive(Debug, Serialize)]
pub(super) struct Vars {
    pub(super) env: String,
    pub(super) node: String,
    pub(super) storage: String,
    pub(super) ssh_user: String,
    pub(super) ssh_keys: Vec<String>,
    pub(super) vms: BTreeMap<String, Machine>,
    pub(super) containers: BTreeMap<String, Container>,
}

/// What machines of both kinds have.
#[derive(Debug, Serialize)]
pub(super) struct Common {
    vmid: u32,
    image: String,
    cores: u32,
    memory: u64,
    disk: u64,
    bridge: String,
    address: String,
    gateway: Option<String>,
    /// The site's domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    tags: Vec<String>,
    groups: Vec<String>,
    /// What its notes on the node say; the module's own words when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

/// A virtual machine.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    #[serde(flatten)]
    common: Common,
    template_vmid: u32,
    template_node: String,
    /// The volume of a snippet that cloud-init reads beside the settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor_data: Option<String>,
}

/// A container.
#[derive(Debug, Serialize)]
pub(super) struct Container {
    #[serde(flatten)]
    common: Common,
    /// The volume that it is unpacked from.
    template: String,
    /// What Proxmox VE calls the system on it.
    system: &'static str,
    nesting: bool,
}

/// What a virtual machine is cloned from.
#[derive(Debug, Clone)]
pub(super) struct Template {
    pub(super) node: String,
    pub(super) vmid: u32,
}

impl Common {
    /// Of a machine of an environment, with its id.
    pub(super) fn new(env: &str, vm: &Vm, vmid: u32, bridge: &str) -> Self {
        let mut tags = vec!["hl".to_owned()];
        let own = std::iter::once(env).filter(|env| site::is_tag(env));
        for tag in own.chain(vm.tags.iter().map(String::as_str)) {
            if !tags.iter().any(|known| known == tag) {
                tags.push(tag.to_owned());
            }
        }
        tags.sort_unstable();
        Self {
            vmid,
            image: vm.image.clone(),
            cores: vm.cores,
            memory: vm.memory,
            disk: vm.disk,
            bridge: vm.bridge.clone().unwrap_or_else(|| bridge.to_owned()),
            address: vm.ip.to_string(),
            gateway: match vm.ip {
                Ip::Static(_) => vm.gateway.map(|gateway| gateway.to_string()),
                Ip::Dhcp => None,
            },
            domain: None,
            tags,
            groups: vm.groups.clone(),
            description: None,
        }
    }

    /// In a domain.
    pub(super) fn within(mut self, domain: Option<&String>) -> Self {
        self.domain = domain.cloned();
        self
    }

    /// With notes of its own.
    pub(super) fn described(mut self, description: Option<String>) -> Self {
        self.description = description;
        self
    }

    /// Cloned from a template.
    pub(super) fn cloned(self, template: Template, vendor_data: Option<String>) -> Machine {
        Machine {
            common: self,
            template_vmid: template.vmid,
            template_node: template.node,
            vendor_data,
        }
    }

    /// Unpacked from a volume.
    pub(super) fn unpacked(self, template: String, vm: &Vm) -> Container {
        Container {
            common: self,
            system: system(&template),
            template,
            nesting: vm.features.iter().any(|feature| feature == "nesting"),
        }
    }
}

/// The system on an archive, by the first word of its name: how the node gives a
/// container its name and its network. One that is not known gets neither.
fn system(archive: &str) -> &'static str {
    let file = archive.rsplit(['/', ':']).next().unwrap_or_default();
    let word = file.split(['-', '_', '.']).next().unwrap_or_default();
    let same = [
        "alpine",
        "archlinux",
        "centos",
        "debian",
        "devuan",
        "fedora",
        "gentoo",
        "nixos",
        "opensuse",
        "ubuntu",
    ];
    match same.into_iter().find(|known| *known == word) {
        Some(known) => known,
        None if ["almalinux", "rockylinux"].contains(&word) => "centos",
        None => "unmanaged",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_told_by_the_name_of_the_archive() {
        for (archive, is) in [
            (
                "local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst",
                "debian",
            ),
            ("nas:vztmpl/rockylinux-10-default_1_amd64.tar.xz", "centos"),
            ("local:vztmpl/mine.tar.gz", "unmanaged"),
            ("", "unmanaged"),
        ] {
            assert_eq!(system(archive), is, "{archive}");
        }
    }
}
