//! The command line as clap sees it.

use std::ffi::OsString;

use camino::Utf8PathBuf;
use clap::builder::PossibleValuesParser;
use clap::{
    Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, ValueHint,
};
use clap_complete::ArgValueCandidates;

use super::candidates;
use super::fault_flags::FaultFlags;
use super::flags::{Globals, given, old_set};
use super::graph_format::GraphFormat;
use super::manifest::{ManifestArgs, ON_ERROR_OF_TEST, RunArgs};
use super::platform::PlatformArgs;
use super::scenario::{PreflightArgs, ScenarioArgs, with_limits_of_scenarios};
use super::serve_args::{ServeArgs, SpecArgs};
use super::sim::SimArgs;
use super::site::SiteArgs;
use crate::site::SCHEMAS;

/// Run a Proxmox VE home lab in layers, and rehearse it before it is real.
#[derive(Debug, Parser)]
#[command(
    name = "hl",
    version,
    disable_help_subcommand = true,
    override_usage = "hl [FLAGS] [VERB or RECIPE] [ARGUMENTS]",
    subcommand_help_heading = "Verbs",
    allow_external_subcommands = true,
    max_term_width = 100,
    after_help = "Any other first word is a recipe of the lab: `hl list` shows them, `hl RECIPE --help` explains one.\n\
                  Every flag has a variable: --dry-run is HL_DRY_RUN, --jobs is HL_JOBS, ...\n\
                  Exit codes: 0 ok, 2 usage, 65 invalid definition, 66 unknown name, 69 runway or preflight,\n\
                  73 cannot write, 75 lab is busy, 77 not approved, 80 changes pending, 124 timeout, 130 Ctrl-C."
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    /// `-l`: the list, as in just.
    #[arg(short = 'l', long = "list", hide = true)]
    pub list: bool,
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

impl Cli {
    /// Reads a command line. Its flags are laid over those in `front` of it, for
    /// which the variables were read already.
    pub(super) fn read(args: &[OsString], front: Option<&Globals>) -> Result<Self, clap::Error> {
        let mut command = Self::complete();
        if front.is_some() {
            command = command.mut_args(|arg| arg.env(None::<&str>));
        }
        let matches = command.try_get_matches_from(args)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        cli.globals = front.cloned().unwrap_or_default();
        cli.globals.lay_over(&given(matches))?;
        Ok(cli)
    }

    /// The command line with the flags of before that are still taken.
    pub(super) fn complete() -> Command {
        let command = Self::command().arg(old_set());
        let command = command.mut_subcommands(|verb| match verb.get_name() {
            // They have an `--env` of their own.
            "site" | "show" | "scenario" | "platform" => verb,
            _ => with_old_set(verb),
        });
        with_limits_of_scenarios(command)
    }
}

fn with_old_set(verb: Command) -> Command {
    verb.arg(old_set()).mut_subcommands(with_old_set)
}

/// Verbs: they win over recipes.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// The lab's recipes by layer (also bare `hl`)
    List {
        /// Names only, one a line
        #[arg(long)]
        names: bool,
    },
    /// A recipe as it would run: steps, inputs, needs
    Show(ShowArgs),
    /// Every variable and where its value came from; secrets are not shown
    Env,
    /// Dry run of a recipe or of `up`: what would change
    Plan(PlanArgs),
    /// Run the layers in order, L0 to L4
    Up(UpArgs),
    /// Resume a run that did not succeed; completed steps stay done
    Resume(ResumeArgs),
    /// Run the last run again, from its start or from where it stopped
    Replay(ReplayArgs),
    /// Run recipes (default: `up`) with the real tools against a simulated Proxmox VE
    Rehearse(RehearseArgs),
    /// Ask for the node's address and token, check them, and save them
    Access,
    /// Remove what runs generate; history and state that holds resources stay
    Clean {
        /// Remove the history too: run files, logs, reports, and all that `hl resume` needs; asks first
        #[arg(long)]
        history: bool,
    },
    /// The lab's status: the last run, what is published, the next command
    Status(StatusArgs),
    /// The runs so far, newest first; one in full, its logs, and removing old ones
    Runs(RunsArgs),
    /// Say yes to what a detached run asks: what it shows, and nothing else
    Approve(ApproveArgs),
    /// Say no to what a detached run asks
    Reject(RejectArgs),
    /// Stop the run that goes on, as Ctrl-C does where it was started
    Stop(StopArgs),
    /// Template and ISO manifests: list, show, promote, rollback, prune
    Templates {
        #[command(subcommand)]
        verb: Option<TemplatesVerb>,
    },
    /// Virtual machines on the node: wait until one can be reached
    Vm {
        #[command(subcommand)]
        verb: VmVerb,
    },
    /// The site-config: where it is, what is in it, what it resolves to
    Site(SiteArgs),
    /// The controller: serve specs, git repositories and a page over HTTPS
    Serve(ServeArgs),
    /// Specs of machines, asked of a controller
    Spec(SpecArgs),
    /// Manifests, machines that are made together: list, check, show, draw
    Manifest(ManifestArgs),
    /// Platforms: adapters to files, and to a cluster: init, render, bootstrap, validate
    Platform(PlatformArgs),
    /// Make the machines of a manifest on a host
    Create(RunArgs),
    /// Destroy the machines of a manifest on a host; asks for the manifest's name
    #[command(mut_arg("on_error", |arg| arg.hide(true)))]
    Destroy(RunArgs),
    /// Make the machines of a manifest, look whether they answer, and destroy them
    #[command(mut_arg("on_error", |arg| arg.help(ON_ERROR_OF_TEST)))]
    Test(RunArgs),
    /// Scenarios, recipes in files of their own: list, run
    Scenario(Box<ScenarioArgs>),
    /// Check a machine before anything is run on it: over ssh, its node's API, its hardware
    Preflight(PreflightArgs),
    /// Check this machine: the checks of `preflight`, and the versions of tools
    Doctor,
    /// A recipe's steps as a graph
    Graph(GraphArgs),
    /// Let the lab of another user run as you; `--list` and `--remove` what you trust
    Trust(TrustArgs),
    /// Make a new lab from the layers inside this binary
    New {
        /// A directory that does not exist or is empty
        dir: Utf8PathBuf,
    },
    /// Serve the Proxmox VE simulator on loopback
    Sim(SimArgs),
    /// Completion script for a shell
    Completions {
        /// The shell: bash, zsh, fish, elvish or powershell
        #[arg(hide_possible_values = true)]
        shell: clap_complete::Shell,
    },
    /// The manual page
    Man,
    /// JSON Schema of a file or stream
    Schema {
        /// Of what: layer (layer.toml), scenario (a file of scenarios/), hl (hl.toml), event (`--events json`), plan (`hl plan --json`),
        /// result (`--json` of anything that runs), runs (`hl runs --json`),
        /// run (`hl runs show --json`), resume (`hl resume --explain --json`), status
        /// (`hl status --json`), seed and faults (files of `hl sim`), or a file of a site-config: site, secrets, node, host, env, template, preset, posture, spec-posture, spec, manifest
        #[arg(hide_possible_values = true, value_parser = schemas())]
        name: String,
    },
    /// Anything else is a recipe.
    #[command(external_subcommand)]
    Recipe(Vec<String>),
}

/// `hl show`
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    pub flags: ShowFlags,
    /// The recipe and its arguments
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "RECIPE",
        add = ArgValueCandidates::new(candidates::recipes)
    )]
    pub recipe: Vec<String>,
}

/// Flags of `hl show`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct ShowFlags {
    /// As `hl env`, which it was called before 0.2
    #[arg(long, alias = "env", hide = true)]
    pub variables: bool,
}

/// A verb in front of a recipe.
#[derive(Debug, Args)]
pub(super) struct OfRecipe<F: Args> {
    #[command(flatten)]
    pub flags: F,
    /// The recipe and its arguments, or `up`
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "RECIPE",
        required = true,
        add = ArgValueCandidates::new(candidates::recipes)
    )]
    pub recipe: Vec<String>,
}

/// `hl plan`
pub(super) type PlanArgs = OfRecipe<PlanFlags>;

/// Flags of `hl plan`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct PlanFlags {
    /// Exit with 80 when changes are pending
    #[arg(long)]
    pub exit_code: bool,
}

/// `hl up`
#[derive(Debug, Clone, Args)]
pub(super) struct UpArgs {
    /// Environment of L2 to L4 [default: `env` in hl.toml]
    #[arg(value_name = "ENV", add = ArgValueCandidates::new(candidates::environments))]
    pub environment: Option<String>,
    /// Proxmox node [default: `PVE_NODE`]
    #[arg(long, add = ArgValueCandidates::new(candidates::nodes))]
    pub node: Option<String>,
    /// First layer
    #[arg(long, value_name = "LAYER", add = ArgValueCandidates::new(candidates::layers))]
    pub from: Option<String>,
    /// Last layer
    #[arg(long, value_name = "LAYER", add = ArgValueCandidates::new(candidates::layers))]
    pub to: Option<String>,
    /// An optional component of hl.toml too, in this run only; several: --with A,B
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub with: Vec<String>,
    /// Start again even if the last `up` is unfinished: it is archived as cancelled
    #[arg(long)]
    pub fresh: bool,
}

/// `hl resume`
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct ResumeArgs {
    /// The run: its id or a piece of it [default: the newest that did not succeed]
    #[arg(value_name = "RUN", add = ArgValueCandidates::new(candidates::runs))]
    pub run: Option<String>,
    /// Say for each step whether it would run, and why; run nothing
    #[arg(long)]
    pub explain: bool,
    /// Run this step and all that depend on it, even if they are done
    #[arg(long, value_name = "STEP")]
    pub from: Option<String>,
}

/// `hl replay`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct ReplayArgs {
    /// Where to begin: start or resume [default: asked on a terminal]
    #[arg(long, value_enum, hide_possible_values = true)]
    pub from: Option<ReplayFrom>,
}

/// `--from` of `hl replay`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReplayFrom {
    /// All of it again
    Start,
    /// Where it stopped
    Resume,
}

/// `hl rehearse`
#[derive(Debug, Args)]
pub(super) struct RehearseArgs {
    #[command(flatten)]
    pub flags: RehearseFlags,
    /// The recipe and its arguments [default: up]; or one of plan, status, runs,
    /// templates, resume, replay, approve, reject, stop, show, graph, clean, platform: the
    /// same of rehearsals
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "RECIPE",
        add = ArgValueCandidates::new(candidates::recipes)
    )]
    pub recipe: Vec<String>,
}

/// Flags of `hl rehearse`.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct RehearseFlags {
    /// Empty the simulated world first
    #[arg(long)]
    pub fresh: bool,
    /// Ask Doppler for the lab's variables too
    #[arg(long)]
    pub doppler: bool,
    /// Ask for approvals as a live run does: `hl rehearse approve` answers
    #[arg(long)]
    pub ask: bool,
    #[command(flatten)]
    pub faults: FaultFlags,
}

/// `hl status`
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// The last 10 runs too, step by step
    #[arg(long)]
    pub history: bool,
    /// Of rehearsals
    #[arg(long)]
    pub rehearsal: bool,
}

/// `hl runs`
#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    /// All of them, not only the newest 20
    #[arg(long)]
    pub all: bool,
    /// Those of rehearsals
    #[arg(long, global = true)]
    pub rehearsal: bool,
    #[command(subcommand)]
    pub verb: Option<RunsVerb>,
}

/// `hl runs ...`
#[derive(Debug, Subcommand)]
pub(super) enum RunsVerb {
    /// One run, step by step
    Show {
        /// Id, or a piece of it that no other run has [default: the latest]
        #[arg(add = ArgValueCandidates::new(candidates::runs))]
        run: Option<String>,
    },
    /// The output of its tools, secrets masked; without a step, of the failed ones or else of all
    Logs {
        /// Id, or a piece of it that no other run has [default: the latest]
        #[arg(add = ArgValueCandidates::new(candidates::runs))]
        run: Option<String>,
        /// Step, e.g. l2-apply/plan or plan
        step: Option<String>,
    },
    /// A run as its own terminal shows it, from its start; Ctrl-C leaves the run alone
    Follow(FollowArgs),
    /// Remove old runs with their logs; never one that runs or that `hl resume` needs
    Prune {
        /// How many of the newest stay
        #[arg(long, value_name = "N")]
        keep: usize,
    },
}

/// `hl runs follow`
#[derive(Debug, Args)]
pub(super) struct FollowArgs {
    /// Id, or a piece of it that no other run has [default: the one that goes on, else the newest]
    #[arg(add = ArgValueCandidates::new(candidates::runs))]
    pub run: Option<String>,
    /// With `--events json`: begin behind the line with this `offset`
    #[arg(long, value_name = "OFFSET")]
    pub from: Option<u64>,
}

/// `hl approve`
#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    /// The run that asks, where it should be no other one
    #[arg(add = ArgValueCandidates::new(candidates::runs))]
    pub run: Option<String>,
    /// Digest of what was shown, instead of a question on the terminal
    #[arg(long)]
    pub digest: Option<String>,
}

/// `hl reject`
#[derive(Debug, Args)]
pub(super) struct RejectArgs {
    /// The run that asks, where it should be no other one
    #[arg(add = ArgValueCandidates::new(candidates::runs))]
    pub run: Option<String>,
}

/// `hl stop`
#[derive(Debug, Args)]
pub(super) struct StopArgs {
    /// The run, where it should be no other one
    #[arg(add = ArgValueCandidates::new(candidates::runs))]
    pub run: Option<String>,
    /// As by the second Ctrl-C: tools that take it are hurried
    #[arg(long)]
    pub now: bool,
    /// As by the third: what its tools are making is left as it is
    #[arg(long, conflicts_with = "now")]
    pub kill: bool,
}

/// `hl templates ...`
#[derive(Debug, Subcommand)]
pub(super) enum TemplatesVerb {
    /// All manifests, and which of them still exist on the node
    List,
    /// One template's manifests
    Show {
        /// Template
        #[arg(add = ArgValueCandidates::new(candidates::templates))]
        name: String,
    },
    /// Point `stable` at a manifest
    Promote {
        /// Template
        #[arg(add = ArgValueCandidates::new(candidates::templates))]
        name: String,
        /// Stamp of the manifest, YYYYMMDD-HHMMSS
        stamp: String,
    },
    /// Point `stable` at the manifest before the present one
    Rollback {
        /// Template
        #[arg(add = ArgValueCandidates::new(candidates::templates))]
        name: String,
    },
    /// Remove old templates from the node, with their manifests; never stable, never one with linked clones
    Prune {
        /// Template
        #[arg(add = ArgValueCandidates::new(candidates::templates))]
        name: String,
        /// How many of the newest stay
        #[arg(long)]
        keep: usize,
    },
}

/// `hl vm ...`
#[derive(Debug, Subcommand)]
pub(super) enum VmVerb {
    /// Wait until its guest agent tells an address, and print that
    Wait {
        /// Its name, or its number
        name: String,
        /// How long at most
        #[arg(long, value_name = "DURATION", default_value = "5m")]
        patience: String,
    },
}

/// `hl graph`
pub(super) type GraphArgs = OfRecipe<GraphFlags>;

/// Flags of `hl graph`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct GraphFlags {
    /// How to draw it: tree, dot (Graphviz) or mermaid [default: tree]
    #[arg(long, value_enum, hide_possible_values = true)]
    pub format: Option<GraphFormat>,
}

/// `hl trust`
#[derive(Debug, Args)]
pub(super) struct TrustArgs {
    /// The lab, or the site-config beside one [default: the lab found upward from here]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<Utf8PathBuf>,
    /// What you trust, and whether it is still the same
    #[arg(long, conflicts_with_all = ["dir", "remove"])]
    pub list: bool,
    /// Trust it no longer
    #[arg(long)]
    pub remove: bool,
}

/// What has a schema.
fn schemas() -> PossibleValuesParser {
    let own = [
        "layer", "scenario", "hl", "event", "plan", "result", "runs", "run", "resume", "status",
        "serve", "seed", "faults",
    ];
    PossibleValuesParser::new(own.into_iter().chain(SCHEMAS))
}
