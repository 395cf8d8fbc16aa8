//! `hl sim` as clap sees it.

use std::net::SocketAddr;

use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueEnum, ValueHint};

use crate::cli::fault_flags::FaultFlags;

/// `hl sim`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct SimArgs {
    #[command(flatten)]
    pub(super) serve: ServeArgs,
    #[command(subcommand)]
    pub(super) verb: Option<SimVerb>,
}

/// `hl sim` without a verb.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:8006")]
    pub(super) listen: SocketAddr,
    /// Keep the simulated world in this directory [default: a temporary one]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) world: Option<Utf8PathBuf>,
    /// Begin a new world as this file says: nodes, storages, VMs, ... (`hl schema seed`)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) seed: Option<Utf8PathBuf>,
    /// Give a token that may do everything, and root a password
    #[arg(long)]
    pub(super) admin: bool,
    /// Print the variables of a client: bpg, telmate, packer, ansible, proxmoxer, all [default: those of a lab]
    #[arg(
        long = "for",
        value_name = "CLIENT",
        value_enum,
        hide_possible_values = true
    )]
    pub(super) clients: Vec<Client>,
    /// Let tasks of a kind take time, e.g. clone=7s
    #[arg(long, value_name = "TASK=TIME")]
    pub(super) slow: Vec<String>,
    #[command(flatten)]
    pub(super) faults: FaultFlags,
    /// Take downloads as done whose URL the world has no file for
    #[arg(long)]
    pub(super) take_downloads: bool,
    /// Add a line of JSON for each request to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) log: Option<Utf8PathBuf>,
    /// End when standard input does
    #[arg(long)]
    pub(super) until_stdin_closes: bool,
}

/// `hl sim ...`
#[derive(Debug, Subcommand)]
pub(super) enum SimVerb {
    /// Print the variables of a world that is being served
    Export {
        /// Its directory
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        world: Utf8PathBuf,
        /// Of a client: bpg, telmate, packer, ansible, proxmoxer, all [default: those of a lab]
        #[arg(
            long = "for",
            value_name = "CLIENT",
            value_enum,
            hide_possible_values = true
        )]
        clients: Vec<Client>,
    },
    /// Empty a kept world: the next start begins anew, with the same token and certificate
    Reset {
        /// Its directory
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        world: Utf8PathBuf,
    },
}

/// Whose variables are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Client {
    /// The provider bpg/proxmox
    Bpg,
    /// The provider Telmate/proxmox
    Telmate,
    /// The plugin proxmox of packer
    Packer,
    /// The collection community.proxmox
    Ansible,
    /// Programs over proxmoxer, which reads no variables itself
    Proxmoxer,
    /// All of them
    All,
}
