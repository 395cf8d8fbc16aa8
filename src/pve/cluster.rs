//! Calls about the cluster, its nodes and networks, and about who we are.

use super::path::percent_encode;
use super::{Client, Error, Network, Node, Permissions, Version, Vm};

impl Client {
    /// `GET /version`; also the cheapest proof that the token is good.
    pub fn version(&self) -> Result<Version, Error> {
        self.get("version", &[])
    }

    /// `GET /nodes`
    pub fn nodes(&self) -> Result<Vec<Node>, Error> {
        self.get("nodes", &[])
    }

    /// `GET /nodes/{node}/network`
    pub fn networks(&self, node: &str) -> Result<Vec<Network>, Error> {
        self.get(&format!("nodes/{}/network", percent_encode(node)), &[])
    }

    /// `GET /access/permissions`: what the token may do, everywhere or on one
    /// path.
    pub fn permissions(&self, path: Option<&str>) -> Result<Permissions, Error> {
        match path {
            Some(path) => self.get("access/permissions", &[("path", path)]),
            None => self.get("access/permissions", &[]),
        }
    }

    /// `GET /cluster/resources?type=vm`: every VM and container that the token
    /// may see. New ones have no name for some seconds.
    pub fn cluster_resources_vms(&self) -> Result<Vec<Vm>, Error> {
        self.get("cluster/resources", &[("type", "vm")])
    }

    /// `GET /cluster/nextid`: a free VMID.
    pub fn next_id(&self) -> Result<u32, Error> {
        let answer: serde_json::Value = self.get("cluster/nextid", &[])?;
        let text = answer
            .as_str()
            .map_or_else(|| answer.to_string(), str::to_owned);
        text.parse().map_err(|_| Error::Answer {
            call: "GET cluster/nextid".to_owned(),
            detail: format!("expected a number, found {answer}"),
        })
    }
}
