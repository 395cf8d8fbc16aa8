//! The command line as clap sees it.

use camino::Utf8PathBuf;
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

/// Run a Proxmox VE home lab in layers, and rehearse it before it is real.
#[derive(Debug, Parser)]
#[command(
    name = "hl",
    version,
    disable_help_subcommand = true,
    subcommand_value_name = "VERB or RECIPE",
    allow_external_subcommands = true,
    max_term_width = 100,
    after_help = "Any other first word is a recipe of the lab: `hl list` shows them.\n\
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

/// Flags that every verb and every recipe takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Flags everywhere")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Globals {
    /// The lab: a directory with hl.toml [default: found upward from here]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "HL_LAB",
        hide_env = true
    )]
    pub lab: Option<Utf8PathBuf>,
    /// Change nothing: validate, read, and show what would happen
    #[arg(short = 'n', long, global = true, env = "HL_DRY_RUN", hide_env = true, value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub dry_run: bool,
    /// Answer yes to every approval
    #[arg(short, long, global = true, env = "HL_YES", hide_env = true, value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub yes: bool,
    /// Never ask: what needs an answer ends with exit code 77
    #[arg(long, global = true, env = "HL_NO_INPUT", hide_env = true, value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub no_input: bool,
    /// How many steps may run at once [default: 4]
    #[arg(short, long, global = true, value_name = "N", env = "HL_JOBS", hide_env = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// After a failure, go on with what does not depend on it
    #[arg(short, long, global = true, env = "HL_KEEP_GOING", hide_env = true, value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub keep_going: bool,
    /// Interrupt what a killed run left behind once, instead of waiting for it
    #[arg(long, global = true, env = "HL_INTERRUPT", hide_env = true, value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub interrupt: bool,
    /// Limit for every step instead of its own, e.g. 90s, 30m
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        env = "HL_TIMEOUT",
        hide_env = true
    )]
    pub timeout: Option<String>,
    /// One JSON document on stdout instead of text
    #[arg(long, global = true, env = "HL_JSON", hide_env = true, value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub json: bool,
    /// Every event as a line on stdout while it happens
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        env = "HL_EVENTS",
        hide_env = true
    )]
    pub events: Option<EventsFormat>,
    /// What to show of the tools' own output
    #[arg(
        long,
        global = true,
        value_name = "MODE",
        env = "HL_OUTPUT",
        hide_env = true
    )]
    pub output: Option<OutputMode>,
    /// When to use colours
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        env = "HL_COLOR",
        hide_env = true
    )]
    pub color: Option<ColorWhen>,
    /// Only errors, and the data that was asked for
    #[arg(short, long, global = true, env = "HL_QUIET", hide_env = true, value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub quiet: bool,
    /// Show the tools' output as it comes
    #[arg(short, long, global = true, action = ArgAction::Count, env = "HL_VERBOSE", hide_env = true)]
    pub verbose: u8,
    /// Set a variable, stronger than every other source
    #[arg(long = "env", global = true, value_name = "KEY=VALUE", value_parser = pair)]
    pub env: Vec<(String, String)>,
}

impl Globals {
    /// These flags, with those given after a recipe's name laid over them.
    pub(super) fn overlaid(mut self, later: Self) -> Self {
        self.lab = later.lab.or(self.lab);
        self.dry_run |= later.dry_run;
        self.yes |= later.yes;
        self.no_input |= later.no_input;
        self.jobs = later.jobs.or(self.jobs);
        self.keep_going |= later.keep_going;
        self.interrupt |= later.interrupt;
        self.timeout = later.timeout.or(self.timeout);
        self.json |= later.json;
        self.events = later.events.or(self.events);
        self.output = later.output.or(self.output);
        self.color = later.color.or(self.color);
        self.quiet |= later.quiet;
        self.verbose = self.verbose.max(later.verbose);
        self.env.extend(later.env);
        self
    }
}

/// `KEY=VALUE`
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// `--events`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum EventsFormat {
    /// JSON Lines, see `hl schema event`
    Json,
}

/// `--output`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputMode {
    /// A progress line on a terminal, steps only elsewhere; all output is in the logs
    Auto,
    /// Lines as they come
    Live,
    /// Lines as they come, each behind its step's name
    Prefix,
    /// A step's lines together when it ends
    Group,
    /// Nothing but failures
    Quiet,
}

/// `--color`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Verbs: they win over recipes.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// The lab's recipes by layer (also bare `hl`)
    List(ListArgs),
    /// A recipe as it would run: steps, inputs, needs; `--env`: where variables come from
    Show(ShowArgs),
    /// Dry run of a recipe or of `up`: what would change
    Plan(PlanArgs),
    /// Run the layers in order, L0 to L4
    Up(UpArgs),
    /// Run recipes (default: `up`) with the real tools against a simulated Proxmox VE
    Rehearse(RehearseArgs),
    /// Remove what runs generate; state that holds resources stays
    Clean,
    /// Template and ISO manifests: list, show, promote, rollback, prune
    Templates(TemplatesArgs),
    /// A recipe's steps as a graph
    Graph(GraphArgs),
    /// Make a new lab from the layers inside this binary
    New(NewArgs),
    /// Serve the Proxmox VE simulator on loopback
    Sim(SimArgs),
    /// Completion script for a shell
    Completions(CompletionsArgs),
    /// The manual page
    Man,
    /// JSON Schema of a file or stream
    Schema(SchemaArgs),
    /// Anything else is a recipe.
    #[command(external_subcommand)]
    Recipe(Vec<String>),
}

/// `hl list`
#[derive(Debug, Default, Args)]
pub(super) struct ListArgs {
    /// Names only, one a line
    #[arg(long)]
    pub names: bool,
}

/// `hl show`
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Every variable and where its value came from, also `--env`; secrets are not shown
    #[arg(long)]
    pub variables: bool,
    /// The recipe and its arguments
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "RECIPE"
    )]
    pub recipe: Vec<String>,
}

/// `hl plan`
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Exit with 80 when changes are pending
    #[arg(long)]
    pub exit_code: bool,
    /// The recipe and its arguments, or `up`
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "RECIPE",
        required = true
    )]
    pub recipe: Vec<String>,
}

/// `hl up`
#[derive(Debug, Clone, Args)]
pub(super) struct UpArgs {
    /// Environment of L2 to L4 [default: `env` in hl.toml]
    pub environment: Option<String>,
    /// Proxmox node [default: `PVE_NODE`]
    #[arg(long)]
    pub node: Option<String>,
    /// First layer
    #[arg(long, value_name = "LAYER")]
    pub from: Option<String>,
    /// Last layer
    #[arg(long, value_name = "LAYER")]
    pub to: Option<String>,
}

/// `hl rehearse`
#[derive(Debug, Args)]
pub(super) struct RehearseArgs {
    /// Empty the simulated world first
    #[arg(long)]
    pub fresh: bool,
    /// Ask Doppler for what the lab's variables are
    #[arg(long)]
    pub doppler: bool,
    /// The recipe and its arguments [default: up]
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "RECIPE"
    )]
    pub recipe: Vec<String>,
}

/// `hl templates`
#[derive(Debug, Args)]
pub(super) struct TemplatesArgs {
    #[command(subcommand)]
    pub verb: Option<TemplatesVerb>,
}

/// `hl templates ...`
#[derive(Debug, Subcommand)]
pub(super) enum TemplatesVerb {
    /// All manifests, and which of them still exist on the node
    List,
    /// One template's manifests
    Show {
        /// Template
        name: String,
    },
    /// Point `stable` at a manifest
    Promote {
        /// Template
        name: String,
        /// Stamp of the manifest, YYYYMMDD-HHMMSS
        stamp: String,
    },
    /// Point `stable` at the manifest before the present one
    Rollback {
        /// Template
        name: String,
    },
    /// Remove old templates from the node, with their manifests; never stable, never one with linked clones
    Prune {
        /// Template
        name: String,
        /// How many of the newest stay
        #[arg(long)]
        keep: usize,
    },
}

/// `hl graph`
#[derive(Debug, Args)]
pub(super) struct GraphArgs {
    /// How to draw it
    #[arg(long, value_enum, default_value = "tree")]
    pub format: GraphFormat,
    /// The recipe and its arguments, or `up`
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "RECIPE",
        required = true
    )]
    pub recipe: Vec<String>,
}

/// `--format` of `hl graph`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum GraphFormat {
    /// Indented text
    Tree,
    /// Graphviz
    Dot,
    /// Mermaid
    Mermaid,
}

/// `hl new`
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// A directory that does not exist or is empty
    pub dir: Utf8PathBuf,
}

/// `hl sim`
#[derive(Debug, Args)]
pub(super) struct SimArgs {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:8006")]
    pub listen: std::net::SocketAddr,
    /// Keep the simulated world in this directory [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub world: Option<Utf8PathBuf>,
    /// Let tasks of a kind take time, e.g. clone=7s
    #[arg(long, value_name = "TASK=TIME")]
    pub slow: Vec<String>,
}

/// `hl completions`
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `hl schema`
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Of what
    pub name: SchemaName,
}

/// What has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaName {
    /// layer.toml
    Layer,
    /// hl.toml
    Hl,
    /// One line of `--events json`
    Event,
    /// `hl plan --json`
    Plan,
}
