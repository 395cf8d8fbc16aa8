//! What an environment's machines come to, layers laid.

use super::conventions::Conventions;
use crate::diag::Diagnostic;
use crate::shape::Node;
use crate::site::env::Cidr;
use crate::site::instances::NESTING;
use crate::site::kind::Kind;
use crate::site::resolve::{Object, Traced, Value, machines};
use crate::site::tree::Loader;
use crate::site::yaml::Document;

/// The smallest id that Proxmox VE gives.
const FIRST_VMID: u64 = 100;

/// What no single file shows: machines that share a name or an id, and values
/// that resolve and are of no use.
pub(super) fn check(loader: &mut Loader<'_>, env: &str) -> Vec<Diagnostic> {
    let Some(file) = loader.file(Kind::Env, env) else {
        return Vec::new();
    };
    let mut findings = instances(&file);
    let (list, twins) = machines(loader, &file);
    findings.extend(twins);
    let conventions = Conventions::of(loader);
    for vm in list.iter().filter_map(Traced::map) {
        findings.extend(conventions.check(vm));
        findings.extend(small_id(vm));
        findings.extend(no_host(vm));
        findings.extend(features(vm));
    }
    findings
}

/// Keys of an instance that do nothing.
fn instances(file: &Document) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let items = file.root.get("vms").map(Node::items).unwrap_or_default();
    for map in items.iter().filter_map(Node::map) {
        let given = |key: &str| map.entry(key).filter(|entry| !entry.value.is_null());
        if let Some(entry) = given("preset") {
            let warning =
                Diagnostic::warning("`preset` of a machine is passed through, and chooses nothing");
            let place = file.at_key(entry, "");
            findings.push(warning.at(place).help("write `vm_preset`"));
        }
        if let (Some(_), Some(entry)) = (given("template"), given("vm_preset")) {
            let warning = Diagnostic::warning("`vm_preset` has no effect beside `template`");
            let place = file.at_key(entry, "");
            findings.push(warning.at(place).help("remove one of them"));
        }
    }
    findings
}

fn small_id(vm: &Object) -> Option<Diagnostic> {
    let vmid = vm.get("vmid")?;
    let Value::Number(number) = &vmid.value else {
        return None;
    };
    number.as_u64().filter(|id| *id < FIRST_VMID)?;
    let message = format!("vmid {number} is not one of Proxmox VE, whose first is {FIRST_VMID}");
    Some(placed(vmid, Diagnostic::warning(message)))
}

fn no_host(vm: &Object) -> Option<Diagnostic> {
    let ip = vm.get("ip")?;
    let cidr = ip
        .text()?
        .parse::<Cidr>()
        .ok()
        .filter(|cidr| !cidr.is_host())?;
    let message = format!("`{cidr}` is the address of a network, not of a host in it");
    Some(placed(ip, Diagnostic::warning(message)))
}

/// Features that no token can set.
fn features(vm: &Object) -> Vec<Diagnostic> {
    let items = vm.items("features").iter();
    let refused = items.filter(|item| item.text().is_some_and(|text| text != NESTING));
    refused
        .map(|item| {
            let text = item.text().unwrap_or_default();
            let message =
                format!("feature `{text}` can be set by `root@pam` alone, not by a token");
            placed(item, Diagnostic::warning(message)).help("leave it out")
        })
        .collect()
}

fn placed(value: &Traced, mut finding: Diagnostic) -> Diagnostic {
    finding.place = value.origin.place();
    finding
}
