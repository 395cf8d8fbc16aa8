//! `ssh.wait`: every host of an inventory answers over ssh, with the host key
//! that is known. A key is learnt at first contact and never again.
//!
//! A new container lets root in alone, and after its first converge perhaps no longer:
//! who is let in now, the inventory says afterwards.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Deserialize;

use super::at_once::at_once;
use super::ssh_host::{Inventory, SshHost};
use super::{About, Action, ChildSpec, Done, StepContext, known_hosts};
use crate::base::count;
use crate::diag::say;
use crate::diag::{Cause, StepError};

/// How long a booting machine may take.
const PATIENCE: Duration = Duration::from_mins(10);
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(2);

/// Waits for ssh.
#[derive(Debug, Clone, Copy)]
pub struct SshWait;

/// Inputs of `ssh.wait`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// The inventory, as `ansible.inventory` writes it.
    inventory: String,
    /// Hosts or groups, comma-separated; empty for all. Patterns that only
    /// ansible understands wait for all.
    #[serde(default)]
    limit: String,
}

impl Action for SshWait {
    fn about(&self) -> About {
        About::of::<Inputs>("ssh.wait")
            .doc("wait until every host of an inventory answers over ssh")
            .undoes_nothing()
            .never("it looks whether they answer now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let inventory = Inventory::read(ctx, &inputs.inventory)?;
        let count = inventory.hosts(&inputs.limit).len();
        Ok(match count {
            0 => Done::not_planned("there are no hosts yet"),
            count => Done::new(format!("would wait for {count} hosts")),
        })
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let mut inventory = Inventory::read(ctx, &inputs.inventory)?;
        let hosts = inventory.hosts(&inputs.limit);
        if hosts.is_empty() {
            return Err(
                StepError::new("the inventory has no hosts").help(say("run L2 first: ").hl("l2"))
            );
        }
        let identity = inventory.identity();
        ctx.progress(format!("waiting for {}", count(hosts.len(), "host")));
        let results = at_once(&hosts, hosts.len(), |host| {
            wait(ctx, host, identity.as_deref())
        });
        let mut failed = Vec::new();
        let mut users = Vec::new();
        for (host, result) in hosts.iter().zip(results) {
            match result {
                Ok(user) if user != host.user => {
                    ctx.note(format!("`{}` lets `{user}` in", host.name));
                    users.push((host.name.clone(), user));
                }
                Ok(_) => {}
                Err(error) => failed.push(error),
            }
        }
        if !users.is_empty() {
            inventory.log_in_as(&inputs.inventory, &users)?;
        }
        let Some(mut first) = failed.pop() else {
            return Ok(Done::new(match hosts.len() {
                1 => "1 host answers".to_owned(),
                n => format!("{n} hosts answer"),
            }));
        };
        while let Some(more) = failed.pop() {
            first.message = format!("{}; {}", more.message, first.message);
            first.help.extend(more.help);
        }
        Err(first)
    }
}

/// Those of the named hosts of an inventory whose host key is not known yet, in
/// backticks; none of an inventory that is not ours.
pub(super) fn without_host_key(
    ctx: &StepContext<'_>,
    inventory: &str,
    names: &[&str],
) -> Result<Vec<String>, StepError> {
    let Ok(inventory) = Inventory::read(ctx, inventory) else {
        return Ok(Vec::new());
    };
    let known = ctx.lab.paths.known_hosts();
    let mut strangers = Vec::new();
    for host in inventory.hosts("") {
        if names.contains(&host.name.as_str()) && !known_hosts::knows(&known, &host.known_as())? {
            strangers.push(format!("`{}`", host.name));
        }
    }
    Ok(strangers)
}

/// Who is let in, once somebody is.
fn wait(
    ctx: &StepContext<'_>,
    host: &SshHost,
    identity: Option<&str>,
) -> Result<String, StepError> {
    let end = Instant::now() + PATIENCE;
    loop {
        let why = match try_once(ctx, host, identity) {
            Ok(user) => return Ok(user),
            Err(error) if error.cause != Cause::Transient => return Err(error),
            Err(error) => error,
        };
        if Instant::now() >= end {
            return Err(why
                .cause(Cause::Failed)
                .help(format!("does the machine run, and does it have its address? look at its console; then `ssh {}@{}`", host.user, host.address)));
        }
        ctx.progress(why.message);
        ctx.cancel.sleep(PAUSE)?;
    }
}

/// One try. A transient error may pass while a machine boots.
fn try_once(
    ctx: &StepContext<'_>,
    host: &SshHost,
    identity: Option<&str>,
) -> Result<String, StepError> {
    let not_yet = |why: String| {
        StepError::new(format!("`{}` ({}): {why}", host.name, host.address)).cause(Cause::Transient)
    };
    let target = SocketAddr::new(host.address, host.port);
    TcpStream::connect_timeout(&target, Duration::from_secs(3))
        .map_err(|e| not_yet(format!("port {} does not answer: {e}", host.port)))?;
    let known = ctx.lab.paths.known_hosts();
    let address = host.address.to_string();
    let port = host.port.to_string();
    if !known_hosts::knows(&known, &host.known_as())? {
        let scan = ctx.exec.capture(&ChildSpec::new(
            "ssh-keyscan",
            ["-T", "5", "-p", &port, "-t", "ed25519,ecdsa,rsa", &address],
        ))?;
        let keys = String::from_utf8_lossy(&scan.stdout).into_owned();
        if known_hosts::learn(&known, &keys)? == 0 {
            return Err(not_yet("sshd does not give its host key yet".to_owned()));
        }
    }
    let log_in = |host: &SshHost| {
        let args = host.args(ctx, identity, "true");
        ctx.exec.capture(&ChildSpec::new("ssh", args))
    };
    let mut answer = log_in(host)?;
    if answer.code == 0 {
        return Ok(host.user.clone());
    }
    for user in &host.others {
        let other = SshHost {
            user: user.clone(),
            ..host.clone()
        };
        let let_in = log_in(&other)?;
        if let_in.code == 0 {
            return Ok(other.user);
        }
        if answer.stderr.trim().is_empty() {
            answer = let_in;
        }
    }
    let said = answer.stderr.trim();
    if said.contains("REMOTE HOST IDENTIFICATION HAS CHANGED")
        || said.contains("Host key verification failed")
    {
        return Err(StepError::new(format!("the host key of `{}` ({}) does not match the recorded one", host.name, host.address))
            .help(format!("if you made the machine again outside of hl: `ssh-keygen -R {} -f {}`, then run it again", host.address, ctx.lab.paths.show(&known)))
            .help("if you did not, something else answers at its address: find out what before you go on"));
    }
    Err(not_yet(
        said.lines()
            .last()
            .unwrap_or("ssh does not let us in")
            .to_owned(),
    ))
}
