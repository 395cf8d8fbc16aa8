//! The machine that packer clones: made of the image for one build, never
//! started, removed after it. The image stays on the node, so the next one
//! takes seconds, and nothing is left that holds the build address.

use std::time::{Duration, Instant};

use crate::action::StepContext;
use crate::action::template::call;
use crate::diag::StepError;
use crate::diag::say;
use crate::pve::{BuildAddress, Client, Error, VmConfig};
use crate::templates::node;
use crate::templates::{Template, notes};

/// An import of some gigabytes on a slow disk.
const IMPORT: Duration = Duration::from_mins(30);
/// Until the cluster's list has a new machine's name; it is renewed each ten seconds.
const LISTED: Duration = Duration::from_mins(2);
/// How often somebody else may be faster with a number.
const RACES: usize = 5;

/// A base on the node.
#[derive(Debug)]
pub(super) struct Base {
    /// Its name, unique in the cluster: packer clones by name.
    pub(super) name: String,
    node: String,
    vmid: u32,
}

impl Base {
    /// Makes it; one that an interrupted build left is removed before.
    pub(super) fn make(
        ctx: &StepContext<'_>,
        template: &Template,
        node: &str,
        volid: &str,
        address: &BuildAddress,
    ) -> Result<Self, StepError> {
        let client = ctx.pve()?;
        let name = base_name(template, volid);
        remove_leftovers(ctx, &client, &template.name, &name)?;
        let storage = call::storage_vm(ctx)?;
        let bridge = call::setting(ctx, "PVE_BRIDGE", "vmbr0");
        let machine = &template.spec.machine;
        let (cores, memory) = (machine.cores.to_string(), machine.memory.to_string());
        let disk = format!("{storage}:0,import-from={volid},discard=on,iothread=1");
        let drive = format!("{storage}:cloudinit");
        let net = format!("virtio,bridge={bridge}");
        let ipconfig = address.ipconfig();
        let description = notes::base(&template.name);
        let keys = [
            ("name", name.as_str()),
            ("description", &description),
            ("ostype", "l26"),
            ("cores", &cores),
            ("memory", &memory),
            ("cpu", "x86-64-v2-AES"),
            ("scsihw", "virtio-scsi-single"),
            ("scsi0", &disk),
            ("boot", "order=scsi0"),
            // Cloud images write their console here.
            ("serial0", "socket"),
            ("vga", "serial0"),
            ("net0", &net),
            ("agent", "1"),
            ("ide2", &drive),
            // Neither image has an agent that could tell another address.
            ("ipconfig0", &ipconfig),
            ("ciuser", &template.spec.guest_user),
        ];
        ctx.progress(format!("making `{name}` of `{volid}`"));
        let base = create(ctx, &client, node, &name, &keys)?;
        let ready = base
            .grow(&client, &machine.disk, ctx)
            .and_then(|()| base.wait_listed(&client, ctx));
        match ready {
            Ok(()) => Ok(base),
            Err(error) => {
                base.remove(ctx);
                Err(error)
            }
        }
    }

    /// Removes one that an interrupted build left.
    pub(super) fn sweep(
        ctx: &StepContext<'_>,
        template: &Template,
        volid: &str,
    ) -> Result<(), StepError> {
        let client = ctx.pve()?;
        remove_leftovers(ctx, &client, &template.name, &base_name(template, volid))
    }

    fn grow(&self, client: &Client, size: &str, ctx: &StepContext<'_>) -> Result<(), StepError> {
        let resized = client
            .resize_disk(&self.node, self.vmid, "scsi0", size)
            .and_then(|task| {
                task.map_or(Ok(()), |task| {
                    client.wait_task(&task, ctx.cancel, IMPORT).map(drop)
                })
            });
        match resized {
            Err(error) if error.to_string().contains("shrink") => {
                Err(StepError::from(error).help(format!(
                    "the image is larger than `disk = \"{size}\"`: raise it in `template.toml`"
                )))
            }
            other => Ok(other?),
        }
    }

    /// packer finds the machine by its name in the cluster's list, which has
    /// none for the first seconds.
    fn wait_listed(&self, client: &Client, ctx: &StepContext<'_>) -> Result<(), StepError> {
        let begun = Instant::now();
        loop {
            let listed = client.cluster_resources_vms()?;
            let same: Vec<u32> = listed
                .iter()
                .filter(|vm| vm.name.as_deref() == Some(self.name.as_str()))
                .map(|vm| vm.vmid)
                .collect();
            match same.as_slice() {
                [only] if *only == self.vmid => return Ok(()),
                [] => {}
                others => {
                    return Err(StepError::new(format!(
                        "`{}` is the name of VM {} as well, and packer would clone the first",
                        self.name,
                        others
                            .iter()
                            .filter(|id| **id != self.vmid)
                            .map(u32::to_string)
                            .collect::<Vec<_>>()
                            .join(", VM ")
                    ))
                    .help("rename or remove it"));
                }
            }
            if begun.elapsed() > LISTED {
                return Err(StepError::new(format!(
                    "VM {} (`{}`) does not appear in the cluster's list of machines",
                    self.vmid, self.name
                ))
                .help(format!(
                    "is `pvestatd` at work? on `{}`: `systemctl status pvestatd`",
                    self.node
                ))
                .help(say("the token needs `VM.Audit` on `/vms`: ").hl("l0-runway")));
            }
            ctx.progress(format!("waiting for `{}` to be listed", self.name));
            ctx.cancel.sleep(Duration::from_secs(1))?;
        }
    }

    /// Removes it, also after a stop. What stays is named.
    pub(super) fn remove(self, ctx: &StepContext<'_>) {
        ctx.progress(format!("removing `{}`", self.name));
        let removed = ctx
            .lasting_pve()
            .and_then(|client| node::remove(&client, &self.node, self.vmid));
        if let Err(error) = removed {
            let left = format!(
                "VM {} (`{}`) is left on `{}`: {error}; remove it: ",
                self.vmid, self.name, self.node
            );
            let remove = format!("qm destroy {} --purge", self.vmid);
            ctx.warn(say(left).on_node(&self.node, remove));
        }
    }
}

/// The vendor's hash is in the image's name, so it is in this one's.
fn base_name(template: &Template, volid: &str) -> String {
    format!("hl-base-{}-{}", template.name, short(volid))
}

/// `debian-13-generic-amd64-1a2b3c4d.qcow2` gives `1a2b3c4d`.
fn short(volid: &str) -> String {
    let file = volid.rsplit('/').next().unwrap_or_default();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let last = stem.rsplit('-').next().unwrap_or_default();
    last.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(12)
        .collect()
}

fn create(
    ctx: &StepContext<'_>,
    client: &Client,
    node: &str,
    name: &str,
    keys: &[(&str, &str)],
) -> Result<Base, StepError> {
    let mut race = 0;
    loop {
        let vmid = client.next_id()?;
        let base = Base {
            name: name.to_owned(),
            node: node.to_owned(),
            vmid,
        };
        match client.create_vm(node, vmid, keys) {
            Ok(task) => {
                let imported = client.watch_task(&task, ctx.cancel, IMPORT, &mut |line| {
                    ctx.output(line);
                });
                return match imported {
                    Ok(_) => Ok(base),
                    Err(error) => {
                        // Whatever the task had made by then.
                        if is_ours(client, node, vmid, name) || error == Error::Cancelled {
                            base.remove(ctx);
                        }
                        Err(error.into())
                    }
                };
            }
            Err(error) if race < RACES && error.to_string().contains("already exists") => race += 1,
            Err(error) => {
                // A reply that was lost may have made it all the same.
                let lost = matches!(error, Error::Unreachable { .. } | Error::Answer { .. });
                if lost && is_ours(client, node, vmid, name) {
                    base.remove(ctx);
                }
                return Err(error.into());
            }
        }
    }
}

fn is_ours(client: &Client, node: &str, vmid: u32, name: &str) -> bool {
    client
        .vm_config(node, vmid)
        .is_ok_and(|config| config.text("name").as_deref() == Some(name))
}

/// Removes bases of that name whose notes say that they are ours.
fn remove_leftovers(
    ctx: &StepContext<'_>,
    client: &Client,
    template: &str,
    name: &str,
) -> Result<(), StepError> {
    for (vm, config) in node::named(client, name)? {
        if !is_base_of(&config, template) {
            return Err(StepError::new(format!(
                "VM {} on `{}` is called `{name}`, but was not made by `hl`",
                vm.vmid, vm.node
            ))
            .help("rename it: packer clones by name"));
        }
        ctx.note(format!(
            "removing VM {} that an interrupted build left",
            vm.vmid
        ));
        node::remove(client, &vm.node, vm.vmid)?;
    }
    Ok(())
}

fn is_base_of(config: &VmConfig, template: &str) -> bool {
    let notes = config.text("description").unwrap_or_default();
    notes::is_base(&notes).as_deref() == Some(template)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_in_the_name() {
        assert_eq!(
            short("local:import/debian-13-generic-amd64-1a2b3c4d.qcow2"),
            "1a2b3c4d"
        );
        assert_eq!(short("local:import/x-simulated.qcow2"), "simulated");
        assert_eq!(short("local:import/my_image.qcow2"), "myimage");
    }
}
