//! `pull.wait`: a machine has applied its spec. It is asked over SSH what it applied,
//! not whether it downloaded anything.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use camino::Utf8Path;
use schemars::JsonSchema;
use serde::Deserialize;

use super::applied::Applied;
use super::cloud_config::{STATE, UNIT};
use super::settings::{Pull, pull};
use super::work_dir::{WorkDir, ssh_reading};
use crate::action::ssh_host::{Inventory, SshHost};
use crate::action::{About, Action, ChildSpec, Done, StepContext};
use crate::base::short_duration;
use crate::diag::{Exit, StepError};
use crate::lab::timeouts;

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(2);
/// Packages may be a download of minutes.
const PATIENCE: &str = "10m";

/// `pull.wait`
#[derive(Debug, Clone, Copy)]
pub struct PullWait;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// The inventory, as `ansible.inventory` writes it.
    inventory: String,
    /// Name of the machine, a host of the inventory.
    #[schemars(length(max = 100))]
    name: String,
    /// Its spec, a file in v2/specs/.
    #[schemars(length(max = 250))]
    spec: String,
    /// What it reports when all of it is applied, as `pull.snippet` publishes it; when
    /// absent that of now.
    #[serde(default)]
    digest: Option<String>,
    /// How long it may take: a duration or a tier; `10m` when absent.
    #[serde(default)]
    patience: Option<String>,
}

impl Action for PullWait {
    fn about(&self) -> About {
        About::of::<Inputs>("pull.wait")
            .doc(
                "waits until a machine reports that it applied its spec, or what failed; one \
                 that applied another is told and applies again",
            )
            .repeatable()
            .undone_by("machine.remove")
            .never("it asks what is applied now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        Ok(Done::not_planned(format!(
            "would wait for `{}` to apply spec `{}`",
            inputs.name, inputs.spec
        )))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let text = inputs.patience.as_deref().unwrap_or(PATIENCE);
        let patience = timeouts::resolve(text, &ctx.lab.config.timeouts).ok_or_else(|| {
            StepError::new(format!("`patience` cannot be `{text}`"))
                .exit(Exit::Definition)
                .help("give a duration such as `90s` or `10m`, or a tier")
        })?;
        let inventory = Inventory::read(ctx, &inputs.inventory)?;
        let host = inventory.host(&inputs.name).ok_or_else(|| {
            StepError::new(format!("`{}` is not in the inventory", inputs.name))
                .exit(Exit::Definition)
        })?;
        let machine = Asked {
            ctx,
            host,
            identity: inventory.identity(),
            inputs: &inputs,
        };
        machine.wait(patience)
    }
}

/// A machine that is asked.
struct Asked<'a, 'c> {
    ctx: &'a StepContext<'c>,
    host: SshHost,
    identity: Option<String>,
    inputs: &'a Inputs,
}

impl Asked<'_, '_> {
    fn wait(&self, patience: Duration) -> Result<Done, StepError> {
        let Inputs { name, spec, .. } = self.inputs;
        let now = pull(self.ctx, name, spec)?;
        let wanted = self.inputs.digest.as_ref().unwrap_or(&now.digest);
        let until = Instant::now() + patience;
        let mut told = false;
        let mut why = "it has told nothing yet".to_owned();
        let mut first = true;
        loop {
            match self.ask(wanted) {
                Ok(Applied::Done) => {
                    let summary = format!("`{name}` has applied spec `{spec}`");
                    return Ok(Done::new(summary).changed(!first));
                }
                // Once, and then what it says counts.
                Ok(ref applied) if applied.may_be_old(told, first) => {
                    told = self.tell(&now)?;
                }
                Ok(Applied::Failed(why)) => return Err(self.failed(&why)),
                Ok(Applied::Other) => {
                    return Err(self.failed(
                        "it applied another spec than this one: has the controller read the site again?",
                    ));
                }
                Ok(Applied::Waiting(what)) | Err(what) => why = what,
                Ok(Applied::NotYet) => {}
            }
            first = false;
            if Instant::now() + PAUSE > until {
                let late = short_duration(patience);
                return Err(self.failed(&format!("not applied within {late}: {why}")));
            }
            self.ctx.progress(format!(
                "waiting for `{name}` to apply spec `{spec}`: {why}"
            ));
            self.ctx.cancel.sleep(PAUSE)?;
        }
    }

    /// What it says; the error is why it cannot be asked now.
    fn ask(&self, wanted: &str) -> Result<Applied, String> {
        let command = format!("cat {STATE}/applied 2>/dev/null || true");
        let args = self.host.args(self.ctx, self.identity.as_deref(), &command);
        let answer = self.ctx.exec.capture(&ChildSpec::new("ssh", args));
        let answer = answer.map_err(|error| error.message)?;
        if answer.code != 0 {
            let last = answer
                .stderr
                .lines()
                .last()
                .unwrap_or("ssh does not let us in");
            return Err(last.trim().to_owned());
        }
        let text = String::from_utf8_lossy(&answer.stdout);
        Ok(Applied::read(&text, wanted))
    }

    /// Sends it the settings of now and the token that goes with them, and lets it begin
    /// again.
    fn tell(&self, now: &Pull) -> Result<bool, StepError> {
        let work = WorkDir::of(self.ctx);
        let token = now
            .token
            .as_ref()
            .map(|token| STANDARD.encode(token.reveal()));
        let told = format!("{}\n{}", token.unwrap_or_default(), now.settings);
        let file = work.write("told", &told)?;
        let command = format!("sudo -n sh -c {}", crate::base::quoted(&take()));
        let args = self.host.args(self.ctx, self.identity.as_deref(), &command);
        self.run(&file, args)?;
        self.ctx.note(format!(
            "`{}` is told again what to apply",
            self.inputs.name
        ));
        Ok(true)
    }

    fn run(&self, file: &Utf8Path, args: Vec<String>) -> Result<(), StepError> {
        let child = ssh_reading(file, args);
        self.ctx.exec.run(&child, &mut |_| {})?.check("ssh")
    }

    fn failed(&self, why: &str) -> StepError {
        let Inputs { name, spec, .. } = self.inputs;
        StepError::new(format!("`{name}` did not apply spec `{spec}`: {why}"))
            .help(format!(
                "on `{name}`: `sudo journalctl -u hl-spec`, and `sudo systemctl restart hl-spec` to try again"
            ))
            .help("does the controller run (`hl serve`), and can the machine reach `spec_server` of site.yaml?")
            .help("where it refuses the token: has the controller read the site's secrets again?")
    }
}

/// What the machine does with what it is told: a line with the token in base64, which is
/// empty where there is none, and then its settings.
fn take() -> String {
    format!(
        "set -eu; umask 022; IFS= read -r token; cd {STATE}; rm -f token.new; \
         if [ -n \"$token\" ]; then \
         (umask 077; printf %s \"$token\" | base64 -d >token.new); mv token.new token; \
         else rm -f token; fi; \
         cat >settings.json.new; mv settings.json.new settings.json; rm -f applied; \
         systemctl restart {UNIT}"
    )
}
