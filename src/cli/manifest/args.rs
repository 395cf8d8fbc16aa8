//! `hl manifest` as clap sees it.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueEnum};
use clap_complete::ArgValueCandidates;

use crate::cli::candidates;
use crate::cli::graph_format::GraphFormat;
use crate::plan::OnFailure;

/// `hl manifest`
#[derive(Debug, Args)]
pub(in crate::cli) struct ManifestArgs {
    /// The site-config [default: searched for, `hl site where` says where; variable `HL_SITE`]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) site: Option<Utf8PathBuf>,
    #[command(subcommand)]
    pub(super) verb: ManifestVerb,
}

/// `hl manifest ...`
#[derive(Debug, Subcommand)]
pub(super) enum ManifestVerb {
    /// Those of the site-config: name, pattern, nodes, description
    List,
    /// Report all errors of one, or of `all` [default: all], at once; exit code 65 if there are any
    Check(Chosen),
    /// What each node is made from, and the file and line that says so
    Show(Chosen),
    /// The nodes and what they are in; with --json the orders in which they are made and removed
    Graph(GraphArgs),
}

/// Which manifest is meant.
#[derive(Debug, Clone, Args)]
#[group(multiple = false)]
pub(super) struct Chosen {
    /// A file in manifests/
    #[arg(add = ArgValueCandidates::new(candidates::manifests))]
    pub(super) name: Option<String>,
    /// The same as NAME
    #[arg(short = 'M', long, value_name = "NAME", add = ArgValueCandidates::new(candidates::manifests))]
    pub(super) manifest: Option<String>,
    /// A file elsewhere; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(super) manifest_file: Option<Utf8PathBuf>,
    /// The manifest itself
    #[arg(long, value_name = "JSON")]
    pub(super) manifest_json: Option<String>,
}

/// `hl manifest graph`
#[derive(Debug, Args)]
pub(super) struct GraphArgs {
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// How to draw it: tree, dot (Graphviz) or mermaid [default: tree]
    #[arg(long, value_enum, hide_possible_values = true)]
    pub(super) format: Option<GraphFormat>,
    /// The same as --format dot
    #[arg(long, conflicts_with_all = ["format", "mermaid"])]
    pub(super) dot: bool,
    /// The same as --format mermaid
    #[arg(long, conflicts_with = "format")]
    pub(super) mermaid: bool,
}

/// What `hl test --help` says of `--on-error`.
pub(in crate::cli) const ON_ERROR_OF_TEST: &str = "What happens when a node fails: stop or continue; what was made is destroyed in either case [default: what the manifest says]";

/// `hl create`, `hl destroy`, `hl test`
#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// The host: a node of the site-config, or `PVE_NODE`
    #[arg(short = 'H', long, value_name = "HOST", add = ArgValueCandidates::new(candidates::hosts))]
    pub(super) host: String,
    /// What happens when a node fails: stop, continue or rollback [default: what the manifest says]
    #[arg(long, value_enum, value_name = "MODE", hide_possible_values = true)]
    pub(super) on_error: Option<OnErrorWord>,
    /// Leave out the checks of L0
    #[arg(long)]
    pub(super) skip_preflight: bool,
}

/// `--on-error`
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum OnErrorWord {
    Stop,
    Continue,
    Rollback,
}

impl From<OnErrorWord> for OnFailure {
    fn from(word: OnErrorWord) -> Self {
        match word {
            OnErrorWord::Stop => Self::Stop,
            OnErrorWord::Continue => Self::Continue,
            OnErrorWord::Rollback => Self::Rollback,
        }
    }
}
