//! Where packer works for one template, and how it is run.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;

use camino::Utf8PathBuf;

use crate::action::{Captured, ChildSpec, StepContext};
use crate::base::if_there;
use crate::diag::Exit;
use crate::diag::StepError;
use crate::lab;
use crate::templates::{Template, built};

/// It stops and deletes the machine that it builds on before it ends.
const GRACE: Duration = Duration::from_mins(10);

/// The directories of one template.
#[derive(Debug, Clone)]
pub(super) struct Workspace {
    /// `.build/templates/NAME`
    dir: Utf8PathBuf,
    /// packer's working directory: a copy of the template's files.
    files: Utf8PathBuf,
    /// Program, by name or path.
    program: String,
}

impl Workspace {
    /// Makes the copy. A dry run works in the run's log directory, so that
    /// nothing else is written.
    pub(super) fn prepare(ctx: &StepContext<'_>, template: &Template) -> Result<Self, StepError> {
        let paths = &ctx.lab.paths;
        let dir = if ctx.dry_run {
            paths
                .logs(ctx.run_id)
                .join(format!("packer-{}", template.name))
        } else {
            built(paths).join(&template.name)
        };
        let workspace = Self {
            files: dir.join("files"),
            dir,
            program: program(ctx)?,
        };
        lab::create_dir(&workspace.dir)?;
        let copied = workspace.copy(template);
        copied.map_err(|error| StepError::io("copy", &template.dir, &error))?;
        Ok(workspace)
    }

    fn copy(&self, template: &Template) -> io::Result<()> {
        if self.files.is_dir() {
            fs::remove_dir_all(&self.files)?;
        }
        for (name, from) in template.files()? {
            let to = self.files.join(name);
            fs::create_dir_all(to.parent().unwrap_or(&self.files))?;
            fs::copy(from, to)?;
        }
        Ok(())
    }

    /// Takes the copy away. What cannot be removed is found by `hl clean`.
    pub(super) fn discard(&self) {
        fs::remove_dir_all(&self.dir).unwrap_or_default();
    }

    /// Where packer writes its manifest: a file of this run alone, because
    /// packer adds to one that is there.
    pub(super) fn manifest(&self, stamp: &str) -> Result<Utf8PathBuf, StepError> {
        let path = self.dir.join(format!("packer-{stamp}.json"));
        if_there(fs::remove_file(&path)).map_err(|error| StepError::io("remove", &path, &error))?;
        Ok(path)
    }

    /// A packer that works in the copy, with these variables.
    pub(super) fn child(
        &self,
        ctx: &StepContext<'_>,
        args: &[&str],
        variables: &BTreeMap<String, String>,
    ) -> ChildSpec {
        let mut child = ChildSpec::new(&self.program, args.iter().copied())
            .cwd(&self.files)
            .grace(GRACE)
            .env("CHECKPOINT_DISABLE", "1")
            .env("PACKER_NO_COLOR", "1")
            .env("PACKER_CACHE_DIR", self.dir.join("cache"));
        for (name, value) in variables {
            child = child.env(format!("PKR_VAR_{name}"), value);
        }
        // Its log holds the token; a password would be used instead of it.
        child.env_remove = ctx
            .env
            .iter()
            .map(|(name, _)| name)
            .filter(|name| ["PACKER_LOG", "PACKER_LOG_PATH", "PROXMOX_PASSWORD"].contains(name))
            .map(str::to_owned)
            .collect();
        child
    }

    /// Runs `packer validate`. It asks no API, so it is given no credentials.
    pub(super) fn validate(
        &self,
        ctx: &StepContext<'_>,
        variables: &BTreeMap<String, String>,
        plugins: Option<&Utf8PathBuf>,
    ) -> Result<Captured, StepError> {
        self.offline(ctx, &["validate", "."], variables, plugins)
    }

    /// Runs `packer init`: fetches the plugins that the files name and that
    /// are not installed; `plugins` is where to, instead of the user's own.
    pub(super) fn init(
        &self,
        ctx: &StepContext<'_>,
        variables: &BTreeMap<String, String>,
        plugins: Option<&Utf8PathBuf>,
    ) -> Result<(), StepError> {
        let told = self.offline(ctx, &["init", "."], variables, plugins)?;
        if told.code == 0 {
            return Ok(());
        }
        Err(Self::failed("packer init", &told).help(
            "its plugins come from GitHub, once; `scripts/tools` installs them from a mirror",
        ))
    }

    fn offline(
        &self,
        ctx: &StepContext<'_>,
        args: &[&str],
        variables: &BTreeMap<String, String>,
        plugins: Option<&Utf8PathBuf>,
    ) -> Result<Captured, StepError> {
        let mut child = self
            .child(ctx, args, variables)
            .env("PROXMOX_URL", "https://validate.invalid:8006/api2/json")
            .env("PROXMOX_USERNAME", "validate@pve!validate")
            .env("PROXMOX_TOKEN", "validate");
        if let Some(plugins) = plugins {
            child = child.env("PACKER_PLUGIN_PATH", plugins.as_str());
        }
        ctx.exec.capture(&child)
    }

    /// What a packer that reads only had to say.
    pub(super) fn failed(what: &str, told: &Captured) -> StepError {
        let code = u8::try_from(told.code).unwrap_or(1);
        let stdout = String::from_utf8_lossy(&told.stdout);
        let lines = stdout.lines().chain(told.stderr.lines());
        let tail = lines.map(str::trim_end).filter(|line| !line.is_empty());
        StepError::new(format!("`{what}` exited with code {code}"))
            .exit(Exit::Child(code))
            .tail(tail.map(str::to_owned).collect())
    }

    /// Takes a panic's `crash.log` away, which holds whatever packer knew, and
    /// gives its telling lines.
    pub(super) fn crash(&self) -> Option<Vec<String>> {
        let path = self.files.join("crash.log");
        let text = fs::read(&path).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        fs::remove_file(&path).unwrap_or_default();
        let from_panic = text.lines().skip_while(|line| !line.contains("panic:"));
        Some(from_panic.take(3).map(str::to_owned).collect())
    }
}

/// `[tools] packer` of `hl.toml`, else `packer`; it must be there.
fn program(ctx: &StepContext<'_>) -> Result<String, StepError> {
    let named = ctx.lab.config.tools.get("packer");
    let program = named.map_or("packer", String::as_str);
    let path = ctx.env.get("PATH").unwrap_or_default();
    if which::which_in(program, Some(path), ctx.lab.paths.root()).is_ok() {
        return Ok(program.to_owned());
    }
    let error = StepError::new(format!("`{program}` is not on PATH")).exit(Exit::Runway);
    Err(match named {
        Some(_) => error.help("change `packer` under `[tools]` in `hl.toml`"),
        None => error.help("install packer, or run `scripts/tools`"),
    })
}
