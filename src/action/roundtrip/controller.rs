//! `controller.start` and `controller.stop`: the lab's controller answers while a run
//! needs it. One that answers already is left alone, at the end too.

use std::fs;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use reqwest::Url;
use rustix::process::{Pid, Signal, kill_process};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::action::pull::controller_fingerprint;
use crate::action::{About, Action, ChildSpec, Done, StepContext};
use crate::base::{Process, if_there};
use crate::diag::{Exit, StepError, say};
use crate::lab;
use crate::pve::{Fingerprint, Policy, https};

/// It goes on when the shell has ended, in a session of its own. Nobody asks for its
/// repositories, so the token that opens them is told to nobody.
const START: &str = r#"
umask 077
if [ -z "${HL_REPO_TOKEN:-}" ]; then
  HL_REPO_TOKEN=$(head -c 32 /dev/urandom | sha256sum | cut -d ' ' -f 1)
  export HL_REPO_TOKEN
fi
setsid "$0" --quiet serve --port "$1" </dev/null >"$2" 2>&1 &
echo "$!"
"#;
/// How long one question may take.
const WITHIN: Duration = Duration::from_secs(5);
/// How long it may take to answer.
const BEGIN: Duration = Duration::from_mins(1);
/// How long it may take to end: it lets connections end first.
const END: Duration = Duration::from_secs(20);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// `controller.start`
#[derive(Debug, Clone, Copy)]
pub struct ControllerStart;

/// `controller.stop`
#[derive(Debug, Clone, Copy)]
pub struct ControllerStop;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// `https://HOST:PORT`, as machines ask it.
    server: String,
}

/// No inputs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Action for ControllerStart {
    fn about(&self) -> About {
        About::of::<Inputs>("controller.start")
            .doc("start `hl serve`, unless the lab's controller answers; publishes `started`")
            .repeatable()
            .undone_by("controller.stop")
            .never("it looks whether it answers now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        Ok(match answers(ctx, &inputs.server) {
            Ok(()) => answers_already(&inputs),
            Err(_) => Done::new("would start the controller"),
        })
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        if answers(ctx, &inputs.server).is_ok() {
            return Ok(answers_already(&inputs));
        }
        let process = start(ctx, &inputs.server)?;
        let until = Instant::now() + BEGIN;
        let why = loop {
            let why = match answers(ctx, &inputs.server) {
                Ok(()) => break None,
                Err(why) => why,
            };
            if process.is_none_or(|process| !process.is_alive()) {
                break Some(format!("it ended: {}", last_words(ctx)));
            }
            if Instant::now() >= until {
                break Some(why);
            }
            ctx.cancel.sleep(PAUSE)?;
        };
        let Some(why) = why else {
            return Ok(
                Done::new(format!("the controller answers at {}", inputs.server))
                    .changed(true)
                    .output("started", true),
            );
        };
        if let Some(process) = process {
            end(ctx, process)?;
        }
        let log = ctx.lab.paths.show(&log(ctx));
        Err(
            StepError::new(format!("no controller answers at `{}`: {why}", inputs.server))
                .exit(Exit::Runway)
                .help(format!(
                    "`spec_server` of `site.yaml` has to lead to this machine, or to one where the lab's controller runs; the log is `{log}`"
                ))
                .help(say("start it by hand: ").hl("serve")),
        )
    }
}

impl Action for ControllerStop {
    fn about(&self) -> About {
        About::of::<Nothing>("controller.stop")
            .doc("end the controller that `controller.start` started, and no other one")
            .repeatable()
            .undoes_nothing()
            .never("it looks whether it runs now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let _: Nothing = ctx.inputs()?;
        Ok(match started(ctx) {
            Some(_) => Done::new("would end the controller"),
            None => Done::skipped(NONE),
        })
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let _: Nothing = ctx.inputs()?;
        let Some(process) = started(ctx) else {
            return Ok(Done::skipped(NONE).changed(false));
        };
        end(ctx, process)?;
        Ok(Done::new("the controller has ended").changed(true))
    }
}

/// Why there is nothing to end.
const NONE: &str = "no controller was started";

fn answers_already(inputs: &Inputs) -> Done {
    Done::new(format!("one answers at {} already", inputs.server))
        .changed(false)
        .output("started", false)
}

/// Which process was started.
fn record(ctx: &StepContext<'_>) -> Utf8PathBuf {
    ctx.lab.paths.state().join("scenario-controller.json")
}

fn log(ctx: &StepContext<'_>) -> Utf8PathBuf {
    ctx.lab.paths.state().join("scenario-controller.log")
}

/// The one that was started, by this run or by one that was killed.
fn started(ctx: &StepContext<'_>) -> Option<Process> {
    let text = fs::read_to_string(record(ctx)).ok()?;
    serde_json::from_str(&text).ok()
}

fn last_words(ctx: &StepContext<'_>) -> String {
    let said = fs::read_to_string(log(ctx)).unwrap_or_default();
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    last.unwrap_or("it said nothing").trim().to_owned()
}

/// Whether the lab's controller answers there, with the certificate that machines know.
fn answers(ctx: &StepContext<'_>, server: &str) -> Result<(), String> {
    let pin = controller_fingerprint(ctx.lab).map_err(|finding| finding.message)?;
    let pin = Fingerprint::parse(&pin).ok_or("its certificate cannot be read")?;
    let health = format!("{}/health", server.trim_end_matches('/'));
    let url = Url::parse(&health).map_err(|error| error.to_string())?;
    let answer = https::get(&url, None, Policy::Pinned(pin), &[], WITHIN)
        .map_err(|error| error.to_string())?;
    match answer.status {
        200 => Ok(()),
        status => Err(format!("`/health` answers {status}")),
    }
}

/// The process that was started; none: it has ended already.
fn start(ctx: &StepContext<'_>, server: &str) -> Result<Option<Process>, StepError> {
    let url = Url::parse(server).map_err(|error| {
        StepError::new(format!("`{server}` is no URL: {error}")).exit(Exit::Definition)
    })?;
    let port = url.port_or_known_default().unwrap_or_default().to_string();
    let exe = std::env::current_exe()
        .map_err(|cause| StepError::new(format!("cannot tell where `hl` is: {cause}")))?;
    lab::create_dir(&ctx.lab.paths.state())?;
    let log = log(ctx);
    let exe = exe.display().to_string();
    let words = ["-c", START, exe.as_str(), port.as_str(), log.as_str()];
    let mut pid = None;
    let outcome = ctx.exec.run(&ChildSpec::new("sh", words), &mut |line| {
        pid = line.text.trim().parse::<u32>().ok().or(pid);
    })?;
    outcome.check("hl serve")?;
    let Some(process) = pid.and_then(Process::of) else {
        return Ok(None);
    };
    let bug = |error: serde_json::Error| StepError::new(error.to_string()).exit(Exit::Bug);
    let text = serde_json::to_string(&process).map_err(bug)?;
    lab::write(&record(ctx), text, 0o600)?;
    Ok(Some(process))
}

fn end(ctx: &StepContext<'_>, process: Process) -> Result<(), StepError> {
    let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid.filter(|_| process.is_alive()) {
        // One that ends meanwhile has what it was to get.
        kill_process(pid, Signal::TERM).unwrap_or_default();
        let until = Instant::now() + END;
        while process.is_alive() && Instant::now() < until {
            std::thread::sleep(PAUSE);
        }
        process.kill_group();
    }
    forget(&record(ctx))
}

fn forget(file: &Utf8Path) -> Result<(), StepError> {
    let removed = if_there(fs::remove_file(file));
    removed.map_err(|error| StepError::io("remove", file, &error))?;
    Ok(())
}
