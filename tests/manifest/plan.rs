//! The plans of `create`, `destroy` and `test`: a step for each phase of each node.

use serde_json::Value;

use crate::support::{Hl, TestLab};

pub(super) const ENV: &str = "PVE_ACCESS_HOST=https://127.0.0.1:1\nPM_TOKEN_ID=hl@pve!hl\nPM_TOKEN_SECRET=00000000-0000-0000-0000-000000000001\nPVE_NODE=pve\nPVE_STORAGE_VM=local-lvm\n";

const MIXED: &str = "\
schema_version: 2
name: mixed
nodes:
  - {name: web, type: vm, spec: base, preset: small, image: debian-13}
  - {name: own, type: vm, spec: base, preset: small, image: debian-13, execution: {mode: pull}}
  - {name: box, type: ct, preset: small, image: debian-13, vmid: 9112}
settings: {on_error: ON_ERROR, cleanup_on_failure: CLEANUP}
";

fn lab(on_error: &str, cleanup: &str) -> TestLab {
    let lab = TestLab::shipped();
    let text = MIXED
        .replace("ON_ERROR", on_error)
        .replace("CLEANUP", cleanup);
    lab.write(".env", ENV)
        .write("site/manifests/mixed.yaml", &text);
    keeps_a_certificate(&lab);
    lab
}

/// Its machines can ask for their spec.
pub(super) fn keeps_a_certificate(lab: &TestLab) {
    let toml = lab.read("hl.toml");
    let made = hl_sim::certs::with_authority(&["192.0.2.9".to_owned()]).unwrap();
    lab.write(
        "hl.toml",
        &format!("{toml}\n[serve]\ncert_dir = \"keep\"\n"),
    )
    .write("keep/controller.crt", &made.cert_pem);
    let site = lab.read("site/site.yaml");
    if !site.contains("  spec_server: \"https") {
        let server = "defaults:\n  spec_server: https://192.0.2.9:44443\n";
        lab.write("site/site.yaml", server);
    }
}

fn ask(lab: &TestLab, words: &str) -> Hl {
    lab.hl(&format!("plan {words} -H pve --json"))
}

fn plan(lab: &TestLab, words: &str) -> Value {
    ask(lab, words).exits(0).json()
}

/// The steps of the manifest's nodes, with when they run at the end.
pub(super) fn steps(plan: &Value) -> Vec<(&str, Option<&str>)> {
    let steps = plan["steps"].as_array().unwrap().iter();
    let own = steps.filter(|step| step["layer"] != "l0");
    own.map(|step| {
        let finally = step["finally"].as_bool().unwrap_or_default();
        let when = step["finally_when"].as_str();
        (
            step["id"].as_str().unwrap(),
            finally.then(|| when.unwrap_or("always")),
        )
    })
    .collect()
}

pub(super) fn of<'p>(plan: &'p Value, id: &str) -> &'p Value {
    let mut steps = plan["steps"].as_array().unwrap().iter();
    steps
        .find(|step| step["id"] == id)
        .unwrap_or_else(|| panic!("{id} in {plan:#}"))
}

#[test]
fn create_has_a_step_for_each_phase() {
    let lab = lab("stop", "true");
    let plan = plan(&lab, "create mixed");
    let names: Vec<&str> = steps(&plan).into_iter().map(|(id, _)| id).collect();
    assert_eq!(
        names,
        [
            "create/approve",
            "web/init",
            "web/resolve",
            "web/clear",
            "web/plan",
            "web/apply",
            "web/start",
            "web/wait",
            "web/inventory",
            "web/ssh",
            "web/converge",
            "own/init",
            "own/snippet",
            "own/resolve",
            "own/clear",
            "own/plan",
            "own/apply",
            "own/start",
            "own/wait",
            "own/inventory",
            "own/ssh",
            "own/applied",
            "own/clean",
            "box/init",
            "box/template",
            "box/resolve",
            "box/clear",
            "box/plan",
            "box/apply",
            "box/start",
            "box/wait",
            "box/inventory",
            "box/ssh",
        ]
    );
    assert_eq!(plan["recipe"], "create -M mixed -H pve");
    // Siblings wait for the guard alone, and it for every check of L0.
    for name in ["web", "own", "box"] {
        assert_eq!(
            of(&plan, &format!("{name}/init"))["needs"],
            serde_json::json!(["create/approve"])
        );
    }
    // No environment has a say in it.
    let checks = plan["steps"].as_array().unwrap().iter();
    let mut checks = checks.filter(|step| step["layer"] == "l0");
    assert!(checks.all(|step| step["with"]["env"].is_null() && step["with"]["check"] != "site"));
    let guard = of(&plan, "create/approve");
    assert!(guard["needs"].as_array().unwrap().len() > 5 && guard["approve"] == true);
    assert_eq!(of(&plan, "web/plan")["with"]["key"], "mixed/pve/web");
    assert_eq!(of(&plan, "web/plan")["with"]["keep"], true);
    // Nothing in the plan chooses a bridge that no file names.
    assert!(of(&plan, "web/resolve")["with"]["machine"]["bridge"].is_null());
    let none = ask(&lab, "create mixed --skip-preflight").exits(0).json();
    assert_eq!(of(&none, "create/approve")["needs"], Value::Null);
}

#[test]
fn a_rollback_undoes_each_node_at_the_end() {
    let plan = plan(&lab("rollback", "true"), "create mixed");
    assert_eq!(plan["on_failure"], "rollback");
    let end: Vec<_> = steps(&plan)
        .into_iter()
        .filter_map(|(id, when)| Some((id, when?)))
        .collect();
    let undo = ["box/undo", "own/undo", "web/undo"].map(|id| (id, "undoing"));
    assert_eq!(end, undo);
    assert_eq!(of(&plan, "own/undo")["with"]["pulls"], true);
}

#[test]
fn a_test_verifies_and_destroys_what_it_made() {
    for (cleanup, when) in [("true", "begun"), ("false", "succeeded")] {
        let plan = plan(&lab("rollback", cleanup), "test mixed");
        assert_eq!(plan["on_failure"], "stop");
        let all = steps(&plan);
        assert!(all.contains(&("web/verify", None)), "{all:?}");
        // Before any other check it looks whether anything stands.
        let first = &plan["steps"][0];
        assert_eq!(
            (&first["id"], &first["needs"]),
            (&"test/empty".into(), &Value::Null)
        );
        let others = plan["steps"].as_array().unwrap().iter().skip(1);
        for step in others.filter(|step| step["finally"] != true) {
            assert!(!step["needs"].as_array().unwrap().is_empty(), "{step}");
        }
        let end: Vec<_> = all
            .into_iter()
            .filter_map(|(id, when)| Some((id, when?)))
            .collect();
        let wanted =
            ["box/destroy", "own/destroy", "web/destroy", "test/left"].map(|id| (id, when));
        assert_eq!(end, wanted);
    }
}

#[test]
fn destroy_goes_on_and_goes_the_other_way() {
    let plan = plan(&lab("stop", "true"), "destroy mixed");
    assert_eq!(plan["on_failure"], "continue");
    let names = steps(&plan);
    assert_eq!(names.first(), Some(&("destroy/approve", None)));
    let firsts: Vec<&str> = names
        .iter()
        .filter_map(|(id, _)| id.strip_suffix("/init"))
        .collect();
    assert_eq!(firsts, ["box", "own", "web"]);
    assert_eq!(names.last(), Some(&("destroy/left", Some("begun"))));
    assert_eq!(
        of(&plan, "box/apply")["when"],
        "${steps.destroy/approve.box_there}"
    );
    // A token may be on the node before there is a machine.
    assert_eq!(of(&plan, "own/clean")["when"], Value::Null);
}

/// What is in a hypervisor is planned behind it; its own machines are another issue.
#[test]
fn parents_come_before_what_is_in_them() {
    let lab = lab("stop", "true");
    let plan = plan(&lab, "create n2-quick");
    let inner = of(&plan, "inner/ssh");
    assert_eq!(inner["machine"], "inner");
    assert_eq!(of(&plan, "edge/create")["action"], "machine.inside");
    let needs = of(&plan, "edge/create")["needs"].as_array().unwrap();
    assert!(needs.contains(&Value::from("inner/ssh")), "{needs:?}");
}

#[test]
fn what_is_wrong_is_told_before_a_plan_is_made() {
    let lab = lab("stop", "true");
    ask(&lab, "create").exits(2).says(&["no manifest is named"]);
    // The text of a manifest is written down with the run.
    let secret = r#"{"schema_version": 2, "name": "x", "description": "00000000-0000-0000-0000-000000000001", "nodes": [{"name": "a", "type": "vm", "preset": "small", "image": "debian-13"}]}"#;
    lab.hl("plan create -H pve --manifest-json")
        .arg(secret)
        .exits(2)
        .says(&["the value of the secret variable `PM_TOKEN_SECRET`"]);
    ask(&lab, "create mixe")
        .exits(66)
        .says(&["did you mean `mixed`?"]);
    lab.hl("plan create mixed -H other --json")
        .exits(66)
        .says(&["there is no host `other`", "known: `pve`"]);
    lab.hl("create mixed").exits(2).says(&["--host"]);
    lab.write(
        "site/manifests/mixed.yaml",
        "schema_version: 2\nname: mixed\nnodes: [{name: a, type: vm, preset: small}]\n",
    );
    ask(&lab, "create mixed").exits(65).says(&["image"]);
}

#[test]
fn a_flag_that_means_nothing_with_a_verb_is_refused() {
    let lab = lab("rollback", "true");
    // Nothing is started: what there must be is not what is looked at here.
    let toml = lab.read("hl.toml").replace(
        "# tofu = \"terraform\"",
        "tofu = \"true\"\nansible-playbook = \"true\"\nssh = \"true\"\nssh-keyscan = \"true\"",
    );
    lab.write("hl.toml", &toml);
    for verb in ["", "plan ", "rehearse "] {
        let refuses = |words: &str, why: &str| {
            lab.hl(&format!("{verb}{words} -H pve"))
                .exits(2)
                .says(&[why]);
        };
        refuses(
            "destroy mixed --on-error rollback",
            "`destroy` takes no `--on-error`",
        );
        refuses(
            "test mixed --on-error rollback",
            "`test` takes no `--on-error rollback`",
        );
    }
    for words in ["create mixed", "create mixed --on-error rollback"] {
        lab.hl(&format!("{words} -H pve --keep-going"))
            .exits(2)
            .says(&[
                "`--keep-going` goes on after a failure",
                "--on-error continue",
            ]);
    }
    ask(&lab, "create mixed --on-error continue --keep-going").exits(0);
    ask(&lab, "test mixed --on-error continue").exits(0);
    let help = |verb: &str| lab.hl(&format!("{verb} --help")).exits(0).stdout;
    assert!(help("create").contains("stop, continue or rollback"));
    assert!(help("test").contains("stop or continue"));
    assert!(!help("destroy").contains("--on-error"));
}

#[test]
fn limits_are_given_as_for_scenarios() {
    let lab = lab("stop", "true");
    for verb in ["create", "destroy", "test"] {
        ask(&lab, &format!("{verb} mixed -t 5m --step-timeout 2m")).exits(0);
        // The flags are read before the name is looked up.
        lab.hl(&format!("{verb} mixe -H pve -t 600 --step-timeout 2m"))
            .exits(66)
            .says(&["did you mean `mixed`?"]);
        lab.hl(&format!("{verb} mixed -H pve -t soon"))
            .exits(2)
            .says(&["`soon` is not a value of `--timeout`"]);
    }
}

#[test]
fn steps_have_the_tiers_of_the_lab() {
    let lab = lab("stop", "true");
    let limit = |id: &str| {
        let plan = plan(&lab, "create mixed");
        of(&plan, id)["timeout_seconds"].clone()
    };
    assert_eq!(limit("web/resolve"), 300);
    assert_eq!(limit("web/init"), 600);
    assert_eq!(limit("web/apply"), 1200);
    let toml = lab.read("hl.toml");
    let own = "medium = \"7m\"\nextended = \"90m\"";
    lab.write("hl.toml", &toml.replace("# long = \"15m\"", own));
    assert_eq!(limit("web/resolve"), 420);
    assert_eq!(limit("create/approve"), 420);
    assert_eq!(limit("web/init"), 600);
    assert_eq!(limit("web/apply"), 5400);
}
