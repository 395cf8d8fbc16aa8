//! The keys of a guest's config, whatever the guest is.

use super::ctkeys;
use super::kind::Kind;
use super::vm::GuestKind;
use super::vmkeys::{self, Key};

/// The key of that name, or its family.
pub(super) fn find(kind: GuestKind, name: &str) -> Option<&'static Key> {
    match kind {
        GuestKind::Qemu => vmkeys::find(name),
        GuestKind::Lxc => ctkeys::find(name),
    }
}

/// Whether the API returns it as a number: the schema says integer or boolean.
/// Everything that the schema calls a string or a number stays text.
pub(super) fn is_number(kind: GuestKind, name: &str) -> bool {
    find(kind, name).is_some_and(|key| matches!(key.kind, Kind::Int(..) | Kind::Bool))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_that_clients_insist_on() {
        let (vm, container) = (GuestKind::Qemu, GuestKind::Lxc);
        for name in ["cores", "sockets", "balloon", "numa", "onboot", "template"] {
            assert!(is_number(vm, name), "{name}");
        }
        for name in ["memory", "agent", "cpulimit", "name", "net0", "numa0"] {
            assert!(!is_number(vm, name), "{name}");
        }
        for name in ["cores", "memory", "swap", "tty", "cpuunits", "unprivileged"] {
            assert!(is_number(container, name), "{name}");
        }
        for name in ["cpulimit", "hostname", "net0", "rootfs", "features"] {
            assert!(!is_number(container, name), "{name}");
        }
    }
}
