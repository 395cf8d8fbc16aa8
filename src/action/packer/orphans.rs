//! Machines that a failed or interrupted packer left on the node, named with
//! what to do.

use crate::action::StepContext;
use crate::diag::StepError;
use crate::diag::say;
use crate::templates::node;

/// Adds to an error what packer left behind under these names.
pub(super) fn name_orphans(
    ctx: &StepContext<'_>,
    mut error: StepError,
    names: &[&str],
) -> StepError {
    match find(ctx, names) {
        Ok(found) => {
            for (vmid, node, name) in found {
                let remove = format!("qm stop {vmid}; qm destroy {vmid} --purge");
                error = error.help(
                    say(format!("packer left VM {vmid} (`{name}`); remove it: "))
                        .on_node(&node, remove),
                );
            }
            error
        }
        Err(why) => error.help(format!(
            "whether packer left a machine could not be found out ({why}); look for {}",
            names
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(" and ")
        )),
    }
}

fn find(ctx: &StepContext<'_>, names: &[&str]) -> Result<Vec<(u32, String, String)>, StepError> {
    let client = ctx.lasting_pve()?;
    let mut found = Vec::new();
    for name in names {
        for (vm, _) in node::named(&client, name)? {
            found.push((vm.vmid, vm.node, (*name).to_owned()));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}
