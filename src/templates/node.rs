//! What the node says: templates with their notes, whether a VM is one, and
//! what a build left behind.

use std::time::{Duration, Instant};

use super::manifest::{Manifest, VERSION};
use super::notes;
use super::notes::Notes;
use crate::base::Cancel;
use crate::diag::StepError;
use crate::pve::{Client, Error, Vm, VmConfig};

/// How long a conversion that still runs is waited for.
const CONVERSION: Duration = Duration::from_mins(10);
/// How long a template may take to look like one when nothing runs.
const SETTLE: Duration = Duration::from_secs(6);

/// A template on the node.
#[derive(Debug, Clone)]
pub struct Found {
    /// Number and name.
    pub vm: Vm,
    /// Its configuration.
    pub config: VmConfig,
    /// What `hl` wrote into its notes.
    pub notes: Option<Notes>,
}

/// All templates that the token may see, on every node.
pub fn templates(client: &Client) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for vm in client.cluster_resources_vms()? {
        if vm.template && vm.kind != "lxc" {
            let config = match client.vm_config(&vm.node, vm.vmid) {
                // Removed since.
                Err(error) if error.is_not_found() => continue,
                other => other?,
            };
            let notes = config
                .text("description")
                .and_then(|text| Notes::parse(&text));
            found.push(Found { vm, config, notes });
        }
    }
    Ok(found)
}

impl Found {
    /// Whether this is the VM of that manifest, and not another that took its
    /// number since.
    pub fn is_of(&self, manifest: &Manifest) -> bool {
        self.vm.vmid == manifest.vmid
            && self.vm.node == manifest.node
            && match &self.notes {
                Some(notes) => notes.name == manifest.name && notes.stamp == manifest.stamp,
                // Somebody rewrote the notes: the name still tells.
                None => self.config.text("name").as_deref() == Some(manifest.vm_name.as_str()),
            }
    }

    /// The manifest that the notes stand for.
    pub fn manifest(&self) -> Option<Manifest> {
        let notes = self.notes.as_ref()?;
        Some(Manifest {
            version: VERSION,
            name: notes.name.clone(),
            stamp: notes.stamp.clone(),
            node: self.vm.node.clone(),
            vmid: self.vm.vmid,
            vm_name: self.config.text("name").unwrap_or_default(),
            storage: storage(&self.config).unwrap_or_default(),
            created_at: notes.created_at.clone(),
            description: notes.description.clone(),
            inputs_digest: notes.digest.clone(),
            image: notes.image.clone(),
        })
    }
}

/// The storage of a VM's first disk: the part before the colon in
/// `scsi0: local-lvm:base-101-disk-0,size=6G`.
pub fn storage(config: &VmConfig) -> Option<String> {
    disk(config)?
        .split_once(':')
        .map(|(storage, _)| storage.to_owned())
}

/// The volume of a VM's first disk.
fn disk(config: &VmConfig) -> Option<String> {
    let is_disk = |key: &str| {
        ["scsi", "virtio", "sata", "ide"].iter().any(|bus| {
            key.strip_prefix(bus).is_some_and(|number| {
                !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
            })
        })
    };
    let boot = config.text("boot").and_then(|boot| {
        boot.split("order=")
            .nth(1)?
            .split(';')
            .next()
            .map(str::to_owned)
    });
    let volume = |key: &str| {
        let text = config.text(key)?;
        let is_cdrom = text.contains("media=cdrom") || text.contains("cloudinit");
        let volid = text
            .split(',')
            .next()?
            .trim_start_matches("file=")
            .to_owned();
        (!is_cdrom && volid.contains(':')).then_some(volid)
    };
    boot.as_deref().and_then(volume).or_else(|| {
        config
            .0
            .keys()
            .filter(|key| is_disk(key))
            .find_map(|key| volume(key))
    })
}

/// Proof that a VM is a template, which packer's success is not: it ignores
/// the task that converts. Waits while that task is still at work.
pub fn prove(
    client: &Client,
    node: &str,
    vmid: u32,
    cancel: &Cancel,
) -> Result<VmConfig, StepError> {
    let begun = Instant::now();
    loop {
        let config = client.vm_config(node, vmid)?;
        let busy = config.text("lock").is_some() || is_busy(client, node, vmid)?;
        if config.is_template() && !busy {
            return Ok(config);
        }
        let limit = if busy { CONVERSION } else { SETTLE };
        if begun.elapsed() >= limit {
            return Err(StepError::new(format!(
                "packer says it made a template, but VM {vmid} on `{node}` is none"
            ))
            .help(format!(
                "see why, on `{node}`: `pvenode task list --vmid {vmid}`"
            ))
            .help(format!(
                "then remove it, on `{node}`: `qm destroy {vmid} --purge`, and build again"
            )));
        }
        cancel.sleep(Duration::from_secs(1))?;
    }
}

/// Whether a task works on the VM.
fn is_busy(client: &Client, node: &str, vmid: u32) -> Result<bool, Error> {
    // A task in the list that has not ended has no status, or `running`.
    Ok(client.tasks(node, Some(vmid))?.iter().any(|task| {
        matches!(
            task.status.as_deref(),
            None | Some("" | "running" | "RUNNING")
        )
    }))
}

/// VMs of that name. New ones have no name in the cluster's list for some
/// seconds, so theirs is read from their configuration.
pub fn named(client: &Client, name: &str) -> Result<Vec<(Vm, VmConfig)>, Error> {
    let mut found = Vec::new();
    for vm in client.cluster_resources_vms()? {
        let maybe = match vm.name.as_deref() {
            None | Some("") => true,
            Some(other) => other == name,
        };
        if !maybe || vm.kind == "lxc" {
            continue;
        }
        match client.vm_config(&vm.node, vm.vmid) {
            Ok(config) if config.text("name").as_deref() == Some(name) => found.push((vm, config)),
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Machines that an interrupted build of a template left, by their notes.
pub fn leftovers(client: &Client, node: &str, name: &str) -> Result<Vec<Vm>, Error> {
    let mut found = Vec::new();
    let ours = [format!("hl-build-{name}-"), format!("{name}-")];
    for vm in client.cluster_resources_vms()? {
        let maybe = vm.node == node
            && vm.kind != "lxc"
            && vm
                .name
                .as_deref()
                .is_none_or(|vm| ours.iter().any(|prefix| vm.starts_with(prefix.as_str())));
        if !maybe {
            continue;
        }
        let Ok(config) = client.vm_config(&vm.node, vm.vmid) else {
            continue;
        };
        let text = config.text("description").unwrap_or_default();
        let vm_name = config.text("name").unwrap_or_default();
        if notes::is_build(&text).as_deref() == Some(name)
            || (vm_name.starts_with(ours[0].as_str()) && !config.is_template())
        {
            found.push(vm);
        }
    }
    Ok(found)
}

/// Stops and removes a VM; one that is gone is fine. Waits for what works on
/// it, and is not stopped itself: what it leaves behind nobody else removes.
pub fn remove(client: &Client, node: &str, vmid: u32) -> Result<(), Error> {
    let patience = Cancel::default();
    let begun = Instant::now();
    let quietly = |result: Result<(), Error>| match result {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    };
    while is_busy(client, node, vmid)? && begun.elapsed() < CONVERSION {
        patience.sleep(Duration::from_secs(1))?;
    }
    let step = || {
        if client.vm_status(node, vmid)?.status == "running" {
            let task = client.stop_vm(node, vmid)?;
            client.wait_task(&task, &patience, CONVERSION)?;
        }
        let task = client.delete_vm(node, vmid)?;
        client.wait_task(&task, &patience, CONVERSION).map(drop)
    };
    quietly(step())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::manifest::sample;

    fn config(pairs: &[(&str, &str)]) -> VmConfig {
        VmConfig(
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).into()))
                .collect(),
        )
    }

    fn vm(vmid: u32) -> Vm {
        serde_json::from_value(
            serde_json::json!({"vmid": vmid, "node": "pve", "type": "qemu", "template": 1}),
        )
        .unwrap()
    }

    #[test]
    fn the_storage_is_that_of_the_boot_disk() {
        let drives = [
            ("ide2", "local:101/vm-101-cloudinit.qcow2,media=cdrom"),
            ("scsi0", "local-lvm:base-101-disk-0,size=6G"),
            ("scsihw", "virtio-scsi-single"),
            ("virtio1", "tank:base-101-disk-1"),
        ];
        assert_eq!(storage(&config(&drives)).as_deref(), Some("local-lvm"));
        let mut boot = drives.to_vec();
        boot.push(("boot", "order=virtio1;scsi0"));
        assert_eq!(storage(&config(&boot)).as_deref(), Some("tank"));
        assert_eq!(storage(&config(&drives[..1])), None);
    }

    #[test]
    fn a_number_that_was_taken_over_is_another_vm() {
        let manifest = sample("20260101-120000", 101);
        let notes = Notes::of(&manifest, false);
        let found = |text: &str, name: &str| Found {
            vm: vm(101),
            config: config(&[("description", text), ("name", name)]),
            notes: Notes::parse(text),
        };
        assert!(found(&notes.render(), "renamed").is_of(&manifest));
        assert!(found("my words", "debian-13-20260101-120000").is_of(&manifest));
        assert!(!found("my words", "windows").is_of(&manifest));
        let later = Notes::of(&sample("20260202-120000", 101), false);
        assert!(!found(&later.render(), "debian-13-20260101-120000").is_of(&manifest));
        let back = Found {
            config: config(&[("name", &manifest.vm_name), ("scsi0", "local-lvm:x")]),
            ..found(&notes.render(), "")
        };
        assert_eq!(back.manifest().unwrap(), manifest);
    }
}
