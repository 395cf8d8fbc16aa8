//! A manifest's node as the one machine of an environment.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::diag::{Exit, StepError};
use crate::site::{Cidr, Ip, MachineKind, Vm};

/// A node of a manifest, its layers laid.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::action) struct NodeMachine {
    /// Its name.
    #[schemars(length(max = 100))]
    pub(in crate::action) name: String,
    /// `vm`, `ct` or `pve`.
    #[serde(rename = "type")]
    pub(in crate::action) kind: String,
    /// What it is made from.
    #[schemars(length(max = 200))]
    pub(in crate::action) image: String,
    /// Its id; without one the cluster chooses.
    #[serde(default)]
    pub(in crate::action) vmid: Option<u32>,
    /// Virtual CPUs.
    pub(in crate::action) cores: u32,
    /// MB.
    pub(in crate::action) memory: u64,
    /// GB.
    pub(in crate::action) disk: u64,
    /// The bridge; without one `PVE_BRIDGE`.
    #[serde(default)]
    pub(in crate::action) bridge: Option<String>,
    /// `dhcp`, or an address with its prefix.
    #[serde(default)]
    pub(in crate::action) ip: Option<String>,
    /// Where it sends what is not for its own network.
    #[serde(default)]
    pub(in crate::action) gateway: Option<String>,
    /// Tags on the node, beside those that `hl` gives.
    #[serde(default)]
    pub(in crate::action) tags: Vec<String>,
    /// Of a container: what it may do that others may not.
    #[serde(default)]
    pub(in crate::action) features: Vec<String>,
}

impl NodeMachine {
    /// The machine; `chosen` has the ids that the cluster chose, by name.
    pub(in crate::action) fn machine(
        &self,
        chosen: &BTreeMap<String, u32>,
    ) -> Result<Vm, StepError> {
        let wrong = |key: &str, text: &str| {
            let name = &self.name;
            StepError::new(format!("`{key}` of node `{name}` cannot be `{text}`"))
                .exit(Exit::Definition)
        };
        let ip = match self.ip.as_deref() {
            None | Some("dhcp") => Ip::Dhcp,
            Some(text) => Ip::Static(text.parse::<Cidr>().map_err(|_| wrong("ip", text))?),
        };
        let gateway = self.gateway.as_deref();
        let gateway = gateway.map(|text| text.parse().map_err(|_| wrong("gateway", text)));
        Ok(Vm {
            name: self.name.clone(),
            kind: if self.kind == "ct" {
                MachineKind::Ct
            } else {
                MachineKind::Vm
            },
            image: self.image.clone(),
            vmid: self.vmid.or_else(|| chosen.get(&self.name).copied()),
            cores: self.cores,
            memory: self.memory,
            disk: self.disk,
            ip,
            gateway: gateway.transpose()?,
            bridge: self.bridge.clone(),
            tags: self.tags.clone(),
            groups: Vec::new(),
            packages: Vec::new(),
            features: self.features.clone(),
        })
    }

    /// `VM`, or `CT`, as Proxmox VE calls it.
    pub(in crate::action) fn kind_word(&self) -> &'static str {
        if self.kind == "ct" { "CT" } else { "VM" }
    }

    /// `1 core, 2048 MB, 10 GB`
    pub(in crate::action) fn size(&self) -> String {
        let cores = crate::base::count(usize::try_from(self.cores).unwrap_or(0), "core");
        format!("{cores}, {} MB, {} GB", self.memory, self.disk)
    }
}
