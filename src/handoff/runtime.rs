//! `state/runtime.yaml`: what is true of the lab now. Everything about how it
//! came to be is in the run files; this is the small snapshot beside them.

use std::collections::BTreeMap;
use std::{fs, io};

use camino::Utf8Path;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::diag::{Exit, Failure};
use crate::lab::{self, Paths};
use crate::plan::Outcome;

/// The format version that this `hl` writes. A newer one is not touched (76).
pub const RUNTIME_VERSION: u32 = 1;

/// `state/runtime.yaml`. Only live runs change it, and none of it is secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Runtime {
    /// Format version of the file.
    pub version: u32,
    /// The live run that is going on, or was the last one.
    #[serde(default)]
    pub current_run_id: Option<String>,
    /// How that run ended; nothing while it has not.
    #[serde(default)]
    pub last_outcome: Option<Outcome>,
    /// The last live run that did all it should.
    #[serde(default)]
    pub last_successful_run: Option<LastRun>,
    /// The flags of the current run that change what it does, by name.
    #[serde(default)]
    pub flags: BTreeMap<String, Value>,
    /// What L2 made, by `ENV-NODE`.
    #[serde(default)]
    pub environments: BTreeMap<String, Made>,
    /// The VPN to the lab's machines, as an older tool left it: no keys.
    #[serde(default)]
    pub vpn: BTreeMap<String, Value>,
    /// Peers of that VPN by name, as an older tool left them: no private keys.
    #[serde(default)]
    pub peers: BTreeMap<String, Value>,
}

/// A run that is over, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastRun {
    /// Its id.
    pub id: String,
    /// What was asked for.
    pub recipe: String,
    /// When it ended, RFC 3339 in UTC.
    pub finished_at: String,
}

/// What L2 made of one environment on one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Made {
    /// The run that saw it last.
    pub run: String,
    /// The run whose apply began and has not come to its end: what is below
    /// is from before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applying: Option<String>,
    /// The `OpenTofu` state, absolute.
    #[serde(default)]
    pub state: Option<String>,
    /// Where tofu ran, absolute.
    #[serde(default)]
    pub workdir: Option<String>,
    /// `outputs.json`, absolute; nothing while an apply has not come to its end.
    #[serde(default)]
    pub outputs_json: Option<String>,
    /// The machines by name; after an apply that failed or was stopped, those
    /// that the state holds.
    #[serde(default)]
    pub vms: BTreeMap<String, VmInfo>,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VmInfo {
    /// Its id.
    pub vmid: u32,
    /// The node it is on.
    pub node: String,
    /// Where it is reached.
    pub address: String,
}

impl Default for Runtime {
    fn default() -> Self {
        Self {
            version: RUNTIME_VERSION,
            current_run_id: None,
            last_outcome: None,
            last_successful_run: None,
            flags: BTreeMap::new(),
            environments: BTreeMap::new(),
            vpn: BTreeMap::new(),
            peers: BTreeMap::new(),
        }
    }
}

impl Runtime {
    /// All machines, each as who is told of them reads it.
    pub fn machines(&self) -> Value {
        let all = self.environments.values().flat_map(|made| &made.vms);
        all.map(|(name, vm)| {
            json!({ "name": name, "vmid": vm.vmid, "node": vm.node, "address": vm.address })
        })
        .collect()
    }

    /// The lab's snapshot; `None` when there is none yet.
    ///
    /// # Errors
    /// It was written by a newer `hl` (76), or cannot be read (65).
    pub fn read(paths: &Paths) -> Result<Option<Self>, Failure> {
        let path = paths.runtime();
        match fs::read_to_string(&path) {
            Ok(text) => parse(&text)
                .map(Some)
                .map_err(|problem| problem.failure(&paths.show(&path))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Problem::Broken(error.to_string()).failure(&paths.show(&path))),
        }
    }

    /// Replaces the lab's snapshot in one step, 0600.
    ///
    /// # Errors
    /// It cannot be written (73).
    pub fn write(&self, paths: &Paths) -> Result<(), Failure> {
        let yaml = serde_saphyr::to_string(self).map_err(|error| {
            Failure::message(
                Exit::Bug,
                format!("the snapshot cannot be written as YAML: {error}"),
            )
        })?;
        let text = format!("# What is true of this lab now, written by hl.\n{yaml}");
        lab::write(&paths.runtime(), text, 0o600)
    }
}

enum Problem {
    Newer(u32),
    Broken(String),
}

impl Problem {
    fn failure(&self, shown: &Utf8Path) -> Failure {
        match self {
            Self::Newer(version) => Failure::message(
                Exit::Newer,
                format!(
                    "`{shown}` is in format {version}, this hl reads up to {RUNTIME_VERSION}"
                ),
            )
            .help("use the newer hl that wrote it"),
            Self::Broken(why) => Failure::message(
                Exit::Definition,
                format!("`{shown}` cannot be read: {why}"),
            )
            .help(format!(
                "mend it, or `mv {shown} {shown}.broken`: runs write a new one, without the VPN and the peers in it"
            )),
        }
    }
}

fn parse(text: &str) -> Result<Runtime, Problem> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let broken = |error: serde_saphyr::Error| {
        let text = error.to_string();
        Problem::Broken(text.lines().next().unwrap_or_default().to_owned())
    };
    let Version { version } = serde_saphyr::from_str(text).map_err(broken)?;
    if version > RUNTIME_VERSION {
        return Err(Problem::Newer(version));
    }
    serde_saphyr::from_str(text).map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;

    fn world() -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        (dir, paths)
    }

    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~\u{e4}\u{1f600}\n\t\"'\\\\:#{}|>&*!%@`-]{0,16}",
            Just("true".to_owned()),
            Just("null".to_owned()),
            Just("1e3".to_owned()),
            Just("2026-01-01".to_owned()),
            Just("- a: b".to_owned()),
            Just(" lead".to_owned()),
            Just("trail ".to_owned()),
        ]
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            texts().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(texts(), inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            peers in prop::collection::btree_map(texts(), values(), 0..3),
            name in texts(),
            path in prop::option::of(texts()),
            outcome in prop::option::of(prop_oneof![Just(Outcome::Succeeded), Just(Outcome::Cancelled)]),
        ) {
            let vm = VmInfo { vmid: 101, node: name.clone(), address: name.clone() };
            let runtime = Runtime {
                current_run_id: path.clone(),
                last_outcome: outcome,
                last_successful_run: path.clone().map(|id| LastRun {
                    id, recipe: name.clone(), finished_at: String::new(),
                }),
                flags: peers.clone(),
                environments: BTreeMap::from([(name.clone(), Made {
                    run: name.clone(),
                    outputs_json: path,
                    vms: BTreeMap::from([(name, vm)]),
                    ..Made::default()
                })]),
                peers,
                ..Runtime::default()
            };
            let text = serde_saphyr::to_string(&runtime).unwrap();
            let read = parse(&text).ok();
            prop_assert_eq!(read, Some(runtime), "{}", text);
        }
    }

    #[test]
    fn it_is_private_and_absent_until_written() {
        let (_guard, paths) = world();
        assert_eq!(Runtime::read(&paths).unwrap(), None);
        Runtime::default().write(&paths).unwrap();
        assert_eq!(Runtime::read(&paths).unwrap(), Some(Runtime::default()));
        let mode = fs::metadata(paths.runtime()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[test]
    fn a_newer_one_and_a_broken_one_are_told_apart() {
        let (_guard, paths) = world();
        let fails = |text: &str| {
            lab::write(&paths.runtime(), text, 0o600).unwrap();
            let failure = Runtime::read(&paths).unwrap_err();
            assert_eq!(fs::read_to_string(paths.runtime()).unwrap(), text);
            (failure.exit, failure.to_string())
        };
        let (exit, said) = fails("version: 2\nnew: {x: [1]}\n");
        assert_eq!(exit, Exit::Newer);
        assert!(said.contains("state/runtime.yaml"), "{said}");
        for text in ["", "version: x\n", "version: 1\nflags: [\n", "- 1\n"] {
            assert_eq!(fails(text).0, Exit::Definition, "{text}");
        }
    }

    #[test]
    fn a_short_file_is_enough() {
        let runtime = parse("version: 1\nvpn: {connected: true}\n").ok().unwrap();
        assert_eq!(runtime.vpn["connected"], Value::Bool(true));
    }
}
