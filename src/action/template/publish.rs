//! `template.publish`: proof that the VM is a template, what belongs to the
//! build taken out of it, its manifest written, and the pointer moved.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call;
use super::catalog;
use super::promote::promote;
use crate::action::{About, Action, Basis, Done, Reads, StepContext};
use crate::diag::StepError;
use crate::diag::{Exit, say};
use crate::handoff::{Gives, Handoff, Stage};
use crate::pve::{Param, VmConfig};
use crate::templates::TemplateStore;
use crate::templates::node;
use crate::templates::notes::Notes;
use crate::templates::pin_in_use;
use crate::templates::{Manifest, Stamp, VERSION};
use crate::templates::{Pin, pin};

/// `template.publish`
#[derive(Debug, Clone, Copy)]
pub struct TemplatePublish;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Name of the template: a folder of `layers/l1-templates`.
    #[schemars(length(max = 100))]
    name: String,
    /// Proxmox node.
    #[schemars(length(max = 100))]
    node: String,
    /// What packer made.
    vmid: u32,
    /// When the build began: `YYYYMMDD-HHMMSS`.
    stamp: String,
    /// Digest of what it was built from.
    digest: String,
}

/// Settings of the build's one boot. In a template they would be those of every
/// clone: the same address twice, a user and a key that nobody asked for.
const OF_THE_BUILD: [&str; 4] = ["cipassword", "ciuser", "ipconfig0", "sshkeys"];

impl Action for TemplatePublish {
    fn about(&self) -> About {
        About::of::<Inputs>("template.publish")
            .doc("prove that packer made a template, write its manifest, move the stable pointer")
            .hands_on(Handoff::part(Stage::Templates).giving(Gives::Images))
    }

    fn basis(&self, _: &StepContext<'_>) -> Result<Basis, StepError> {
        let mut reads = Reads::default().on_the_node();
        reads.variables.push("UPDATE_STABLE");
        Ok(Basis::On(reads))
    }

    fn preview(&self, _ctx: &StepContext<'_>) -> Result<Done, StepError> {
        Ok(Done::not_planned("there is no build yet"))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let stamp = Stamp::parse(&inputs.stamp).ok_or_else(|| {
            StepError::new(format!(
                "`{}` is not a stamp, expected YYYYMMDD-HHMMSS",
                inputs.stamp
            ))
            .exit(Exit::Definition)
        })?;
        let template = call::template(ctx, &inputs.name)?;
        let client = ctx.pve()?;
        let (node, vmid) = (inputs.node.as_str(), inputs.vmid);
        ctx.progress(format!("looking at VM {vmid}"));
        let config = node::prove(&client, node, vmid, ctx.cancel)?;
        let store = TemplateStore::new(ctx.lab.paths.template(&inputs.name));
        let pin = pin_in_use(&ctx.lab.paths, &template, Pin::read(store.dir())?.as_ref())?;
        let storage = node::storage(&config).ok_or_else(|| {
            StepError::new(format!("template {vmid} on `{node}` has no disk")).help(
                say("remove it and build again: ")
                    .on_node(node, format!("qm destroy {vmid} --purge")),
            )
        })?;
        // packer ignores it when the node refuses to rename the template.
        let vm_name = format!("{}-{stamp}", inputs.name);
        let manifest = Manifest {
            version: VERSION,
            name: inputs.name.clone(),
            stamp,
            node: node.to_owned(),
            vmid,
            vm_name,
            storage,
            created_at: pin::now(),
            description: template.spec.description.clone(),
            inputs_digest: inputs.digest,
            image: pin,
        };
        let notes = Notes::of(&manifest, false).render();
        let going = delete(&config);
        let mut keys = changes(&config, &notes, &going);
        keys.push(("name", &manifest.vm_name));
        client.set_vm_config(node, vmid, &keys)?;
        let config = client.vm_config(node, vmid)?;
        let left = delete(&config);
        if !left.is_empty() {
            return Err(StepError::new(format!(
                "template {vmid} on `{node}` still has {left} of its build"
            ))
            .help(format!(
                "remove them, on `{node}`: `qm set {vmid} --delete {left}`"
            )));
        }
        // The token needs VM.Audit to see it again; a record of what cannot be
        // seen would be stale at once.
        let path = store.write(&manifest)?;
        ctx.note(format!("wrote {}", ctx.lab.paths.show(&path)));
        let stable = call::update_stable(ctx);
        if stable {
            promote(ctx, &client, &manifest, None)?;
        }
        catalog::refresh(ctx)?;
        let how = if stable {
            "now stable".to_owned()
        } else {
            ctx.text(
                say("stable stays: `UPDATE_STABLE` is not `yes`; ").hl(format!(
                    "templates promote {} {}",
                    manifest.name, manifest.stamp
                )),
            )
        };
        Ok(
            Done::new(format!("template {vmid} of {}, {how}", manifest.stamp))
                .changed(true)
                .output("vmid", vmid)
                .output("stamp", manifest.stamp.as_str())
                .output("manifest", ctx.lab.paths.show(&path).as_str())
                .output("stable", stable),
        )
    }
}

/// The keys of the build that a configuration holds, as `delete` wants them.
fn delete(config: &VmConfig) -> String {
    let held: Vec<&str> = OF_THE_BUILD
        .into_iter()
        .filter(|key| config.0.contains_key(*key))
        .collect();
    held.join(",")
}

/// What is changed in the template: notes, keys that go, and the installer's
/// disc, which is taken out of its drive.
fn changes<'a>(config: &VmConfig, notes: &'a str, delete: &'a str) -> Vec<Param<'a>> {
    const DRIVES: [&str; 4] = ["ide0", "ide1", "ide2", "ide3"];
    let mut changes = vec![("description", notes)];
    if !delete.is_empty() {
        changes.push(("delete", delete));
    }
    for drive in DRIVES {
        if config
            .text(drive)
            .is_some_and(|text| text.contains(":iso/"))
        {
            changes.push((drive, "none,media=cdrom"));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_of_the_build_goes_and_the_rest_stays() {
        let config: VmConfig = serde_json::from_value(json!({
            "ciuser": "debian", "ipconfig0": "ip=10.0.0.9/24,gw=10.0.0.1", "sshkeys": "k", "name": "x",
            "ide2": "local-lvm:vm-101-cloudinit,media=cdrom", "ide0": "local:iso/debian.iso,media=cdrom,size=700M",
        }))
        .unwrap();
        assert_eq!(delete(&config), "ciuser,ipconfig0,sshkeys");
        assert_eq!(
            changes(&config, "n", "ciuser"),
            [
                ("description", "n"),
                ("delete", "ciuser"),
                ("ide0", "none,media=cdrom")
            ]
        );
        assert_eq!(
            changes(&VmConfig::default(), "n", ""),
            [("description", "n")]
        );
    }
}
