//! The roles that make nodes: what they say of Proxmox is what the table says, and
//! ansible can read them. What they do, guests show (`rehearse::pve_guest`).

mod docs;
mod network;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hl::pve::rights::{Objects, required};
use serde_json::Value;

use crate::e2e::ready;

fn roles(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("layers/l0-runway/ansible")
        .join(below)
}

#[track_caller]
fn yaml(below: &str) -> Value {
    let text = fs::read_to_string(roles(below)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

fn table() -> Value {
    toml::from_str(include_str!("proxmox.toml")).unwrap()
}

#[test]
fn releases_repositories_keys_and_packages_are_those_of_the_table() {
    let table = table();
    let releases = &yaml("roles/pve_release/vars/main.yml")["pve_releases"];
    assert_eq!(releases, &table["release"]);
    let repository = yaml("roles/pve_repository/defaults/main.yml");
    assert_eq!(repository["pve_repository_uri"], table["repository"]["uri"]);
    assert_eq!(
        repository["pve_component"],
        table["repository"]["component"]
    );
    let install = yaml("roles/pve_install/defaults/main.yml");
    assert_eq!(install["pve_packages_kernel"], table["packages"]["kernel"]);
    assert_eq!(install["pve_packages_node"], table["packages"]["node"]);
    for source in ["docs", "keys", "wiki", "l0"] {
        assert!(table["sources"][source].is_string(), "{source}");
    }
}

/// The repository's file as the role writes it, with the values of a release in place.
#[test]
fn the_repository_is_written_in_deb822_and_signed_by_one_key() {
    let tasks = yaml("roles/pve_repository/tasks/main.yml");
    let tasks = tasks.as_array().unwrap();
    let known = tasks
        .iter()
        .find(|task| task["name"] == "The repository is known")
        .unwrap();
    let copy = &known["ansible.builtin.copy"];
    assert_eq!(copy["dest"], "/etc/apt/sources.list.d/proxmox.sources");
    let table = table();
    for release in ["12", "13"] {
        let own = &table["release"][release];
        let mut text = copy["content"].as_str().unwrap().to_owned();
        for (name, value) in [
            ("pve_repository_uri", &table["repository"]["uri"]),
            ("pve.suite", &own["suite"]),
            ("pve_component", &table["repository"]["component"]),
            ("pve.keyring", &own["keyring"]),
        ] {
            text = text.replace(&format!("{{{{ {name} }}}}"), value.as_str().unwrap());
        }
        let expected = format!(
            "Types: deb\nURIs: http://download.proxmox.com/debian/pve\nSuites: {}\nComponents: pve-no-subscription\nSigned-By: {}\n",
            own["suite"].as_str().unwrap(),
            own["keyring"].as_str().unwrap()
        );
        assert!(text.ends_with(&expected), "{text}");
    }
}

#[test]
fn the_token_has_the_rights_that_l0_checks() {
    let defaults = yaml("roles/pve_setup/defaults/main.yml");
    let text = defaults["pve_privileges"].as_str().unwrap();
    let (always, by_version) = text.split_once("{{").unwrap();
    for (major, agent) in [(8, "VM.Monitor"), (9, "VM.GuestAgent.Audit")] {
        assert!(by_version.contains(agent));
        let mut given: BTreeSet<&str> = always.split_whitespace().collect();
        given.insert(agent);
        let wanted = required(&Objects::default(), major);
        let wanted: BTreeSet<&str> = wanted.values().flatten().copied().collect();
        assert_eq!(given, wanted, "Proxmox VE {major}");
    }
    // And where: the paths of the role are those of L0, for the same objects.
    let token = fs::read_to_string(roles("roles/pve_setup/tasks/token.yml")).unwrap();
    let objects = Objects {
        storage_vm: "{{ pve_disks }}".to_owned(),
        node: "{{ pve_node }}".to_owned(),
        bridge: "{{ pve_bridge }}".to_owned(),
        ..Objects::default()
    };
    for path in required(&objects, 9).keys() {
        assert!(
            token.contains(&format!("    - {path}\n")),
            "{path} in {token}"
        );
    }
}

/// Who installed a node may have been killed before the prober was removed, and the next
/// run finds a node: both playbooks look at it then too.
#[test]
fn a_node_that_is_found_loses_the_prober_too() {
    let install = yaml("roles/pve_install/tasks/main.yml");
    assert_eq!(
        install[0]["ansible.builtin.include_tasks"], "prober.yml",
        "{install}"
    );
    assert_eq!(install[0]["when"], "pve_is_node");
    let setup = yaml("roles/pve_setup/tasks/main.yml");
    let mut tasks = setup.as_array().unwrap().iter();
    let prober = tasks
        .find(|task| task["ansible.builtin.include_role"]["tasks_from"] == "prober.yml")
        .unwrap();
    assert!(prober["when"].is_null(), "{prober}");
    let apt = &yaml("roles/pve_install/tasks/prober.yml")[0]["ansible.builtin.apt"];
    assert_eq!(
        (&apt["name"], &apt["state"]),
        (&"os-prober".into(), &"absent".into())
    );
}

#[test]
fn ansible_reads_the_playbooks() {
    if !ready(false, &["ansible-playbook"]) {
        return;
    }
    for name in ["pve-install", "pve-setup", "user"] {
        let output = Command::new("ansible-playbook")
            .args(["--syntax-check", "-i", "host,"])
            .arg(roles(&format!("{name}.yml")))
            .env("ANSIBLE_HOME", tempfile::tempdir().unwrap().path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {text}");
    }
}

/// ansible-lint is no tool of the lab: where somebody has it, it is asked.
#[test]
fn ansible_lint_has_nothing_to_say() {
    let Ok(lint) = which::which("ansible-lint") else {
        eprintln!("ansible-lint is not here, and was not asked");
        return;
    };
    let output = Command::new(lint)
        .args(["--offline", "--profile", "production"])
        .arg(".")
        .current_dir(roles(""))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
}
