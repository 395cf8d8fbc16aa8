//! `hl.toml`: the root marker and the lab's settings.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::timeouts::parse_duration;

/// `hl.toml`. Unknown keys are errors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[lab]`
    pub lab: LabSettings,
    /// `[env]`: the weakest source of variables.
    pub env: BTreeMap<String, String>,
    /// `[doppler]`
    pub doppler: DopplerSettings,
    /// `[ssh]`
    pub ssh: SshSettings,
    /// `[network]`
    pub network: NetworkSettings,
    /// `[timeouts]`: tiers such as `quick = "30s"`; built-in ones may be changed.
    pub timeouts: BTreeMap<String, String>,
    /// `[approval]`: how a detached run waits for an answer.
    pub approval: ApprovalSettings,
    /// `[tools]`: program to run for a tool, e.g. `tofu = "terraform"`.
    pub tools: BTreeMap<String, String>,
    /// `[components]`: optional parts of the lab, each with the recipes that
    /// `hl up --with NAME` runs behind the default recipe of their layers, e.g.
    /// `metrics = ["l4-metrics"]`.
    pub components: BTreeMap<String, Vec<String>>,
    /// `[serve]`: what the controller gives to others.
    pub serve: ServeSettings,
    /// `[repos]`: repositories beside the lab, by the name of their directory: a URL of
    /// git, with `#BRANCH` behind it where another than the default is wanted.
    pub repos: BTreeMap<String, String>,
}

/// `[lab]`: what the lab is called and what it does by default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabSettings {
    /// Name, for people.
    pub name: String,
    /// Default environment of L2 to L4.
    pub env: String,
    /// Variables that the lab's files and Doppler may set though they can change
    /// what programs load and run, such as `PYTHONPATH`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_variables: Vec<String>,
}

impl Default for LabSettings {
    fn default() -> Self {
        Self {
            name: "lab".to_owned(),
            env: "dev".to_owned(),
            allow_variables: Vec::new(),
        }
    }
}

/// `[approval]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApprovalSettings {
    /// How long a detached run waits for an answer, e.g. `90m`; at most a day.
    pub timeout: String,
}

impl Default for ApprovalSettings {
    fn default() -> Self {
        Self {
            timeout: "1h".to_owned(),
        }
    }
}

impl ApprovalSettings {
    /// The longest wait there is.
    pub const LONGEST: Duration = Duration::from_hours(24);

    /// The wait as a duration.
    pub fn limit(&self) -> Duration {
        let limit = parse_duration(&self.timeout).unwrap_or(Duration::from_hours(1));
        limit.min(Self::LONGEST)
    }
}

/// `[serve]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServeSettings {
    /// Git repositories that are served beside the lab and its site-config: the name
    /// in URLs, and the path, relative to the lab's root.
    pub repos: BTreeMap<String, String>,
    /// Where the certificate is kept that the controller signs itself, relative to the
    /// lab's root; absent: it is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_dir: Option<String>,
    /// The certificate of a controller that is started with `--cert`, PEM, relative to
    /// the lab's root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// When Doppler is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DopplerMode {
    /// Always, unless `DOPPLER=0` or `CI`.
    #[default]
    On,
    /// Only when the program is installed and set up.
    Auto,
    /// Never, unless `FORCE_DOPPLER=1`.
    Off,
}

/// `[doppler]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DopplerSettings {
    /// When it is asked.
    pub mode: DopplerMode,
    /// Doppler project; absent: what `doppler setup` chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Doppler config; absent: what `doppler setup` chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
}

/// `[network]`: how the lab's machines are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSettings {
    /// An address behind the VPN, such as its hub's, that must answer before L3
    /// and L4: `10.8.0.1`, or with a port that accepts connections
    /// `10.8.0.1:22`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpn_peer: Option<String>,
}

/// `[ssh]`: one set for packer, waiting and ansible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SshSettings {
    /// User that cloud-init makes on every VM.
    pub user: String,
    /// Public keys (`ssh-ed25519 AAAA...`) or paths to `.pub` files.
    pub public_keys: Vec<String>,
    /// Private key file; absent: the agent and OpenSSH's defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

impl Default for SshSettings {
    fn default() -> Self {
        Self {
            user: "ops".to_owned(),
            public_keys: Vec::new(),
            identity: None,
        }
    }
}
