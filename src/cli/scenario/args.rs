//! The flags of `hl scenario` and `hl preflight`.

use camino::Utf8PathBuf;
use clap::{Args, ValueHint};

/// `hl scenario`
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ScenarioArgs {
    #[command(flatten)]
    pub flags: ScenarioFlags,
    /// The scenario and its options [default: the list]
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "NAME"
    )]
    pub words: Vec<String>,
}

/// What a scenario may be told. What is an option of the scenario itself is handed
/// on to it, and refused where it has none of that name.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(in crate::cli) struct ScenarioFlags {
    /// All scenarios, with what a run usually takes
    #[arg(long, alias = "list-scenarios")]
    pub list: bool,
    /// Its phases, in order
    #[arg(long, alias = "list-phases")]
    pub phases: bool,
    /// A phase that does not run; several: -s build -s fetch
    #[arg(short, long, value_name = "PHASE")]
    pub skip: Vec<String>,
    /// JSON of what earlier runs published, written anew when this one has ended
    #[arg(short = 'C', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub context_file: Option<Utf8PathBuf>,
    /// Run without the checks that come before it
    #[arg(long)]
    pub skip_preflight: bool,
    /// The checks that come before it, and nothing else
    #[arg(long, conflicts_with = "skip_preflight")]
    pub preflight: bool,
    /// The machine: a file of site/nodes or site/hosts
    #[arg(short = 'H', long)]
    pub host: Option<String>,
    /// Environment in site/envs
    #[arg(short = 'E', long = "env", value_name = "ENV")]
    pub environment: Option<String>,
    /// Work on this machine
    #[arg(long, conflicts_with = "remote")]
    pub local: bool,
    /// Address of the machine
    #[arg(long, value_name = "ADDRESS")]
    pub remote: Option<String>,
    /// Address of a virtual machine
    #[arg(long, value_name = "ADDRESS")]
    pub vm_ip: Option<String>,
    /// The user that the bootstrap makes
    #[arg(long, value_name = "USER")]
    pub homestak_user: Option<String>,
    /// Images to build, separated by commas [default: all]
    #[arg(long, value_name = "NAMES")]
    pub templates: Option<String>,
    /// Release that images are taken from [default: `packer_release` of site.yaml, else latest]
    #[arg(long, value_name = "TAG")]
    pub packer_release: Option<String>,
    /// Another id for a virtual machine; several: --vm-id test=99990
    #[arg(long, value_name = "NAME=ID", value_parser = vm_id)]
    pub vm_id: Vec<String>,
    /// As --json
    #[arg(long, hide = true)]
    pub json_output: bool,
    /// Manifests are for the verbs create, destroy and test
    #[arg(short = 'M', long, hide = true, value_name = "NAME")]
    pub manifest: Option<String>,
    /// As --manifest
    #[arg(long, hide = true, value_name = "FILE")]
    pub manifest_file: Option<String>,
    /// As --manifest
    #[arg(long, hide = true, value_name = "JSON")]
    pub manifest_json: Option<String>,
}

/// `hl preflight`
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct PreflightArgs {
    /// The machine: a file of site/nodes or site/hosts [default: this machine]
    #[arg(short = 'H', long)]
    pub host: Option<String>,
    /// This machine
    #[arg(long, conflicts_with = "remote")]
    pub local: bool,
    /// Address of the machine
    #[arg(long, value_name = "ADDRESS")]
    pub remote: Option<String>,
    /// Processors that it must have
    #[arg(long, value_name = "N")]
    pub cores: Option<u32>,
    /// Memory that must be free there, in MiB
    #[arg(long, value_name = "MIB")]
    pub memory: Option<u32>,
    /// Room that its disk must have, in GiB
    #[arg(long, value_name = "GIB")]
    pub disk: Option<u32>,
    /// Virtual machines in virtual machines must work there
    #[arg(long)]
    pub nested: bool,
    /// As --json
    #[arg(long, hide = true)]
    pub json_output: bool,
}

/// `NAME=ID`, as it is.
fn vm_id(text: &str) -> Result<String, String> {
    let Some((name, id)) = text.split_once('=') else {
        return Err("expected NAME=ID, e.g. test=99990".to_owned());
    };
    if name.is_empty() {
        return Err("the name in front of `=` is empty, expected e.g. test=99990".to_owned());
    }
    match id.parse::<u32>() {
        Ok(id) if id >= 100 => Ok(text.to_owned()),
        Ok(_) => Err("ids of virtual machines begin at 100".to_owned()),
        Err(_) => Err(format!(
            "`{id}` is not a whole number, expected e.g. test=99990"
        )),
    }
}

impl ScenarioFlags {
    /// Lays what was given behind the scenario's name over what stood before it.
    pub(super) fn lay_over(&mut self, front: Self) {
        let mut skip = front.skip;
        skip.append(&mut self.skip);
        let mut vm_id = front.vm_id;
        vm_id.append(&mut self.vm_id);
        *self = Self {
            list: self.list || front.list,
            phases: self.phases || front.phases,
            skip,
            context_file: self.context_file.take().or(front.context_file),
            skip_preflight: self.skip_preflight || front.skip_preflight,
            preflight: self.preflight || front.preflight,
            host: self.host.take().or(front.host),
            environment: self.environment.take().or(front.environment),
            local: self.local || front.local,
            remote: self.remote.take().or(front.remote),
            vm_ip: self.vm_ip.take().or(front.vm_ip),
            homestak_user: self.homestak_user.take().or(front.homestak_user),
            templates: self.templates.take().or(front.templates),
            packer_release: self.packer_release.take().or(front.packer_release),
            vm_id,
            json_output: self.json_output || front.json_output,
            manifest: self.manifest.take().or(front.manifest),
            manifest_file: self.manifest_file.take().or(front.manifest_file),
            manifest_json: self.manifest_json.take().or(front.manifest_json),
        };
    }

    /// What is for the scenario itself, as its options are typed.
    pub(super) fn options(&self) -> Vec<String> {
        let vm_id = (!self.vm_id.is_empty()).then(|| self.vm_id.join(","));
        let valued = [
            ("host", &self.host),
            ("env", &self.environment),
            ("remote", &self.remote),
            ("vm-ip", &self.vm_ip),
            ("homestak-user", &self.homestak_user),
            ("templates", &self.templates),
            ("packer-release", &self.packer_release),
            ("vm-id", &vm_id),
        ];
        let mut options: Vec<String> = valued
            .into_iter()
            .filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?)))
            .collect();
        if self.local {
            options.push("--local".to_owned());
        }
        options
    }

    /// A flag for manifests, as it was typed.
    pub(super) fn of_manifests(&self) -> Option<&'static str> {
        let flags = [
            ("--manifest", &self.manifest),
            ("--manifest-file", &self.manifest_file),
            ("--manifest-json", &self.manifest_json),
        ];
        flags
            .into_iter()
            .find_map(|(flag, value)| value.as_ref().map(|_| flag))
    }
}
