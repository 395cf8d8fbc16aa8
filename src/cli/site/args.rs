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
}
