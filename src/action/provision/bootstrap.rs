//! `host.bootstrap`: the lab's installer runs on another machine, with this very `hl`
//! beside it.

use std::fmt::Write as _;
use std::fs;

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::target::{Target, single_quoted};
use crate::action::remote::{Machine, Ssh, Where};
use crate::action::{About, Action, Done, StepContext};
use crate::base::hex;
use crate::diag::{Exit, StepError, say};
use crate::lab;

/// The installer, in the lab.
const INSTALLER: &str = "scripts/install.sh";
/// What the installer is told, by the names that it and the lab's environment know.
const TOLD: [(&str, &str); 3] = [
    ("HL_SOURCE", "HOMESTAK_SOURCE"),
    ("HL_REF", "HOMESTAK_REF"),
    ("HL_FINGERPRINT", "HL_FINGERPRINT"),
];
/// The token, which is in no argument.
const TOKEN: [&str; 2] = ["HL_TOKEN", "HOMESTAK_TOKEN"];

/// Installs `hl` on a machine.
#[derive(Debug, Clone, Copy)]
pub struct HostBootstrap;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// The host, of `nodes/` or `hosts/` in the site.
    #[serde(default)]
    host: String,
    /// Its address, `[USER@]ADDRESS`.
    #[serde(default)]
    remote: String,
    /// The user that is made; empty for the site's `automation_user`.
    #[serde(default)]
    user: String,
}

impl Inputs {
    fn place(&self) -> Where<'_> {
        Where {
            host: &self.host,
            remote: &self.remote,
            local: false,
        }
    }
}

impl Action for HostBootstrap {
    fn about(&self) -> About {
        About::of::<Inputs>("host.bootstrap")
            .doc("run the lab's installer on another machine, with this `hl` beside it")
            .repeatable()
            .never("the installer looks at what is there")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let target = Target::of(ctx, inputs.place())?;
        installer(ctx)?;
        Ok(Done::new(format!(
            "would install `hl` on {}",
            target.shown()
        )))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let target = Target::of(ctx, inputs.place())?;
        let Machine::There(ssh) = &target.machine else {
            return Err(StepError::new("`hl` runs on this machine already")
                .exit(Exit::Usage)
                .help("name another one with `-H HOST` or `--remote ADDRESS`"));
        };
        let made = target.machine.ask(ctx, "making a directory", "mktemp -d")?;
        let there = made.trim();
        let done = install(ctx, &inputs, &target, ssh, there);
        // It holds a token.
        let removed = target.machine.ask(
            ctx,
            "removing a directory",
            &format!("rm -rf -- {}", single_quoted(there)),
        );
        // What cannot be removed goes with the run's logs.
        fs::remove_dir_all(&ctx.work).unwrap_or_default();
        let done = done?;
        removed?;
        Ok(done)
    }
}

fn installer(ctx: &StepContext<'_>) -> Result<Utf8PathBuf, StepError> {
    let file = ctx.lab.paths.root().join(INSTALLER);
    if file.is_file() {
        return Ok(file);
    }
    Err(
        StepError::new(format!("there is no `{INSTALLER}` in this lab"))
            .exit(Exit::Unknown)
            .help(say("take it from a new one: ").hl("new DIR")),
    )
}

fn install(
    ctx: &StepContext<'_>,
    inputs: &Inputs,
    target: &Target,
    ssh: &Ssh,
    there: &str,
) -> Result<Done, StepError> {
    let exe = std::env::current_exe()
        .map_err(|error| StepError::new(format!("cannot tell where `hl` is: {error}")))?;
    let content =
        fs::read(&exe).map_err(|error| StepError::io("read", exe.display().to_string(), &error))?;
    let sum = hex(&Sha256::digest(&content));
    lab::write(&ctx.work.join("hl.sha256"), format!("{sum}  hl\n"), 0o644)?;
    let mut files = vec![
        (installer(ctx)?, "install.sh"),
        (ctx.work.join("hl.sha256"), "hl.sha256"),
    ];
    let exe = Utf8PathBuf::try_from(exe)
        .map_err(|error| StepError::new(format!("`hl` lies at an odd path: {error}")))?;
    files.push((exe, "hl"));
    let mut script = format!("cd {} || exit 1\n", single_quoted(there));
    let get = |names: &[&str]| {
        let found = names.iter().find_map(|name| ctx.env.get(name));
        found.filter(|value| !value.is_empty())
    };
    for (name, older) in TOLD {
        if let Some(value) = get(&[name, older]) {
            writeln!(script, "export {name}={}", single_quoted(value)).unwrap_or_default();
        }
    }
    let mut flags = String::new();
    if let Some(token) = get(&TOKEN) {
        let file = ctx.work.join("token");
        lab::write(&file, format!("{token}\n"), 0o600)?;
        files.push((file, "token"));
        flags.push_str(" --token-stdin <token");
    }
    let user = match inputs.user.as_str() {
        "" => target.automation_user.as_str(),
        user => user,
    };
    writeln!(
        script,
        "exec sh ./install.sh --user {} --lab {}{flags}",
        single_quoted(user),
        single_quoted(&ctx.lab.config.lab.name)
    )
    .unwrap_or_default();
    let mut batch = String::new();
    for (from, name) in &files {
        writeln!(batch, "put \"{from}\" \"{there}/{name}\"").unwrap_or_default();
    }
    let file = ctx.work.join("sftp");
    lab::write(&file, batch, 0o600)?;
    ctx.exec
        .run(&ssh.batch(&file), &mut |_| {})?
        .check("sftp")?;
    let mut last = String::new();
    let outcome = ctx.exec.run(&target.script(&script), &mut |line| {
        if let Some(text) = line.text.strip_prefix("install: ") {
            text.clone_into(&mut last);
        }
    })?;
    outcome.check("install.sh").map_err(|error| {
        error.help(
            say("it may run again at any time: ")
                .hl(format!("scenario bootstrap-install -H {}", target.name)),
        )
    })?;
    let changed = last != "nothing had to be changed";
    Ok(Done::new(format!("{}: {last}", target.shown())).changed(changed))
}
