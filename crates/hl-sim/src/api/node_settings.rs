//! What is set on a node, and what it tells of itself: names, time, services,
//! packages, certificates.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::node::node;
use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::fields::{self, Fields};
use crate::kind::Kind::{Bool, Enum, Int, Text};
use crate::params::{Param, opt, req};
use crate::route::{Route, on_node};
use crate::show;
use crate::words;
use crate::world::World;

const DNS: &[Param] = &[
    req("search", Text),
    opt("dns1", Text),
    opt("dns2", Text),
    opt("dns3", Text),
];
const HOSTS: &[Param] = &[req("data", Text), opt("digest", Text)];
const TIME: &[Param] = &[req("timezone", Text)];
const CONFIG: &[Param] = &[
    opt("acme", Text),
    opt("ballooning-target", Int(0, 100)),
    opt("delete", Text),
    opt("description", Text),
    opt("digest", Text),
    opt("startall-onboot-delay", Int(0, 300)),
    opt("wakeonlan", Text),
];
const PROPERTY: &[Param] = &[opt("property", Text)];
const UPDATE: &[Param] = &[opt("notify", Bool), opt("quiet", Bool)];
pub(super) const HISTORY: &[Param] = &[
    req(
        "timeframe",
        Enum(&["hour", "day", "week", "month", "year", "decade"]),
    ),
    opt("cf", Enum(&["AVERAGE", "MAX"])),
];

const NODE: &str = "/nodes/{node}";
const SEE: &[&str] = &["Sys.Audit"];
const WRITE: &[&str] = &["Sys.Modify"];

pub(super) const ROUTES: &[Route] = &[
    on_node("GET", "dns", &[], dns).needs(NODE, SEE),
    on_node("PUT", "dns", DNS, set_dns).needs(NODE, WRITE),
    on_node("GET", "hosts", &[], hosts).needs("/", SEE),
    on_node("POST", "hosts", HOSTS, set_hosts).needs(NODE, WRITE),
    on_node("GET", "time", &[], time).needs(NODE, SEE),
    on_node("PUT", "time", TIME, set_time).needs(NODE, WRITE),
    on_node("GET", "config", PROPERTY, config).needs("/", SEE),
    on_node("PUT", "config", CONFIG, set_config).needs("/", WRITE),
    on_node("GET", "subscription", &[], subscription),
    on_node("GET", "certificates", &[], |_| {
        Ok(names("acme custom info", "name"))
    }),
    on_node("GET", "certificates/info", &[], certificates),
    on_node("GET", "services", &[], services).needs(NODE, SEE),
    on_node("GET", "services/{service}/state", &[], service).needs(NODE, SEE),
    on_node("POST", "services/{service}/{verb}", &[], control).needs(NODE, WRITE),
    on_node("GET", "apt/versions", &[], versions).needs(NODE, SEE),
    on_node("GET", "apt/update", &[], |_| Ok(json!([]))).needs(NODE, WRITE),
    on_node("POST", "apt/update", UPDATE, update).needs(NODE, WRITE),
    on_node("GET", "apt/repositories", &[], repositories).needs(NODE, SEE),
    on_node("GET", "rrddata", HISTORY, history).needs(NODE, SEE),
];

/// A list of names, each in an object.
pub(super) fn names(words: &str, key: &str) -> Value {
    let lines = words.split_whitespace().map(|name| json!({key: name}));
    Value::Array(lines.collect())
}

/// What was set of one kind, by its keys.
fn set_of(world: &World, call: &Call<'_>, what: &str) -> Result<Fields, ApiError> {
    Ok(node(world, call)?
        .settings
        .get(what)
        .cloned()
        .unwrap_or_default())
}

/// Changes what is set of one kind.
fn put(
    call: &Call<'_>,
    what: &str,
    change: impl FnOnce(&mut Fields) -> Result<(), ApiError>,
) -> Answer {
    call.sim.change(|world| {
        let mut fields = set_of(world, call, what)?;
        change(&mut fields)?;
        if let Some(node) = world.node_mut(call.node()) {
            node.settings.insert(what.to_owned(), fields);
        }
        Ok(Value::Null)
    })
}

fn dns(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let mut fields = set_of(&world, call, "dns")?;
    if fields.is_empty() {
        fields.insert("search".to_owned(), "lab".to_owned());
        fields.insert("dns1".to_owned(), "127.0.0.1".to_owned());
    }
    Ok(json!(fields))
}

fn set_dns(call: &Call<'_>) -> Answer {
    for key in ["dns1", "dns2", "dns3"] {
        let odd = call
            .params
            .text(key)
            .filter(|text| text.parse::<std::net::IpAddr>().is_err());
        if odd.is_some() {
            let text = "invalid format - value does not look like a valid IP address";
            return Err(ApiError::param(key, text));
        }
    }
    put(call, "dns", |fields| {
        *fields = fields::given(&call.params, DNS, &[]);
        Ok(())
    })
}

/// The text of `/etc/hosts`.
fn hosts_of(world: &World, call: &Call<'_>) -> Result<String, ApiError> {
    if let Some(text) = set_of(world, call, "hosts")?.remove("data") {
        return Ok(text);
    }
    let mut text = "127.0.0.1 localhost.localdomain localhost\n".to_owned();
    for (place, node) in world.nodes.iter().enumerate() {
        let (address, name) = (world.address_of(place), &node.name);
        writeln!(text, "{address} {name}.lab {name}").ok();
    }
    Ok(text)
}

fn hosts(call: &Call<'_>) -> Answer {
    let text = hosts_of(&call.sim.world(), call)?;
    Ok(json!({"data": text, "digest": fields::digest(&text)}))
}

fn set_hosts(call: &Call<'_>) -> Answer {
    let old = hosts_of(&call.sim.world(), call)?;
    put(call, "hosts", |fields| {
        fields::same(&call.params, &old)?;
        *fields = fields::given(&call.params, HOSTS, &[]);
        Ok(())
    })
}

fn time(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let zone = set_of(&world, call, "time")?.remove("timezone");
    let zone = zone.unwrap_or_else(|| "UTC".to_owned());
    let now = world.now();
    let offset = jiff::Timestamp::from_second(now).ok().and_then(|time| {
        let zoned = time.in_tz(&zone).ok()?;
        Some(i64::from(zoned.offset().seconds()))
    });
    Ok(json!({"timezone": zone, "time": now, "localtime": now + offset.unwrap_or(0)}))
}

fn set_time(call: &Call<'_>) -> Answer {
    let zone = call.params.must("timezone")?;
    let known = jiff::Timestamp::UNIX_EPOCH.in_tz(zone).is_ok();
    if !known {
        return Err(ApiError::param("timezone", "No such timezone."));
    }
    put(call, "time", |fields| {
        *fields = fields::given(&call.params, TIME, &[]);
        Ok(())
    })
}

fn config(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let mut fields = set_of(&world, call, "config")?;
    let digest = fields::digest(&fields);
    if let Some(only) = call.params.text("property") {
        fields.retain(|key, _| key == only);
        return Ok(json!(fields));
    }
    fields.insert("digest".to_owned(), digest);
    Ok(json!(fields))
}

fn set_config(call: &Call<'_>) -> Answer {
    put(call, "config", |fields| {
        fields::same(&call.params, &*fields)?;
        fields::change(fields, &call.params, CONFIG, &[])
    })
}

fn subscription(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let mut found = json!({
        "status": "notfound", "message": "There is no subscription key",
        "url": "https://www.proxmox.com/en/proxmox-virtual-environment/pricing",
    });
    if call.has(&world, &format!("/nodes/{}", call.node()), "Sys.Audit") {
        found["serverid"] = json!(fields::digest(call.node()).to_uppercase());
    }
    Ok(found)
}

fn certificates(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let node = node(&world, call)?;
    let authority = "CN=Proxmox Virtual Environment";
    let own = format!("CN={}.lab", node.name);
    let files = [
        ("pve-root-ca.pem", authority),
        ("pve-ssl.pem", own.as_str()),
    ];
    let lines = files.map(|(file, subject)| {
        json!({
            "filename": file, "subject": subject, "issuer": authority,
            "fingerprint": world.fingerprint_of(&node.name), "notbefore": node.booted,
            "notafter": node.booted + 730 * 86_400, "public-key-type": "rsaEncryption",
            "public-key-bits": 2048, "san": [node.name, format!("{}.lab", node.name)],
        })
    });
    Ok(json!(lines))
}

const SERVICES: &str = "
    chrony corosync cron ksmtuned lxcfs postfix proxmox-firewall pve-cluster pve-firewall pve-ha-crm
    pve-ha-lrm pve-lxc-syscalld pvedaemon pvefw-logger pveproxy pvescheduler pvestatd qmeventd
    spiceproxy sshd syslog systemd-journald systemd-timesyncd";

fn one_service(world: &World, call: &Call<'_>, name: &str) -> Result<Value, ApiError> {
    let stopped = set_of(world, call, "services")?.contains_key(name);
    Ok(json!({
        "service": name, "name": name, "desc": format!("{name} service"),
        "state": if stopped { "dead" } else { "running" },
        "active-state": if stopped { "inactive" } else { "active" }, "unit-state": "enabled",
    }))
}

fn services(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let names = SERVICES.split_whitespace();
    names
        .map(|name| one_service(&world, call, name))
        .collect::<Result<_, _>>()
        .map(Value::Array)
}

/// The service of the path.
fn named<'c>(call: &'c Call<'_>) -> Result<&'c str, ApiError> {
    let name = call.part("service");
    if words::has(SERVICES, name) {
        return Ok(name);
    }
    let text = format!(
        "value '{name}' does not have a value in the enumeration '{}'",
        words::list(SERVICES)
    );
    Err(ApiError::param("service", text))
}

fn service(call: &Call<'_>) -> Answer {
    one_service(&call.sim.world(), call, named(call)?)
}

fn control(call: &Call<'_>) -> Answer {
    let name = named(call)?.to_owned();
    let kind = match call.part("verb") {
        "start" => "srvstart",
        "stop" => "srvstop",
        "restart" => "srvrestart",
        "reload" => "srvreload",
        verb => {
            let path = format!("/nodes/{}/services/{name}/{verb}", call.node());
            return Err(ApiError::not_implemented("POST", &path));
        }
    };
    if kind == "srvstop" && words::has("pveproxy pvedaemon pve-cluster", &name) {
        bail!("invalid service cmd '{name} stop': refusing to stop essential service!");
    }
    put(call, "services", |stopped| {
        if kind == "srvstop" {
            stopped.insert(name.clone(), "stopped".to_owned());
        } else {
            stopped.remove(&name);
        }
        Ok(())
    })?;
    call.task(kind, name, Vec::new(), |_, _| Ok::<_, String>(()))
}

fn versions(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let profile = &world.profile;
    let manager = format!("{}/{}", profile.version, profile.repoid);
    let list = [
        ("proxmox-ve", format!("{}.0", profile.major)),
        ("pve-manager", profile.version.clone()),
        ("qemu-server", profile.version.clone()),
        ("pve-qemu-kvm", format!("{}-1", profile.qemu())),
        ("pve-container", profile.version.clone()),
    ];
    let lines = list.iter().map(|(name, version)| {
        let mut line = json!({
            "Package": name, "Title": name, "Version": version, "OldVersion": version,
            "Description": name, "CurrentState": "Installed", "Arch": "amd64",
            "Origin": "Proxmox", "Section": "admin", "Priority": "optional",
        });
        if *name == "pve-manager" {
            line["ManagerVersion"] = json!(manager);
        }
        line
    });
    Ok(Value::Array(lines.collect()))
}

fn update(call: &Call<'_>) -> Answer {
    call.task("aptupdate", String::new(), Vec::new(), |_, log| {
        log.line("starting apt-get update");
        Ok::<_, String>(())
    })
}

fn repositories(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let suite = if world.profile.major >= 9 {
        "trixie"
    } else {
        "bookworm"
    };
    let one = |uri: &str, suites: &str, components: &str| {
        json!({
            "Types": ["deb"], "URIs": [uri], "Suites": [suites],
            "Components": components.split(' ').collect::<Vec<_>>(), "Enabled": 1,
            "FileType": "sources", "Comment": "",
        })
    };
    let files = json!([
        {
            "path": "/etc/apt/sources.list.d/debian.sources", "file-type": "sources", "digest": [],
            "repositories": [one("http://deb.debian.org/debian", suite, "main contrib")],
        },
        {
            "path": "/etc/apt/sources.list.d/proxmox.sources", "file-type": "sources",
            "digest": [],
            "repositories": [
                one("http://download.proxmox.com/debian/pve", suite, "pve-no-subscription"),
            ],
        },
    ]);
    Ok(json!({
        "digest": fields::digest(&files), "files": files, "errors": [], "infos": [],
        "standard-repos": [
            {"handle": "enterprise", "name": "Enterprise"},
            {"handle": "no-subscription", "name": "No-Subscription", "status": 1},
            {"handle": "test", "name": "Test"},
        ],
    }))
}

/// Points in time of a frame, the last one now; those since the start have values.
pub(super) fn points(call: &Call<'_>, since: Option<i64>, values: &Value) -> Answer {
    let world = call.sim.world();
    let (count, step) = match call.params.must("timeframe")? {
        "hour" => (60, 60),
        "day" => (1440, 60),
        "week" => (336, 1800),
        "month" => (1440, 1800),
        "year" => (1440, 21_600),
        _ => (1440, 604_800),
    };
    let (count, step) = if world.profile.major >= 9 {
        (count, step)
    } else {
        (70, count * step / 70)
    };
    let end = world.now() / step * step;
    let points = (0..count).map(|place| {
        let at = end - (count - 1 - place) * step;
        let mut point = json!({"time": at});
        if since.is_some_and(|since| since <= at + step)
            && let (Some(point), Some(values)) = (point.as_object_mut(), values.as_object())
        {
            point.extend(values.clone());
        }
        point
    });
    Ok(Value::Array(points.collect()))
}

fn history(call: &Call<'_>) -> Answer {
    let (since, values) = {
        let world = call.sim.world();
        let node = node(&world, call)?;
        let (used, _) = show::load(&world, node);
        let values = json!({
            "cpu": 0.01, "iowait": 0, "loadavg": 0.1, "maxcpu": node.cpus, "memtotal": node.memory,
            "memused": used, "swaptotal": 0, "swapused": 0, "roottotal": 64_u64 << 30,
            "rootused": 4_u64 << 30, "netin": 1500, "netout": 400,
        });
        (world.now() - show::uptime(&world, node), values)
    };
    points(call, Some(since), &values)
}
