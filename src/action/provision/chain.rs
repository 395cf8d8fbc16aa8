//! `ssh.chain`: machines behind machines answer over ssh, each through those before it.

use std::net::IpAddr;

use camino::Utf8Path;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::action::{About, Action, Captured, ChildSpec, Done, StepContext, known_hosts};
use crate::base::{count, quoted};
use crate::diag::{Exit, StepError};
use crate::lab::ssh;

/// Verifies that a machine answers through jump hosts.
#[derive(Debug, Clone, Copy)]
pub struct SshChain;

/// One machine of a chain.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Link {
    /// Its address, as the machine before it reaches it.
    address: IpAddr,
    /// Who logs in.
    user: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// The machines, the nearest first: each is reached through all before it.
    #[schemars(length(min = 1))]
    chain: Vec<Link>,
}

impl Action for SshChain {
    fn about(&self) -> About {
        About::of::<Inputs>("ssh.chain")
            .doc("verify that machines answer over ssh, each through those before it")
            .never("it looks whether they answer now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let Inputs { chain } = ctx.inputs()?;
        Ok(Done::new(format!(
            "would log in through {}",
            count(chain.len(), "machine")
        )))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let Inputs { chain } = ctx.inputs()?;
        for end in 1..=chain.len() {
            let (before, last) = chain[..end].split_at(end - 1);
            let Some(last) = last.first() else {
                continue;
            };
            learn(ctx, before, last)?;
            let answer = reach(ctx, before, last, "true")?;
            if answer.code != 0 {
                return Err(refused(before, last, &answer.stderr));
            }
        }
        Ok(Done::new(format!(
            "{} answered",
            count(chain.len(), "machine")
        )))
    }
}

fn refused(before: &[Link], last: &Link, said: &str) -> StepError {
    let through: Vec<String> = before.iter().map(|link| link.address.to_string()).collect();
    let through = match through.as_slice() {
        [] => String::new(),
        all => format!(" through {}", all.join(", ")),
    };
    let why = said
        .trim()
        .lines()
        .last()
        .unwrap_or("ssh does not let us in");
    StepError::new(format!("{} does not answer{through}: {why}", last.address)).exit(Exit::Runway)
}

/// The key of a machine that is not known yet is asked for by the machine before it.
fn learn(ctx: &StepContext<'_>, before: &[Link], last: &Link) -> Result<(), StepError> {
    let known = ctx.lab.paths.known_hosts();
    let address = last.address.to_string();
    if known_hosts::knows(&known, &address)? {
        return Ok(());
    }
    let scan = ["-T", "5", "-t", "ed25519,ecdsa,rsa", &address];
    let answer = match before.split_last() {
        None => ctx.exec.capture(&ChildSpec::new("ssh-keyscan", scan))?,
        Some((jump, before)) => {
            let line = format!("ssh-keyscan {}", scan.map(quoted).join(" "));
            reach(ctx, before, jump, &line)?
        }
    };
    let keys = String::from_utf8_lossy(&answer.stdout).into_owned();
    match known_hosts::learn(&known, &keys)? {
        0 => Err(refused(before, last, "its sshd gives no host key")),
        _ => Ok(()),
    }
}

/// Runs a command on a machine, through those before it. Options of the command line
/// do not hold for jumps of `-J`, so each is a `ProxyCommand` with the same ones.
fn reach(
    ctx: &StepContext<'_>,
    before: &[Link],
    last: &Link,
    command: &str,
) -> Result<Captured, StepError> {
    let home = ctx.env.get("HOME").map(Utf8Path::new);
    let known = format!("UserKnownHostsFile={}", ctx.lab.paths.known_hosts());
    let options = [
        "BatchMode=yes",
        "ConnectTimeout=10",
        "StrictHostKeyChecking=yes",
        "ControlPath=none",
        &known,
    ];
    let mut own: Vec<String> = options
        .into_iter()
        .flat_map(|option| ["-o".to_owned(), option.to_owned()])
        .collect();
    if let Some(identity) = ssh::identity(ctx.lab, home).map_err(StepError::from)? {
        own.extend(["-i".to_owned(), identity.to_string()]);
        own.extend(["-o".to_owned(), "IdentitiesOnly=yes".to_owned()]);
    }
    let mut args = own.clone();
    if let Some(proxy) = proxy(&own, before) {
        args.extend(["-o".to_owned(), format!("ProxyCommand={proxy}")]);
    }
    args.push(format!("{}@{}", last.user, last.address));
    args.push(command.to_owned());
    ctx.exec.capture(&ChildSpec::new("ssh", args).reads(true))
}

/// The command that carries a connection to the machine behind these.
fn proxy(options: &[String], jumps: &[Link]) -> Option<String> {
    let (last, before) = jumps.split_last()?;
    let mut words = vec!["ssh".to_owned()];
    words.extend(options.iter().map(|word| quoted(word)));
    if let Some(inner) = proxy(options, before) {
        // The outer `%h` is for this one alone.
        let inner = inner.replace('%', "%%");
        words.extend(["-o".to_owned(), quoted(&format!("ProxyCommand={inner}"))]);
    }
    words.extend(["-W".to_owned(), "'[%h]:%p'".to_owned()]);
    words.push(quoted(&format!("{}@{}", last.user, last.address)));
    Some(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_one_command_in_another() {
        let link = |n: u8| Link {
            address: IpAddr::from([10, 0, 0, n]),
            user: "ops".to_owned(),
        };
        let options = ["-o".to_owned(), "BatchMode=yes".to_owned()];
        assert_eq!(proxy(&options, &[]), None);
        assert_eq!(
            proxy(&options, &[link(1)]).unwrap(),
            "ssh -o BatchMode=yes -W '[%h]:%p' ops@10.0.0.1"
        );
        let two = proxy(&options, &[link(1), link(2)]).unwrap();
        assert!(two.ends_with("-W '[%h]:%p' ops@10.0.0.2"), "{two}");
        // One `%` less at each level: the innermost names the machine it leads to.
        assert!(
            two.contains("[%%h]:%%p") && two.contains("ops@10.0.0.1"),
            "{two}"
        );
    }
}
