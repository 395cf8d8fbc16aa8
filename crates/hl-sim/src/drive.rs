//! The strings in which a VM's config holds drives and network cards.

use std::collections::BTreeMap;

use super::size;
use super::words;

/// The options of a drive whose text is a yes or a no.
const DRIVE_FLAGS: &str = "
    backup detect_zeroes iothread replicate ro scsiblock shared snapshot ssd";

/// What else a drive may carry.
const DRIVE_OPTIONS: &str = "
    aio bps bps_max_length bps_rd bps_rd_max_length bps_wr bps_wr_max_length cache cyls discard
    efitype format heads import-from iops iops_max iops_max_length iops_rd iops_rd_max
    iops_rd_max_length iops_wr iops_wr_max iops_wr_max_length mbps mbps_max mbps_rd mbps_rd_max
    mbps_wr mbps_wr_max media model ms-cert pre-enrolled-keys product queues rerror secs serial
    size trans vendor version werror wwn";

const NET_OPTIONS: &str = "bridge mtu queues rate tag trunks";
const NET_FLAGS: &str = "firewall link_down";
const NET_MODELS: &str = "
    e1000 e1000-82540em e1000-82544gc e1000-82545em e1000e i82551 i82557b i82559er ne2k_isa
    ne2k_pci pcnet rtl8139 virtio vmxnet3";

/// A drive: what is in it, and its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Drive {
    /// A volume id, `none`, `cdrom`, or what is asked for: `local-lvm:8`.
    pub(super) file: String,
    /// The options by name.
    pub(super) options: BTreeMap<String, String>,
}

impl Drive {
    /// Reads a drive; `file=` may name its first part, and a comma may trail.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut options = properties(text, "file", "file")?;
        if let Some(volume) = options.remove("volume") {
            options.entry("file".to_owned()).or_insert(volume);
        }
        let Some(file) = options.remove("file") else {
            return Err("file: property is missing and it is not optional".to_owned());
        };
        flags(&mut options, DRIVE_FLAGS)?;
        known(&options, &[DRIVE_OPTIONS, DRIVE_FLAGS])?;
        if let Some(given) = options.get("size")
            && size::parse(given).is_none()
        {
            return Err(format!(
                "size: invalid format - value '{given}' is not a valid disk size"
            ));
        }
        Ok(Self { file, options })
    }

    /// As the config holds it: options by name behind the volume, first of all where it
    /// is mounted.
    pub(super) fn print(&self) -> String {
        let mut rest = self.options.clone();
        match rest.remove("mp") {
            Some(path) => joined(format!("{},mp={path}", self.file), &rest),
            None => joined(self.file.clone(), &rest),
        }
    }

    /// Whether it is a CD-ROM (a cloud-init drive is one, too).
    pub(super) fn is_cdrom(&self) -> bool {
        self.options
            .get("media")
            .is_some_and(|media| media == "cdrom")
    }

    /// Whether it holds, or is to hold, the cloud-init data.
    pub(super) fn is_cloudinit(&self) -> bool {
        let name = self.volume().map_or("", |(_, name)| name);
        let name = name.rsplit('/').next().unwrap_or_default();
        let name = name.split('.').next().unwrap_or_default();
        name == "cloudinit" || name.ends_with("-cloudinit")
    }

    /// Storage and name of its volume; `none` and devices have none.
    pub(super) fn volume(&self) -> Option<(&str, &str)> {
        let (storage, name) = self.file.split_once(':')?;
        (!storage.starts_with('/')).then_some((storage, name))
    }

    /// Its size, when it says one.
    pub(super) fn size(&self) -> Option<u64> {
        size::parse(self.options.get("size")?)
    }

    /// Notes a size.
    pub(super) fn set_size(&mut self, bytes: u64) {
        self.options.insert("size".to_owned(), size::print(bytes));
    }
}

/// A network card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Net {
    /// `virtio`, `e1000` ...
    pub(super) model: String,
    /// Its address, upper case; none yet when it is to be made up.
    pub(super) mac: Option<String>,
    /// The options by name.
    pub(super) options: BTreeMap<String, String>,
}

impl Net {
    /// Reads `virtio=MAC,bridge=vmbr0` or `model=virtio,macaddr=MAC,...`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut options = properties(text, "model", "model")?;
        let alias = NET_MODELS
            .split_whitespace()
            .find_map(|model| Some((model.to_owned(), options.remove(model)?)));
        let (model, alias_mac) = match alias {
            Some((model, mac)) => (model, Some(mac)),
            None => match options.remove("model") {
                Some(model) => (model, None),
                None => return Err("model: property is missing and it is not optional".to_owned()),
            },
        };
        if !words::has(NET_MODELS, &model) {
            return Err(format!(
                "model: value '{model}' does not have a value in the enumeration '{}'",
                words::list(NET_MODELS)
            ));
        }
        let mac = alias_mac.or_else(|| options.remove("macaddr"));
        options.remove("macaddr");
        let mac = mac
            .filter(|mac| !mac.is_empty())
            .map(|mac| mac.to_uppercase());
        if let Some(mac) = &mac
            && !is_mac(mac)
        {
            return Err(format!(
                "macaddr: invalid format - value does not look like a valid unicast MAC address: {mac}"
            ));
        }
        flags(&mut options, NET_FLAGS)?;
        known(&options, &[NET_OPTIONS, NET_FLAGS])?;
        Ok(Self {
            model,
            mac,
            options,
        })
    }

    /// As the config holds it.
    pub(super) fn print(&self) -> String {
        let first = match &self.mac {
            Some(mac) => format!("{}={mac}", self.model),
            None => self.model.clone(),
        };
        joined(first, &self.options)
    }

    /// The bridge it hangs on.
    pub(super) fn bridge(&self) -> Option<&str> {
        self.options.get("bridge").map(String::as_str)
    }
}

/// Splits `a,b=c` into its parts; the part without a name gets `unnamed`.
pub(super) fn properties(
    text: &str,
    unnamed: &str,
    required: &str,
) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (name, value) = match part.split_once('=') {
            // A volume may hold a `=`, but not before its colon.
            Some((name, value)) if !name.contains([':', '/']) => (name, value),
            _ => (unnamed, part),
        };
        if found.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(format!(
                "duplicate key in comma-separated list property: {name}"
            ));
        }
    }
    if found.is_empty() {
        return Err(format!(
            "{required}: property is missing and it is not optional"
        ));
    }
    Ok(found)
}

/// Reads a yes or a no as Proxmox VE does.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Some(true),
        "0" | "off" | "no" | "false" => Some(false),
        _ => None,
    }
}

/// Whether the `agent` string of a config switches the guest agent on.
pub(super) fn agent_enabled(text: &str) -> bool {
    properties(text, "enabled", "enabled")
        .ok()
        .and_then(|parts| boolean(parts.get("enabled")?))
        .unwrap_or(false)
}

/// Writes what is a yes or a no as `1` or `0`.
pub(super) fn flags(options: &mut BTreeMap<String, String>, names: &str) -> Result<(), String> {
    for (name, value) in options.iter_mut() {
        if !words::has(names, name) {
            continue;
        }
        match boolean(value) {
            Some(yes) => if yes { "1" } else { "0" }.clone_into(value),
            None => {
                return Err(format!(
                    "{name}: type check ('boolean') failed - got '{value}'"
                ));
            }
        }
    }
    Ok(())
}

/// Refuses options that are in none of these tables.
pub(super) fn known(options: &BTreeMap<String, String>, tables: &[&str]) -> Result<(), String> {
    let strange = options
        .keys()
        .find(|name| !tables.iter().any(|table| words::has(table, name)));
    match strange {
        None => Ok(()),
        Some(name) => Err(format!(
            "{name}: property is not defined in schema and the schema does not allow additional \
             properties"
        )),
    }
}

/// A property string: what comes first, then the options by name.
pub(super) fn joined(first: String, options: &BTreeMap<String, String>) -> String {
    options.iter().fold(first, |mut text, (name, value)| {
        text.push(',');
        text.push_str(name);
        text.push('=');
        text.push_str(value);
        text
    })
}

/// Whether it is a MAC address of one card.
pub(super) fn is_mac(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    parts.len() == 6
        && parts
            .iter()
            .all(|part| part.len() == 2 && part.chars().all(|c| c.is_ascii_hexdigit()))
        && u8::from_str_radix(parts[0], 16).is_ok_and(|first| first & 1 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_printed_is_read_again(
            file in "[a-z][a-z-]{0,8}:[a-z0-9/.-]{1,20}",
            ssd: bool,
            size in 1_u64..1 << 50,
        ) {
            let text = format!("file={file},ssd={ssd},size={size},");
            let drive = Drive::parse(&text).unwrap();
            proptest::prop_assert_eq!(&Drive::parse(&drive.print()).unwrap(), &drive);
            proptest::prop_assert_eq!(drive.size(), Some(size));
        }

        #[test]
        fn odd_texts_are_refused_or_read(text: String) {
            Drive::parse(&text).ok();
            Net::parse(&text).ok();
        }
    }

    #[test]
    fn drives_as_the_clients_write_them() {
        let cloud = Drive::parse("file=local-lvm:cloudinit,").unwrap();
        assert!(cloud.is_cloudinit() && !cloud.is_cdrom());
        let disk = Drive::parse(
            "file=local-lvm:vm-110-disk-0,size=3221225472,aio=io_uring,backup=1,iothread=0",
        )
        .unwrap();
        assert_eq!(disk.size(), Some(3 << 30));
        assert_eq!(disk.volume(), Some(("local-lvm", "vm-110-disk-0")));
        let packer = Drive::parse("local-lvm:8,iothread=false").unwrap();
        assert_eq!(packer.print(), "local-lvm:8,iothread=0");
        let iso = Drive::parse("local:iso/x.iso,media=cdrom").unwrap();
        assert!(iso.is_cdrom() && !iso.is_cloudinit());
        assert!(Drive::parse("none,media=cdrom").unwrap().volume().is_none());
        let import = Drive::parse("local-lvm:0,import-from=local:import/x.qcow2").unwrap();
        assert_eq!(import.options["import-from"], "local:import/x.qcow2");
        assert!(
            Drive::parse("local:100/vm-100-cloudinit.qcow2,media=cdrom")
                .unwrap()
                .is_cloudinit()
        );
    }

    #[test]
    fn what_is_no_drive() {
        for text in [
            "",
            "size=3G",
            "local-lvm:8,wings=2",
            "local-lvm:8,ssd=maybe",
            "a:1,a:2",
        ] {
            assert!(Drive::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn cards_in_both_spellings() {
        let packer = Net::parse("virtio=bc:24:11:00:00:01,bridge=vmbr0,firewall=false").unwrap();
        assert_eq!(
            packer.print(),
            "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=0"
        );
        let bpg = Net::parse("model=virtio,bridge=vmbr0,firewall=0").unwrap();
        assert_eq!(bpg.mac, None);
        assert_eq!(bpg.bridge(), Some("vmbr0"));
        for text in [
            "bridge=vmbr0",
            "virtio=nonsense",
            "model=modem",
            "virtio,speed=9",
        ] {
            assert!(Net::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn agents() {
        assert!(agent_enabled("1"));
        assert!(agent_enabled("enabled=1,fstrim_cloned_disks=0,type=virtio"));
        assert!(!agent_enabled("0"));
        assert!(!agent_enabled("enabled=0"));
    }
}
