//! `hl site` as clap sees it.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueEnum};

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
    /// Report all its errors at once; exit code 65 if there are any
    Check,
    /// The names of its files of one kind
    List {
        /// Of what: envs, postures, templates, presets, nodes, hosts, specs or manifests
        #[arg(hide_possible_values = true)]
        kind: ListKind,
    },
    /// What a tool is given, as JSON, secrets hidden
    Resolve(ResolveArgs),
    /// Secrets: check, edit, decrypt or encrypt `secrets.yaml` (SOPS and age)
    Secrets {
        #[command(subcommand)]
        verb: SecretsVerb,
    },
    /// Write a commented site-config to fill in; existing files are kept
    Init {
        /// Where [default: the lab's site/]
        dir: Option<Utf8PathBuf>,
    },
    /// Clone or update the repositories of `[repos]` in hl.toml, beside the lab
    Repos,
    /// Write nodes/NAME.yaml from the Proxmox VE that the lab's variables name
    NodeConfig(NodeConfigArgs),
    /// Write hosts/NAME.yaml from this machine, or from another over ssh
    HostConfig(HostConfigArgs),
}

/// `hl site secrets ...`
#[derive(Debug, Subcommand)]
pub(super) enum SecretsVerb {
    /// Which files there are, who can read and open them, and the names in them; no value
    Check,
    /// Edit them in $EDITOR; an encrypted file that was changed is encrypted again
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

/// What `hl site list` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ListKind {
    /// `envs/`
    Envs,
    /// `postures/`
    Postures,
    /// `vms/`
    Templates,
    /// `vms/presets/`
    Presets,
    /// `nodes/`
    Nodes,
    /// `nodes/` and `hosts/`
    Hosts,
    /// `v2/specs/`
    Specs,
    /// `manifests/`
    Manifests,
}

/// `hl site resolve`
#[derive(Debug, Args)]
pub(super) struct ResolveArgs {
    #[command(flatten)]
    pub(super) sink: Sink,
    #[command(subcommand)]
    pub(super) what: Resolve,
}

/// Where an answer goes.
#[derive(Debug, Args)]
pub(super) struct Sink {
    /// Secrets in the clear
    #[arg(long, global = true, conflicts_with_all = ["write", "explain"])]
    pub(super) reveal: bool,
    /// Whole, secrets in the clear, to a file that only you may read
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "explain")]
    pub(super) write: Option<Utf8PathBuf>,
    /// For each value the file and line that gave it
    #[arg(long, global = true)]
    pub(super) explain: bool,
}

/// `hl site resolve ...`
#[derive(Debug, Subcommand)]
pub(super) enum Resolve {
    /// An environment on a node, for OpenTofu
    Tofu {
        /// A file in envs/
        #[arg(short = 'E', long = "env", alias = "environment", value_name = "ENV")]
        environment: String,
        /// Proxmox node: a file in nodes/
        #[arg(short = 'N', long)]
        node: String,
    },
    /// One machine that is in no environment, on a node, for OpenTofu
    Vm(VmArgs),
    /// An environment's variables, for Ansible
    Ansible {
        /// A file in envs/
        #[arg(short = 'E', long = "env", alias = "environment", value_name = "ENV")]
        environment: String,
    },
    /// A spec as its machine gets it
    Spec {
        /// Identity: a file in v2/specs/
        #[arg(value_name = "ID")]
        identity: String,
    },
    /// A host: a file in nodes/, else in hosts/
    Host {
        /// Its name
        host: String,
    },
}

/// `hl site resolve vm`
#[derive(Debug, Args)]
pub(super) struct VmArgs {
    /// Proxmox node: a file in nodes/
    #[arg(short = 'N', long)]
    pub(super) node: String,
    /// The machine's name
    #[arg(long)]
    pub(super) name: String,
    /// A file in vms/
    #[arg(long)]
    pub(super) template: Option<String>,
    /// A file in v2/presets/ or vms/presets/; no effect beside --template
    #[arg(long)]
    pub(super) preset: Option<String>,
    /// What it is made from
    #[arg(long)]
    pub(super) image: Option<String>,
    /// Its id [default: Proxmox VE chooses]
    #[arg(long)]
    pub(super) vmid: Option<u32>,
    /// Its posture [default: dev]
    #[arg(long)]
    pub(super) posture: Option<String>,
}

/// `hl site node-config`
#[derive(Debug, Args)]
pub(super) struct NodeConfigArgs {
    /// Node in Proxmox VE [default: `PVE_NODE`, else the only one]
    pub(super) name: Option<String>,
    /// Replace an existing file
    #[arg(long)]
    pub(super) force: bool,
}

/// `hl site host-config`
#[derive(Debug, Args)]
pub(super) struct HostConfigArgs {
    /// The file's name [default: what the machine calls itself]
    pub(super) name: Option<String>,
    /// Ask that machine instead of this one
    #[arg(long, value_name = "[USER@]HOST")]
    pub(super) ssh: Option<String>,
    /// Replace an existing file
    #[arg(long)]
    pub(super) force: bool,
}
