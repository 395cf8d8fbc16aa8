//! Whose machine and whose API the checks are about, and what is said of a run that they
//! or its words keep from beginning.

use serde_json::Value;

use super::lab::lab;
use crate::support::{Ran, TestLab};

/// Nobody listens there.
const NOBODY: &str = "127.0.0.1:1";

/// A lab whose variables name a node, with another machine and another node.
fn two_nodes() -> TestLab {
    let lab = lab();
    lab.write("site/site.yaml", "defaults: {}\n")
        .write("site/hosts/heron.yaml", "host: heron\nip: 127.0.0.9\n")
        .write(
            "site/nodes/kestrel.yaml",
            "api_endpoint: https://127.0.0.8:8006\ndatastore: tank\n",
        )
        .write(
            ".env",
            &format!(
                "PVE_ACCESS_HOST={NOBODY}\nPVE_NODE=pve\nPM_TOKEN_ID=hl@pve!hl\nPM_TOKEN_SECRET=11111111-2222-3333-4444-555555555555\n"
            ),
        );
    lab
}

/// A check's status and what it says.
#[track_caller]
fn check(ran: &Ran, name: &str) -> (String, String) {
    let document = ran.json();
    let phases = document["phases"].as_array().unwrap();
    let name = format!("preflight/{name}");
    let found = phases.iter().find(|phase| phase["name"] == name.as_str());
    let found = found.unwrap_or_else(|| panic!("{name}: {document:#}"));
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    (text("status"), text("message"))
}

#[test]
fn a_machine_without_a_nodes_file_is_not_told_the_api_of_another() {
    let lab = two_nodes();
    for (words, name) in [
        ("--remote 127.0.0.9", "127.0.0.9"),
        ("--host heron", "heron"),
    ] {
        let ran = lab.hl(&format!("preflight --json {words}")).exits(69);
        let why =
            format!("no file of `site/nodes` is called `{name}`: what its API is, is not known");
        for id in ["reach_api", "verify_tls", "verify_token"] {
            assert_eq!(
                check(&ran, id),
                ("skipped".to_owned(), why.clone()),
                "{words}"
            );
        }
        assert!(!ran.stdout.contains(NOBODY), "{}", ran.stdout);
    }
    let here = lab.hl("preflight --json").exits(69);
    let (status, message) = check(&here, "reach_api");
    assert_eq!(status, "failed");
    assert!(message.contains(NOBODY), "{message}");
}

#[test]
fn checks_are_about_what_the_scenario_is_about() {
    let lab = two_nodes();
    lab.write("c.json", r#"{"remote": "ops@127.0.0.9"}"#);
    let ran = lab
        .hl("scenario packer-build-fetch -C c.json --preflight --json")
        .exits(69);
    let (status, message) = check(&ran, "reach_machine");
    assert_eq!(status, "failed");
    assert!(message.contains("127.0.0.9"), "{message}");
    // The variables contradict that node, which is nothing to a check of the machine.
    let ran = lab
        .hl("scenario packer-sync --host kestrel --preflight --json")
        .exits(69);
    let (_, message) = check(&ran, "reach_machine");
    assert!(message.contains("127.0.0.8"), "{message}");
}

#[test]
fn a_lock_file_that_its_module_refuses_is_removed() {
    let lab = two_nodes();
    let module = |version: &str| {
        format!(
            "terraform {{\n  required_providers {{\n    proxmox = {{\n      source = \"bpg/proxmox\"\n      version = \"{version}\"\n    }}\n  }}\n}}\n"
        )
    };
    let lock = "provider \"registry.opentofu.org/bpg/proxmox\" {\n  version = \"0.111.1\"\n}\n";
    let copy = ".build/tofu/dev-pve/module";
    let file = format!("{copy}/.terraform.lock.hcl");
    lab.write(&file, lock)
        .write(&format!("{copy}/main.tf"), &module(">= 0.100"))
        .write("own/main.tf", &module(">= 0.100"));
    let locks = |words: &str| check(&lab.hl(words).exits(69), "verify_locks").1;
    assert_eq!(locks("preflight --json"), "1 lock file in step");
    // The module in the checkout is the newer one, where it is known.
    lab.write(".build/tofu/dev-pve/source", "own")
        .write("own/main.tf", &module(">= 0.120.0"));
    assert_eq!(
        locks("preflight --json --dry-run"),
        "1 stale one would be removed"
    );
    assert!(lab.path(&file).exists());
    assert_eq!(locks("preflight --json"), "1 stale one removed");
    assert!(!lab.path(&file).exists());
    // One in the checkout is its owner's.
    lab.write(&file, lock)
        .write("own/.terraform.lock.hcl", lock);
    let said = locks("preflight --json");
    assert!(
        said.contains("`own/.terraform.lock.hcl` is not in step"),
        "{said}"
    );
    assert!(lab.path("own/.terraform.lock.hcl").exists());
}

#[test]
fn a_run_that_does_not_begin_has_the_document_of_its_scenario() {
    let lab = two_nodes();
    for (words, code, name) in [
        ("scenario packer-sync --json", 2, "packer-sync"),
        ("scenario --json packer-build --bogus", 2, "packer-build"),
        (
            "scenario packer-build --host nope --json",
            66,
            "packer-build",
        ),
        ("scenario nope --json", 66, "nope"),
    ] {
        let document = lab.hl(words).exits(code).json();
        assert_eq!(document["scenario"], name, "{words}: {document}");
        assert_eq!(document["success"], false, "{words}");
        assert_eq!(document["phases"], Value::Array(Vec::new()), "{words}");
        assert!(document["error"].is_string(), "{words}: {document}");
        assert!(document.get("schema").is_none(), "{words}: {document}");
    }
}

#[test]
fn a_dry_run_that_does_not_begin_is_one_in_its_document() {
    let lab = two_nodes();
    lab.write(
        "layers/l1-templates/layer.toml",
        "[layer]\nid = \"l1\"\nname = \"Templates\"\n[[recipe]]\nname = \"wants\"\ndoc = \"d\"\nenv = [\"NOT_SET\"]\n[[recipe.step]]\nid = \"tell\"\nuse = \"command\"\nwith = { argv = [\"true\"] }\n",
    );
    let document = lab.hl("wants --dry-run --json").exits(69).json();
    assert_eq!(document["dry_run"], true, "{document}");
}

#[test]
fn an_option_of_a_recipe_is_its_own() {
    let lab = two_nodes();
    lab.write(
        "layers/l1-templates/layer.toml",
        "[layer]\nid = \"l1\"\nname = \"Templates\"\n[[recipe]]\nname = \"zz\"\ndoc = \"d\"\nparams = [{ name = \"scenario\", option = true, default = \"\", doc = \"d\" }]\n[[recipe.step]]\nid = \"tell\"\nuse = \"command\"\nwith = { argv = [\"true\", \"{{ scenario }}\"] }\n",
    );
    for words in ["-n zz --scenario hi", "zz --scenario hi --dry-run"] {
        lab.hl(words).exits(0);
    }
}
