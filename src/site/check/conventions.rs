//! What machines are usually like: MAC addresses of Proxmox VE's own range, and ids of
//! a range that the site names. Others work; they are told.

use crate::diag::Diagnostic;
use crate::site::resolve::{Object, Traced, Value};
use crate::site::shape::vmid_range;
use crate::site::tree::Loader;

/// The range of Proxmox Server Solutions, from which nodes give addresses.
const MAC_PREFIX: &str = "BC:24:11";

/// The conventions of a site.
pub(super) struct Conventions {
    mac_prefix: String,
    vmids: Option<(u64, u64)>,
}

impl Conventions {
    pub(super) fn of(loader: &mut Loader<'_>) -> Self {
        let site = loader.site();
        let text = |key: &str| {
            let node = site.as_ref()?.root.get("defaults")?.get(key)?;
            node.text().map(str::to_owned)
        };
        Self {
            mac_prefix: text("mac_prefix").unwrap_or_else(|| MAC_PREFIX.to_owned()),
            vmids: text("vmid_range").as_deref().and_then(vmid_range),
        }
    }

    /// What is odd about a machine.
    pub(super) fn check(&self, vm: &Object) -> Vec<Diagnostic> {
        self.mac(vm).into_iter().chain(self.vmid(vm)).collect()
    }

    fn mac(&self, vm: &Object) -> Option<Diagnostic> {
        let mac = vm.get("mac")?;
        let text = mac.text()?;
        let prefix = &self.mac_prefix;
        let begins = text
            .get(..prefix.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(prefix));
        (!begins).then(|| {
            let warning = format!("MAC address `{text}` does not begin with `{prefix}`");
            let help =
                "leave `mac` out, or name your own prefix: `mac_prefix` in `defaults` of site.yaml";
            placed(mac, Diagnostic::warning(warning).help(help))
        })
    }

    fn vmid(&self, vm: &Object) -> Option<Diagnostic> {
        let (first, last) = self.vmids?;
        let vmid = vm.get("vmid")?;
        let Value::Number(number) = &vmid.value else {
            return None;
        };
        let outside = number.as_u64().filter(|id| *id < first || *id > last)?;
        let warning = format!("vmid {outside} is outside of the site's range, {first}-{last}");
        let help = "give it another id, or change `vmid_range` in `defaults` of site.yaml";
        Some(placed(vmid, Diagnostic::warning(warning).help(help)))
    }
}

fn placed(value: &Traced, mut finding: Diagnostic) -> Diagnostic {
    finding.place = value.origin.place();
    finding
}
