//! What an interrupted build of this lab left on the node: a template that
//! packer finished when its `hl` was gone is taken over, all else is removed.
//! Nothing that this lab did not begin is touched.

use crate::action::StepContext;
use crate::diag::StepError;
use crate::templates::{BuildInProgress, node, notes};

/// Takes over the template that the build begun before made of the very same
/// files, or removes what is left of it. Gives the number of a template.
pub(super) fn take_over(
    ctx: &StepContext<'_>,
    name: &str,
    begun: &BuildInProgress,
    digest: &str,
) -> Result<Option<u32>, StepError> {
    let client = ctx.pve()?;
    let template_name = format!("{name}-{}", begun.stamp);
    let build_name = format!("hl-build-{template_name}");
    let mut found = None;
    for vm_name in [template_name, build_name] {
        for (vm, config) in node::named(&client, &vm_name)? {
            let notes = config.text("description").unwrap_or_default();
            if vm.node != begun.node || !is_unfinished(&vm_name, &notes, name) {
                continue;
            }
            if config.is_template() && begun.digest == digest && found.is_none() {
                node::prove(&client, &vm.node, vm.vmid, ctx.cancel)?;
                ctx.note(format!(
                    "took over template {} that an interrupted build finished",
                    vm.vmid
                ));
                found = Some(vm.vmid);
                continue;
            }
            ctx.note(format!(
                "removing VM {} that an interrupted build left",
                vm.vmid
            ));
            node::remove(&client, &vm.node, vm.vmid)?;
        }
    }
    Ok(found)
}

/// Whether a machine is what a build works on: packer names it so from the
/// start, and the notes are ours until it is published.
fn is_unfinished(vm_name: &str, vm_notes: &str, template: &str) -> bool {
    vm_name.starts_with("hl-build-") || notes::is_build(vm_notes).as_deref() == Some(template)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_published_or_is_of_others_stays() {
        let stamp = "debian-13-20260101-000000";
        let ours = "hl-build name=debian-13 stamp=20260101-000000";
        assert!(is_unfinished(stamp, ours, "debian-13"));
        assert!(is_unfinished(
            "hl-build-debian-13-20260101-000000",
            "",
            "debian-13"
        ));
        assert!(!is_unfinished(stamp, ours, "debian"));
        assert!(!is_unfinished(
            stamp,
            "hl-template v=1 name=debian-13",
            "debian-13"
        ));
        assert!(!is_unfinished(stamp, "my own words", "debian-13"));
    }
}
