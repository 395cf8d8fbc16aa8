//! Reads `site/envs/ENV.yaml`. Everything that is wrong with a file is told at
//! once, each finding with its line and what would be right.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::net::Ipv4Addr;

use super::env::{Cidr, Env, Ip, Vm};
use super::yaml::{Document, Map, Node, Value};
use crate::diag::{Diagnostic, Exit, Failure, Source, closest, did_you_mean};
use crate::lab::Lab;

const TOP_KEYS: [&str; 2] = ["vmid_base", "vms"];
const VM_KEYS: [&str; 11] = [
    "name", "image", "vmid", "cores", "memory", "disk", "ip", "gateway", "bridge", "tags", "groups",
];
/// Keys of the full resolver that this form does not read.
const LATER_KEYS: [&str; 5] = ["template", "vm_preset", "preset", "posture", "packages"];

/// The environments of a lab, sorted.
pub fn list(lab: &Lab) -> Vec<String> {
    let Ok(entries) = lab.paths.site().join("envs").read_dir_utf8() else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().strip_suffix(".yaml").map(str::to_owned))
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort_unstable();
    names
}

/// Reads and checks one environment. Unknown: exit 66 with those there are;
/// invalid: exit 65 with every finding.
pub fn load(lab: &Lab, name: &str) -> Result<Env, Failure> {
    let path = lab.paths.site().join("envs").join(format!("{name}.yaml"));
    // A name is a file's stem, never a path.
    let known = list(lab);
    if !known.iter().any(|env| env == name) {
        let envs = lab.paths.show(&lab.paths.site().join("envs"));
        let mut diagnostic = Diagnostic::error(format!("no environment `{name}` in `{envs}`"));
        if let Some(help) = did_you_mean(name, known.iter().map(String::as_str)) {
            diagnostic = diagnostic.help(help);
        }
        return Err(Failure::new(
            Exit::Unknown,
            diagnostic.help(format!("or write `{envs}/{name}.yaml`")),
        ));
    }
    let shown = lab.paths.show(&path);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::message(Exit::Definition, format!("cannot read `{shown}`: {error}"))
    })?;
    parse(name, Source::new(shown, text))
}

/// Checks an environment's text.
pub fn parse(name: &str, source: Source) -> Result<Env, Failure> {
    let document = Document::parse(source)?;
    let mut reader = Reader {
        document: &document,
        findings: document.faults().collect(),
        taken: BTreeMap::new(),
    };
    let vms = reader.env();
    if reader.findings.is_empty() {
        return Ok(Env {
            name: name.to_owned(),
            vms,
        });
    }
    reader
        .findings
        .sort_by_key(|d| d.place.as_ref().map(|place| place.span.start));
    Err(Failure::many(Exit::Definition, reader.findings))
}

/// What may stand once in a file (`name`, `vmid`, `ip`), with its value.
type Claim = (&'static str, String);

struct Reader<'d> {
    document: &'d Document,
    findings: Vec<Diagnostic>,
    /// Who has it: the value's line, and the machine's name where known.
    taken: BTreeMap<Claim, (usize, String)>,
}

impl<'d> Reader<'d> {
    fn env(&mut self) -> Vec<Vm> {
        let document = self.document;
        let entries = match &document.root.value {
            Value::Map(entries) => entries,
            Value::Null => return Vec::new(),
            Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                self.wrong(&document.root, "the file", "a mapping with `vms`");
                return Vec::new();
            }
        };
        self.keys(entries, &TOP_KEYS, "an environment");
        let base = field(entries, "vmid_base")
            .and_then(|node| self.number(node, "vmid_base", 100, 999_999_999));
        let Some(vms) = field(entries, "vms") else {
            return Vec::new();
        };
        let Value::List(items) = &vms.value else {
            self.wrong(vms, "`vms`", "a list of virtual machines");
            return Vec::new();
        };
        let mut found = Vec::new();
        for (index, item) in items.iter().enumerate() {
            if let Value::Map(entries) = &item.value {
                let implied = base.map(|base| base + index as u64);
                found.extend(self.vm(item, entries, implied));
            } else {
                self.wrong(item, "a virtual machine", "a mapping with `name`, `image`");
            }
        }
        found
    }

    fn vm(&mut self, item: &'d Node, entries: &'d Map, implied: Option<u64>) -> Option<Vm> {
        let before = self.findings.len();
        self.keys(entries, &VM_KEYS, "a virtual machine");
        let name = self.required(item, entries, "name");
        if let Some((node, text)) = name
            && !is_label(text)
        {
            self.finding(node, format!("name `{text}` is not a host name"), |d| {
                d.help("use letters a to z, digits and inner dashes, at most 63")
            });
        }
        let image = self.required(item, entries, "image");
        let vmid_node = field(entries, "vmid").filter(|node| !matches!(node.value, Value::Null));
        let vmid = match (vmid_node, implied) {
            (Some(node), _) => self.number(node, "vmid", 100, 999_999_999),
            (None, Some(vmid)) => Some(vmid),
            (None, None) => {
                let place = self.document.at(item, "");
                self.findings.push(
                    Diagnostic::error("a virtual machine has no `vmid`")
                        .at(place)
                        .help("add `vmid: 5101`, or `vmid_base` to the environment"),
                );
                None
            }
        };
        let mut size =
            |key: &'static str, default: u64, low: u64, high: u64| match field(entries, key) {
                Some(node) => self.number(node, key, low, high),
                None => Some(default),
            };
        let cores = size("cores", 1, 1, 512);
        let memory = size("memory", 1024, 64, 8_388_608);
        let disk = size("disk", 10, 1, 131_072);
        let ip = self.ip(entries);
        let gateway = self.gateway(entries, ip);
        let bridge = field(entries, "bridge").and_then(|node| self.text(node, "bridge"));
        let tags = self.names(
            entries,
            "tags",
            is_tag,
            "lower-case letters, digits and `_-+.`",
        );
        let groups = self.names(
            entries,
            "groups",
            is_group,
            "letters, digits and `_`, not beginning with a digit; `all` and `ungrouped` are taken",
        );
        let label = name.map_or("a machine without a name", |(_, text)| text);
        if let Some((node, text)) = name {
            self.claim("name", text.to_owned(), node, label);
        }
        if let Some(vmid) = vmid {
            self.claim("vmid", vmid.to_string(), vmid_node.unwrap_or(item), label);
        }
        if let (Some(node), Ip::Static(cidr)) = (field(entries, "ip"), ip) {
            self.claim("ip", cidr.address.to_string(), node, label);
        }
        if self.findings.len() > before {
            return None;
        }
        Some(Vm {
            name: name?.1.to_owned(),
            image: image?.1.to_owned(),
            vmid: u32::try_from(vmid?).ok()?,
            cores: u32::try_from(cores?).ok()?,
            memory: memory?,
            disk: disk?,
            ip,
            gateway,
            bridge: bridge.map(str::to_owned),
            tags,
            groups,
        })
    }

    fn ip(&mut self, entries: &'d Map) -> Ip {
        let Some(node) = field(entries, "ip") else {
            return Ip::Dhcp;
        };
        let text = match &node.value {
            Value::Null => return Ip::Dhcp,
            Value::Text(text) if text == "dhcp" => return Ip::Dhcp,
            Value::Text(text) => text,
            Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => {
                let expected = "an address such as `192.168.1.51/24`, or `dhcp`";
                self.wrong(node, "`ip`", expected);
                return Ip::Dhcp;
            }
        };
        match text.parse::<Cidr>() {
            Ok(cidr) if cidr.is_host() => Ip::Static(cidr),
            Ok(cidr) => {
                let message = format!("`{cidr}` is the address of a network, not of a host in it");
                self.finding(node, message, |d| d);
                Ip::Dhcp
            }
            Err(why) => {
                self.finding(node, format!("ip `{text}` is not valid: {why}"), |d| d);
                Ip::Dhcp
            }
        }
    }

    fn gateway(&mut self, entries: &'d Map, ip: Ip) -> Option<Ipv4Addr> {
        let node = field(entries, "gateway").filter(|node| !matches!(node.value, Value::Null))?;
        let text = self.text(node, "gateway")?;
        let Ok(gateway) = text.parse::<Ipv4Addr>() else {
            self.finding(
                node,
                format!("gateway `{text}` is not an IPv4 address"),
                |d| d.help("write it without a prefix, e.g. `192.168.1.1`"),
            );
            return None;
        };
        match ip {
            Ip::Static(cidr) if cidr.address == gateway => {
                self.finding(
                    node,
                    format!("`{gateway}` is the machine's own address"),
                    |d| d,
                );
            }
            Ip::Static(cidr) if !cidr.contains(gateway) => {
                self.finding(
                    node,
                    format!("gateway `{gateway}` is not in `{cidr}`"),
                    |d| d,
                );
            }
            Ip::Static(_) => {}
            // An `ip` that is wrong was told already.
            Ip::Dhcp
                if field(entries, "ip")
                    .is_some_and(|n| !matches!(&n.value, Value::Text(t) if t == "dhcp")) => {}
            Ip::Dhcp => self.finding(
                node,
                "`gateway` has no effect with `ip: dhcp`".to_owned(),
                |d| d.help("remove it, or give a fixed `ip`"),
            ),
        }
        Some(gateway)
    }

    fn names(
        &mut self,
        entries: &'d Map,
        key: &'static str,
        valid: fn(&str) -> bool,
        rule: &str,
    ) -> Vec<String> {
        let Some(node) = field(entries, key) else {
            return Vec::new();
        };
        let Value::List(items) = &node.value else {
            self.wrong(node, &format!("`{key}`"), "a list such as `[web]`");
            return Vec::new();
        };
        let mut names: Vec<String> = Vec::new();
        for item in items {
            let Some(text) = self.text(item, key) else {
                continue;
            };
            if valid(text) {
                if !names.iter().any(|name| name == text) {
                    names.push(text.to_owned());
                }
            } else {
                self.finding(item, format!("`{text}` cannot be used in `{key}`"), |d| {
                    d.help(format!("use {rule}"))
                });
            }
        }
        names
    }

    /// Notes who has a value that may stand once; the second one is a finding.
    fn claim(&mut self, key: &'static str, value: String, node: &Node, name: &str) {
        match self.taken.entry((key, value)) {
            Slot::Vacant(slot) => {
                let line = self.document.at(node, "").line_column().0;
                slot.insert((line, name.to_owned()));
            }
            Slot::Occupied(slot) => {
                let (line, first) = slot.get();
                let message = format!(
                    "{key} `{}` is taken by `{first}` in line {line}",
                    slot.key().1
                );
                self.finding(node, message, |d| d);
            }
        }
    }

    fn keys(&mut self, entries: &Map, known: &[&str], what: &str) {
        for entry in entries.iter() {
            let key = entry.key.as_str();
            if known.contains(&key) {
                continue;
            }
            let place = self.document.at_key(entry, format!("not a key of {what}"));
            let mut finding = Diagnostic::error(format!("unknown key `{key}`")).at(place);
            if LATER_KEYS.contains(&key) {
                finding = finding.help(format!(
                    "`{key}` is not read in this form; known: `{}`",
                    known.join("`, `")
                ));
            } else if let Some(near) = closest(key, known.iter().copied()) {
                finding = finding.help(format!("did you mean `{near}`?"));
            } else {
                finding = finding.help(format!("known: `{}`", known.join("`, `")));
            }
            self.findings.push(finding);
        }
    }

    fn required(
        &mut self,
        item: &Node,
        entries: &'d Map,
        key: &'static str,
    ) -> Option<(&'d Node, &'d str)> {
        if let Some(node) = field(entries, key) {
            return Some((node, self.text(node, key)?));
        }
        let place = self.document.at(item, "");
        self.findings
            .push(Diagnostic::error(format!("a virtual machine has no `{key}`")).at(place));
        None
    }

    fn text(&mut self, node: &'d Node, key: &str) -> Option<&'d str> {
        if let Value::Text(text) = &node.value
            && !text.is_empty()
        {
            return Some(text);
        }
        self.wrong(node, &format!("`{key}`"), "text");
        None
    }

    fn number(&mut self, node: &Node, key: &str, low: u64, high: u64) -> Option<u64> {
        let Value::Number(number) = &node.value else {
            self.wrong(node, &format!("`{key}`"), "a whole number");
            return None;
        };
        let fits = number.as_u64().filter(|n| (low..=high).contains(n));
        if fits.is_none() {
            self.finding(
                node,
                format!("`{key}` is {number}, expected {low} to {high}"),
                |d| d,
            );
        }
        fits
    }

    fn wrong(&mut self, node: &Node, what: &str, expected: &str) {
        let message = format!("{what} is {}, expected {expected}", node.kind());
        self.finding(node, message, |d| d);
    }

    fn finding(
        &mut self,
        node: &Node,
        message: String,
        more: impl FnOnce(Diagnostic) -> Diagnostic,
    ) {
        let finding = Diagnostic::error(message).at(self.document.at(node, ""));
        self.findings.push(more(finding));
    }
}

fn field<'d>(entries: &'d Map, key: &str) -> Option<&'d Node> {
    entries.get(key)
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether a text can be a tag on the node.
pub fn is_tag(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.starts_with(plain) && text.chars().all(|c| plain(c) || "-+.".contains(c))
}

fn is_group(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !["all", "ungrouped"].contains(&text)
        && text.chars().all(plain)
        && !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::render;

    fn read(text: &str) -> Result<Env, Failure> {
        parse("dev", Source::new("site/envs/dev.yaml", text))
    }

    #[test]
    fn the_shipped_environment_is_valid() {
        let env = read(include_str!("../../site/envs/dev.yaml")).unwrap();
        let names: Vec<_> = env
            .vms
            .iter()
            .map(|vm| (vm.name.as_str(), vm.image.as_str()))
            .collect();
        assert_eq!(names, [("web-1", "debian-13"), ("app-1", "ubuntu-24.04")]);
        assert!(env.vms.iter().all(|vm| matches!(vm.ip, Ip::Static(_))));
    }

    #[test]
    fn defaults_and_the_base_of_ids() {
        let env = read("vmid_base: 200\nvms:\n  - {name: a, image: i}\n  - {name: b, image: i, vmid: 900}\n  - {name: c, image: i}\n").unwrap();
        let ids: Vec<_> = env.vms.iter().map(|vm| vm.vmid).collect();
        assert_eq!(ids, [200, 900, 202]);
        let a = &env.vms[0];
        assert_eq!((a.cores, a.memory, a.disk, a.ip), (1, 1024, 10, Ip::Dhcp));
        assert!(read("").unwrap().vms.is_empty());
    }

    #[test]
    fn every_finding_is_told_at_once() {
        let failure = read(
            "posture: dev
vms:
  - name: web-1
    image: debian-13
    vmid: 5101
    memroy: 2048
    ip: 192.168.1.51
  - name: web-1
    image: debian-13
    vmid: 99
    ip: 192.168.1.0/24
    tags: Web
  - name: App
    vmid: 5101
    ip: 10.0.0.300/8
    gateway: 10.0.0.1/8
    groups: [all, web-1]
    disk: big
",
        )
        .unwrap_err();
        assert_eq!(failure.exit, Exit::Definition);
        insta::assert_snapshot!(render(&failure, false));
    }

    #[test]
    fn what_stands_twice_is_named_with_its_line() {
        let failure = read(
            "vms:
  - {name: a, image: i, vmid: 5101, ip: 10.0.0.5/24, gateway: 10.0.1.1}
  - {name: b, image: i, vmid: 5101, ip: 10.0.0.5/16}
  - {name: c, image: i, vmid: 5101, ip: 10.0.0.6/16}
  - {name: b, image: i, vmid: 5102, ip: dhcp, gateway: 10.0.0.1}
",
        )
        .unwrap_err();
        let messages: Vec<_> = failure
            .diagnostics
            .iter()
            .map(|d| d.message.as_str())
            .collect();
        assert_eq!(
            messages,
            [
                "gateway `10.0.1.1` is not in `10.0.0.5/24`",
                "vmid `5101` is taken by `a` in line 2",
                "ip `10.0.0.5` is taken by `a` in line 2",
                "vmid `5101` is taken by `a` in line 2",
                "name `b` is taken by `b` in line 3",
                "`gateway` has no effect with `ip: dhcp`",
            ]
        );
    }
}
