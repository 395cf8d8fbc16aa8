//! What a lab's states say of a manifest, without its node: a test does not begin where
//! something stands, and what stands can be destroyed without the files that made it.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::plan::{ENV, of, steps};
use crate::support::{Hl, Ran, TestLab};

const SHOP: &str = "\
schema_version: 2
name: shop
nodes:
  - {name: web, type: vm, spec: base, preset: small, image: debian-13, vmid: 9101}
  - {name: box, type: ct, preset: small, image: debian-13}
";

/// A lab with that manifest, both of whose machines are in their states.
fn lab() -> TestLab {
    let lab = TestLab::shipped();
    lab.write(".env", ENV)
        .write("site/manifests/shop.yaml", SHOP);
    for (name, kind, vmid) in [("web", "vm", 9101), ("box", "container", 100)] {
        let instance = json!({
            "index_key": name, "attributes": {"vm_id": vmid, "node_name": "pve", "name": name},
        });
        let resource = json!({
            "mode": "managed", "type": format!("proxmox_virtual_environment_{kind}"),
            "name": kind, "instances": [instance],
        });
        let state = json!({"version": 4, "serial": 1, "resources": [resource]});
        let file = format!(".states/shop/pve/{name}/terraform.tfstate");
        lab.write(&file, &state.to_string());
    }
    lab
}

/// With programs that are there and are not started.
fn with_programs(lab: &TestLab, words: &str) -> Hl {
    let bin = lab.path("bin");
    for name in ["tofu", "ansible-playbook", "ssh", "ssh-keyscan"] {
        let file = bin.join(name);
        if !file.exists() {
            fs::create_dir_all(&bin).unwrap();
            symlink("/bin/false", file).unwrap();
        }
    }
    let path = format!("{}:/usr/bin:/bin", bin.display());
    lab.hl(words).env("PATH", path)
}

/// Nobody answers at the node's address: the states are enough.
#[test]
fn a_test_is_refused_before_any_other_check() {
    let lab = lab();
    for words in [
        "test -M shop -H pve --yes --json",
        "test -M shop -H pve -n --json",
        "test -M shop -H pve --skip-preflight --yes --json",
    ] {
        let refusal = with_programs(&lab, words).exits(77);
        let document = refusal.json();
        let phases = document["phases"].as_array().unwrap();
        let ran = |phase: &&Value| phase["status"] == "failed" || phase["status"] == "passed";
        let ended: Vec<&Value> = phases.iter().filter(ran).collect();
        let [refused] = ended.as_slice() else {
            panic!("{words}: {ended:#?}");
        };
        assert_eq!(refused["name"], "test/empty");
        refusal.says(&["`web` (VM 9101)", "`box` (CT 100)"]);
    }
}

fn destroy(lab: &TestLab) -> Hl {
    lab.hl("plan destroy -M shop -H pve --json")
}

/// As far as programs that do nothing let it come.
fn dry_destroy(lab: &TestLab) -> Ran {
    let ran = with_programs(lab, "destroy -M shop -H pve -n --skip-preflight").run();
    ran.says(&["- box  CT 100 on pve", "- web  VM 9101 on pve"]);
    ran
}

/// Spec, preset, template: a machine that stands needs none of them any more.
#[test]
fn a_destroy_needs_no_file_that_the_manifest_names() {
    let lab = lab();
    let whole = destroy(&lab).exits(0).json();
    for gone in [
        "site/v2/specs/base.yaml",
        "site/vms/presets/small.yaml",
        "layers/l1-templates/debian-13",
    ] {
        let path = lab.path(gone);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    lab.hl("plan create -M shop -H pve").exits(65).says(&[
        "there is no spec `base`",
        "there is no template `debian-13` in this lab",
    ]);
    let ran = destroy(&lab).exits(0);
    assert_eq!(steps(&ran.json()), steps(&whole));
    dry_destroy(&lab).says(&["there is no spec `base`"]);
    // What is wrong with the manifest itself still is.
    lab.write(
        "site/manifests/shop.yaml",
        &SHOP.replace("name: box", "name: web"),
    );
    destroy(&lab).exits(65).says(&["duplicate node `web`"]);
}

/// Without the manifest each node that has a state is destroyed, and others are not known.
#[test]
fn a_destroy_needs_no_manifest_where_states_are() {
    let lab = lab();
    let whole = destroy(&lab).exits(0).json();
    fs::remove_file(lab.path("site/manifests/shop.yaml")).unwrap();
    let empty = r#"{"version": 4, "resources": []}"#;
    lab.write(".states/shop/pve/old/terraform.tfstate", empty);
    let plan = destroy(&lab).exits(0).json();
    let mut names = [steps(&plan), steps(&whole)];
    names.iter_mut().for_each(|names| names.sort_unstable());
    assert_eq!(names[0], names[1]);
    let guard = of(&plan, "destroy/approve");
    assert_eq!(guard["approve"], true);
    let machines = guard["with"]["machines"].as_array().unwrap();
    let kinds: Vec<(&Value, &Value)> = machines.iter().map(|m| (&m["name"], &m["type"])).collect();
    assert_eq!(
        kinds,
        [(&json!("box"), &json!("ct")), (&json!("web"), &json!("vm"))]
    );
    dry_destroy(&lab).says(&[
        "there is no manifest `shop`: 2 machines of it on `pve`, `box`, `web`, by the states in `.states/shop/pve`",
    ]);
    for words in ["plan create -M shop -H pve", "plan destroy -M shopp -H pve"] {
        lab.hl(words).exits(66);
    }
}
