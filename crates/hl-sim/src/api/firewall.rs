//! Firewalls of cluster, node, guest and vnet: kept, and given back as they were
//! written. No packet is held up by them.

use serde_json::{Value, json};

use super::firewall_level::{DATACENTER, add_named, see, table, write};
use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::fields::{self, Fields};
use crate::kind::Kind::{Bool, Enum, Int, Like, Text};
use crate::names;
use crate::params::{Param, opt, parts, req};
use crate::route::{Route, on_ct, on_node, on_vm, route};
use crate::words;
use crate::world::World;

const RULE: &[Param] = &[
    opt("action", Text),
    opt("comment", Text),
    opt("delete", Text),
    opt("dest", Text),
    opt("digest", Text),
    opt("dport", Text),
    opt("enable", Int(0, i64::MAX)),
    opt("icmp-type", Text),
    opt("iface", Text),
    opt("log", Enum(LEVELS)),
    opt("macro", Text),
    opt("moveto", Int(0, i64::MAX)),
    opt("pos", Int(0, i64::MAX)),
    opt("proto", Text),
    opt("source", Text),
    opt("sport", Text),
    opt("type", Enum(&["in", "out", "forward", "group"])),
];
const LEVELS: &[&str] = &[
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug", "nolog",
];
const POLICY: &[&str] = &["ACCEPT", "REJECT", "DROP"];
const OPTIONS: &[Param] = &[
    opt("delete", Text),
    opt("dhcp", Bool),
    opt("digest", Text),
    opt("ebtables", Bool),
    opt("enable", Int(0, i64::MAX)),
    opt("ipfilter", Bool),
    opt("log_level_forward", Enum(LEVELS)),
    opt("log_level_in", Enum(LEVELS)),
    opt("log_level_out", Enum(LEVELS)),
    opt("log_nf_conntrack", Bool),
    opt("log_ratelimit", Text),
    opt("macfilter", Bool),
    opt("ndp", Bool),
    opt("nf_conntrack_allow_invalid", Bool),
    opt("nf_conntrack_helpers", Text),
    opt("nf_conntrack_max", Int(32_768, i64::MAX)),
    opt("nf_conntrack_tcp_timeout_established", Int(7875, i64::MAX)),
    opt("nf_conntrack_tcp_timeout_syn_recv", Int(30, 60)),
    opt("nftables", Bool),
    opt("nosmurfs", Bool),
    opt("policy_forward", Enum(&["ACCEPT", "DROP"])),
    opt("policy_in", Enum(POLICY)),
    opt("policy_out", Enum(POLICY)),
    opt("protection_synflood", Bool),
    opt("protection_synflood_burst", Int(0, i64::MAX)),
    opt("protection_synflood_rate", Int(0, i64::MAX)),
    opt("radv", Bool),
    opt("smurf_log_level", Enum(LEVELS)),
    opt("tcp_flags_log_level", Enum(LEVELS)),
    opt("tcpflags", Bool),
];
const GROUP: &[Param] = &[
    req("group", Like(names::config_id)),
    opt("comment", Text),
    opt("rename", Text),
    opt("digest", Text),
];
const DIGEST: &[Param] = &[opt("digest", Text)];

/// Rules and options, which every level has.
macro_rules! level {
    ($make:ident, $base:literal) => {
        &[
            $make("GET", $base, &[], index),
            $make("GET", concat!($base, "/rules"), &[], rules).checked(see),
            $make("POST", concat!($base, "/rules"), RULE, add_rule).checked(write),
            $make("GET", concat!($base, "/rules/{pos}"), &[], rule).checked(see),
            $make("PUT", concat!($base, "/rules/{pos}"), RULE, change_rule).checked(write),
            $make("DELETE", concat!($base, "/rules/{pos}"), DIGEST, drop_rule).checked(write),
            $make("GET", concat!($base, "/options"), &[], options).checked(see),
            $make("PUT", concat!($base, "/options"), OPTIONS, set_options).checked(write),
        ]
    };
}

pub(super) const CLUSTER: &[Route] = level!(route, "cluster/firewall");
pub(super) const NODE: &[Route] = level!(on_node, "firewall");
pub(super) const VM: &[Route] = level!(on_vm, "firewall");
pub(super) const CT: &[Route] = level!(on_ct, "firewall");
pub(super) const VNET: &[Route] = level!(route, "cluster/sdn/vnets/{vnet}/firewall");
pub(super) const GROUPS: &[Route] = &[
    route("GET", "cluster/firewall/macros", &[], macros),
    route("GET", "cluster/firewall/groups", &[], groups),
    route("POST", "cluster/firewall/groups", GROUP, add_group).checked(write),
    route("GET", "cluster/firewall/groups/{group}", &[], rules).checked(see),
    route("POST", "cluster/firewall/groups/{group}", RULE, add_rule).checked(write),
    route("DELETE", "cluster/firewall/groups/{group}", &[], drop_group).checked(write),
    route("GET", "cluster/firewall/groups/{group}/{pos}", &[], rule).checked(see),
    route(
        "PUT",
        "cluster/firewall/groups/{group}/{pos}",
        RULE,
        change_rule,
    )
    .checked(write),
    route(
        "DELETE",
        "cluster/firewall/groups/{group}/{pos}",
        DIGEST,
        drop_rule,
    )
    .checked(write),
];

const GROUP_TABLE: &str = "firewall/cluster/groups";

/// Of a security group, or of the level itself.
fn rule_table(call: &Call<'_>, world: &World) -> Result<String, ApiError> {
    let group = call.part("group");
    if group.is_empty() {
        return Ok(table(call, "rules"));
    }
    if world.kept_one(GROUP_TABLE, "group", group).is_none() {
        bail!("no such security group '{group}'");
    }
    Ok(format!("firewall/cluster/group/{group}"))
}

fn index(_: &Call<'_>) -> Answer {
    let names = "aliases groups ipset log macros options refs rules";
    let lines = names.split_whitespace().map(|name| json!({"name": name}));
    Ok(Value::Array(lines.collect()))
}

/// A rule as a list has it.
fn shown_rule(world: &World, table: &str, pos: usize, fields: &Fields) -> Value {
    let mut shown = world.shown(table, fields, RULE);
    shown.insert("pos".to_owned(), json!(pos));
    shown.entry("enable").or_insert(json!(0));
    Value::Object(shown)
}

fn rules(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let table = rule_table(call, &world)?;
    let all = world.table(&table).iter().enumerate();
    let lines = all.map(|(pos, fields)| shown_rule(&world, &table, pos, fields));
    Ok(Value::Array(lines.collect()))
}

fn position(call: &Call<'_>, count: usize) -> Result<usize, ApiError> {
    let text = call.part("pos");
    let pos = text.parse::<usize>().ok().filter(|pos| *pos < count);
    pos.ok_or_else(|| ApiError::die(format!("no rule at position {text}")))
}

fn rule(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let table = rule_table(call, &world)?;
    let all = world.table(&table);
    let pos = position(call, all.len())?;
    let Some(fields) = all.get(pos) else {
        return Ok(Value::Null);
    };
    let mut shown = shown_rule(&world, &table, pos, fields);
    // As it was in the path.
    shown["pos"] = json!(pos.to_string());
    Ok(shown)
}

/// Every new rule is the first one, wherever its client wants it.
fn add_rule(call: &Call<'_>) -> Answer {
    for key in ["type", "action"] {
        call.params.must(key)?;
    }
    call.sim.change(|world| {
        let table = rule_table(call, world)?;
        fields::same(&call.params, world.table(&table))?;
        let fields = fields::given(&call.params, RULE, &["pos", "moveto"]);
        check(call, world, &fields)?;
        world.table_mut(&table).insert(0, fields);
        Ok(Value::Null)
    })
}

fn change_rule(call: &Call<'_>) -> Answer {
    call.sim.change(|world| {
        let table = rule_table(call, world)?;
        fields::same(&call.params, world.table(&table))?;
        let count = world.table(&table).len();
        let pos = position(call, count)?;
        if let Some(to) = call.params.number("moveto") {
            let own = world.table_mut(&table).remove(pos);
            // The place is counted before the rule is taken out.
            let to = usize::try_from(to).unwrap_or(count).min(count);
            let to = if to > pos { to - 1 } else { to };
            world.table_mut(&table).insert(to, own);
            return Ok(Value::Null);
        }
        let mut fields = world.table(&table).get(pos).cloned().unwrap_or_default();
        fields::change(&mut fields, &call.params, RULE, &["pos", "moveto"])?;
        fields.retain(|_, text| !matches!(text.as_str(), "" | "-"));
        check(call, world, &fields)?;
        if let Some(own) = world.table_mut(&table).get_mut(pos) {
            *own = fields;
        }
        Ok(Value::Null)
    })
}

fn drop_rule(call: &Call<'_>) -> Answer {
    call.sim.change(|world| {
        let table = rule_table(call, world)?;
        fields::same(&call.params, world.table(&table))?;
        let pos = position(call, world.table(&table).len())?;
        world.table_mut(&table).remove(pos);
        Ok(Value::Null)
    })
}

fn check(call: &Call<'_>, world: &World, fields: &Fields) -> Result<(), ApiError> {
    let text = |key: &str| fields::text(fields, key);
    let wrong = |key: &str, text: String| Err(ApiError::param(key, text));
    let (kind, action) = (text("type"), text("action"));
    if kind == "group" {
        if !call.part("group").is_empty() {
            return wrong("type", "security groups not allowed".to_owned());
        }
        if world.kept_one(GROUP_TABLE, "group", action).is_none() {
            return wrong("action", format!("no such security group '{action}'"));
        }
    } else if !POLICY.contains(&action) {
        return wrong("action", format!("unknown action '{action}'"));
    }
    if kind == "forward" && action == "REJECT" {
        return wrong(
            "action",
            "cannot define REJECT rules on forward chain".to_owned(),
        );
    }
    let own = text("macro");
    if !own.is_empty() && !words::has(MACROS, own) {
        return wrong("macro", format!("unknown macro '{own}'"));
    }
    for key in ["dport", "sport"]
        .into_iter()
        .filter(|key| fields.contains_key(*key))
    {
        match text("proto") {
            "" => {
                return wrong(
                    "proto",
                    format!("missing property - '{key}' requires this property"),
                );
            }
            "tcp" | "udp" | "sctp" | "dccp" | "udplite" | "6" | "17" | "132" => {}
            other => return wrong(key, format!("protocol '{other}' does not support ports")),
        }
    }
    let iface = text("iface");
    let number = iface.strip_prefix("net").unwrap_or_default();
    let is_card = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    if !iface.is_empty() && !call.part("vmid").is_empty() && !is_card {
        return wrong(
            "iface",
            "value does not match the regex pattern 'net\\d+'".to_owned(),
        );
    }
    for key in ["source", "dest"] {
        for part in parts(text(key)) {
            let name = part.rsplit('/').next().unwrap_or_default();
            if let Some(set) = part.strip_prefix('+') {
                let set = set.rsplit('/').next().unwrap_or_default();
                if !named_in(call, world, "ipset", set) {
                    return wrong(key, format!("no such ipset '{set}'"));
                }
            } else if name.starts_with(|c: char| c.is_ascii_alphabetic())
                && !part.contains(':')
                && !named_in(call, world, "aliases", name)
            {
                return wrong(key, format!("no such alias '{name}'"));
            }
        }
    }
    Ok(())
}

/// Whether a name is one of the level or of the whole datacenter.
fn named_in(call: &Call<'_>, world: &World, what: &str, name: &str) -> bool {
    [table(call, what), format!("{DATACENTER}/{what}")]
        .iter()
        .any(|table| world.kept_one(table, "name", name).is_some())
}

fn options(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let table = table(call, "options");
    let none = Fields::new();
    let own = world.table(&table).first().unwrap_or(&none);
    Ok(Value::Object(world.shown(&table, own, OPTIONS)))
}

fn set_options(call: &Call<'_>) -> Answer {
    let table = table(call, "options");
    call.sim.change(|world| {
        fields::same(&call.params, world.table(&table))?;
        let mut own = world.table(&table).first().cloned().unwrap_or_default();
        fields::change(&mut own, &call.params, OPTIONS, &[])?;
        *world.table_mut(&table) = vec![own];
        Ok(Value::Null)
    })
}

fn macros(_: &Call<'_>) -> Answer {
    let lines = MACROS.split_whitespace();
    let lines = lines.map(|name| json!({"macro": name, "descr": format!("{name} traffic")}));
    Ok(Value::Array(lines.collect()))
}

fn groups(call: &Call<'_>) -> Answer {
    Ok(call.sim.world().all_shown(GROUP_TABLE, GROUP, |_| true))
}

fn add_group(call: &Call<'_>) -> Answer {
    let below = |id: &str| format!("firewall/cluster/group/{id}");
    add_named(call, GROUP_TABLE, "group", GROUP, "Security group", &below)
}

fn drop_group(call: &Call<'_>) -> Answer {
    let id = call.part("group");
    call.sim.change(|world| {
        let rules = rule_table(call, world)?;
        if !world.table(&rules).is_empty() {
            bail!("Security group '{id}' is not empty");
        }
        world.drop_kept(GROUP_TABLE, "group", id);
        Ok(Value::Null)
    })
}

const MACROS: &str = "
    Amanda Auth BGP BitTorrent BitTorrent32 CVS Ceph Citrix DAAP DCC DHCPfwd DHCPv6 DNS Distcc FTP
    Finger GNUnet GRE Git HKP HTTP HTTPS ICPV2 ICQ IMAP IMAPS IPIP IPsec IPsecah IPsecnat IRC
    Jetdirect L2TP LDAP LDAPS MDNS MSNP MSSQL Mail Munin MySQL NNTP NNTPS NTP NeighborDiscovery
    OSPF OpenVPN PBS PCA PMG POP3 POP3S PPtP Ping PostgreSQL Printer RDP RIP RNDC Razor Rdate Rsync
    SANE SMB SMBswat SMTP SMTPS SNMP SPAMD SPICEproxy SSH SVN SixXS Squid Submission Syslog TFTP
    Telnet Telnets Time Trcrt VNC VNCL Web Webcache Webmin Whois";
