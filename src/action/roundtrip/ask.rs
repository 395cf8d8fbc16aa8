//! `machine.ask`: a machine knows its controller, and reaches it.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;

use super::machine::token;
use crate::action;
use crate::action::pull::controller_fingerprint;
use crate::action::ssh_host::Inventory;
use crate::action::{About, Action, Captured, ChildSpec, Done, StepContext};
use crate::base::quoted;
use crate::diag::{Exit, StepError};

/// What a login shell knows, three lines. The token itself is not told.
const ENVIRONMENT: &str = r#"bash -lc 'printf "%s\n%s\n" "$HOMESTAK_SPEC_SERVER" "$HOMESTAK_IDENTITY"' && sudo -n bash -lc 'if [ -n "$HOMESTAK_AUTH_TOKEN" ]; then echo token; else echo none; fi'"#;
/// Asks the controller; it runs on the machine.
const DISCOVER: &str = include_str!("discover.py");
/// cloud-init may be at work yet.
const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_secs(2);

/// `machine.ask`
#[derive(Debug, Clone, Copy)]
pub struct MachineAsk;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum What {
    /// The variables of its login shells.
    Env,
    /// The controller answers it, and gives the spec of its name where there is one.
    Server,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// What it is asked: `env` or `server`.
    what: What,
    /// The inventory that `machine.reach` published.
    inventory: String,
    /// Environment; its posture says whether the machine has a token.
    #[schemars(length(max = 100))]
    env: String,
    /// Name of the machine.
    #[schemars(length(max = 100))]
    name: String,
    /// `https://HOST:PORT` of the controller.
    server: String,
}

impl Action for MachineAsk {
    fn about(&self) -> About {
        About::of::<Inputs>("machine.ask")
            .doc("ask a machine what it knows of its controller, or whether that answers it")
            .undoes_nothing()
            .never("it asks now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        Ok(Done::not_planned(format!("would ask `{}`", inputs.name)))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        match inputs.what {
            What::Env => environment(ctx, &inputs),
            What::Server => server(ctx, &inputs),
        }
    }
}

fn environment(ctx: &StepContext<'_>, inputs: &Inputs) -> Result<Done, StepError> {
    let (token, _) = token(ctx, &inputs.env, &inputs.name)?;
    let has = if token.is_some() { "token" } else { "none" };
    let expected = [inputs.server.as_str(), inputs.name.as_str(), has];
    let until = Instant::now() + PATIENCE;
    loop {
        let said = ask(ctx, inputs, ENVIRONMENT)?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let found: Vec<&str> = text.lines().collect();
        if said.code == 0 && found == expected {
            let summary = format!("`{}` knows {}", inputs.name, inputs.server);
            return Ok(Done::new(summary).changed(false));
        }
        if Instant::now() >= until {
            return Err(unlike(&inputs.name, &expected, &found));
        }
        ctx.progress(format!("waiting for cloud-init on `{}`", inputs.name));
        ctx.cancel.sleep(PAUSE)?;
    }
}

fn unlike(name: &str, expected: &[&str], found: &[&str]) -> StepError {
    let variables = [
        "HOMESTAK_SPEC_SERVER",
        "HOMESTAK_IDENTITY",
        "HOMESTAK_AUTH_TOKEN",
    ];
    let mut error = StepError::new(format!("`{name}` was not told of its controller"))
        .help("look at `/etc/profile.d/homestak.sh` on it, and at `cloud-init status --long`");
    for (at, variable) in variables.iter().enumerate() {
        let expected = expected.get(at).copied().unwrap_or_default();
        let found = found.get(at).copied().unwrap_or_default();
        if expected != found {
            error.tail.push(format!(
                "{variable}: expected `{expected}`, found `{found}`"
            ));
        }
    }
    error
}

fn server(ctx: &StepContext<'_>, inputs: &Inputs) -> Result<Done, StepError> {
    let pin = controller_fingerprint(ctx.lab)
        .map_err(|finding| StepError::new(finding.message).exit(Exit::Definition))?;
    let has = action::site::tree(ctx.lab).has_spec(&inputs.name);
    let words = [
        inputs.server.as_str(),
        pin.as_str(),
        inputs.name.as_str(),
        if has { "spec" } else { "none" },
    ];
    let python = format!("exec python3 - {}", words.map(quoted).join(" "));
    let command = format!(
        "echo {} | base64 -d | sudo -n bash -lc {}",
        STANDARD.encode(DISCOVER),
        quoted(&python)
    );
    let said = ask(ctx, inputs, &command)?;
    if said.code != 0 {
        let mut lines = said.stderr.lines().rev();
        let last = lines.find(|line| !line.trim().is_empty());
        let why = last.unwrap_or("it said nothing").trim();
        return Err(StepError::new(format!(
            "`{}` asked {} in vain: {why}",
            inputs.name, inputs.server
        ))
        .exit(Exit::Runway)
        .help("the machine's network has to lead to the controller, and its firewall has to let it in"));
    }
    let text = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    Ok(Done::new(format!("`{}` found the controller: {text}", inputs.name)).changed(false))
}

/// Runs a command on the machine that changes nothing there.
fn ask(ctx: &StepContext<'_>, inputs: &Inputs, command: &str) -> Result<Captured, StepError> {
    let inventory = Inventory::read(ctx, &inputs.inventory)?;
    let host = inventory.host(&inputs.name).ok_or_else(|| {
        StepError::new(format!("`{}` is not in the inventory", inputs.name)).exit(Exit::Definition)
    })?;
    let identity = inventory.identity();
    let args = host.args(ctx, identity.as_deref(), command);
    ctx.exec.capture(&ChildSpec::new("ssh", args).reads(true))
}
