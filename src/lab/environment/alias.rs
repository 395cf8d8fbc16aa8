//! Names that `state/proxmox.env` may use: those of the file format that `hl`
//! shares with other tools, for variables that it calls otherwise.

use super::dotenv::Entry;

/// The names, and what `hl` calls them; `hl access` writes the first.
pub const ALIASES: [(&str, &str); 5] = [
    ("PROXMOX_API_URL", "PVE_ACCESS_HOST"),
    ("PROXMOX_NODE", "PVE_NODE"),
    ("PROXMOX_TOKEN_ID", "PM_TOKEN_ID"),
    ("PROXMOX_TOKEN_SECRET", "PM_TOKEN_SECRET"),
    ("PROXMOX_STORAGE_VM", "PVE_STORAGE_VM"),
];

/// `true` or `false`, the other way round than `PVE_TLS_INSECURE`.
const TLS_VERIFY: &str = "PROXMOX_TLS_VERIFY";

/// The entries of `state/proxmox.env` under the names that `hl` knows.
pub(super) fn ours(entries: Vec<Entry>) -> Vec<Entry> {
    entries.into_iter().map(our).collect()
}

fn our(entry: Entry) -> Entry {
    if entry.name == TLS_VERIFY {
        let off = ["false", "0", "no"].contains(&entry.value.to_ascii_lowercase().as_str());
        return Entry {
            name: "PVE_TLS_INSECURE".to_owned(),
            value: if off { "1" } else { "0" }.to_owned(),
            ..entry
        };
    }
    let known = ALIASES.iter().find(|(alias, _)| *alias == entry.name);
    let name = known.map_or(entry.name, |(_, name)| (*name).to_owned());
    Entry { name, ..entry }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::variables;

    #[test]
    fn every_alias_is_of_a_variable_that_is_known_and_keeps_its_line() {
        for (alias, name) in ALIASES {
            assert!(variables::find(name).is_some(), "{name}");
            assert_eq!(variables::is_secret(alias), variables::is_secret(name));
        }
        let entry = |name: &str, value: &str| Entry {
            name: name.to_owned(),
            value: value.to_owned(),
            line: 7,
        };
        let all = ours(vec![
            entry("PROXMOX_NODE", "pve"),
            entry("PVE_BRIDGE", "vmbr1"),
            entry("PROXMOX_TLS_VERIFY", "False"),
            entry("PROXMOX_TLS_VERIFY", "true"),
        ]);
        assert_eq!(
            all,
            [
                entry("PVE_NODE", "pve"),
                entry("PVE_BRIDGE", "vmbr1"),
                entry("PVE_TLS_INSECURE", "1"),
                entry("PVE_TLS_INSECURE", "0"),
            ]
        );
    }
}
