//! `hl rehearse`, seen from outside: what the sealed process is told, and what
//! the user's signals do.
//!
//! Three processes: this one, which stays outside and only waits; the holder
//! (`hl __inside`, see `inside`), which is sealed, is the simulated world, and
//! cleans up; and in it the very same `hl` with the user's recipe (see `local`).
//! The inner two are in a session without the terminal, so each signal that this
//! process gets reaches the innermost exactly once, passed on from one to the next.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use super::leftovers::NetworkNamespace;
use super::seal::{self, Refusal};
use super::world::{Identity, Other};
use crate::base::{Process, Signal, StopSource, Watch, has_word};
use crate::diag::{Exit, Failure};
use crate::lab::{Environment, Lab, Paths};
use crate::pve::Endpoint;
use crate::pve::rights::Objects;
use hl_sim::FaultRule;

/// Where a node lives whose name is not an address: documentation's own network
/// (RFC 5737), which no machine has.
const NAMED_NODE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// How long the last words of a rehearsal may take to be handed on.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Token of the simulated node when the lab names none.
const TOKEN_ID: &str = "hl@pve!hl";

/// Variables that must not come along: they lead out, or they name what is real or
/// not there.
const LEFT_OUT: &str = "
    PVE_FINGERPRINT PVE_TLS_INSECURE DOPPLER_TOKEN FORCE_DOPPLER HTTP_PROXY HTTPS_PROXY
    ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy HL_LAB PROXMOX_TOKEN
    PROXMOX_VE_API_TOKEN PROXMOX_VE_ENDPOINT PROXMOX_VE_SSH_AGENT PROXMOX_VE_SSH_AUTH_SOCK
    PROXMOX_VE_SSH_PASSWORD PROXMOX_VE_SSH_PRIVATE_KEY PROXMOX_VE_SSH_USERNAME DBUS_SESSION_BUS_ADDRESS DOCKER_HOST GPG_AGENT_INFO
    SSH_AGENT_PID SSH_AUTH_SOCK STY TEMP TMP TMPDIR TMUX XDG_CACHE_HOME XDG_RUNTIME_DIR
    XDG_STATE_HOME";

/// A rehearsal that is to be run.
#[derive(Debug)]
pub struct Rehearsal<'a> {
    /// The lab, with its live paths.
    pub lab: &'a Lab,
    /// Its resolved environment. The token's secret in it is not used: the
    /// simulated node has one of its own.
    pub env: &'a Environment,
    /// Recipe or verb with its arguments; empty: `up --yes`.
    pub command: &'a [String],
    /// Whether the world of earlier rehearsals is removed first.
    pub fresh: bool,
    /// What goes wrong on the simulated node.
    pub faults: Vec<FaultRule>,
    /// The port at which guests ask a controller for their spec; none: nobody serves.
    pub controller: Option<u16>,
    /// This very `hl`.
    pub exe: PathBuf,
    /// Whether nothing is narrated beside what the inner `hl` says.
    pub quiet: bool,
    /// Columns of the terminal that reads along.
    pub width: Option<usize>,
    /// Its approvals wait for an answer from elsewhere.
    pub asks: bool,
    /// `XDG_RUNTIME_DIR`, where it can be spoken to.
    pub runtime_dir: Option<String>,
    /// Reads what it says to its end, in a thread of its own; without it that goes to
    /// the output of this process.
    pub relay: Option<Relay>,
}

/// Reads the standard output and the standard error of a rehearsal to their end.
pub type Relay = fn(ChildStdout, ChildStderr) -> std::io::Result<()>;

/// What the holder is told, as one line of JSON on its standard input. The pipe
/// stays open: when it closes, the outer process is gone.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct InnerRun {
    /// Root of the lab.
    pub(super) root: Utf8PathBuf,
    /// What the inner `hl` is called with.
    pub(super) command: Vec<String>,
    /// `--fresh`
    pub(super) fresh: bool,
    /// What goes wrong.
    pub(super) faults: Vec<FaultRule>,
    /// The port of the controller.
    pub(super) controller: Option<u16>,
    /// The `hl` to run.
    pub(super) exe: PathBuf,
    /// Process id and start time of the `hl` that was typed.
    pub(super) typed: (u32, u64),
    /// The network that must not be this one.
    pub(super) outer: PathBuf,
    /// Where names of nodes lead.
    pub(super) address: IpAddr,
    /// Addresses and ports of the nodes.
    pub(super) listen: Vec<SocketAddr>,
    /// The node and who may use it.
    pub(super) identity: Identity,
    /// The lab's variables.
    pub(super) variables: BTreeMap<String, String>,
    /// Names of those that are secret.
    pub(super) hidden: Vec<String>,
    /// Files and directories that the lab's settings name.
    pub(super) named: Vec<PathBuf>,
    /// Sockets of this machine.
    pub(super) sockets: Vec<PathBuf>,
    /// No narration.
    pub(super) quiet: bool,
    /// Columns of a line of it.
    pub(super) width: Option<usize>,
    /// Approvals wait for an answer from elsewhere.
    pub(super) asks: bool,
    /// `XDG_RUNTIME_DIR` of this machine.
    pub(super) runtime_dir: Option<String>,
}

impl InnerRun {
    /// The nodes' names.
    pub(super) fn nodes(&self) -> Vec<&str> {
        let others = self.identity.others.iter();
        std::iter::once(self.identity.objects.node.as_str())
            .chain(others.map(|other| other.node.as_str()))
            .collect()
    }

    /// Names that lead to the node's address.
    pub(super) fn hosts(&self) -> Vec<(IpAddr, String)> {
        let names = self.identity.names.iter();
        names
            .filter(|name| name.parse::<IpAddr>().is_err())
            .map(|name| (self.address, name.clone()))
            .collect()
    }
}

/// Why there is no rehearsal.
#[derive(Debug)]
pub enum NotRun {
    /// It cannot be sealed here. The caller may fall back to less, and must say so.
    Refused(Refusal),
    /// Something is wrong with the lab or the disk.
    Failed(Failure),
}

impl From<Failure> for NotRun {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Runs a rehearsal to its end, and gives the exit code of the inner `hl`.
///
/// # Errors
/// It was not even begun. What goes wrong later, the holder prints itself.
pub fn run(rehearsal: &Rehearsal<'_>) -> Result<Exit, NotRun> {
    seal::possible().map_err(NotRun::Refused)?;
    let inner_run = inner_run(rehearsal)?;
    let text = serde_json::to_string(&inner_run).map_err(|e| bug(e.to_string()))?;
    let mut watch = Watch::start().map_err(|e| bug(format!("cannot listen for signals: {e}")))?;
    let mut holder = seal::unshare();
    holder
        .arg(&rehearsal.exe)
        .arg("__inside")
        .stdin(Stdio::piped());
    if rehearsal.relay.is_some() {
        holder.stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    let mut holder = holder
        .spawn()
        .map_err(|e| bug(format!("cannot run `setsid`: {e}")))?;
    let Some(mut life) = holder.stdin.take() else {
        return Err(bug("a pipe is missing".to_owned()).into());
    };
    // A holder that cannot even read has said why, and its code says it again.
    writeln!(life, "{text}").ok();
    let relayed = relayed(&mut holder, rehearsal.relay);
    let namespace = namespace_of(&mut holder, &inner_run.outer);
    let status = follow(&mut holder, &mut watch);
    drop(life);
    // A holder that was killed cleaned nothing up. Its guests end without it.
    if let (Some(namespace), true) = (namespace, status.signal().is_some()) {
        namespace.end_all();
    }
    let until = Instant::now() + LAST_WORDS;
    while relayed.as_ref().is_some_and(|relay| !relay.is_finished()) && Instant::now() < until {
        thread::sleep(Duration::from_millis(2));
    }
    Ok(exit(status))
}

/// Begins to read what the holder says, where somebody wants to.
fn relayed(holder: &mut Child, relay: Option<Relay>) -> Option<JoinHandle<()>> {
    let relay = relay?;
    let (out, err) = (holder.stdout.take()?, holder.stderr.take()?);
    Some(thread::spawn(move || {
        // What cannot be read cannot be handed on either.
        relay(out, err).ok();
    }))
}

/// The namespaces of the holder, as soon as it has its own.
fn namespace_of(holder: &mut Child, outer: &Path) -> Option<NetworkNamespace> {
    let process = holder.id().to_string();
    while let Ok(None) = holder.try_wait() {
        if seal::network_of(&process)? != outer {
            return NetworkNamespace::of(&process);
        }
        thread::sleep(Duration::from_millis(2));
    }
    None
}

fn bug(message: String) -> Failure {
    Failure::message(Exit::Bug, message)
}

fn inner_run(rehearsal: &Rehearsal<'_>) -> Result<InnerRun, Failure> {
    let whole = rehearsal.env;
    // The node that is meant, else the first that the site knows.
    let main = whole.node().or_else(|| whole.nodes().next());
    let main = main.map(str::to_owned);
    let env = &*whole.for_node(main.as_deref())?;
    let mut endpoints = ApiEndpoints::default();
    endpoints.add(env)?;
    let mut others = Vec::new();
    for name in whole.nodes().filter(|name| Some(*name) != main.as_deref()) {
        // One that contradicts itself is told when work on it is asked for.
        let Ok(env) = whole.for_node(Some(name)) else {
            continue;
        };
        endpoints.add(&env)?;
        let objects = Objects::from_env(&env);
        others.push(Other {
            node: objects.node,
            storage_vm: objects.storage_vm,
            bridge: objects.bridge,
        });
    }
    let objects = Objects::from_env(env);
    let fresh = Objects::default();
    let or = |value: String, default: String| if value.is_empty() { default } else { value };
    let identity = Identity {
        objects: Objects {
            node: or(objects.node, fresh.node),
            storage_vm: or(objects.storage_vm, fresh.storage_vm),
            ..objects
        },
        token_id: env.get("PM_TOKEN_ID").unwrap_or(TOKEN_ID).to_owned(),
        names: endpoints.names,
        others,
    };
    // The files of nodes are read inside again.
    let known = main.filter(|main| whole.nodes().any(|node| node == main));
    let mut variables: BTreeMap<String, String> = whole
        .plain()
        .map(|(name, var)| (name.to_owned(), var.value.clone()))
        .filter(|(name, _)| !has_word(LEFT_OUT, name))
        .collect();
    for (name, value) in [
        ("PVE_NODE", &identity.objects.node),
        ("PVE_STORAGE_VM", &identity.objects.storage_vm),
        ("PM_TOKEN_ID", &identity.token_id),
    ] {
        if known.is_none() || name == "PM_TOKEN_ID" {
            variables.insert(name.to_owned(), value.clone());
        }
    }
    let this = Process::this();
    let command = if rehearsal.command.is_empty() {
        vec!["up".to_owned(), "--yes".to_owned()]
    } else {
        rehearsal.command.to_vec()
    };
    Ok(InnerRun {
        root: rehearsal.lab.paths.root().to_owned(),
        command,
        fresh: rehearsal.fresh,
        faults: rehearsal.faults.clone(),
        controller: rehearsal.controller,
        exe: rehearsal.exe.clone(),
        typed: (this.pid, this.start),
        outer: seal::network_of("self").ok_or_else(|| bug("`/proc` is not mounted".to_owned()))?,
        address: IpAddr::V4(NAMED_NODE),
        listen: endpoints.listen,
        identity,
        variables,
        hidden: whole.secret_names().map(str::to_owned).collect(),
        named: named(rehearsal.lab, env),
        sockets: sockets(),
        quiet: rehearsal.quiet,
        width: rehearsal.width,
        asks: rehearsal.asks,
        runtime_dir: rehearsal.runtime_dir.clone(),
    })
}

/// The site, programs of `[tools]`, and files with public keys.
fn named(lab: &Lab, env: &Environment) -> Vec<PathBuf> {
    let keys = lab.config.ssh.public_keys.iter().map(String::as_str);
    let files = keys.filter_map(|key| match key.strip_prefix("~/") {
        Some(rest) => Some(Path::new(env.get("HOME")?).join(rest)),
        None => Some(PathBuf::from(key)),
    });
    let tools = lab.config.tools.values().map(PathBuf::from);
    tools
        .chain(files)
        .filter(|path| path.is_absolute())
        .collect()
}

/// The sockets that somebody has bound in the file system.
fn sockets() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let paths = text
        .lines()
        .filter_map(|line| line.find(" /").map(|at| line.split_at(at + 1).1));
    paths.map(PathBuf::from).collect()
}

/// Where a rehearsal writes, in a lab with this root.
pub(super) fn out(root: &Utf8Path) -> Utf8PathBuf {
    Paths::live(root.to_owned()).rehearsal().out().to_owned()
}

/// Where the nodes' APIs are.
#[derive(Default)]
struct ApiEndpoints {
    listen: Vec<SocketAddr>,
    names: Vec<String>,
}

impl ApiEndpoints {
    fn add(&mut self, env: &Environment) -> Result<(), Failure> {
        let host = env.get("PVE_ACCESS_HOST").ok_or_else(|| {
            Failure::message(Exit::Runway, "`PVE_ACCESS_HOST` is not set").help("set it in .env")
        })?;
        let endpoint = Endpoint::parse(host)
            .map_err(|e| Failure::message(Exit::Definition, format!("`PVE_ACCESS_HOST`: {e}")))?;
        let named = IpAddr::V4(NAMED_NODE);
        let address = endpoint.host().parse::<IpAddr>().unwrap_or(named);
        let socket = SocketAddr::new(address, endpoint.port());
        if !self.listen.contains(&socket) {
            self.listen.push(socket);
        }
        for name in [endpoint.host().to_owned(), address.to_string()] {
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
        Ok(())
    }
}

/// The variables of this process that the inner `hl` gets; the lab's own come on top.
pub(super) fn surroundings() -> impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)> {
    std::env::vars_os().filter(|(name, _)| !LEFT_OUT.split_whitespace().any(|out| name == out))
}

/// Waits for a process and passes signals on to it.
pub(super) fn follow(child: &mut Child, watch: &mut Watch) -> ExitStatus {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status,
            // Nobody else waits for it: it cannot be gone unseen.
            Err(_) => return ExitStatus::from_raw(0xff00),
            Ok(None) => {}
        }
        while let Some(signal) = watch.arrived() {
            pass_on(child.id(), signal);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal of the user to one process.
pub(super) fn pass_on(pid: u32, signal: Signal) {
    let signal = match signal {
        Signal::Interrupt | Signal::Request => rustix::process::Signal::INT,
        Signal::Terminate => rustix::process::Signal::TERM,
        Signal::Hangup => rustix::process::Signal::HUP,
        Signal::Quit => rustix::process::Signal::QUIT,
        Signal::Alarm => rustix::process::Signal::ALARM,
        Signal::User1 => rustix::process::Signal::USR1,
        Signal::User2 => rustix::process::Signal::USR2,
    };
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        rustix::process::kill_process(pid, signal).ok();
    }
}

/// How a process ended, as a shell would say it.
pub(super) fn exit(status: ExitStatus) -> Exit {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    match code.and_then(|code| u8::try_from(code).ok()) {
        Some(0) => Exit::Ok,
        Some(code) => Exit::Child(code),
        None => Exit::Bug,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Config, Provenance, Var};

    fn told(vars: &[(&str, &str)]) -> Result<InnerRun, Failure> {
        let vars = vars
            .iter()
            .map(|(name, value)| {
                let var = Var {
                    value: (*value).to_owned(),
                    from: Provenance::Process,
                    secret: false,
                };
                ((*name).to_owned(), var)
            })
            .collect();
        let lab = Lab {
            paths: Paths::live("/lab"),
            config: Config::default(),
        };
        inner_run(&Rehearsal {
            lab: &lab,
            env: &Environment::new(vars),
            command: &[],
            fresh: false,
            faults: Vec::new(),
            controller: None,
            exe: PathBuf::from("/hl"),
            quiet: false,
            width: None,
            asks: false,
            runtime_dir: None,
            relay: None,
        })
    }

    #[test]
    fn a_node_with_an_address_keeps_it_and_one_with_a_name_gets_one() {
        let o = told(&[("PVE_ACCESS_HOST", "https://10.1.2.3:443")]).unwrap();
        assert_eq!(o.listen, ["10.1.2.3:443".parse().unwrap()]);
        assert_eq!(o.identity.names, ["10.1.2.3"]);
        assert!(o.hosts().is_empty());
        let o = told(&[("PVE_ACCESS_HOST", "pve.lab")]).unwrap();
        assert_eq!(o.identity.names, ["pve.lab", "192.0.2.10"]);
        assert_eq!(o.hosts(), [(IpAddr::V4(NAMED_NODE), "pve.lab".to_owned())]);
        assert_eq!(o.command, ["up", "--yes"]);
    }

    #[test]
    fn nothing_that_leads_out_comes_along() {
        let o = told(&[
            ("PVE_ACCESS_HOST", "pve"),
            ("HTTPS_PROXY", "http://proxy"),
            ("PVE_FINGERPRINT", "AA"),
            ("TF_VAR_x", "1"),
        ])
        .unwrap();
        assert!(o.variables.contains_key("TF_VAR_x"));
        assert!(!o.variables.contains_key("HTTPS_PROXY"));
        assert!(!o.variables.contains_key("PVE_FINGERPRINT"));
        assert_eq!(o.variables["PM_TOKEN_ID"], TOKEN_ID);
        assert!(told(&[]).is_err());
    }

    #[test]
    fn endings_become_codes() {
        assert_eq!(exit(ExitStatus::from_raw(0)), Exit::Ok);
        assert_eq!(exit(ExitStatus::from_raw(69 << 8)), Exit::Child(69));
        assert_eq!(exit(ExitStatus::from_raw(9)), Exit::Child(137));
    }
}
