//! `hl platform` as clap sees it.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

use crate::platform::is_name;

/// `hl platform`
#[derive(Debug, Args)]
pub(in crate::cli) struct PlatformArgs {
    #[command(subcommand)]
    pub(in crate::cli) verb: PlatformVerb,
}

/// `hl platform ...`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PlatformVerb {
    /// Ask for what platform/platform.yaml lacks, and write it; run again, it goes on
    Init(InitArgs),
    /// Make platform/generated from platform/platform.yaml: no script, no network
    Render(RenderArgs),
    /// Run the scripts of the adapters: checks, pre-work, bootstrap, post-work, validation
    Bootstrap(EnvArgs),
    /// Render in memory and compare with platform/generated; exit code 1 when it differs
    Validate,
    /// Write scripts, contexts and a page that says what to type by hand
    Eject(EjectArgs),
    /// Remove scripts that killed bootstraps left in state/platform
    Vacuum,
}

/// `--env`
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct EnvArgs {
    /// The environment that the platform is rendered for
    #[arg(long, value_name = "NAME", default_value = "production", value_parser = environment)]
    pub(in crate::cli) env: String,
}

fn environment(text: &str) -> Result<String, String> {
    if is_name(text) {
        return Ok(text.to_owned());
    }
    Err("expected lower-case letters, digits and `-`, a letter first".to_owned())
}

/// `hl platform init`
#[derive(Debug, Args)]
pub(in crate::cli) struct InitArgs {
    /// These adapters instead of a choice for each group
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(super) adapters: Vec<String>,
    /// An answer to `organization`, `app_name`, `group.GROUP` or `ADAPTER.KEY`; several
    #[arg(long = "answer", value_name = "KEY=VALUE")]
    pub(super) answer: Vec<String>,
    /// Answers, one KEY=VALUE a line; secrets too
    #[arg(long, value_name = "FILE")]
    pub(super) answers: Option<Utf8PathBuf>,
}

/// `hl platform render`
#[derive(Debug, Args)]
pub(in crate::cli) struct RenderArgs {
    #[command(flatten)]
    pub(super) env: EnvArgs,
    /// Only these adapters; what the others wrote stays
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(super) only: Vec<String>,
}

/// `hl platform eject`
#[derive(Debug, Args)]
pub(in crate::cli) struct EjectArgs {
    #[command(flatten)]
    pub(super) env: EnvArgs,
    /// A directory that does not exist or is empty; platform/eject of the lab when absent
    #[arg(value_name = "DIR")]
    pub(super) dir: Option<Utf8PathBuf>,
}
