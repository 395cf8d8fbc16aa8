//! The table of flows in `docs/simulator.md`: what a real client did, over how many
//! different calls. Each line is held by the test that makes the flow.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use hl_sim::RequestLine;

use crate::sim::page;

const BPG: (&str, &str) = ("bpg/proxmox", "0.111.1");
const PACKER: (&str, &str) = ("packer", "1.15.0, its plugin 1.0.4");
const PROXMOXER: (&str, &str) = ("proxmoxer", "2.3.0");
const COLLECTION: (&str, &str) = ("community.proxmox", "1.4.0");

/// All flows: whose, and what is done.
const FLOWS: &[((&str, &str), &str)] = &[
    (BPG, CLONES),
    (BPG, IMAGE),
    (BPG, NEWER),
    (BPG, LOGIN),
    (BPG, PEOPLE),
    (BPG, NODE),
    (BPG, NETWORKS),
    (BPG, CONTAINERS),
    (BPG, OVER_SSH),
    (PACKER, CLONE_TEMPLATE),
    (PACKER, ISO_TEMPLATE),
    (PROXMOXER, LIFE),
    (COLLECTION, PLAYBOOK),
    (COLLECTION, CONTAINER_PLAYBOOK),
];

pub(super) const CLONES: &str = "a full and a linked clone with cloud-init and agent: made, changed, grown, destroyed; second plan empty";
pub(super) const IMAGE: &str =
    "an image downloaded, a machine made from it; machines, nodes and storages listed; destroyed";
pub(super) const NEWER: &str =
    "the newer resource and its description: made, changed; second plan empty";
pub(super) const LOGIN: &str = "a machine made by a user with a password";
pub(super) const PEOPLE: &str = "pool, group, role, user, token, rights: made and destroyed";
pub(super) const NODE: &str = "bridge, DNS, time, storage: made and destroyed";
pub(super) const NETWORKS: &str =
    "aliases, IP sets, security groups, SDN zone, vnet and subnet: made, applied and destroyed";
pub(crate) const OVER_SSH: &str = "over SSH: an image, a template, snippets; two VMs by `disk.file_id` that follow `cicustom`, a container with a mount point; second plan empty; destroyed";
pub(super) const CLONE_TEMPLATE: &str = "`proxmox-clone`: a clone becomes a template";
pub(super) const ISO_TEMPLATE: &str = "`proxmox-iso`: an ISO becomes a template";
pub(super) const LIFE: &str = "nodes; a VM created, cloned, a snapshot made, gone back to and deleted, started, its agent asked, stopped, deleted";
pub(super) const PLAYBOOK: &str = "`proxmox_kvm`, `proxmox_disk`, `proxmox_snap`, `proxmox_vm_info`, `proxmox_pool`: the life of a VM, its disk moved while it runs, and every task again without a change";
pub(super) const CONTAINERS: &str = "containers: made, changed in place, grown, imported, cloned from a template, destroyed; second plan empty";
pub(super) const CONTAINER_PLAYBOOK: &str = "`proxmox_template`, `proxmox`: a template downloaded; a container made, started, changed, cloned, removed";

/// A flow went well over these requests: none of them was for a call that is not there.
pub(crate) fn passed(flow: &str, requests: &[RequestLine]) {
    let missing: Vec<_> = requests.iter().filter(|line| line.status == 501).collect();
    assert!(missing.is_empty(), "{flow}: {missing:#?}");
    let known = hl_sim::endpoints();
    let calls: BTreeSet<(&str, &str)> = requests
        .iter()
        .filter_map(|line| call_of(&known, line))
        .collect();
    assert!(FLOWS.iter().any(|(_, own)| *own == flow), "{flow}");
    page::part("flows", |now| table(now, Some((flow, calls.len()))));
}

/// The call that a request was for: of those that fit, the one that says most.
fn call_of<'k>(
    known: &'k [(&'static str, String)],
    request: &RequestLine,
) -> Option<(&'k str, &'k str)> {
    let fit = known
        .iter()
        .filter(|(method, path)| *method == request.method && fits(path, &request.path));
    let literal = |path: &str| parts(path).filter(|part| !part.starts_with('{')).count();
    fit.max_by_key(|(_, path)| (parts(path).count(), literal(path)))
        .map(|(method, path)| (*method, path.as_str()))
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

/// Whether a path fits a pattern; the last part of one may stand for several.
fn fits(pattern: &str, path: &str) -> bool {
    let mut path = parts(path);
    let mut last = "";
    for wanted in parts(pattern) {
        match path.next() {
            Some(part) if wanted == part || wanted.starts_with('{') => last = wanted,
            _ => return false,
        }
    }
    path.next().is_none() || last.starts_with('{')
}

/// The table with what was just counted in it.
fn table(now: &str, counted: Option<(&str, usize)>) -> String {
    let mut counts: BTreeMap<String, String> = BTreeMap::new();
    for line in now.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let [_, _, _, flow, count, ..] = cells.as_slice() {
            counts.insert((*flow).to_owned(), (*count).to_owned());
        }
    }
    if let Some((flow, count)) = counted {
        counts.insert(flow.to_owned(), count.to_string());
    }
    let mut text =
        "| client | version | what it does | different calls | not implemented |\n|---|---|---|---|---|\n"
            .to_owned();
    for ((client, version), flow) in FLOWS {
        let count = counts.get(*flow).map_or("?", String::as_str);
        writeln!(text, "| {client} | {version} | {flow} | {count} | none |").unwrap();
    }
    text
}

#[test]
fn the_page_lists_the_flows() {
    page::part("flows", |now| table(now, None));
}

#[test]
fn a_request_is_for_the_call_that_says_most() {
    let known = hl_sim::endpoints();
    for (method, path, call) in [
        ("GET", "/nodes/pve/qemu/100", "/nodes/{node}/qemu/{vmid}/"),
        (
            "GET",
            "/nodes/pve/storage/local/content/local:iso/x.iso",
            "/nodes/{node}/storage/{storage}/content/{volume}",
        ),
        (
            "GET",
            "/nodes/pve/qemu/100/status/current",
            "/nodes/{node}/qemu/{vmid}/status/current",
        ),
    ] {
        let request = RequestLine {
            method: method.to_owned(),
            path: path.to_owned(),
            status: 200,
            micros: 1,
            who: String::new(),
        };
        assert_eq!(call_of(&known, &request), Some((method, call)), "{path}");
    }
}
