//! The records of what was built: `artifacts/vm-template-STAMP.json` and
//! `artifacts/iso-STAMP.json`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::pin::Pin;

/// The version of the format that this program writes, and the newest it reads.
pub const VERSION: u32 = 1;

/// `YYYYMMDD-HHMMSS`, UTC: when something was built.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Stamp(String);

impl Stamp {
    /// The stamp of now.
    pub fn now() -> Self {
        Self::at(jiff::Timestamp::now())
    }

    /// The stamp of now, or of the next second that is not `taken`.
    pub fn free<'a>(taken: impl Iterator<Item = &'a Self>) -> Self {
        let taken: Vec<&Self> = taken.collect();
        let mut time = jiff::Timestamp::now();
        loop {
            let stamp = Self::at(time);
            if !taken.contains(&&stamp) {
                return stamp;
            }
            time += jiff::SignedDuration::from_secs(1);
        }
    }

    fn at(time: jiff::Timestamp) -> Self {
        let time = time.to_zoned(jiff::tz::TimeZone::UTC);
        Self(time.strftime("%Y%m%d-%H%M%S").to_string())
    }

    /// A stamp as written; nothing when the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        jiff::civil::DateTime::strptime("%Y%m%d-%H%M%S", text).ok()?;
        (text.len() == 15).then(|| Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As RFC 3339.
    pub fn rfc3339(&self) -> String {
        jiff::civil::DateTime::strptime("%Y%m%d-%H%M%S", &self.0)
            .and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC))
            .map_or_else(|_| self.0.clone(), |time| time.timestamp().to_string())
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Stamp> for String {
    fn from(stamp: Stamp) -> Self {
        stamp.0
    }
}

impl TryFrom<String> for Stamp {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
            .ok_or_else(|| format!("`{text}` is not a stamp, expected YYYYMMDD-HHMMSS"))
    }
}

/// A record that is kept under its stamp.
pub trait Record: Serialize + serde::de::DeserializeOwned {
    /// What its files are called: `vm-template`, `iso`.
    const KIND: &'static str;
    /// Its stamp.
    fn stamp(&self) -> &Stamp;
}

/// A built template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format version, 1.
    pub version: u32,
    /// The template's name: `debian-13`.
    pub name: String,
    /// When it was built.
    pub stamp: Stamp,
    /// Proxmox node.
    pub node: String,
    /// Its number.
    pub vmid: u32,
    /// What it is called on the node: `debian-13-20260101-120000`.
    pub vm_name: String,
    /// Storage of its disk.
    pub storage: String,
    /// RFC 3339.
    pub created_at: String,
    /// One line for people.
    pub description: String,
    /// SHA-256 of its files and its image's pin, hex.
    pub inputs_digest: String,
    /// The image it was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Pin>,
}

impl Record for Manifest {
    const KIND: &'static str = "vm-template";

    fn stamp(&self) -> &Stamp {
        &self.stamp
    }
}

/// An ISO that was brought to the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsoManifest {
    /// Format version, 1.
    pub version: u32,
    /// Name of its definition.
    pub name: String,
    /// When it was brought.
    pub stamp: Stamp,
    /// Proxmox node.
    pub node: String,
    /// Storage that it is on.
    pub storage: String,
    /// Volume: `local:iso/debian.iso`.
    pub volid: String,
    /// RFC 3339.
    pub created_at: String,
    /// One line for people.
    pub description: String,
    /// Where it came from, and its verified checksum.
    pub image: Pin,
}

impl Record for IsoManifest {
    const KIND: &'static str = "iso";

    fn stamp(&self) -> &Stamp {
        &self.stamp
    }
}

/// A record for tests.
#[cfg(test)]
pub(crate) fn sample(stamp: &str, vmid: u32) -> Manifest {
    let stamp = Stamp::parse(stamp).unwrap();
    Manifest {
        version: VERSION,
        name: "debian-13".to_owned(),
        node: "pve".to_owned(),
        vmid,
        vm_name: format!("debian-13-{stamp}"),
        storage: "local-lvm".to_owned(),
        created_at: stamp.rfc3339(),
        description: "Debian 13".to_owned(),
        inputs_digest: "d".to_owned(),
        image: None,
        stamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps() {
        assert!(Stamp::parse(Stamp::now().as_str()).is_some());
        let stamp = Stamp::parse("20260102-030405").unwrap();
        assert_eq!(stamp.rfc3339(), "2026-01-02T03:04:05Z");
        for wrong in [
            "",
            "20260102",
            "20261302-030405",
            "20260102-0304050",
            "../x",
        ] {
            assert_eq!(Stamp::parse(wrong), None, "{wrong}");
        }
        let at = jiff::Timestamp::from_second(0).unwrap();
        assert_eq!(Stamp::at(at).as_str(), "19700101-000000");
    }

    #[test]
    fn the_fields_that_others_read() {
        let value = serde_json::to_value(sample("20260101-120000", 105)).unwrap();
        for (key, expected) in [
            ("name", "debian-13"),
            ("node", "pve"),
            ("storage", "local-lvm"),
            ("stamp", "20260101-120000"),
            ("created_at", "2026-01-01T12:00:00Z"),
            ("description", "Debian 13"),
            ("inputs_digest", "d"),
        ] {
            assert_eq!(value[key], expected);
        }
        assert_eq!(value["vmid"], 105);
        assert_eq!(value["version"], 1);
    }
}
