//! The machine under the guests: starts them as sandboxes, and leaves nothing.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::ask::Ask;
use super::boot::{self, Address, Boot, Mount, Network};
use super::disk::Disks;
use super::line::Line;
use super::network;
use super::node;
use super::own_world::{OwnWorld, Owner};
use super::record;
use crate::base::Process;
use crate::rehearse::mounts::make_dir;
use crate::rehearse::namespaces::{self, Namespaces, UserNamespace};
use hl_sim::{AgentRun, ContainerSystem, GuestKind, GuestSpec, Guests};

/// First starts may install packages.
const START_LIMIT: Duration = Duration::from_mins(3);
/// How long a guest has to end by itself.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// Where guests live.
#[derive(Debug, Clone)]
pub struct GuestHostConfig {
    /// One directory for each disk.
    pub disks_dir: PathBuf,
    /// Logs and state files of running guests.
    pub run_dir: PathBuf,
    /// Flat apt repository of `scripts/tools` (`HL_GUEST_APT`), if there is one.
    pub apt_repo: Option<PathBuf>,
    /// The `hl` that becomes PID 1 of guests.
    pub exe: PathBuf,
    /// Which network guests get.
    pub network: Network,
}

/// Runs guests on this machine, as root.
#[derive(Debug)]
pub struct GuestHost {
    config: GuestHostConfig,
    disks: Disks,
    /// What all guests are in that do not share this machine's network.
    user: Option<UserNamespace>,
    running: Mutex<BTreeMap<u32, Running>>,
}

#[derive(Debug)]
struct Running {
    unshare: Child,
    /// The guest ends when this end of the pipe closes.
    line: Arc<Line>,
    records: Vec<Process>,
    /// Answers it when it is a Proxmox VE.
    own: Option<OwnWorld>,
}

impl GuestHost {
    /// Takes the directories, and ends guests that a killed holder left behind.
    ///
    /// # Errors
    /// A directory cannot be made, or guests cannot be kept from this machine.
    pub fn new(config: &GuestHostConfig) -> Result<Self, String> {
        for dir in [&config.disks_dir, &config.run_dir] {
            // Programs with set-user-ID bits are on disks, and guests write them.
            fs::create_dir_all(dir)
                .and_then(|()| fs::set_permissions(dir, Permissions::from_mode(0o700)))
                .map_err(|e| format!("cannot create `{}`: {e}", dir.display()))?;
        }
        let absolute = |path: &Path| {
            path.canonicalize()
                .map_err(|e| format!("cannot find `{}`: {e}", path.display()))
        };
        let config = GuestHostConfig {
            disks_dir: absolute(&config.disks_dir)?,
            run_dir: absolute(&config.run_dir)?,
            apt_repo: config.apt_repo.as_deref().map(absolute).transpose()?,
            exe: absolute(&config.exe)?,
            network: config.network,
        };
        clean_up(&config.run_dir)?;
        let user = match config.network {
            // Only root of the machine may use its ports below 1024.
            Network::Machine => None,
            Network::Own | Network::Shared => UserNamespace::new()?,
        };
        if user.is_some() && config.network == Network::Shared {
            network::open_low_ports()?;
        }
        let disks = Disks::new(config.disks_dir.clone(), config.apt_repo.clone());
        disks.sweep()?;
        Ok(Self {
            user,
            disks,
            config,
            running: Mutex::default(),
        })
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<u32, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log of a guest's PID 1.
    pub fn log_path(&self, vmid: u32) -> PathBuf {
        self.dir(vmid).join("log")
    }

    /// Where guests find the stand-ins for Proxmox VE's packages: the variables that name
    /// a mirror. Nothing where the repository has none.
    pub(in crate::rehearse) fn mirror(&self) -> Vec<(&'static str, String)> {
        let fingerprint = self
            .config
            .apt_repo
            .as_deref()
            .and_then(|repo| fs::read_to_string(repo.join("pve/fingerprint")).ok());
        let Some(fingerprint) = fingerprint else {
            return Vec::new();
        };
        vec![
            ("PVE_MIRROR", "file:/run/hl/apt/pve".to_owned()),
            (
                "PVE_MIRROR_KEY",
                "file:///run/hl/apt/pve/key.gpg".to_owned(),
            ),
            ("PVE_MIRROR_FINGERPRINT", fingerprint.trim().to_owned()),
        ]
    }

    /// The user namespace of guests, where they have one.
    pub(in crate::rehearse) fn user_namespace(&self) -> Option<PathBuf> {
        self.user.as_ref().map(UserNamespace::path)
    }

    fn dir(&self, vmid: u32) -> PathBuf {
        self.config.run_dir.join(vmid.to_string())
    }

    /// The directory of a running guest's logs and state, made for its owner alone.
    pub(in crate::rehearse) fn own_dir(&self, vmid: u32) -> Result<PathBuf, String> {
        let dir = self.dir(vmid);
        make_dir(&dir, 0o700)?;
        Ok(dir)
    }

    /// Which network guests get.
    pub(in crate::rehearse) fn network(&self) -> Network {
        self.config.network
    }

    /// Starts the own system of a node: a guest like any other, that finds a socket of
    /// the simulator, and programs that ask there.
    pub(in crate::rehearse) fn start_node(
        &self,
        node: &GuestSpec,
        socket: &Path,
        host_key: &Path,
    ) -> Result<(), String> {
        if self.running().contains_key(&node.vmid) {
            return Err(format!("node `{}` runs already", node.name));
        }
        let disk = node.disk.as_deref().unwrap_or_default();
        if !self.disks.bootable(disk) {
            self.disks.create_with(disk, Some("a node"), |disk| {
                node::install(disk, node, host_key)
            })?;
        }
        let boot = self.boot_file(node, disk, Some(socket))?;
        let running = self.launch(node, &boot)?;
        self.running().insert(node.vmid, running);
        Ok(())
    }

    /// Ends all guests.
    pub fn stop_all(&self) {
        let all = std::mem::take(&mut *self.running());
        for (vmid, guest) in all {
            self.end(vmid, guest);
        }
    }

    fn boot_file(
        &self,
        guest: &GuestSpec,
        disk: &str,
        socket: Option<&Path>,
    ) -> Result<Boot, String> {
        let dir = self.dir(guest.vmid);
        let boot = Boot {
            vmid: guest.vmid,
            container: guest.kind == GuestKind::Lxc,
            name: boot::hostname(guest),
            disk: self.disks.path(disk),
            root: dir.join("root"),
            mounts: guest
                .mounts
                .iter()
                .map(|mount| Mount {
                    from: self.disks.files(&mount.volume),
                    path: mount.path.clone(),
                    read_only: mount.read_only,
                })
                .collect(),
            exe: self.config.exe.clone(),
            apt_repo: self.config.apt_repo.clone(),
            network: self.config.network,
            user_namespace: self.user_namespace(),
            address: guest.ipconfig.as_deref().and_then(Address::parse),
            user: guest.user.clone(),
            ssh_keys: guest.ssh_keys.clone(),
            agent: guest.agent,
            resolver: boot::resolver(&guest.config),
            socket: socket.map(Path::to_owned),
            own_world: self.may_own(guest, socket).then(|| dir.join("node")),
            custom: guest.custom.clone(),
            id: fs::read_to_string("/proc/sys/kernel/random/uuid")
                .map_err(|e| e.to_string())?
                .trim()
                .to_owned(),
        };
        fs::create_dir_all(&boot.root)
            .map_err(|e| format!("cannot create `{}`: {e}", boot.root.display()))?;
        if let Some(shown) = &boot.own_world {
            // What is in there, the guest reads.
            make_dir(shown, 0o755)?;
        }
        boot.write(&dir.join("boot.json"))?;
        Ok(boot)
    }

    /// A machine can be a Proxmox VE where it has a network of its own.
    fn may_own(&self, guest: &GuestSpec, socket: Option<&Path>) -> bool {
        socket.is_none() && guest.kind == GuestKind::Qemu && self.config.network == Network::Own
    }

    /// What the own world of a guest is made of, once it is started.
    fn owner(&self, boot: &Boot, network: File, line: &Arc<Line>) -> Option<Owner> {
        let kept = boot.disk.join("world");
        let config = GuestHostConfig {
            disks_dir: kept.join("disks"),
            run_dir: self.dir(boot.vmid).join("guests"),
            ..self.config.clone()
        };
        Some(Owner {
            shown: boot.own_world.clone()?,
            kept,
            network,
            address: boot.address.as_ref().map(|address| address.ip),
            line: Arc::downgrade(line),
            guests: Box::new(move || Ok(Arc::new(GuestHost::new(&config)?) as Arc<dyn Guests>)),
        })
    }

    fn launch(&self, guest: &GuestSpec, boot: &Boot) -> Result<Running, String> {
        let dir = self.dir(guest.vmid);
        let log = File::create(dir.join("log")).map_err(|e| e.to_string())?;
        let own = own_namespaces(guest, boot)?;
        let listener = boot
            .own_world
            .as_deref()
            .map(OwnWorld::listen)
            .transpose()?;
        let mut command = Command::new("nsenter");
        command.arg(format!("--uts={}", own.path("uts").display()));
        if boot.network == Network::Own {
            command.arg(format!("--net={}", own.path("net").display()));
        }
        command
            .args(["--", "unshare", "--mount", "--pid", "--ipc"])
            .args(["--propagation", "private"])
            .args(namespaces::cgroup());
        let mut unshare = command
            .args(["--fork", "--kill-child=SIGKILL", "--"])
            .arg(&self.config.exe)
            .arg("__guest")
            .arg(dir.join("boot.json"))
            .current_dir("/")
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|e| format!("cannot run `unshare` from util-linux: {e}"))?;
        let (Some(life), Some(said)) = (unshare.stdin.take(), unshare.stdout.take()) else {
            return Err("a pipe is missing".to_owned());
        };
        let mut records: Vec<Process> = Process::of(unshare.id()).into_iter().collect();
        let state = dir.join("state.json");
        record::save(&state, &records)?;
        let (spoken, ready) = Line::new(life, said);
        let spoken = Arc::new(spoken);
        // Before it is up: a unit of it may ask at once.
        let attended = match listener {
            Some(listener) => {
                let network = File::open(own.path("net")).map_err(|e| e.to_string())?;
                let owner = self.owner(boot, network, &spoken);
                owner
                    .map(|owner| OwnWorld::attend(listener, owner))
                    .transpose()?
            }
            None => None,
        };
        let mut running = Running {
            unshare,
            line: spoken,
            records: records.clone(),
            own: attended,
        };
        let started = match ready.recv_timeout(START_LIMIT) {
            Ok(()) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(self.why(guest.vmid)),
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("the guest did not come up in {START_LIMIT:?}"))
            }
        };
        records.extend(records.first().and_then(|process| record::child(*process)));
        running.records.clone_from(&records);
        record::save(&state, &records)?;
        match started {
            Ok(()) => Ok(running),
            Err(error) => {
                self.end(guest.vmid, running);
                Err(error)
            }
        }
    }

    /// The pipes to the PID 1 of a guest. To be used without the lock: an answer may
    /// take its time.
    fn line(&self, vmid: u32) -> Result<Arc<Line>, String> {
        let line = self
            .running()
            .get(&vmid)
            .map(|guest| Arc::clone(&guest.line));
        line.ok_or_else(|| "nobody is at home in this guest".to_owned())
    }

    /// The last thing that a failed guest said.
    fn why(&self, vmid: u32) -> String {
        thread::sleep(Duration::from_millis(50));
        let text = fs::read_to_string(self.log_path(vmid)).unwrap_or_default();
        let last = text
            .lines()
            .rev()
            .find(|l| !l.trim().is_empty())
            .unwrap_or("it gave no output");
        format!(
            "the guest did not start: {}",
            last.trim_start_matches("error: ")
        )
    }

    fn end(&self, vmid: u32, guest: Running) {
        let Running {
            mut unshare,
            line,
            mut records,
            own,
        } = guest;
        // Its machines end before it.
        drop(own);
        records.extend(records.first().and_then(|process| record::child(*process)));
        drop(line);
        let until = Instant::now() + STOP_LIMIT;
        while Instant::now() < until && matches!(unshare.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(5));
        }
        unshare.kill().ok();
        unshare.wait().ok();
        record::kill_all(&records);
        network::detach(vmid);
        fs::remove_file(self.dir(vmid).join("state.json")).ok();
        fs::remove_dir(self.dir(vmid).join("root")).ok();
    }
}

/// The hostname and the network that root in the guest may change. They are
/// needed until the guest is in them.
fn own_namespaces(guest: &GuestSpec, boot: &Boot) -> Result<Namespaces, String> {
    let owner = boot.user_namespace.as_deref();
    if boot.network != Network::Own {
        return Namespaces::new(&["--uts"], owner);
    }
    let own = Namespaces::new(&["--uts", "--net"], owner)?;
    network::attach(
        guest.vmid,
        own.pid(),
        guest.mac.as_deref(),
        boot.address.as_ref(),
    )?;
    Ok(own)
}

/// Ends what a killed holder left: by recorded process and start time only.
pub(in crate::rehearse) fn clean_up(run_dir: &Path) -> Result<(), String> {
    let entries = match fs::read_dir(run_dir) {
        Ok(entries) => entries,
        // Files are there too, and most guests have no world of their own.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(error) => return Err(format!("cannot read `{}`: {error}", run_dir.display())),
    };
    for dir in entries.filter_map(|e| e.ok().map(|e| e.path())) {
        let state = dir.join("state.json");
        record::kill_all(&record::load(&state));
        fs::remove_file(state).ok();
        fs::remove_dir(dir.join("root")).ok();
        // Those of its own world.
        clean_up(&dir.join("guests"))?;
    }
    Ok(())
}

impl Guests for GuestHost {
    fn create_disk(&self, volume: &str, image: Option<&str>) -> Result<(), String> {
        self.disks.create(volume, image)
    }

    fn clone_disk(&self, from: &str, to: &str) -> Result<(), String> {
        self.disks.clone(from, to)
    }

    fn rename_disk(&self, from: &str, to: &str) -> Result<(), String> {
        self.disks.rename(from, to)
    }

    fn install_agent(&self, volume: &str) -> Result<(), String> {
        self.disks.install_agent(volume)
    }

    fn unpack(&self, volume: &str, system: &ContainerSystem) -> Result<(), String> {
        self.disks.unpack(volume, system)
    }

    fn remove_disk(&self, volume: &str) -> Result<(), String> {
        self.disks.remove(volume)
    }

    fn start(&self, guest: &GuestSpec) -> Result<(), String> {
        if self.running().contains_key(&guest.vmid) {
            return Err(format!("guest {} already running", guest.vmid));
        }
        // An empty disk runs too, and nobody is at home.
        let Some(disk) = guest.disk.as_deref().filter(|d| self.disks.bootable(d)) else {
            return Ok(());
        };
        let boot = self.boot_file(guest, disk, None)?;
        let running = self.launch(guest, &boot)?;
        self.running().insert(guest.vmid, running);
        Ok(())
    }

    fn stop(&self, vmid: u32) -> Result<(), String> {
        let guest = self.running().remove(&vmid);
        if let Some(guest) = guest {
            self.end(vmid, guest);
        }
        Ok(())
    }

    fn agent_ready(&self, vmid: u32) -> bool {
        let running = self.running();
        let Some(init) = running.get(&vmid).and_then(|g| g.records.last()) else {
            return false;
        };
        // That the package is installed, not that the program exists: the host
        // may have it, and guests see the host's programs.
        let list = "var/lib/dpkg/info/qemu-guest-agent.list";
        init.is_alive() && Path::new(&format!("/proc/{}/root/{list}", init.pid)).exists()
    }

    fn pause(&self, vmid: u32, paused: bool) -> Result<(), String> {
        // An empty disk has no processes.
        if !self.running().contains_key(&vmid) {
            return Ok(());
        }
        self.line(vmid)?.ask(Ask::Pause { paused }).map(|_| ())
    }

    fn exec(&self, vmid: u32, argv: &[String], input: &[u8]) -> Result<i32, String> {
        self.line(vmid)?.exec(argv, input)
    }

    fn exec_status(&self, vmid: u32, pid: i32) -> Result<Option<AgentRun>, String> {
        self.line(vmid)?.exec_status(pid)
    }

    fn read_file(&self, vmid: u32, path: &str) -> Result<(Vec<u8>, bool), String> {
        self.line(vmid)?.read_file(path)
    }

    fn write_file(&self, vmid: u32, path: &str, content: &[u8]) -> Result<(), String> {
        self.line(vmid)?.write_file(path, content)
    }
}

impl Drop for GuestHost {
    fn drop(&mut self) {
        self.stop_all();
    }
}
