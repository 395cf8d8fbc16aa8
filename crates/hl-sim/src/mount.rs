//! The disks of a container: `rootfs` and the mount points, in the form that drives
//! have.

use super::drive::{Drive, flags, known, properties};
use super::size;
use super::words;

const OPTIONS: &str = "mountoptions size";
const FLAGS: &str = "acl quota replicate ro shared";

/// What a mount point has besides.
const POINT_OPTIONS: &str = "mp";
const POINT_FLAGS: &str = "backup keepattrs";

const MOUNT_OPTIONS: &str = "discard lazytime noatime nodev noexec nosuid";

/// Reads `rootfs` or a mount point: its volume is what a drive's file is.
pub(super) fn parse(key: &str, text: &str) -> Result<Drive, String> {
    let is_point = key.starts_with("mp");
    let (more, more_flags) = if is_point {
        (POINT_OPTIONS, POINT_FLAGS)
    } else {
        ("", "")
    };
    let mut options = properties(text, "volume", "volume")?;
    let missing = |name: &str| format!("{name}: property is missing and it is not optional");
    let file = options.remove("volume").ok_or_else(|| missing("volume"))?;
    for names in [FLAGS, more_flags] {
        flags(&mut options, names)?;
    }
    known(&options, &[OPTIONS, FLAGS, more, more_flags])?;
    let path = options.get("mp");
    if is_point && path.is_none() {
        return Err(missing("mp"));
    }
    for text in [Some(&file), path].into_iter().flatten() {
        let whole = format!("{text}/");
        if whole.contains("/../") || whole.contains("/./") {
            return Err(format!("{text} contains illegal character sequences"));
        }
    }
    if let Some(given) = options.get("size")
        && size::parse(given).is_none()
    {
        return Err(format!(
            "size: invalid format - value '{given}' is not a valid disk size"
        ));
    }
    let odd = options
        .get("mountoptions")
        .into_iter()
        .flat_map(|list| list.split(';'))
        .find(|name| !words::has(MOUNT_OPTIONS, name));
    if let Some(odd) = odd {
        return Err(format!(
            "mountoptions: value '{odd}' does not have a value in the enumeration '{}'",
            words::list(MOUNT_OPTIONS)
        ));
    }
    Ok(Drive { file, options })
}

/// What is mounted, as messages name it: a volume, a device or a directory of the node.
pub(super) fn kind(mount: &Drive) -> &'static str {
    if mount.file.starts_with("/dev/") {
        "device"
    } else if mount.file.starts_with('/') {
        "bind"
    } else {
        "volume"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_printed_as_a_node_does() {
        let root = parse("rootfs", "acl=0,size=8,volume=local-lvm:8").unwrap();
        assert_eq!(root.print(), "local-lvm:8,acl=0,size=8");
        let text =
            "size=4G,volume=local-lvm:vm-100-disk-1,backup=on,mp=/data,mountoptions=nodev;noexec";
        let point = parse("mp0", text).unwrap();
        assert_eq!(
            point.print(),
            "local-lvm:vm-100-disk-1,mp=/data,backup=1,mountoptions=nodev;noexec,size=4G"
        );
        assert_eq!(parse("mp0", &point.print()).unwrap(), point);
        for (text, what) in [
            ("/srv/x,mp=/x", "bind"),
            ("/dev/sdb,mp=/x", "device"),
            ("lvm:1,mp=/x", "volume"),
        ] {
            assert_eq!(kind(&parse("mp1", text).unwrap()), what);
        }
    }

    #[test]
    fn what_is_no_mount() {
        for (key, text) in [
            ("rootfs", ""),
            ("rootfs", "size=8G"),
            ("rootfs", "lvm:8,mp=/"),
            ("rootfs", "lvm:8,backup=1"),
            ("rootfs", "lvm:8,acl=maybe"),
            ("rootfs", "lvm:8,size=big"),
            ("mp0", "lvm:8"),
            ("mp0", "lvm:8,mp=/a/../b"),
            ("mp0", "/srv/./x,mp=/a"),
            ("mp0", "lvm:8,mp=/a,mountoptions=sync"),
        ] {
            assert!(parse(key, text).is_err(), "{key}={text}");
        }
    }
}
