//! The keys of a VM's config: what they may hold, how they are returned, which
//! right changes them, and whether a running VM takes the change at once.

use super::bus::numbered;
use super::kind::Kind::{self, Bool, DnsName, Enum, Int, Number, Short, Text};

/// What changes a key needs, as a privilege on the VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    Cpu,
    Memory,
    Network,
    HwType,
    Options,
    /// `VM.Config.Cloudinit`, or `VM.Config.Network` as before it existed.
    Cloudinit,
    /// Decided by what the drive is.
    Drive,
    Disk,
    /// `root@pam` alone.
    Root,
}

/// A key of the config, or a family such as `net[n]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// How many there are, for a family: `net0` to `net31` are 32.
    pub(super) count: u32,
    pub(super) kind: Kind,
    pub(super) right: Right,
    /// Whether a running VM takes it at once; else it waits for a restart.
    pub(super) live: bool,
}

/// A key.
pub(super) const fn one(name: &'static str, kind: Kind, right: Right, live: bool) -> Key {
    Key {
        name,
        count: 0,
        kind,
        right,
        live,
    }
}

/// A family of keys.
pub(super) const fn many(name: &'static str, count: u32, right: Right, live: bool) -> Key {
    Key {
        name,
        count,
        kind: Text,
        right,
        live,
    }
}

const MEGA: i64 = 4_194_304;

const KEYS: &[Key] = &[
    one("acpi", Bool, Right::HwType, false),
    one("affinity", Text, Right::Cpu, false),
    one("agent", Text, Right::Options, false),
    one("allow-ksm", Bool, Right::Memory, false),
    one("amd-sev", Text, Right::Root, false),
    one("arch", Enum(&["x86_64", "aarch64"]), Right::Root, false),
    one("args", Text, Right::Root, false),
    one("audio0", Text, Right::HwType, false),
    one("autostart", Bool, Right::Options, true),
    one("balloon", Int(0, MEGA), Right::Memory, true),
    one("bios", Enum(&["seabios", "ovmf"]), Right::Options, false),
    one("boot", Text, Right::Disk, false),
    one("bootdisk", Text, Right::Disk, false),
    one("cdrom", Text, Right::Drive, true),
    one("cicustom", Text, Right::Cloudinit, true),
    one("cipassword", Text, Right::Cloudinit, true),
    one(
        "citype",
        Enum(&["configdrive2", "nocloud", "opennebula"]),
        Right::Cloudinit,
        true,
    ),
    one("ciupgrade", Bool, Right::Cloudinit, true),
    one("ciuser", Text, Right::Cloudinit, true),
    one("cores", Int(1, 8192), Right::Cpu, false),
    one("cpu", Text, Right::Cpu, false),
    one("cpulimit", Number, Right::Cpu, true),
    one("cpuunits", Int(1, 262_144), Right::Cpu, true),
    one("description", Short(8192), Right::Options, true),
    many("efidisk", 1, Right::Drive, false),
    one("freeze", Bool, Right::Options, false),
    one("hookscript", Text, Right::Root, true),
    many("hostpci", 16, Right::HwType, false),
    one("hotplug", Text, Right::Options, true),
    one(
        "hugepages",
        Enum(&["any", "2", "1024"]),
        Right::Memory,
        false,
    ),
    many("ide", 4, Right::Drive, false),
    many("ipconfig", 32, Right::Cloudinit, true),
    one("ivshmem", Text, Right::Root, false),
    one("keephugepages", Bool, Right::Memory, false),
    one("keyboard", Text, Right::Options, false),
    one("kvm", Bool, Right::HwType, false),
    one("localtime", Bool, Right::Options, false),
    one("lock", Enum(LOCKS), Right::Root, true),
    one("machine", Text, Right::HwType, false),
    one("memory", Text, Right::Memory, false),
    one("migrate_downtime", Number, Right::Options, true),
    one("migrate_speed", Int(0, i64::MAX), Right::Options, true),
    one("name", DnsName, Right::Options, true),
    one("nameserver", Text, Right::Cloudinit, true),
    many("net", 32, Right::Network, true),
    one("numa", Bool, Right::Cpu, false),
    many("numa", 8, Right::Cpu, false),
    one("onboot", Bool, Right::Options, true),
    one("ostype", Enum(OS), Right::Options, false),
    many("parallel", 3, Right::HwType, false),
    one("protection", Bool, Right::Options, true),
    one("reboot", Bool, Right::Options, false),
    one("rng0", Text, Right::HwType, false),
    many("sata", 6, Right::Drive, false),
    many("scsi", 31, Right::Drive, true),
    one("scsihw", Enum(SCSI), Right::HwType, false),
    one("searchdomain", Text, Right::Cloudinit, true),
    many("serial", 4, Right::HwType, false),
    one("shares", Int(0, 50_000), Right::Memory, true),
    one("smbios1", Text, Right::HwType, false),
    one("smp", Int(1, 8192), Right::Cpu, false),
    one("sockets", Int(1, 8192), Right::Cpu, false),
    one("spice_enhancements", Text, Right::Options, false),
    one("sshkeys", Text, Right::Cloudinit, true),
    one("startdate", Text, Right::Options, false),
    one("startup", Text, Right::Options, true),
    one("tablet", Bool, Right::HwType, false),
    one("tags", Text, Right::Options, true),
    one("tdf", Bool, Right::Options, false),
    one("template", Bool, Right::Options, true),
    many("tpmstate", 1, Right::Drive, false),
    many("unused", 256, Right::Disk, true),
    many("usb", 14, Right::HwType, false),
    one("vcpus", Int(1, 8192), Right::Cpu, true),
    one("vga", Text, Right::HwType, false),
    many("virtio", 16, Right::Drive, true),
    many("virtiofs", 10, Right::Root, false),
    one("vmgenid", Text, Right::Options, false),
    one("vmstatestorage", Text, Right::Disk, true),
    one("watchdog", Text, Right::HwType, false),
];

const OS: &[&str] = &[
    "other", "wxp", "w2k", "w2k3", "w2k8", "wvista", "win7", "win8", "win10", "win11", "l24",
    "l26", "solaris",
];

const LOCKS: &[&str] = &[
    "backup",
    "clone",
    "create",
    "migrate",
    "rollback",
    "snapshot",
    "snapshot-delete",
    "suspended",
    "suspending",
];

const SCSI: &[&str] = &[
    "lsi",
    "lsi53c810",
    "virtio-scsi-pci",
    "virtio-scsi-single",
    "megasas",
    "pvscsi",
];

/// The key of that name, or its family.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    within(KEYS, name)
}

/// The same in a table.
pub(super) fn within(keys: &'static [Key], name: &str) -> Option<&'static Key> {
    let plain = keys.iter().find(|key| key.count == 0 && key.name == name);
    plain.or_else(|| {
        let (family, number) = numbered(name)?;
        keys.iter()
            .find(|key| key.count > number && key.name == family)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_end() {
        assert!(find("net31").is_some());
        assert!(find("net32").is_none());
        assert!(find("net").is_none());
        assert!(find("unused0").is_some());
        assert!(find("rng0").is_some());
        assert!(find("wings").is_none());
    }
}
