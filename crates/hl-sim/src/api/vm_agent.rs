//! The guest agent: whether it answers, and what it does in the guest.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::guests::{AgentRun, run_in};
use crate::kind::Kind::{Bool, Enum, Int, Like, List, Short, Text};
use crate::params::{Param, opt, req};
use crate::power;
use crate::route::{Check, Route, on_vm};
use crate::vm::{Run, Vm, disks};
use crate::world::World;

const EXEC: &[Param] = &[opt("command", List), opt("input-data", Short(65_536))];
const STATUS: &[Param] = &[req("pid", Int(0, 2_147_483_647))];
const READ: &[Param] = &[req("file", Text)];
const WRITE: &[Param] = &[
    req("file", Text),
    req("content", Short(61_440)),
    opt("encode", Bool),
];
const PASSWORD: &[Param] = &[
    req("username", Text),
    req("password", Like(password)),
    opt("crypted", Bool),
];
const OLD: &[Param] = &[req("command", Enum(PLAIN))];

/// What needs nothing but its name.
const PLAIN: &[&str] = &[
    "fsfreeze-freeze",
    "fsfreeze-status",
    "fsfreeze-thaw",
    "fstrim",
    "get-fsinfo",
    "get-host-name",
    "get-osinfo",
    "get-time",
    "get-timezone",
    "get-users",
    "get-vcpus",
    "info",
    "network-get-interfaces",
    "ping",
    "shutdown",
];

/// What else the agent does.
const OTHERS: [&str; 5] = [
    "exec",
    "exec-status",
    "file-read",
    "file-write",
    "set-user-password",
];

const AUDIT: Check = |call, world| may(call, world, &["VM.GuestAgent.Audit"]);
const SYSTEM: Check = |call, world| may(call, world, &["VM.GuestAgent.FileSystemMgmt"]);
const AUDIT_OR_SYSTEM: Check = |call, world| {
    let any = ["VM.GuestAgent.Audit", "VM.GuestAgent.FileSystemMgmt"];
    may(call, world, &any)
};
const ANY: Check = |call, world| may(call, world, &[]);

/// The route of what needs nothing but its name.
macro_rules! plain {
    ($method:literal, $name:literal) => {
        on_vm($method, concat!("agent/", $name), &[], |call| {
            plain(call, $name)
        })
    };
}

pub(super) const ROUTES: &[Route] = &[
    on_vm("GET", "agent", &[], index),
    on_vm("POST", "agent", OLD, old).checked(ANY),
    plain!("POST", "ping").checked(may_ping),
    plain!("GET", "info").checked(AUDIT),
    plain!("GET", "get-time").checked(AUDIT),
    plain!("GET", "get-timezone").checked(AUDIT),
    plain!("GET", "get-vcpus").checked(AUDIT),
    plain!("GET", "get-fsinfo").checked(AUDIT),
    plain!("GET", "get-host-name").checked(AUDIT),
    plain!("GET", "get-osinfo").checked(AUDIT),
    plain!("GET", "get-users").checked(AUDIT),
    plain!("GET", "network-get-interfaces").checked(AUDIT),
    plain!("POST", "fsfreeze-status").checked(AUDIT_OR_SYSTEM),
    plain!("POST", "fsfreeze-freeze").checked(SYSTEM),
    plain!("POST", "fsfreeze-thaw").checked(SYSTEM),
    plain!("POST", "fstrim").checked(SYSTEM),
    plain!("POST", "shutdown").needs("/vms/{vmid}", &["VM.PowerMgmt"]),
    on_vm("POST", "agent/set-user-password", PASSWORD, set_password).checked(ANY),
    on_vm("POST", "agent/exec", EXEC, exec).checked(ANY),
    on_vm("GET", "agent/exec-status", STATUS, exec_status).checked(ANY),
    on_vm("GET", "agent/file-read", READ, file_read)
        .checked(|call, world| may(call, world, &["VM.GuestAgent.FileRead"])),
    on_vm("POST", "agent/file-write", WRITE, file_write)
        .checked(|call, world| may(call, world, &["VM.GuestAgent.FileWrite"])),
];

/// 9.0 took `VM.Monitor` apart; the last part is for everything.
fn may(call: &Call<'_>, world: &World, any: &[&str]) -> Result<(), ApiError> {
    let path = call.filled("/vms/{vmid}");
    if world.profile.major < 9 {
        return call.need(world, &path, "VM.Monitor");
    }
    let all: Vec<&str> = any
        .iter()
        .copied()
        .chain(["VM.GuestAgent.Unrestricted"])
        .collect();
    call.need_any(world, &path, &all)
}

fn may_ping(call: &Call<'_>, world: &World) -> Result<(), ApiError> {
    call.need_any(
        world,
        &call.filled("/vms/{vmid}"),
        world.profile.agent_ping(),
    )
}

fn password(text: &str) -> Result<(), String> {
    match text.chars().count() {
        0..5 => Err("value must be at least 5 characters long".to_owned()),
        5..=1024 => Ok(()),
        _ => Err("value may only be 1024 characters long".to_owned()),
    }
}

fn index(_: &Call<'_>) -> Answer {
    let mut names: Vec<&str> = PLAIN.iter().copied().chain(OTHERS).collect();
    names.sort_unstable();
    let lines = names.into_iter().map(|name| json!({"name": name}));
    Ok(Value::Array(lines.collect()))
}

fn old(call: &Call<'_>) -> Answer {
    plain(call, call.params.must("command")?)
}

/// The VM and how it runs, when its agent would answer.
fn answers(call: &Call<'_>) -> Result<(Vm, Run), ApiError> {
    let vmid = call.vmid()?;
    let vm = {
        let world = call.sim.world();
        call.vm(&world)?.clone()
    };
    if !vm.config.contains_key("agent") {
        bail!("No QEMU guest agent configured");
    }
    let Some(run) = vm.run.clone() else {
        bail!("VM {vmid} is not running");
    };
    // The channel exists only when the agent was enabled at the start.
    let there = vm.agent() && run.agent && !run.paused;
    if !there || !call.sim.guests.agent_ready(vmid) {
        bail!("QEMU guest agent is not running");
    }
    Ok((vm, run))
}

/// The agent's own error, which is no result.
fn refused(text: &str) -> ApiError {
    ApiError::die(format!("Agent error: {text}"))
}

/// A command without parameters. What the agent refuses is its result.
fn plain(call: &Call<'_>, command: &str) -> Answer {
    let (vm, run) = answers(call)?;
    let vmid = call.vmid()?;
    let result: Result<Value, String> = match command {
        "ping" => Ok(json!({})),
        "info" => Ok(info()),
        "get-host-name" => Ok(json!({"host-name": vm.name()})),
        "get-time" => Ok(json!(call.sim.world().now().saturating_mul(1_000_000_000))),
        "get-timezone" => Ok(json!({"offset": 0, "zone": "UTC"})),
        "get-vcpus" => {
            let count = vm.config.listed().processors;
            let each = |id| json!({"logical-id": id, "online": true, "can-offline": id != 0});
            Ok(Value::Array((0..count).map(each).collect()))
        }
        "get-fsinfo" => Ok(file_systems(call, &vm)),
        "get-osinfo" => system(call, vmid),
        "get-users" => users(call, vmid),
        "network-get-interfaces" => Ok(interfaces(call, vmid, &run)),
        "fsfreeze-status" => Ok(json!(if run.frozen { "frozen" } else { "thawed" })),
        "fsfreeze-freeze" => freeze(call, vmid, true),
        "fsfreeze-thaw" => freeze(call, vmid, false),
        "fstrim" => Ok(json!({"paths": [{"path": "/", "trimmed": 0, "minimum": 0}]})),
        "shutdown" => {
            power::stop(call.sim, vmid, true).map_err(ApiError::die)?;
            return Ok(Value::Null);
        }
        other => bail!("unknown agent command '{other}'"),
    };
    Ok(match result {
        Ok(result) => json!({"result": result}),
        Err(text) => json!({"result": {"error": {"class": "GenericError", "desc": text}}}),
    })
}

fn info() -> Value {
    let names = PLAIN.iter().copied().chain(OTHERS);
    let commands = names.map(
        |name| json!({"name": format!("guest-{name}"), "enabled": true, "success-response": true}),
    );
    json!({"version": "10.0.2", "supported_commands": commands.collect::<Vec<_>>()})
}

/// One file system on the disk that it boots from.
fn file_systems(call: &Call<'_>, vm: &Vm) -> Value {
    let world = call.sim.world();
    let boot = vm.boot_drive().and_then(|drive| world.volume(&drive.file));
    let Some(volume) = boot else {
        return json!([]);
    };
    let key = disks(vm.kind, &vm.config)
        .into_iter()
        .find(|(_, volid)| *volid == volume.volid);
    let bus = key.map(|(key, _)| {
        key.trim_end_matches(|c: char| c.is_ascii_digit())
            .to_owned()
    });
    json!([{
        "name": "sda1", "mountpoint": "/", "type": "ext4", "total-bytes": volume.size,
        "used-bytes": volume.used.min(volume.size),
        "disk": [{
            "bus-type": bus, "bus": 0, "target": 0, "unit": 0, "dev": "/dev/sda1",
            "pci-controller": {"bus": 0, "domain": 0, "function": 0, "slot": 5},
        }],
    }])
}

/// What the guest's own files say of its system.
fn system(call: &Call<'_>, vmid: u32) -> Result<Value, String> {
    let text = |path: &str| {
        let (bytes, _) = call.sim.guests.read_file(vmid, path)?;
        Ok::<_, String>(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    let release = text("/etc/os-release")?;
    let mut found = json!({
        "machine": "x86_64",
        "kernel-release": text("/proc/sys/kernel/osrelease")?,
        "kernel-version": text("/proc/sys/kernel/version")?,
    });
    let names = [
        ("ID", "id"),
        ("NAME", "name"),
        ("PRETTY_NAME", "pretty-name"),
        ("VERSION", "version"),
        ("VERSION_ID", "version-id"),
        ("VARIANT", "variant"),
    ];
    for line in release.lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        if let Some((_, name)) = names.iter().find(|(own, _)| *own == key) {
            found[*name] = json!(value.trim_matches(['"', '\'']));
        }
    }
    Ok(found)
}

/// How long a program may take that a call waits for.
const SOON: Duration = Duration::from_secs(10);

/// Runs a program in the guest to its end.
fn run(call: &Call<'_>, vmid: u32, argv: &[&str], input: &str) -> Result<AgentRun, String> {
    run_in(call.sim.guests.as_ref(), vmid, argv, input.as_bytes(), SOON)
}

fn users(call: &Call<'_>, vmid: u32) -> Result<Value, String> {
    let ended = run(call, vmid, &["env", "LC_ALL=C", "TZ=UTC", "who"], "")?;
    let told = String::from_utf8_lossy(&ended.out);
    let mut found: Vec<Value> = Vec::new();
    for line in told.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [user, _, day, hour, ..] = words.as_slice() else {
            continue;
        };
        let login = format!("{day}T{hour}:00Z").parse::<jiff::Timestamp>();
        let seconds = login.map_or(0.0, |time| time.as_duration().as_secs_f64());
        if !found.iter().any(|known| known["user"] == *user) {
            found.push(json!({"user": user, "login-time": seconds}));
        }
    }
    Ok(Value::Array(found))
}

/// The file systems of a guest are not really frozen; that they are is remembered.
fn freeze(call: &Call<'_>, vmid: u32, frozen: bool) -> Result<Value, String> {
    let changed = call.sim.change(|world| {
        let run = world.vms.get_mut(&vmid).and_then(|vm| vm.run.as_mut());
        run.is_some_and(|run| std::mem::replace(&mut run.frozen, frozen) != frozen)
    });
    Ok(json!(u8::from(changed)))
}

fn interfaces(call: &Call<'_>, vmid: u32, run: &Run) -> Value {
    let inner = call.sim.guests.inner_interfaces(vmid);
    let mut found = vec![json!({
        "name": "lo",
        "hardware-address": "00:00:00:00:00:00",
        "ip-addresses": [
            {"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8},
            {"ip-address": "::1", "ip-address-type": "ipv6", "prefix": 128},
        ],
        "statistics": statistics(),
    })];
    for (name, cidr) in inner {
        found.push(json!({
            "name": name,
            "hardware-address": "02:42:00:00:00:01",
            "ip-addresses": address(&cidr),
            "statistics": statistics(),
        }));
    }
    if let Some(mac) = &run.mac {
        let addresses = run.address.as_deref().map(address).unwrap_or_default();
        found.push(json!({
            "name": "eth0",
            "hardware-address": mac.to_lowercase(),
            "ip-addresses": addresses,
            "statistics": statistics(),
        }));
    }
    Value::Array(found)
}

/// `10.0.0.5/24` as the agent tells it.
fn address(cidr: &str) -> Vec<Value> {
    let parts = cidr.split_once('/');
    let told = parts.map(|(address, prefix)| {
        json!({
            "ip-address": address,
            "ip-address-type": if address.contains(':') { "ipv6" } else { "ipv4" },
            "prefix": prefix.parse::<u8>().unwrap_or(32),
        })
    });
    told.into_iter().collect()
}

fn statistics() -> Value {
    json!({
        "rx-bytes": 0, "rx-dropped": 0, "rx-errs": 0, "rx-packets": 0,
        "tx-bytes": 0, "tx-dropped": 0, "tx-errs": 0, "tx-packets": 0,
    })
}

fn exec(call: &Call<'_>) -> Answer {
    answers(call)?;
    let argv: Vec<String> = call
        .params
        .texts("command")
        .into_iter()
        .map(str::to_owned)
        .collect();
    let input = call.params.text("input-data").unwrap_or_default();
    if argv.is_empty() {
        bail!("command or input-data (or both) required");
    }
    let pid = call.sim.guests.exec(call.vmid()?, &argv, input.as_bytes());
    Ok(json!({"pid": pid.map_err(|text| refused(&text))?}))
}

fn exec_status(call: &Call<'_>) -> Answer {
    answers(call)?;
    let pid = call
        .params
        .number("pid")
        .and_then(|pid| i32::try_from(pid).ok());
    let status = call.sim.guests.exec_status(call.vmid()?, pid.unwrap_or(0));
    let Some(ended) = status.map_err(|text| refused(&text))? else {
        return Ok(json!({"exited": 0}));
    };
    let mut told = json!({"exited": 1});
    if let Some(code) = ended.code {
        told["exitcode"] = json!(code);
    }
    if let Some(signal) = ended.signal {
        told["signal"] = json!(signal);
    }
    for (name, bytes, cut) in [
        ("out", &ended.out, ended.out_cut),
        ("err", &ended.err, ended.err_cut),
    ] {
        if !bytes.is_empty() {
            told[format!("{name}-data")] = json!(String::from_utf8_lossy(bytes));
        }
        if cut {
            told[format!("{name}-truncated")] = json!(1);
        }
    }
    Ok(told)
}

fn file_read(call: &Call<'_>) -> Answer {
    answers(call)?;
    let path = call.params.must("file")?;
    let read = call.sim.guests.read_file(call.vmid()?, path);
    let (bytes, cut) = read.map_err(|text| refused(&text))?;
    let mut told = json!({
        "content": String::from_utf8_lossy(&bytes), "bytes-read": bytes.len(),
    });
    if cut {
        told["truncated"] = json!(1);
    }
    Ok(told)
}

fn file_write(call: &Call<'_>) -> Answer {
    answers(call)?;
    let (path, content) = (call.params.must("file")?, call.params.must("content")?);
    let content = if call.params.flag("encode").unwrap_or(true) {
        content.as_bytes().to_vec()
    } else {
        let decoded = STANDARD.decode(content);
        decoded.map_err(|_| refused("Invalid Base64 encoding"))?
    };
    let written = call.sim.guests.write_file(call.vmid()?, path, &content);
    written.map_err(|text| refused(&text))?;
    Ok(Value::Null)
}

/// The password goes to the guest's `chpasswd` by its standard input.
fn set_password(call: &Call<'_>) -> Answer {
    answers(call)?;
    let (user, password) = (call.params.must("username")?, call.params.must("password")?);
    if [user, password]
        .iter()
        .any(|text| text.contains(['\n', '\0']))
        || user.contains(':')
    {
        return Err(refused("Invalid parameter 'username'"));
    }
    let argv: &[&str] = if call.params.is_set("crypted") {
        &["chpasswd", "-e"]
    } else {
        &["chpasswd"]
    };
    let ended = run(call, call.vmid()?, argv, &format!("{user}:{password}\n"));
    let ended = ended.map_err(|text| refused(&text))?;
    if ended.code != Some(0) {
        let why = String::from_utf8_lossy(&ended.err);
        let why = why
            .lines()
            .last()
            .unwrap_or("child process has failed to set user password");
        return Err(refused(why));
    }
    Ok(json!({"result": {}}))
}
