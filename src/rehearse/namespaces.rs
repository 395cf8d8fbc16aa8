//! Namespaces that others enter. A `cat` is in them, and ends with this process,
//! whose end of its pipe then closes.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdin, Command, Stdio};

/// All ids of the machine, each as itself.
const ALL_IDS: &str = "0 0 4294967295";
/// How many user namespaces may be made, below the one that a process is in.
const LIMIT: &str = "/proc/sys/user/max_user_namespaces";

/// New namespaces, and the process that keeps them.
#[derive(Debug)]
pub(super) struct Namespaces {
    keeper: Child,
    life: Option<ChildStdin>,
}

impl Namespaces {
    /// New ones, by the flags of unshare(1); with `owner`, the path of a user
    /// namespace, root in there may configure them.
    pub(super) fn new(flags: &[&str], owner: Option<&Path>) -> Result<Self, String> {
        let mut command = inside(owner);
        let mut keeper = command
            .arg("unshare")
            .args(flags)
            .args(["--", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot run `unshare` from util-linux: {e}"))?;
        let (life, said, errors) = (
            keeper.stdin.take(),
            keeper.stdout.take(),
            keeper.stderr.take(),
        );
        let mut made = Self { keeper, life };
        // What it is told comes back as soon as it is in the new namespaces.
        let told = made.life.as_mut().map(|life| life.write_all(b"\n"));
        let mut answer = [0];
        let answered = said.is_some_and(|mut said| said.read_exact(&mut answer).is_ok());
        if told.is_some_and(|told| told.is_ok()) && answered {
            return Ok(made);
        }
        made.life = None;
        let mut why = String::new();
        if let Some(mut errors) = errors {
            errors.read_to_string(&mut why).ok();
        }
        Err(format!("no new namespaces: {}", why.trim()))
    }

    /// The process that is in them.
    pub(super) fn pid(&self) -> u32 {
        self.keeper.id()
    }

    /// One of them, such as `net`.
    pub(super) fn path(&self, kind: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/{kind}", self.pid()))
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        self.life = None;
        self.keeper.wait().ok();
    }
}

/// A user namespace, kept by an open file.
#[derive(Debug)]
pub(super) struct UserNamespace(File);

impl UserNamespace {
    /// A user namespace in which root owns what root owns, and has no say over
    /// this machine: its mounts, devices, clock, terminals and processes. None can
    /// be made below it, in which root could mount this machine's cgroups.
    ///
    /// `None` where this machine allows no user namespaces: then nobody in a guest
    /// can make any either.
    pub(super) fn new() -> Result<Option<Self>, String> {
        let limit = fs::read_to_string(LIMIT);
        if limit.is_err() || limit.is_ok_and(|text| text.trim() == "0") {
            return Ok(None);
        }
        let made = Namespaces::new(&["--user"], None)?;
        for map in ["uid_map", "gid_map"] {
            let path = format!("/proc/{}/{map}", made.pid());
            fs::write(&path, ALL_IDS).map_err(|e| format!("cannot write `{path}`: {e}"))?;
        }
        let script = format!("echo 0 >{LIMIT} && [ \"$(cat {LIMIT})\" = 0 ]");
        let output = inside(Some(&made.path("user")))
            .args(["sh", "-c", &script])
            .stdin(Stdio::null())
            .output()
            .map_err(|e| format!("cannot run `nsenter` from util-linux: {e}"))?;
        if output.status.success() {
            let file = File::open(made.path("user"));
            let file = file.map_err(|e| format!("cannot open the user namespace: {e}"))?;
            return Ok(Some(Self(file)));
        }
        Err(format!(
            "user namespaces cannot be forbidden to guests: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }

    /// Where others find it while this process has it.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd()))
    }
}

/// A command line whose program, which is to be added, starts in that user
/// namespace; `env` starts it where there is none.
fn inside(owner: Option<&Path>) -> Command {
    let Some(owner) = owner else {
        return Command::new("env");
    };
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--user={}", owner.display()))
        .args(["--preserve-credentials", "--"]);
    command
}

/// The flag of unshare(1) for a cgroup namespace, where this kernel has them.
pub(super) fn cgroup() -> Option<&'static str> {
    Path::new("/proc/self/ns/cgroup")
        .exists()
        .then_some("--cgroup")
}
