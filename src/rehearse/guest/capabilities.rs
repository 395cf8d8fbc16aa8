//! What root may do in a guest.

use rustix::thread::CapabilitySet;

use super::boot::Network;

macro_rules! named {
    ($($name:ident)*) => { [$((concat!("CAP_", stringify!($name)), CapabilitySet::$name)),*] };
}

/// Names as capabilities(7) has them.
const ALL: [(&str, CapabilitySet); 41] = named![
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
    SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME
    SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
    WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
];

/// What packages and services need, and nothing that reaches the host's clock,
/// devices, kernel or mounts. A guest with a network of its own may configure it.
fn kept(network: Network) -> CapabilitySet {
    let base = CapabilitySet::CHOWN
        | CapabilitySet::DAC_OVERRIDE
        | CapabilitySet::FOWNER
        | CapabilitySet::FSETID
        | CapabilitySet::KILL
        | CapabilitySet::SETGID
        | CapabilitySet::SETUID
        | CapabilitySet::SETPCAP
        | CapabilitySet::NET_BIND_SERVICE
        | CapabilitySet::SYS_CHROOT
        | CapabilitySet::AUDIT_WRITE
        | CapabilitySet::SETFCAP;
    match network {
        Network::Own => base | CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW,
        Network::Shared | Network::Machine => base,
    }
}

/// The capability of a name, in any case.
pub(super) fn by_name(name: &str) -> Option<CapabilitySet> {
    ALL.iter()
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, c)| *c)
}

/// Takes from this thread, and all that it starts, what a guest must not do.
/// The calling process keeps what it holds: PID 1 sets the hostname for its guest.
pub(in crate::rehearse) fn drop_bounding(network: Network) -> Result<(), String> {
    let kept = kept(network);
    for (name, capability) in ALL {
        let known = rustix::thread::capability_is_in_bounding_set(capability);
        if !kept.contains(capability) && known.unwrap_or(false) {
            rustix::thread::remove_capability_from_bounding_set(capability)
                .map_err(|e| format!("cannot drop {name}: {e}"))?;
        }
    }
    Ok(())
}
