//! The manifests of a new lab and of a new site-config.

use crate::support::TestLab;

/// Names, and the nodes of each in the order in which they are made.
const SHIPPED: [(&str, &[&str]); 3] = [
    ("n1-basic", &["edge"]),
    ("n1-mixed", &["plain", "cache", "web"]),
    ("n2-quick", &["inner", "edge", "cache"]),
];

#[track_caller]
fn valid(lab: &TestLab) {
    let ran = lab.hl("manifest check").exits(0);
    ran.says(&["3 manifests in `site`: no errors, no warnings"]);
    for (name, nodes) in SHIPPED {
        let graph = lab.hl(&format!("manifest graph {name} --json")).exits(0);
        assert_eq!(graph.json()["create"], serde_json::json!(nodes), "{name}");
        lab.hl(&format!("manifest show {name}")).exits(0);
    }
    lab.hl("site check").exits(0);
    lab.hl("site resolve spec base").exits(0);
}

/// Every image is a template that the lab defines.
#[test]
fn those_of_a_new_lab_are_valid() {
    let dir = TestLab::empty();
    dir.hl("new made").exits(0);
    let lab = TestLab::shipped();
    valid(&lab);
    let made = dir.read("made/site/manifests/n1-mixed.yaml");
    assert_eq!(made, lab.read("site/manifests/n1-mixed.yaml"));
}

#[test]
fn those_of_a_new_site_config_are_the_same() {
    let lab = TestLab::empty();
    lab.hl("site init").exits(0);
    valid(&lab);
    let shipped = TestLab::shipped().read("site/manifests/n2-quick.yaml");
    let first = "# yaml-language-server: $schema=../.schemas/manifest.json\n";
    let own = lab.read("site/manifests/n2-quick.yaml");
    assert_eq!(own, format!("{first}{shipped}"));
}

/// A shell asks for the names of manifests.
#[test]
fn their_names_are_completed() {
    let lab = TestLab::shipped();
    for (at, words) in [("3", "manifest show"), ("4", "manifest graph -M")] {
        let asked = lab
            .hl("")
            .env("COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", at)
            .env("_CLAP_IFS", "\n");
        let ran = asked.cmd("-- hl").cmd(words).arg("").exits(0);
        ran.says(&["n1-basic", "n1-mixed", "n2-quick"]);
    }
}
