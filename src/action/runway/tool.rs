//! `tool.check`: a tool of the later layers is there, and recent enough.

use std::fs;

use camino::Utf8Path;
use schemars::JsonSchema;
use serde::Deserialize;

use super::version::Version;
use crate::action::{About, Action, Captured, ChildSpec, Done, StepContext};
use crate::diag::Exit;
use crate::diag::StepError;
use crate::handoff::{Gives, Handoff, Stage};
use crate::lab::Provenance;

/// One tool.
#[derive(Debug, Clone, Copy, Default)]
pub struct ToolCheck;

/// The inputs of `tool.check`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// The tool; `tofu` is satisfied by `terraform` too, and `[tools]` in
    /// `hl.toml` may name another program for any.
    tool: String,
    /// The oldest version that serves, e.g. `1.6`.
    #[serde(default)]
    min: Option<String>,
    /// Programs that come with it and are used too.
    #[serde(default)]
    also: Vec<String>,
}

impl Action for ToolCheck {
    fn about(&self) -> About {
        About::of::<Inputs>("tool.check")
            .doc("Checks that a tool is on PATH and recent enough; changes nothing")
            .hands_on(Handoff::part(Stage::Access).giving(Gives::Findings))
            .checks()
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        if let Some(reason) = not_needed(ctx, &inputs.tool) {
            return Ok(Done::skipped(reason));
        }
        check(ctx, &inputs)
            .map(|done| done.changed(false))
            .map_err(|error| error.exit(Exit::Runway))
    }
}

/// Tools that only some labs use.
fn not_needed(ctx: &StepContext<'_>, tool: &str) -> Option<String> {
    let doppler = || {
        ctx.env
            .iter()
            .any(|(_, var)| var.from == Provenance::Doppler)
    };
    match tool {
        "doppler" if !doppler() => Some("nothing comes from Doppler".to_owned()),
        "git" if !ctx.lab.paths.root().join(".git").exists() => {
            Some("the lab is not in git".to_owned())
        }
        _ => None,
    }
}

fn check(ctx: &StepContext<'_>, inputs: &Inputs) -> Result<Done, StepError> {
    let tool = &inputs.tool;
    let program = find(ctx, tool).ok_or_else(|| missing(ctx, tool))?;
    for also in &inputs.also {
        if !there(ctx, also) {
            return Err(missing(ctx, also));
        }
    }
    let asked = ask(ctx, &program, tool).map_err(|error| install(error, tool))?;
    let text = String::from_utf8_lossy(&asked.stdout);
    let Some(version) = Version::find(&text).or_else(|| Version::find(&asked.stderr)) else {
        let said = asked
            .stderr
            .lines()
            .chain(text.lines())
            .next()
            .unwrap_or("nothing");
        let error = StepError::new(format!(
            "`{program}` does not say its version, it said `{said}` (exit code {})",
            asked.code
        ));
        return Err(install(error, tool));
    };
    if let Some(wanted) = inputs.min.as_deref().and_then(Version::find)
        && !version.at_least(&wanted)
    {
        let error = StepError::new(format!(
            "`{program}` is version {version}, expected {wanted} or later"
        ));
        return Err(install(error, tool));
    }
    Ok(Done::new(format!("`{program}` {version}")).output("version", version.to_string()))
}

/// The program that stands for a tool, when it is there.
fn find(ctx: &StepContext<'_>, tool: &str) -> Option<String> {
    let candidates = match (ctx.lab.config.tools.get(tool), tool) {
        (Some(named), _) => vec![named.as_str()],
        (None, "tofu") => vec!["tofu", "terraform"],
        (None, other) => vec![other],
    };
    let found = candidates.into_iter().find(|name| there(ctx, name));
    found.map(str::to_owned)
}

fn there(ctx: &StepContext<'_>, program: &str) -> bool {
    let path = ctx.env.get("PATH").unwrap_or_default();
    which::which_in(program, Some(path), ctx.lab.paths.root()).is_ok()
}

fn missing(ctx: &StepContext<'_>, tool: &str) -> StepError {
    let error = match ctx.lab.config.tools.get(tool) {
        Some(named) => StepError::new(format!(
            "`{named}`, which `[tools]` in `hl.toml` names for `{tool}`, does not exist"
        )),
        None => StepError::new(format!("`{tool}` is not on PATH")),
    };
    install(error, tool)
}

/// How the tool is had.
fn install(error: StepError, tool: &str) -> StepError {
    let how = match tool {
        "tofu" => {
            "OpenTofu's packages: <https://opentofu.org/docs/intro/install/> (`terraform` serves too)"
        }
        "packer" => "HashiCorp's packages: <https://developer.hashicorp.com/packer/install>",
        "ansible-playbook" => {
            "`pipx install ansible-core`, or your system's package `ansible-core`"
        }
        "ssh" | "ssh-keyscan" | "ssh-keygen" => "your system's package `openssh-client`",
        "git" => "your system's package `git`",
        "doppler" => "<https://docs.doppler.com/docs/install-cli>, or `DOPPLER=0`",
        _ => "your system's packages",
    };
    error.help(format!("install it: {how}")).help(
        "or, in a checkout of hl: `scripts/tools`, then `eval \"$(scripts/tools --print-env)\"`",
    )
}

/// Asks for the version, and leaves nothing behind: no look for updates, and
/// what tools write when they only say their version goes to a directory that
/// is removed. `HOME` stays, because version managers find their tools by it.
fn ask(ctx: &StepContext<'_>, program: &str, tool: &str) -> Result<Captured, StepError> {
    let argument = match tool {
        "tofu" | "packer" => "version",
        "ssh" => "-V",
        _ => "--version",
    };
    let scratch = tempfile::tempdir().map_err(|error| {
        StepError::io(
            "make a directory in",
            std::env::temp_dir().display(),
            &error,
        )
    })?;
    let mut child = ChildSpec::new(program, [argument])
        .env("CHECKPOINT_DISABLE", "1")
        .env("DOPPLER_ENABLE_VERSION_CHECK", "false");
    for name in [
        "ANSIBLE_HOME",
        "ANSIBLE_LOCAL_TEMP",
        "PACKER_CACHE_DIR",
        "PACKER_CONFIG_DIR",
    ] {
        child = child.env(name, scratch.path().to_string_lossy());
    }
    let config = ctx
        .env
        .get("HOME")
        .map(|home| Utf8Path::new(home).join(".terraform.d"));
    let new = config.filter(|dir| tool == "tofu" && !dir.exists());
    let asked = ctx.exec.capture(&child);
    if let Some(dir) = new {
        // tofu has no variable for it. It is empty, or somebody else uses it.
        fs::remove_dir(dir).unwrap_or_default();
    }
    asked
}
