//! What a run was asked for, as data: enough to build its plan once more.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::lab::{Environment, Provenance, Redactor};
use crate::plan::OnFailure;

/// The version of a request on disk that this `hl` writes. A newer one is not read (76).
pub const REQUEST_VERSION: u32 = 2;

/// The version of requests for recipes and `up`: an older `hl` reads them still.
const RECIPES_ALONE: u32 = 1;

/// A recipe with its arguments, `up`, a verb with its manifest, or a bootstrap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunRequest {
    /// A recipe.
    Recipe(RecipeRequest),
    /// The layers in order.
    Up(UpRequest),
    /// The machines of a manifest.
    Manifest(ManifestRequest),
    /// A scenario.
    Scenario(ScenarioRequest),
    /// The scripts of a platform.
    Platform(PlatformRequest),
}

/// A bootstrap of the platform.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformRequest {
    /// The environment that the platform was rendered for.
    pub env: String,
}

/// A manifest that is created, destroyed or tested on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestRequest {
    /// What is done.
    pub verb: ManifestVerb,
    /// The host.
    pub host: String,
    /// Which manifest.
    pub source: ManifestSource,
    /// Instead of what the manifest says of failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnFailure>,
    /// The checks of L0 are left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skip_preflight: bool,
}

/// What standard input is called.
pub const STANDARD_INPUT: &str = "standard input";

impl ManifestRequest {
    /// Whether the manifest was read from standard input.
    pub fn is_from_input(&self) -> bool {
        match &self.source {
            ManifestSource::Text { shown, .. } => shown == STANDARD_INPUT,
            ManifestSource::Name(_) => false,
        }
    }
}

/// What is done with a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManifestVerb {
    /// Its machines are made.
    Create,
    /// They are destroyed.
    Destroy,
    /// They are made, looked at, and destroyed.
    Test,
}

impl ManifestVerb {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Destroy => "destroy",
            Self::Test => "test",
        }
    }
}

/// Which manifest is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManifestSource {
    /// That of `manifests/` in the site-config; as it is when the plan is built.
    Name(String),
    /// One from elsewhere, whole: it may be gone when the run is resumed.
    Text {
        /// Where it was.
        shown: String,
        /// What it says.
        text: String,
    },
}

/// A scenario that a user asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioRequest {
    /// Its name: that of its file in `scenarios/`.
    pub name: String,
    /// Its options, as a recipe takes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Phases that do not run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<String>,
    /// Values of runs before it, and where those of this one are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ScenarioContext>,
}

/// The context file of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioContext {
    /// Its path, absolute.
    pub file: Utf8PathBuf,
    /// What it held when the run began.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub values: Map<String, Value>,
}

/// A recipe that a user asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipeRequest {
    /// A recipe's name, or a layer's id for its default recipe.
    pub name: String,
    /// What was typed after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
}

/// What is run by `hl up`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpRequest {
    /// Given to every recipe that has a parameter `env`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// Given to every recipe that has a parameter `node`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// First layer; the lab's first when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Last layer; the lab's last when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Components of `hl.toml` whose recipes run too: this run's own, never
    /// inherited from an earlier one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
}

/// A request as it is on disk, with the variables that were set for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedRequest {
    /// [`REQUEST_VERSION`]; 0 in files from before there were versions.
    #[serde(default)]
    pub version: u32,
    /// What was asked for.
    #[serde(flatten)]
    pub request: RunRequest,
    /// The variables that were set for it and are no secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// The names of those that are: their values are on no disk.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub secrets: BTreeSet<String>,
}

impl SavedRequest {
    /// The request with those variables of `env` that were set for it. A value that
    /// the redactor would mask is a secret too.
    pub fn new(request: RunRequest, env: &Environment, redactor: &Redactor) -> Self {
        let (mut set, mut secrets) = (BTreeMap::new(), BTreeSet::new());
        for (name, var) in env.plain() {
            if var.from != Provenance::Flag {
                continue;
            }
            if var.secret || redactor.text(&var.value) != var.value {
                secrets.insert(name.to_owned());
            } else {
                set.insert(name.to_owned(), var.value.clone());
            }
        }
        let version = match &request {
            RunRequest::Manifest(_) | RunRequest::Scenario(_) | RunRequest::Platform(_) => {
                REQUEST_VERSION
            }
            RunRequest::Recipe(_) | RunRequest::Up(_) => RECIPES_ALONE,
        };
        Self {
            version,
            request,
            set,
            secrets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Var;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn only_what_was_said_is_written() {
        let up = RunRequest::Up(UpRequest {
            env: Some("dev".to_owned()),
            to: Some("l3".to_owned()),
            with: vec!["metrics".to_owned()],
            ..UpRequest::default()
        });
        let json = json!({ "up": { "env": "dev", "to": "l3", "with": ["metrics"] } });
        assert_eq!(to_value(&up).unwrap(), json);
        assert_eq!(from_value::<RunRequest>(json).unwrap(), up);
        let recipe = RunRequest::Recipe(RecipeRequest {
            name: "l0".to_owned(),
            args: Vec::new(),
        });
        let json = json!({ "recipe": { "name": "l0" } });
        assert_eq!(to_value(&recipe).unwrap(), json);
        assert_eq!(from_value::<RunRequest>(json).unwrap(), recipe);
    }

    #[test]
    fn a_manifest_is_named_or_whole_and_only_a_newer_hl_reads_it() {
        let request = |source| {
            RunRequest::Manifest(ManifestRequest {
                verb: ManifestVerb::Create,
                host: "pve".to_owned(),
                source,
                on_error: Some(OnFailure::Rollback),
                skip_preflight: false,
            })
        };
        let named = request(ManifestSource::Name("n1-basic".to_owned()));
        let json = json!({ "manifest": {
            "verb": "create", "host": "pve", "source": { "name": "n1-basic" }, "on_error": "rollback",
        } });
        assert_eq!(to_value(&named).unwrap(), json);
        assert_eq!(from_value::<RunRequest>(json).unwrap(), named);
        let whole = request(ManifestSource::Text {
            shown: "standard input".to_owned(),
            text: "name: x".to_owned(),
        });
        let saved = SavedRequest::new(whole, &Environment::default(), &Redactor::default());
        assert_eq!(saved.version, REQUEST_VERSION);
        let back: SavedRequest = from_value(to_value(&saved).unwrap()).unwrap();
        assert_eq!(back, saved);
    }

    #[test]
    fn of_secret_variables_only_the_names_are_written() {
        let mut env = Environment::default();
        for (name, value, secret, from) in [
            ("NOTE", "plain", false, Provenance::Flag),
            ("API_TOKEN", "canary-5d2e", true, Provenance::Flag),
            ("URL", "https://me:canary-5d2e@x", false, Provenance::Flag),
            ("HOME", "/home/me", false, Provenance::Process),
        ] {
            let value = value.to_owned();
            env.set(
                name,
                Var {
                    value,
                    from,
                    secret,
                },
            );
        }
        let redactor = Redactor::new(env.secrets());
        let request = RunRequest::Recipe(RecipeRequest {
            name: "job".to_owned(),
            args: vec!["12".to_owned()],
        });
        let saved = SavedRequest::new(request, &env, &redactor);
        let json = json!({
            "version": RECIPES_ALONE,
            "recipe": { "name": "job", "args": ["12"] },
            "set": { "NOTE": "plain" },
            "secrets": ["API_TOKEN", "URL"],
        });
        assert_eq!(to_value(&saved).unwrap(), json);
        assert_eq!(from_value::<SavedRequest>(json).unwrap(), saved);
    }

    #[test]
    fn what_was_written_before_there_were_versions_is_read() {
        let json = json!({ "up": { "env": "dev" } });
        let saved: SavedRequest = from_value(json).unwrap();
        assert_eq!(
            (saved.version, saved.set.len(), saved.secrets.len()),
            (0, 0, 0)
        );
        assert!(matches!(saved.request, RunRequest::Up(up) if up.env.as_deref() == Some("dev")));
    }
}
