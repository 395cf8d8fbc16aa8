//! `hl site` as clap sees it.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

/// `hl site`
#[derive(Debug, Args)]
pub(in crate::cli) struct SiteArgs {
    /// The site-config [default: searched for, `hl site where` says where; variable `HL_SITE`]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) site: Option<Utf8PathBuf>,
    #[command(subcommand)]
    pub(super) verb: SiteVerb,
}

/// `hl site ...`
#[derive(Debug, Subcommand)]
pub(super) enum SiteVerb {
    /// Which site-config is used, and why
    Where,
    /// Secrets: check, edit, decrypt or encrypt `secrets.yaml` (SOPS and age)
    Secrets(SecretsArgs),
}

/// `hl site secrets`
#[derive(Debug, Args)]
pub(super) struct SecretsArgs {
    #[command(subcommand)]
    pub(super) verb: SecretsVerb,
}

/// `hl site secrets ...`
#[derive(Debug, Subcommand)]
pub(super) enum SecretsVerb {
    /// Which files there are, who can read and open them, and the names in them; no value
    Check,
    /// Open them in $EDITOR; what is encrypted is encrypted again when something changed
    Edit,
    /// Write secrets.yaml (mode 0600) from secrets.yaml.enc
    Decrypt {
        /// Replace a secrets.yaml that holds other values
        #[arg(long)]
        force: bool,
    },
    /// Write secrets.yaml.enc from secrets.yaml, unless it holds the same already
    Encrypt {
        /// Public key that can open it, again for each [default: as `.sops.yaml` says]
        #[arg(long, value_name = "RECIPIENT", value_delimiter = ',')]
        age: Vec<String>,
        /// Replace a secrets.yaml.enc that cannot be opened here
        #[arg(long)]
        force: bool,
    },
}
