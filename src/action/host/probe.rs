//! `host.probe`: a machine is asked what is on it, over one connection.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::facts::Facts;
use crate::action::remote::{Machine, Where};
use crate::action::{About, Action, Done, StepContext};
use crate::base::quoted;
use crate::diag::{Exit, StepError};

/// `host.probe`
#[derive(Debug, Clone, Copy)]
pub struct HostProbe;

const SCRIPT: &str = include_str!("probe.sh");

/// Where the bootstrap puts things.
const ETC: &str = "/usr/local/etc/homestak";
const BIN: &str = "/usr/local/bin/hl";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// The machine: a file of `site/nodes` or `site/hosts`.
    #[serde(default)]
    host: String,
    /// Its address, `[USER@]ADDRESS`.
    #[serde(default)]
    remote: String,
    /// This machine.
    #[serde(default)]
    local: bool,
}

impl Action for HostProbe {
    fn about(&self) -> About {
        About::of::<Inputs>("host.probe")
            .doc("ask a machine what is on it, over ssh for another one; publishes `facts`")
            .checks()
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let named = Where {
            host: &inputs.host,
            remote: &inputs.remote,
            local: inputs.local,
        };
        let facts = Machine::of(ctx, named).and_then(|machine| {
            let machine = machine.only_known();
            ask(ctx, &machine, &inputs)
        });
        let facts = facts.map_err(|error| error.exit(Exit::Runway))?;
        Ok(Done::new(format!("{} answers", facts.machine))
            .changed(false)
            .output("facts", json!(facts)))
    }
}

fn ask(ctx: &StepContext<'_>, machine: &Machine, inputs: &Inputs) -> Result<Facts, StepError> {
    let etc = etc(ctx, machine);
    let head = [
        ("etc", etc.as_str()),
        ("bin", BIN),
        ("node", inputs.host.as_str()),
    ];
    let head = head.map(|(name, value)| format!("{name}={}\n", quoted(value)));
    let script = format!("{}{SCRIPT}", head.concat());
    let said = machine.ask(ctx, "asking what is there", &script)?;
    let is_root = rustix::process::geteuid().is_root();
    let (shell, sudo) = match machine {
        Machine::Here if is_root => (Vec::new(), ""),
        Machine::Here => (Vec::new(), "sudo "),
        Machine::There(ssh) => (ssh.as_typed(), ssh.sudo()),
    };
    Ok(Facts {
        machine: machine.name(),
        shell,
        named: named(inputs),
        sudo: sudo.to_owned(),
        bin: BIN.to_owned(),
        etc,
        ..Facts::read(&said)
    })
}

/// The machine as options name it.
fn named(inputs: &Inputs) -> String {
    let options = [("--host", &inputs.host), ("--remote", &inputs.remote)];
    let given = options.into_iter().filter(|(_, value)| !value.is_empty());
    let words: Vec<String> = given
        .map(|(option, value)| format!("{option} {}", quoted(value)))
        .collect();
    words.join(" ")
}

/// The site-config of a machine: here the one that a variable names, too.
fn etc(ctx: &StepContext<'_>, machine: &Machine) -> String {
    let named = ctx
        .env
        .get("HOMESTAK_ETC")
        .filter(|_| matches!(machine, Machine::Here));
    named
        .filter(|dir| !dir.is_empty())
        .unwrap_or(ETC)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;

    /// What is found of a program with that text and mode.
    fn found(text: &str, mode: u32) -> Facts {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("hl");
        fs::write(&bin, text).unwrap();
        fs::set_permissions(&bin, fs::Permissions::from_mode(mode)).unwrap();
        let script = format!("bin={} etc=/none node=\n{SCRIPT}", bin.display());
        let said = Command::new("sh").args(["-c", &script]).output().unwrap();
        Facts::read(&String::from_utf8_lossy(&said.stdout))
    }

    #[test]
    fn a_program_that_is_there_is_told_from_one_that_runs() {
        let told = |facts: &Facts| (facts.hl.clone(), facts.not_executable, facts.does_not_run);
        let none = String::new();
        let runs = found("#!/bin/sh\necho hl 0.9.1\necho more\n", 0o755);
        assert_eq!(told(&runs), ("hl 0.9.1".to_owned(), false, false));
        let fails = found("#!/bin/sh\necho hl\nexit 127\n", 0o755);
        assert_eq!(told(&fails), (none.clone(), false, true));
        assert_eq!(
            told(&found("#!/none\n", 0o755)),
            (none.clone(), false, true)
        );
        assert_eq!(told(&found("", 0o644)), (none, true, false));
    }
}
