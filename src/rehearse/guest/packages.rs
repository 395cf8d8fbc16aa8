//! The package database of a guest: what this machine has installed, without
//! what the guests' repository ships, so that those get really installed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// One stanza of a control file (deb822(5)): fields in order.
fn stanzas(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").map(str::trim).filter(|s| !s.is_empty())
}

/// A field's value with its continuation lines.
fn field<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    stanza.lines().find_map(|line| {
        line.split_once(':')
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    })
}

/// The names of the packages in a `Packages` file.
pub(super) fn shipped(packages: &str) -> BTreeSet<String> {
    stanzas(packages)
        .filter_map(|s| field(s, "Package"))
        .map(str::to_owned)
        .collect()
}

/// The status file of a guest, and the names under which dpkg keeps what each
/// package owns (`NAME` or `NAME:ARCH`).
pub(super) fn status(host: &str, shipped: &BTreeSet<String>) -> (String, Vec<String>) {
    let mut out = String::new();
    let mut lists = Vec::new();
    for stanza in stanzas(host) {
        let (Some(name), Some(state)) = (field(stanza, "Package"), field(stanza, "Status")) else {
            continue;
        };
        if !state.ends_with(" installed") || shipped.contains(name) {
            continue;
        }
        let same = field(stanza, "Multi-Arch") == Some("same");
        match field(stanza, "Architecture").filter(|_| same) {
            Some(arch) => lists.push(format!("{name}:{arch}")),
            None => lists.push(name.to_owned()),
        }
        let mut skip = false;
        for line in stanza.lines() {
            if line.starts_with([' ', '\t']) {
                if !skip {
                    out.push_str(line);
                    out.push('\n');
                }
                continue;
            }
            let (key, value) = line.split_once(':').unwrap_or((line, ""));
            // Their files in /etc are not there, and triggers of theirs do not run.
            skip = key == "Conffiles" || key == "Triggers-Pending" || key == "Triggers-Awaited";
            if skip {
                continue;
            }
            if matches!(key, "Depends" | "Pre-Depends" | "Recommends") {
                let kept = without(value, shipped);
                if !kept.is_empty() {
                    writeln!(out, "{key}: {kept}").ok();
                }
            } else {
                out.push_str(line);
                out.push('\n');
            }
        }
        out.push('\n');
    }
    (out, lists)
}

/// A list of relations without those that a shipped package could satisfy: they
/// would be broken as long as it is not installed.
fn without(relations: &str, shipped: &BTreeSet<String>) -> String {
    relations
        .split(',')
        .map(str::trim)
        .filter(|group| {
            !group.split('|').any(|one| {
                let name = one.trim().split([' ', ':', '(']).next().unwrap_or_default();
                shipped.contains(name)
            })
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// debconf's `config.dat` with the questions only.
pub(super) fn unanswered(config: &str) -> String {
    let mut out = String::new();
    for stanza in stanzas(config) {
        for line in stanza.lines() {
            let key = line.split(':').next().unwrap_or_default();
            if matches!(key, "Name" | "Template" | "Owners") {
                out.push_str(line);
                out.push('\n');
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_not_copied() {
        let config = "Name: a/b\nTemplate: a/b\nValue: secret\nOwners: a\nFlags: seen\nVariables:\n x = secret\n\n";
        assert_eq!(
            unanswered(config),
            "Name: a/b\nTemplate: a/b\nOwners: a\n\n"
        );
    }

    #[test]
    fn shipped_packages_and_relations_to_them_are_gone() {
        let host = "Package: curl\nStatus: install ok installed\nVersion: 1\n\n\
                    Package: a\nStatus: install ok installed\nMulti-Arch: same\nArchitecture: amd64\n\
                    Depends: libc6 (>= 2), curl:any (>= 1), x | curl\nConffiles:\n /etc/a 123\nDescription: t\n more\n\n\
                    Package: b\nStatus: deinstall ok config-files\n\n\
                    Package: c\nStatus: install ok installed\nDepends: curl\n";
        let shipped = shipped("Package: curl\nVersion: 2\n\n");
        let (status, lists) = status(host, &shipped);
        assert_eq!(
            status,
            "Package: a\nStatus: install ok installed\nMulti-Arch: same\nArchitecture: amd64\n\
             Depends: libc6 (>= 2)\nDescription: t\n more\n\n\
             Package: c\nStatus: install ok installed\n\n"
        );
        assert_eq!(lists, ["a:amd64", "c"]);
    }
}
