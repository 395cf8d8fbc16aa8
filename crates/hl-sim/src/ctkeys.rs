//! The keys of a container's config: what they may hold, which right changes them,
//! and whether a running container takes the change at once.

use super::kind::Kind::{Bool, DnsName, Enum, Int, Number, Short, Text};
use super::vmkeys::{Key, Right, many, one, within};

const KEYS: &[Key] = &[
    one("arch", Enum(ARCHITECTURES), Right::Options, false),
    one(
        "cmode",
        Enum(&["shell", "console", "tty"]),
        Right::Options,
        false,
    ),
    one("console", Bool, Right::Options, false),
    one("cores", Int(1, 8192), Right::Cpu, true),
    one("cpulimit", Number, Right::Cpu, true),
    one("cpuunits", Int(0, 500_000), Right::Cpu, true),
    one("debug", Bool, Right::Options, false),
    one("description", Short(8192), Right::Options, true),
    many("dev", 256, Right::Options, false),
    one("entrypoint", Text, Right::Options, false),
    one("env", Text, Right::Options, false),
    one("features", Text, Right::Options, false),
    one("hookscript", Text, Right::Root, true),
    one("hostname", DnsName, Right::Network, true),
    one("lock", Enum(LOCKS), Right::Root, true),
    one("memory", Int(16, i64::MAX), Right::Memory, true),
    many("mp", 256, Right::Disk, false),
    one("nameserver", Text, Right::Network, false),
    many("net", 32, Right::Network, true),
    one("onboot", Bool, Right::Options, true),
    one("ostype", Enum(SYSTEMS), Right::Options, false),
    one("protection", Bool, Right::Options, true),
    one("rootfs", Text, Right::Disk, false),
    one("searchdomain", Text, Right::Network, false),
    one("startup", Text, Right::Options, true),
    one("swap", Int(0, i64::MAX), Right::Memory, true),
    one("tags", Text, Right::Options, true),
    one("template", Bool, Right::Options, false),
    one("timezone", Text, Right::Options, false),
    one("tty", Int(0, 6), Right::Options, false),
    one("unprivileged", Bool, Right::Options, false),
    many("unused", 256, Right::Disk, true),
];

const ARCHITECTURES: &[&str] = &["amd64", "i386", "arm64", "armhf", "riscv32", "riscv64"];

/// What a container may have on it, by `ostype`.
pub(super) const SYSTEMS: &[&str] = &[
    "debian",
    "devuan",
    "ubuntu",
    "centos",
    "fedora",
    "opensuse",
    "archlinux",
    "alpine",
    "gentoo",
    "nixos",
    "unmanaged",
];

const LOCKS: &[&str] = &[
    "backup",
    "create",
    "destroyed",
    "disk",
    "fstrim",
    "migrate",
    "mounted",
    "rollback",
    "snapshot",
    "snapshot-delete",
];

/// The key of that name, or its family.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    within(KEYS, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_end() {
        for name in ["net31", "mp255", "dev0", "unused0", "rootfs"] {
            assert!(find(name).is_some(), "{name}");
        }
        for name in ["net32", "mp256", "mp", "rootfs0", "scsi0", "sshkeys"] {
            assert!(find(name).is_none(), "{name}");
        }
    }
}
