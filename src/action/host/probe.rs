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
            ask(ctx, &machine, &inputs.host)
        });
        let facts = facts.map_err(|error| error.exit(Exit::Runway))?;
        Ok(Done::new(format!("{} answers", facts.machine))
            .changed(false)
            .output("facts", json!(facts)))
    }
}

fn ask(ctx: &StepContext<'_>, machine: &Machine, node: &str) -> Result<Facts, StepError> {
    let etc = etc(ctx, machine);
    let head = [("etc", etc.as_str()), ("bin", BIN), ("node", node)];
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
        sudo: sudo.to_owned(),
        bin: BIN.to_owned(),
        etc,
        ..Facts::read(&said)
    })
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
