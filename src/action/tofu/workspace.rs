//! Where tofu works for one environment on one node, and how it is run.
//!
//! The working directory is a copy of the module, so that the checkout is
//! never written. The state is named to the `local` backend at init: a saved
//! plan then knows it, which `-state=` it forgets (measured).

use std::time::Duration;

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::Deserialize;

use super::tool::Tool;
use crate::action::{ChildSpec, StepContext};
use crate::diag::Exit;
use crate::diag::StepError;
use crate::lab::{self, Paths};
use crate::pve;
use crate::tofu::files;

/// tofu finishes what it began when it is interrupted, and a clone takes its
/// time on a slow disk.
const GRACE: Duration = Duration::from_hours(1);

/// The module that is used when a step names none, in the folder of its layer.
const MODULE: &str = "tofu/vms";

/// What tofu writes beside the module: the providers it chose.
pub(in crate::action) const LOCK: &str = ".terraform.lock.hcl";

/// Names the module in the checkout, for who finds only the copy.
const SOURCE: &str = "source";

/// The module's variables, in its working directory.
pub(in crate::action) const VARIABLES: &str = "terraform.tfvars.json";

/// What is waited for while tofu reads the machines of a state from the node:
/// the provider gives a guest agent that is silent the module's
/// `agent_timeout`, without a word.
pub(super) fn asking(tool: &Tool, verb: &str, machines: usize) -> String {
    let asked = match machines {
        0 => return format!("{} {verb}", tool.program),
        1 => "a machine".to_owned(),
        count => format!("{count} machines"),
    };
    format!(
        "{} {verb}, which asks the node about {asked}; a silent guest agent may take all of `agent_timeout`, 5m",
        tool.program
    )
}

/// Inputs that all tofu steps share.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Target {
    /// Environment, e.g. `dev`.
    #[schemars(length(max = 100))]
    pub(super) env: String,
    /// Proxmox node.
    #[schemars(length(max = 100))]
    pub(super) node: String,
    /// The module's directory, relative to the lab.
    #[serde(default)]
    pub(super) dir: Option<String>,
    /// Name of state and working directory; `ENV-NODE` when absent. A module
    /// of your own needs one of its own; a manifest's node has `MANIFEST/HOST/NODE`.
    #[serde(default)]
    pub(super) key: Option<String>,
}

/// The paths of one environment on one node.
#[derive(Debug, Clone)]
pub(super) struct Workspace {
    /// `dev-pve`
    pub(super) key: String,
    /// The module in the checkout.
    pub(super) source: Utf8PathBuf,
    /// `.build/tofu/KEY`
    pub(super) build: Utf8PathBuf,
    /// Where tofu runs: the copy of the module.
    pub(super) module: Utf8PathBuf,
    /// `TF_DATA_DIR`
    pub(super) data: Utf8PathBuf,
    /// `.states/KEY/terraform.tfstate`
    pub(super) state: Utf8PathBuf,
    /// Shared by all environments, so that a provider is fetched once.
    plugins: Utf8PathBuf,
}

impl Target {
    /// `ENV-NODE`, fit to be a directory's name; or several, one in the other.
    pub(super) fn key(&self) -> Result<String, StepError> {
        let key = self
            .key
            .clone()
            .unwrap_or_else(|| format!("{}-{}", self.env, self.node));
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let fits = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(plain)
        };
        // Only a key that is given has several parts: names of environments have no `/`.
        let fits = match &self.key {
            Some(key) => key.split('/').all(fits),
            None => fits(&key),
        };
        if fits {
            return Ok(key);
        }
        Err(StepError::new(format!("`{key}` cannot name a directory"))
            .exit(Exit::Definition)
            .help("use letters, digits, dots and dashes for environments and nodes"))
    }
}

impl Workspace {
    /// The paths for a target. A dry run works in the run's log directory, so
    /// that nothing else is written.
    pub(super) fn of(ctx: &StepContext<'_>, target: &Target) -> Result<Self, StepError> {
        let key = target.key()?;
        let paths = &ctx.lab.paths;
        let named = target.dir.as_ref().map(|dir| paths.root().join(dir));
        let source = named.or_else(|| module(ctx)).unwrap_or_default();
        if !source.is_dir() {
            let shown = paths.show(&source);
            return Err(StepError::new(format!("no tofu module at `{shown}`"))
                .exit(Exit::Definition)
                .help("the step's input `dir` names the module's directory"));
        }
        let live = built(paths).join(&key);
        let (build, data) = if ctx.dry_run {
            let scratch = paths.logs(ctx.run_id).join(format!("tofu-{}", flat(&key)));
            (scratch.clone(), scratch.join("data"))
        } else {
            (live, paths.tofu_state(&key).join("data"))
        };
        Ok(Self {
            module: build.join("module"),
            build,
            data,
            state: paths.tofu_state(&key).join("terraform.tfstate"),
            plugins: paths.state().join("cache/tofu-plugins"),
            source,
            key,
        })
    }

    /// Variables of the module.
    pub(super) fn vars_file(&self) -> Utf8PathBuf {
        self.build.join(VARIABLES)
    }

    /// The plan of this run.
    pub(super) fn plan_file(&self, run_id: &str) -> Utf8PathBuf {
        self.build.join(format!("{run_id}.tfplan"))
    }

    /// Makes the directories and the copy of the module; the copy's lock file
    /// stays while the same tool uses it, unless the checkout has one.
    pub(super) fn prepare(&self, ctx: &StepContext<'_>, tool: &Tool) -> Result<(), StepError> {
        if !has_cache(ctx) {
            lab::create_dir(&self.plugins)?;
        }
        for dir in [&self.build, &self.data] {
            lab::create_dir(dir)?;
        }
        files::private(&self.build)?;
        if let Some(states) = self.state.parent().filter(|dir| dir.is_dir()) {
            files::private(states)?;
        }
        self.protect_state()?;
        let kept = self.build.join("tool");
        let same = std::fs::read_to_string(&kept).is_ok_and(|name| name == tool.flavor.name());
        let keep: &[&str] = if same { &[LOCK] } else { &[] };
        files::mirror(&self.source, &self.module, keep)?;
        lab::write(&kept, tool.flavor.name(), 0o600)?;
        let source = ctx.lab.paths.show(&self.source);
        lab::write(&self.build.join(SOURCE), source.as_str(), 0o600)?;
        Ok(())
    }

    /// Refuses to go on where `prepare` and `init` were not done.
    pub(super) fn expect_prepared(&self) -> Result<(), StepError> {
        if self.module.is_dir() && self.data.is_dir() {
            return Ok(());
        }
        Err(StepError::new("the tofu module is not ready")
            .exit(Exit::Definition)
            .help("put a step with `use = \"tofu.init\"` before this one"))
    }

    /// A tofu that runs in the copy.
    pub(super) fn child(
        &self,
        ctx: &StepContext<'_>,
        tool: &Tool,
        args: impl IntoIterator<Item = impl Into<String>>,
    ) -> ChildSpec {
        let mut child = ChildSpec::new(&tool.program, args)
            .cwd(&self.module)
            .grace(GRACE)
            .env("TF_DATA_DIR", self.data.as_str())
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_INPUT", "0")
            .env("CHECKPOINT_DISABLE", "1");
        // tofu takes a cache that is there, and refuses one that is not.
        if self.plugins.is_dir() && !has_cache(ctx) {
            child = child.env("TF_PLUGIN_CACHE_DIR", self.plugins.as_str());
        }
        // These would point tofu at another state, or add arguments of their own.
        child.env_remove = ctx
            .env
            .iter()
            .map(|(name, _)| name)
            .filter(|name| name.starts_with("TF_CLI_ARGS") || UNSAFE_TF_VARS.contains(name))
            .map(str::to_owned)
            .collect();
        // A second interrupt, or any SIGTERM, makes tofu lose a VM.
        child.takes_sigterm = false;
        child
    }

    /// A tofu that calls the API: it is given endpoint, token and what `hl`
    /// trusts, by environment alone.
    pub(super) fn calling_child(
        &self,
        ctx: &StepContext<'_>,
        tool: &Tool,
        args: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<ChildSpec, StepError> {
        let mut child = self.child(ctx, tool, args);
        child.env.extend(pve::tool_env(ctx.env, &ctx.lab.paths)?);
        Ok(child)
    }

    /// The state file for its owner alone; tofu makes it readable for all.
    pub(super) fn protect_state(&self) -> Result<(), StepError> {
        for path in [self.state.clone(), files::beside(&self.state, ".backup")] {
            if path.is_file() {
                files::private(&path)?;
            }
        }
        Ok(())
    }
}

/// The module in the checkout that a working directory was made of; none where that is
/// not known, or it is gone.
pub(in crate::action) fn source_of(paths: &Paths, key: &str) -> Option<Utf8PathBuf> {
    let shown = std::fs::read_to_string(built(paths).join(key).join(SOURCE)).ok()?;
    let source = paths.root().join(shown.trim());
    source.is_dir().then_some(source)
}

/// A key as one name.
pub(super) fn flat(key: &str) -> String {
    key.replace('/', "-")
}

/// What is made for tofu, by key.
pub(in crate::action) fn built(paths: &Paths) -> Utf8PathBuf {
    paths.build().join("tofu")
}

/// The module of the step's layer.
pub(super) fn module(ctx: &StepContext<'_>) -> Option<Utf8PathBuf> {
    Some(ctx.layer_dir()?.join(MODULE))
}

/// Whether the user's own settings say where providers come from.
fn has_cache(ctx: &StepContext<'_>) -> bool {
    ["TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR"]
        .into_iter()
        .any(|name| ctx.env.get(name).is_some())
}

const UNSAFE_TF_VARS: [&str; 3] = ["TF_WORKSPACE", "TF_LOG_PATH", "TF_REATTACH_PROVIDERS"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_plain_name() {
        let key = |env: &str, node: &str| {
            let target = Target {
                env: env.to_owned(),
                node: node.to_owned(),
                dir: None,
                key: None,
            };
            target.key()
        };
        assert_eq!(key("dev", "pve").unwrap(), "dev-pve");
        for (env, node) in [("../x", "pve"), ("", "pve"), ("dev", "a/b"), ("dev", "a b")] {
            assert_eq!(
                key(env, node).unwrap_err().exit,
                Exit::Definition,
                "{env}-{node}"
            );
        }
    }
}
