//! A run of `ansible-playbook`. Its end is judged by the statistics of every host,
//! because ansible's exit codes mean several things at once.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::events::{CALLBACK, Counts, PlaybookEvent, judge};
use crate::action::ssh_wait;
use crate::action::{ChildExit, ChildSpec, Done, StepContext};
use crate::base::count;
use crate::diag::StepError;
use crate::diag::{Exit, hl, say};
use crate::handoff::Hosts;
use crate::lab;
use crate::lab::spool::Tail;

/// What is run.
#[derive(Debug, Clone, Default)]
pub(in crate::action) struct Playbook {
    /// The playbook, relative to the lab.
    pub(in crate::action) file: String,
    /// The inventory.
    pub(in crate::action) inventory: String,
    /// Hosts or groups; empty for all.
    pub(in crate::action) limit: String,
    /// Tags; empty for all.
    pub(in crate::action) tags: String,
    /// Check mode.
    pub(in crate::action) check: bool,
    /// Files of variables, which may hold secrets, in the step's own directory: they are
    /// gone when the playbook is.
    pub(in crate::action) extra_files: Vec<Utf8PathBuf>,
}

/// Whether ansible can read the playbook.
pub(in crate::action) fn check_syntax(
    ctx: &StepContext<'_>,
    playbook: &Playbook,
) -> Result<Done, StepError> {
    let work = Work::new(ctx)?;
    let child = child(ctx, playbook, &work, &["--syntax-check"]);
    ctx.exec
        .run(&child, &mut |_| {})?
        .check("ansible-playbook --syntax-check")
        .map_err(|error| error.help(format!("the playbook is `{}`", playbook.file)))?;
    Ok(Done::new("syntax is fine"))
}

/// Runs it; every host must end without a failure.
pub(in crate::action) fn converge(
    ctx: &StepContext<'_>,
    playbook: &Playbook,
) -> Result<Done, StepError> {
    let check = playbook.check;
    let work = Work::new(ctx)?;
    let mut more: Vec<&str> = Vec::new();
    if check {
        more.extend(["--check", "--diff"]);
    }
    let files = playbook.extra_files.iter();
    let extra: Vec<String> = files.map(|file| format!("@{file}")).collect();
    for file in &extra {
        more.extend(["--extra-vars", file]);
    }
    let mut child = child(ctx, playbook, &work, &more).grace(Duration::from_secs(30));
    child.tells_all = true;
    let file = work.events()?;
    let mut events = follower(&file)?;
    let child = child.env("HL_ANSIBLE_EVENTS", file.as_str());
    let mut stats = None;
    let outcome = ctx
        .exec
        .run(&child, &mut |_| follow(ctx, &mut events, &mut stats));
    work.close_connections(ctx);
    let outcome = outcome?;
    if outcome.taken {
        events = follower(&work.earlier())?;
    }
    follow(ctx, &mut events, &mut stats);
    if outcome.stopped.is_some() {
        outcome.check("ansible-playbook")?;
    }
    let Some(stats) = stats.filter(|stats: &BTreeMap<_, _>| !stats.is_empty()) else {
        // It ended before any host was touched: bad syntax, no such host, a bad option.
        outcome.check("ansible-playbook")?;
        return Err(StepError::new(
            "no host was converged: nothing matches the playbook's hosts and `--limit`",
        )
        .help(hl("l2-outputs").say(" shows the hosts and their groups"))
        .tail(outcome.tail));
    };
    let verdict = judge(&stats);
    if !verdict.bad.is_empty() {
        let exit = match outcome.exit {
            ChildExit::Code(code) if code > 0 => Exit::Child(u8::try_from(code).unwrap_or(1)),
            ChildExit::Code(_) | ChildExit::Signal(_) => Exit::Child(2),
        };
        let limit = verdict
            .bad
            .iter()
            .filter_map(|b| b.split(' ').next())
            .collect::<Vec<_>>()
            .join(",");
        let mut error = StepError::new(format!("not converged: {}", verdict.bad.join(", ")));
        let strangers = ssh_wait::without_host_key(ctx, &playbook.inventory, &unreachable(&stats))?;
        if !strangers.is_empty() {
            error = error.help(format!(
                "no host key of {} is known: put a step with `use = \"ssh.wait\"` before this one, which waits for the hosts and learns their keys",
                strangers.join(", ")
            ));
        }
        // Scenarios and manifests have one host, and no such option.
        if ctx.step.with.contains_key("limit") {
            error = error.help(
                say("to continue with these hosts only: ")
                    .hl(format!("{} --limit {limit}", ctx.step.recipe)),
            );
        }
        return Err(error.exit(exit).tail(outcome.tail));
    }
    outcome.check("ansible-playbook")?;
    let hosts = count(verdict.hosts, "host");
    let would = if check { "would change" } else { "changed" };
    Ok(Done::new(format!("{hosts}, {would}={}", verdict.changed))
        .changed(verdict.changed > 0 && !check)
        .publish(&Hosts {
            changed: Some(verdict.changed.into()),
            hosts: Some(verdict.hosts.into()),
        }))
}

/// Reads a playbook's events as they are written.
fn follower(file: &Utf8Path) -> Result<Tail, StepError> {
    Tail::open(file).map_err(|error| StepError::io("read", file, &error))
}

/// The hosts that could not be reached.
fn unreachable(stats: &BTreeMap<String, Counts>) -> Vec<&str> {
    let hosts = stats.iter().filter(|(_, counts)| counts.unreachable > 0);
    hosts.map(|(host, _)| host.as_str()).collect()
}

/// Takes in what the callback wrote meanwhile. A line that is not one of ours is
/// passed over: the playbook's end is judged by its stats.
fn follow(ctx: &StepContext<'_>, events: &mut Tail, stats: &mut Option<BTreeMap<String, Counts>>) {
    let mut take = |line: &str| match serde_json::from_str(line) {
        Ok(PlaybookEvent::Play { name } | PlaybookEvent::Task { name }) => ctx.progress(name),
        Ok(PlaybookEvent::Result { host, task, status }) => {
            if matches!(status.as_str(), "failed" | "unreachable") {
                ctx.progress(format!("{task}: {host} {status}"));
            }
        }
        Ok(PlaybookEvent::Stats { hosts }) => *stats = Some(hosts),
        Err(_) => {}
    };
    // A read that fails half-way keeps what it got; the next one goes on there.
    events.read(&mut take).unwrap_or_default();
}

/// The playbook's own files: callback, events and secrets, in every part of a
/// run the same; ssh's control sockets under the system's temporary directory,
/// because a socket's path is short.
struct Work {
    dir: Utf8PathBuf,
    sockets: tempfile::TempDir,
}

impl Work {
    fn new(ctx: &StepContext<'_>) -> Result<Self, StepError> {
        let sockets = tempfile::Builder::new()
            .prefix("hl-")
            .tempdir()
            .map_err(|error| StepError::io("make", "a temporary directory", &error))?;
        let work = Self {
            dir: ctx.work.clone(),
            sockets,
        };
        lab::write(&work.dir.join("plugins/hl_events.py"), CALLBACK, 0o644)?;
        lab::create_dir(&ctx.lab.paths.build().join("ansible"))?;
        Ok(work)
    }

    /// Where the playbook's events go. What a playbook said that an earlier part
    /// of the run began is laid aside as [`Work::earlier`].
    fn events(&self) -> Result<Utf8PathBuf, StepError> {
        let path = self.dir.join("events.jsonl");
        match fs::rename(&path, self.earlier()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StepError::io("move", &path, &error));
            }
            _ => {}
        }
        lab::write(&path, "", 0o600)?;
        Ok(path)
    }

    fn earlier(&self) -> Utf8PathBuf {
        self.dir.join("earlier.jsonl")
    }

    fn sockets(&self) -> &Utf8Path {
        Utf8Path::from_path(self.sockets.path()).unwrap_or(Utf8Path::new("/nonexistent"))
    }

    /// Ends ssh's shared connections: they would outlive the run by a minute.
    fn close_connections(&self, ctx: &StepContext<'_>) {
        let Ok(sockets) = self.sockets().read_dir_utf8() else {
            return;
        };
        for socket in sockets.flatten() {
            let options = format!("ControlPath={}", socket.path());
            // One that is gone already is as good as one that is closed.
            drop(ctx.exec.capture(&ChildSpec::new(
                "ssh",
                ["-o", options.as_str(), "-O", "exit", "host"],
            )));
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed goes with the run's logs.
        fs::remove_dir_all(&self.dir).unwrap_or_default();
    }
}

fn child(ctx: &StepContext<'_>, playbook: &Playbook, work: &Work, more: &[&str]) -> ChildSpec {
    let file = ctx.lab.paths.root().join(&playbook.file);
    let mut args = vec!["-i".to_owned(), playbook.inventory.clone()];
    for (flag, value) in [("--limit", &playbook.limit), ("--tags", &playbook.tags)] {
        if !value.is_empty() {
            args.extend([flag.to_owned(), value.clone()]);
        }
    }
    args.extend(more.iter().map(|arg| (*arg).to_owned()));
    args.push(file.to_string());
    let ssh = format!(
        "-o UserKnownHostsFile={} -o StrictHostKeyChecking=yes -o ControlMaster=auto -o ControlPersist=60s",
        ctx.lab.paths.known_hosts()
    );
    let home = ctx.lab.paths.build().join("ansible/home");
    ChildSpec::new("ansible-playbook", args)
        .env(
            "ANSIBLE_CALLBACK_PLUGINS",
            work.dir.join("plugins").as_str(),
        )
        .env("ANSIBLE_CALLBACKS_ENABLED", "hl_events")
        .env("ANSIBLE_HOST_KEY_CHECKING", "true")
        .env("ANSIBLE_SSH_ARGS", ssh)
        .env("ANSIBLE_SSH_CONTROL_PATH_DIR", work.sockets().as_str())
        .env("ANSIBLE_PIPELINING", "true")
        .env("ANSIBLE_RETRY_FILES_ENABLED", "false")
        .env("ANSIBLE_LOCALHOST_WARNING", "false")
        .env("ANSIBLE_INVENTORY_UNPARSED_WARNING", "false")
        .env("ANSIBLE_HOME", home.as_str())
        .env("PYTHONUNBUFFERED", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
}
