//! `ssh.wait`: every host of an inventory answers over ssh, with the host key
//! that is known. A key is learnt at first contact and never again.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::at_once::at_once;
use super::limit::is_meant;
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

#[derive(Debug, Clone)]
struct Host {
    name: String,
    address: IpAddr,
    user: String,
}

impl Action for SshWait {
    fn about(&self) -> About {
        About::of::<Inputs>("ssh.wait")
            .doc("wait until every host of an inventory answers over ssh")
            .never("it looks whether they answer now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let count = hosts(&read(ctx, &inputs.inventory)?, &inputs.limit).len();
        Ok(match count {
            0 => Done::not_planned("there are no hosts yet"),
            count => Done::new(format!("would wait for {count} hosts")),
        })
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let inventory = read(ctx, &inputs.inventory)?;
        let hosts = hosts(&inventory, &inputs.limit);
        if hosts.is_empty() {
            return Err(
                StepError::new("the inventory has no hosts").help(say("run L2 first: ").hl("l2"))
            );
        }
        let identity = inventory["all"]["vars"]["ansible_ssh_private_key_file"]
            .as_str()
            .map(str::to_owned);
        ctx.progress(format!("waiting for {}", count(hosts.len(), "host")));
        let results = at_once(&hosts, hosts.len(), |host| {
            wait(ctx, host, identity.as_deref())
        });
        let mut failed: Vec<StepError> = results.into_iter().filter_map(Result::err).collect();
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
    let Ok(inventory) = read(ctx, inventory) else {
        return Ok(Vec::new());
    };
    let known = ctx.lab.paths.known_hosts();
    let mut strangers = Vec::new();
    for host in hosts(&inventory, "") {
        if names.contains(&host.name.as_str())
            && !known_hosts::knows(&known, &host.address.to_string())?
        {
            strangers.push(format!("`{}`", host.name));
        }
    }
    Ok(strangers)
}

fn read(ctx: &StepContext<'_>, inventory: &str) -> Result<Value, StepError> {
    let shown = ctx.lab.paths.show(Utf8Path::new(inventory));
    let text = std::fs::read_to_string(inventory)
        .map_err(|error| StepError::io("read", &shown, &error))?;
    serde_json::from_str(&text)
        .map_err(|error| StepError::new(format!("`{shown}` is not an inventory of ours: {error}")))
}

fn hosts(inventory: &Value, limit: &str) -> Vec<Host> {
    let all = &inventory["all"];
    let in_group = |host: &str, group: &str| all["children"][group]["hosts"].get(host).is_some();
    let empty = serde_json::Map::new();
    all["hosts"]
        .as_object()
        .unwrap_or(&empty)
        .iter()
        .filter(|(name, _)| is_meant(limit, name, |group| in_group(name, group)))
        .filter_map(|(name, vars)| {
            let address = vars["ansible_host"].as_str()?.parse().ok()?;
            Some(Host {
                name: name.clone(),
                address,
                user: vars["ansible_user"].as_str().unwrap_or("root").to_owned(),
            })
        })
        .collect()
}

fn wait(ctx: &StepContext<'_>, host: &Host, identity: Option<&str>) -> Result<(), StepError> {
    let end = Instant::now() + PATIENCE;
    loop {
        let why = match try_once(ctx, host, identity) {
            Ok(()) => return Ok(()),
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
fn try_once(ctx: &StepContext<'_>, host: &Host, identity: Option<&str>) -> Result<(), StepError> {
    let not_yet = |why: String| {
        StepError::new(format!("`{}` ({}): {why}", host.name, host.address)).cause(Cause::Transient)
    };
    let target = SocketAddr::new(host.address, 22);
    TcpStream::connect_timeout(&target, Duration::from_secs(3))
        .map_err(|e| not_yet(format!("port 22 does not answer: {e}")))?;
    let known = ctx.lab.paths.known_hosts();
    let address = host.address.to_string();
    if !known_hosts::knows(&known, &address)? {
        let scan = ctx.exec.capture(&ChildSpec::new(
            "ssh-keyscan",
            ["-T", "5", "-t", "ed25519,ecdsa,rsa", address.as_str()],
        ))?;
        let keys = String::from_utf8_lossy(&scan.stdout).into_owned();
        if known_hosts::learn(&known, &keys)? == 0 {
            return Err(not_yet("sshd does not give its host key yet".to_owned()));
        }
    }
    let mut args = vec![
        "-o".to_owned(),
        "BatchMode=yes".to_owned(),
        "-o".to_owned(),
        "ConnectTimeout=5".to_owned(),
        "-o".to_owned(),
        "StrictHostKeyChecking=yes".to_owned(),
        "-o".to_owned(),
        format!("UserKnownHostsFile={known}"),
        "-o".to_owned(),
        "ControlPath=none".to_owned(),
    ];
    if let Some(identity) = identity {
        args.extend([
            "-i".to_owned(),
            identity.to_owned(),
            "-o".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
        ]);
    }
    args.extend([format!("{}@{}", host.user, host.address), "true".to_owned()]);
    let answer = ctx.exec.capture(&ChildSpec::new("ssh", args))?;
    if answer.code == 0 {
        return Ok(());
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_limit_picks_hosts_and_groups_and_patterns_pick_all() {
        let inventory = json!({"all": {
            "hosts": {"web-1": {"ansible_host": "10.0.0.1", "ansible_user": "ops"}, "app-1": {"ansible_host": "10.0.0.2"}},
            "children": {"web": {"hosts": {"web-1": {}}}}}});
        let pick = |limit: &str| {
            hosts(&inventory, limit)
                .into_iter()
                .map(|h| h.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(pick(""), ["app-1", "web-1"]);
        assert_eq!(pick("web"), ["web-1"]);
        assert_eq!(pick("app-1"), ["app-1"]);
        assert_eq!(pick("all,!web").len(), 2);
    }
}
