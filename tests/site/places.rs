//! Where the site-config is found, by the real binary.

use std::fs;

use super::stage::Stage;
use crate::support::{Hl, TestLab};

#[test]
fn where_says_which_and_why() {
    let lab = TestLab::empty();
    fs::create_dir(lab.path("site")).unwrap();
    let ran = lab.hl("site where").exits(0);
    assert_eq!(ran.stdout.trim_end(), lab.path("site").to_str().unwrap());
    ran.says(&["named by the lab's `site/`", "HL_SITE, not set"]);
    let stage = Stage::example();
    let conf = stage.path("");
    let conf = conf.to_str().unwrap().trim_end_matches('/');
    let named = lab.hl("site where").env("HOMESTAK_SITE_CONFIG", conf);
    let ran = named.exits(0);
    assert_eq!(ran.stdout.trim_end(), conf);
    ran.says(&["named by `HOMESTAK_SITE_CONFIG`"]);
    let json = named
        .clone()
        .env("HL_SITE", conf)
        .cmd("--json")
        .exits(0)
        .json();
    assert_eq!(json["why"], "`HL_SITE`");
    assert_eq!(json["root"], conf);
    // What is named is never passed over.
    for (name, hl) in [
        ("HL_SITE", lab.hl("site where").env("HL_SITE", "gone")),
        (
            "HOMESTAK_SITE_CONFIG",
            lab.hl("site list envs")
                .env("HOMESTAK_SITE_CONFIG", "/gone"),
        ),
        ("--site", lab.hl("site check --site gone")),
    ] {
        hl.exits(66).says(&[name, "gone", "does not exist"]);
    }
}

#[test]
fn no_lab_is_needed_and_a_broken_one_is_told() {
    let stage = Stage::example();
    fs::rename(stage.path(""), stage.beside("site-config")).unwrap();
    fs::create_dir(stage.beside("work")).unwrap();
    let hl = |words: &str| Hl::new(&stage.beside("work")).cmd(words);
    let ran = hl("site list nodes").exits(0);
    assert_eq!(ran.stdout, "kestrel\nnested-pve\nosprey\n");
    let json = hl("site list presets --json").exits(0).json();
    assert_eq!(json["kind"], "presets");
    assert_eq!(json["names"].as_array().unwrap().len(), 5);
    hl("site resolve host kestral").exits(66).says(&[
        "there is no host `kestral`",
        "did you mean `kestrel`?",
        "known: `heron`, `kestrel`, `nested-pve`, `osprey`",
    ]);
    fs::write(stage.beside("work/hl.toml"), "[lab]\nnmae = 1\n").unwrap();
    hl("site list nodes").exits(65).says(&["nmae"]);
}
