//! What the simulator asks of the program that runs its virtual machines.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::vm::GuestKind;

/// A VM or container that is to be started, as its config says at that moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestSpec {
    /// VMID.
    pub vmid: u32,
    /// A container has no cloud-init and no agent, and its `root` is who logs in: with
    /// what [`Guests::unpack`] was told.
    pub kind: GuestKind,
    /// Name; becomes the hostname.
    pub name: String,
    /// Volume of the boot disk, or of a container's root, e.g. `local-lvm:vm-110-disk-0`.
    pub disk: Option<String>,
    /// `ciuser`.
    pub user: Option<String>,
    /// `sshkeys`, decoded: one key a line.
    pub ssh_keys: Vec<String>,
    /// `ipconfig0`, or what a container's `net0` has of it: `ip` and `gw` as given, e.g. `ip=10.0.0.5/24,gw=10.0.0.1`.
    pub ipconfig: Option<String>,
    /// MAC address of `net0`.
    pub mac: Option<String>,
    /// Whether the guest agent is enabled in the config.
    pub agent: bool,
    /// The mount points of a container.
    pub mounts: Vec<GuestMount>,
    /// What `cicustom` names: `user`, `network` ... with the text of the snippet.
    pub custom: BTreeMap<String, String>,
    /// The rest of the config, for what later versions need.
    pub config: BTreeMap<String, String>,
}

/// A volume that a container has besides its root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestMount {
    /// The volume, e.g. `local-lvm:vm-110-disk-1`.
    pub volume: String,
    /// Where it is in the container, from the root on.
    pub path: String,
    /// Whether nothing may be written to it.
    pub read_only: bool,
}

/// The system that a template puts on the disk of a new container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerSystem {
    /// Volume of the template, e.g. `local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst`.
    pub template: String,
    /// Public keys that let `root` in, one a line.
    pub ssh_keys: Vec<String>,
}

/// How a program ended that the agent started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentRun {
    /// Its exit code.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it printed.
    pub out: Vec<u8>,
    /// Whether it printed more.
    pub out_cut: bool,
    /// What it complained of.
    pub err: Vec<u8>,
    /// Whether it complained of more.
    pub err_cut: bool,
}

/// What the agent of a guest says that nobody runs.
const NOBODY: &str = "nobody is at home in this guest";

/// Runs guests. Volumes are named as Proxmox names them (`storage:name`).
/// Errors are one line that ends up in the task's log.
pub trait Guests: Send + Sync {
    /// An empty disk, or one made from an imported image.
    fn create_disk(&self, volume: &str, image: Option<&str>) -> Result<(), String>;
    /// Installs the guest agent in the system on a disk that no guest uses.
    fn install_agent(&self, _volume: &str) -> Result<(), String> {
        Ok(())
    }
    /// Puts the system of a new container on its empty disk.
    fn unpack(&self, _volume: &str, _system: &ContainerSystem) -> Result<(), String> {
        Ok(())
    }
    /// A copy of a disk, with all that was written to it.
    fn clone_disk(&self, from: &str, to: &str) -> Result<(), String>;
    /// A disk under a new name (a VM becomes a template).
    fn rename_disk(&self, from: &str, to: &str) -> Result<(), String>;
    /// Removes a disk; one that does not exist is fine.
    fn remove_disk(&self, volume: &str) -> Result<(), String>;
    /// Starts a guest and returns when it can be reached, or cannot be.
    fn start(&self, guest: &GuestSpec) -> Result<(), String>;
    /// Stops a guest; one that does not run is fine.
    fn stop(&self, vmid: u32) -> Result<(), String>;
    /// Lets a guest stand still, or go on.
    fn pause(&self, _: u32, _paused: bool) -> Result<(), String> {
        Ok(())
    }
    /// Whether its agent would answer: installed in the guest and running.
    fn agent_ready(&self, vmid: u32) -> bool;
    /// Starts a program in the guest, as root, with this on its standard input; the
    /// answer is its process id. Here and below, errors are the agent's own.
    fn exec(&self, _: u32, _argv: &[String], _input: &[u8]) -> Result<i32, String> {
        Err(NOBODY.to_owned())
    }
    /// How a program that was started ended; `None`: it runs. An end is told once.
    fn exec_status(&self, _: u32, _pid: i32) -> Result<Option<AgentRun>, String> {
        Err(NOBODY.to_owned())
    }
    /// The beginning of a file in the guest, and whether there is more of it.
    fn read_file(&self, _: u32, _path: &str) -> Result<(Vec<u8>, bool), String> {
        Err(NOBODY.to_owned())
    }
    /// Writes a file in the guest.
    fn write_file(&self, _: u32, _path: &str, _content: &[u8]) -> Result<(), String> {
        Err(NOBODY.to_owned())
    }
    /// Interfaces that the guest has besides its network card's: name and
    /// address with prefix (`docker0`, `172.17.0.1/16`).
    fn inner_interfaces(&self, _: u32) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// Runs a program in a guest to its end, if that comes in time.
pub(super) fn run_in(
    guests: &dyn Guests,
    vmid: u32,
    argv: &[&str],
    input: &[u8],
    limit: Duration,
) -> Result<AgentRun, String> {
    let words: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
    let pid = guests.exec(vmid, &words, input)?;
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if let Some(ended) = guests.exec_status(vmid, pid)? {
            return Ok(ended);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(format!("`{}` did not end in {limit:?}", argv.join(" ")))
}

/// No guests at all: VMs "run", nobody is at home.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoGuests;

impl Guests for NoGuests {
    fn create_disk(&self, _: &str, _: Option<&str>) -> Result<(), String> {
        Ok(())
    }
    fn clone_disk(&self, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn rename_disk(&self, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn remove_disk(&self, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn start(&self, _: &GuestSpec) -> Result<(), String> {
        Ok(())
    }
    fn stop(&self, _: u32) -> Result<(), String> {
        Ok(())
    }
    fn agent_ready(&self, _: u32) -> bool {
        true
    }
}
