//! What a machine said.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diag::Source;
use crate::site::secrets::sealed_line;

/// What `secrets.yaml` of a machine is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum SecretsForm {
    /// There is none.
    #[default]
    Absent,
    /// Clear text.
    Plain,
    /// Encrypted; the line where that is seen.
    Encrypted(usize),
    /// No YAML; the reason.
    Broken(String),
}

/// A machine, as [`super::HostProbe`] found it. No secret is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Facts {
    /// As messages name it.
    pub(super) machine: String,
    /// What stands in front of a command for it: nothing on this machine.
    pub(super) shell: Vec<String>,
    /// As options of a scenario name it: `--host NAME`; empty for this machine.
    pub(super) named: String,
    /// `sudo` where it is needed.
    pub(super) sudo: String,
    /// Its host name.
    pub(super) name: String,
    /// Processors.
    pub(super) cores: u64,
    /// Memory that is free, in KiB.
    pub(super) memory_kb: u64,
    /// Room on its disk, in KiB.
    pub(super) disk_kb: u64,
    /// It has `/dev/kvm`.
    pub(super) kvm: bool,
    /// `Y`, `1`, `N` or `0`, where the kernel's module says.
    pub(super) nested: String,
    /// Where `hl` is expected there.
    pub(super) bin: String,
    /// The version of `hl`, empty where it does not run.
    pub(super) hl: String,
    /// There is a file of that name, and it is not executable.
    pub(super) not_executable: bool,
    /// It is executable, and does not say its version.
    pub(super) does_not_run: bool,
    /// Its site-config.
    pub(super) etc: String,
    /// That directory is there.
    pub(super) has_etc: bool,
    /// Its mode, e.g. `755`.
    pub(super) etc_mode: String,
    /// Its owner.
    pub(super) etc_owner: String,
    /// The files of `nodes/`, without their ends.
    pub(super) nodes: Vec<String>,
    /// The one that is the machine's own.
    pub(super) node_name: String,
    /// Its text.
    pub(super) node_file: String,
    /// What `secrets.yaml` is.
    pub(super) secrets: SecretsForm,
    /// Its mode, e.g. `600`.
    pub(super) secrets_mode: String,
    /// Its owner.
    pub(super) secrets_owner: String,
    /// There is a `secrets.yaml.enc`.
    pub(super) sealed: bool,
}

impl Facts {
    /// Reads the lines of the script; what is not known here is left out.
    pub(super) fn read(text: &str) -> Self {
        let mut facts = Self::default();
        let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (key, value) in text.lines().filter_map(|line| line.split_once('\t')) {
            all.entry(key).or_default().push(value.trim());
        }
        let one = |key: &str| all.get(key).and_then(|values| values.first()).copied();
        let word = |key: &str| one(key).unwrap_or_default().to_owned();
        let number = |key: &str| {
            one(key)
                .and_then(|text| text.parse().ok())
                .unwrap_or_default()
        };
        let decoded = |key: &str| STANDARD.decode(one(key)?).ok();
        facts.name = word("name");
        facts.cores = number("cores");
        facts.memory_kb = number("memory_kb");
        facts.disk_kb = number("disk_kb");
        facts.kvm = one("kvm").is_some();
        facts.nested = word("nested");
        facts.hl = word("hl");
        facts.not_executable = one("hl_mode") == Some("not-executable");
        facts.does_not_run = one("hl_mode") == Some("does-not-run");
        facts.has_etc = one("etc").is_some();
        facts.etc_mode = word("etc_mode");
        facts.etc_owner = word("etc_owner");
        facts.secrets_owner = word("secrets_owner");
        facts.nodes = all
            .get("node")
            .into_iter()
            .flatten()
            .map(|n| (*n).to_owned())
            .collect();
        facts.node_name = word("node_name");
        let file = decoded("node_file").unwrap_or_default();
        facts.node_file = String::from_utf8_lossy(&file).into_owned();
        facts.secrets_mode = word("secrets_mode");
        facts.sealed = one("sealed").is_some();
        facts.secrets = decoded("secrets").map_or(SecretsForm::Absent, |bytes| form(&bytes));
        facts
    }

    /// A command for the machine, as it is pasted here.
    pub(super) fn command(&self, words: &str) -> String {
        let words = format!("{}{words}", self.sudo);
        if self.shell.is_empty() {
            return format!("`{words}`");
        }
        let shell: Vec<String> = self
            .shell
            .iter()
            .map(|word| crate::base::quoted(word))
            .collect();
        format!("`{} {}`", shell.join(" "), crate::base::quoted(&words))
    }
}

fn form(bytes: &[u8]) -> SecretsForm {
    let text = String::from_utf8_lossy(bytes);
    match sealed_line(&Source::new("secrets.yaml", text)) {
        Ok(None) => SecretsForm::Plain,
        Ok(Some(line)) => SecretsForm::Encrypted(line),
        // What is wrong with a file of secrets is told without its values.
        Err(failure) => SecretsForm::Broken(failure.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_facts_and_no_secret_is_kept() {
        let secrets = STANDARD.encode("passwords:\n  vm_root: canary-7c1\n");
        let node = STANDARD.encode("datastore: tank\n");
        let text = format!(
            "name\tkestrel\ncores\t8\nmemory_kb\t4194304\ndisk_kb\t9\nnested\tY\nhl\thl 0.1.0\netc\tyes\n\
             node\tkestrel\nnode\towl\nnode_name\tkestrel\nnode_file\t{node}\nsecrets_mode\t644\nsecrets\t{secrets}\nodd\n"
        );
        let facts = Facts::read(&text);
        assert_eq!(
            (facts.cores, facts.memory_kb, facts.has_etc),
            (8, 4_194_304, true)
        );
        assert_eq!(facts.nodes, ["kestrel", "owl"]);
        assert_eq!(facts.node_file, "datastore: tank\n");
        assert_eq!(facts.secrets, SecretsForm::Plain);
        assert!(!serde_json::to_string(&facts).unwrap().contains("canary"));
        let sealed = STANDARD.encode("a: ENC[AES256_GCM,data:x]\nsops:\n  mac: x\n");
        let facts = Facts::read(&format!("secrets\t{sealed}\n"));
        assert_eq!(facts.secrets, SecretsForm::Encrypted(2));
    }

    #[test]
    fn a_command_is_for_the_machine() {
        let mut facts = Facts::default();
        assert_eq!(facts.command("chmod 600 /x"), "`chmod 600 /x`");
        facts.shell = vec!["ssh".to_owned(), "ops@192.0.2.1".to_owned()];
        facts.sudo = "sudo -n ".to_owned();
        assert_eq!(
            facts.command("chmod 600 /x"),
            "`ssh ops@192.0.2.1 'sudo -n chmod 600 /x'`"
        );
    }
}
