//! What lists read of a guest's config, in one pass.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::bus::bus;
use super::drive::Drive;

/// A config as lists tell of it.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    /// A VM's name, a container's hostname; empty when it has none.
    pub(super) name: String,
    pub(super) tags: Option<String>,
    pub(super) template: bool,
    /// How many processors a VM has.
    pub(super) processors: u32,
    /// In bytes.
    pub(super) memory: u64,
    /// The size of a VM's first drive that has one and is no CD-ROM, in bytes.
    pub(super) disk: Option<u64>,
    /// Some of this as members of a JSON object: `"maxmem":..,"name":..`.
    pub(super) members: String,
}

impl Listed {
    /// Reads a config.
    pub(super) fn of(config: &BTreeMap<String, String>) -> Self {
        let text = |key: &str| config.get(key).map(String::as_str);
        let number = |key: &str| text(key).and_then(|text| text.parse::<u32>().ok());
        let processors = number("vcpus").unwrap_or_else(|| {
            let sockets = number("sockets").unwrap_or(1);
            sockets.saturating_mul(number("cores").unwrap_or(1))
        });
        let sizes = config.iter().filter_map(|(key, text)| {
            let place = bus(key)?;
            let drive = Drive::parse(text).ok()?;
            (!drive.is_cdrom()).then_some((place, drive.size()?))
        });
        let name = text("name").or(text("hostname")).unwrap_or_default();
        let tags = text("tags");
        let template = text("template") == Some("1");
        let memory = memory(text("memory").unwrap_or("512"));
        let mut members = Map::new();
        members.insert("maxmem".to_owned(), json!(memory));
        members.insert("template".to_owned(), json!(u8::from(template)));
        if !name.is_empty() {
            members.insert("name".to_owned(), json!(name));
        }
        members.extend(tags.map(|tags| ("tags".to_owned(), json!(tags))));
        let object = Value::Object(members).to_string();
        Self {
            name: name.to_owned(),
            tags: tags.map(str::to_owned),
            template,
            processors,
            memory,
            members: object.trim_matches(['{', '}']).to_owned(),
            disk: sizes.min_by_key(|(place, _)| *place).map(|(_, size)| size),
        }
    }
}

fn memory(text: &str) -> u64 {
    let text = text.strip_prefix("current=").unwrap_or(text);
    let first = text.split(',').next();
    let megabytes = first.and_then(|text| text.parse::<u64>().ok());
    megabytes.unwrap_or(512) << 20
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(pairs: &[(&str, &str)]) -> Listed {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Listed::of(&pairs.iter().map(owned).collect())
    }

    #[test]
    fn the_size_is_of_the_first_disk() {
        let cd = ("ide2", "local:iso/x.iso,media=cdrom,size=1G");
        let second = ("scsi10", "local-lvm:vm-1-disk-1,size=4G");
        let first = ("scsi2", "local-lvm:vm-1-disk-0,discard=on,size=8G");
        assert_eq!(listed(&[cd, second, first]).disk, Some(8 << 30));
        assert_eq!(listed(&[cd, second]).disk, Some(4 << 30));
        assert_eq!(listed(&[cd, ("net0", "virtio,size=2G")]).disk, None);
    }

    #[test]
    fn figures_have_the_defaults_of_the_schema() {
        let none = listed(&[]);
        assert_eq!((none.processors, none.memory), (1, 512 << 20));
        assert_eq!((none.name.as_str(), none.tags), ("", None));
        let some = listed(&[("cores", "4"), ("memory", "current=2048"), ("sockets", "2")]);
        assert_eq!((some.processors, some.memory), (8, 2 << 30));
        assert_eq!(listed(&[("sockets", "2"), ("vcpus", "1")]).processors, 1);
    }
}
