//! Certificates, and what the tools are given.

use std::collections::BTreeMap;

use camino::Utf8Path;
use hl::lab::{Environment, Paths, Provenance, Var};
use hl::pve::{self, Client, TlsProblem};

use super::scene::{SECRET, Scene, TOKEN_ID, scene, seed, self_signed};

pub(super) fn environment(scene: &Scene) -> (Environment, Paths) {
    let vars: BTreeMap<_, _> = scene
        .lab
        .read(".env")
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| {
            let var = Var {
                value: value.trim_matches('\'').to_owned(),
                from: Provenance::Process,
                secret: false,
            };
            (name.to_owned(), var)
        })
        .collect();
    let root = Utf8Path::from_path(scene.lab.root()).unwrap();
    (Environment::new(vars), Paths::live(root))
}

#[test]
fn a_self_signed_certificate_gives_the_line_to_add_and_the_line_helps() {
    let scene = self_signed(&["127.0.0.1"]);
    let line = format!("`PVE_FINGERPRINT={}`", scene.sim.fingerprint());
    let report = scene.not_cleared();
    report.only("tls", &["no authority known here"], &[&line]);
    assert_eq!(report.status("token"), "blocked");
    assert_eq!(scene.sim.request_count(), 0);

    let pinned = scene.sim.fingerprint().to_lowercase().replace(':', "");
    scene.set("PVE_FINGERPRINT", &pinned);
    scene.cleared("cleared");
}

#[test]
fn another_certificate_than_the_pinned_one() {
    let scene = self_signed(&["127.0.0.1"]);
    scene.set("PVE_FINGERPRINT", &"AB".repeat(32));
    let line = format!("`PVE_FINGERPRINT={}`", scene.sim.fingerprint());
    let message = "it is not the pinned one";
    scene
        .not_cleared()
        .only("tls", &[message], &[&line, "another machine"]);
    assert_eq!(scene.sim.request_count(), 0);
}

#[test]
fn a_pinned_certificate_for_another_host_would_fail_the_tools() {
    let scene = self_signed(&["pve.lab"]);
    scene.set("PVE_FINGERPRINT", scene.sim.fingerprint());
    scene.not_cleared().only(
        "tls",
        &["refused by packer and tofu", "it is for pve.lab"],
        &["set `PVE_ACCESS_HOST` to a name it is for instead of `127.0.0.1`: `pve.lab`"],
    );
}

#[test]
fn without_verification_every_run_warns() {
    let scene = self_signed(&["elsewhere.lab"]);
    scene.set("PVE_TLS_INSECURE", "1");
    let report = scene.cleared("cleared with warnings");
    let tls = report.step("tls").to_string();
    assert!(tls.contains(&format!("PVE_FINGERPRINT={}", scene.sim.fingerprint())));
    scene.runway().exits(0).says(&["cleared with warnings"]);
}

#[test]
fn a_bundle_of_an_authority_and_what_the_tools_are_given() {
    let scene = scene(&seed());
    let (env, paths) = environment(&scene);
    let vars = pve::tool_env(&env, &paths).unwrap();
    let bundle = scene.lab.read(".build/ca.pem");
    assert!(bundle.contains(scene.sim.ca_pem().trim()));
    let addr = scene.sim.addr();
    for (name, value) in [
        ("SSL_CERT_FILE", paths.build().join("ca.pem").to_string()),
        (
            "REQUESTS_CA_BUNDLE",
            paths.build().join("ca.pem").to_string(),
        ),
        ("PROXMOX_VE_ENDPOINT", format!("https://{addr}")),
        ("PROXMOX_VE_API_TOKEN", format!("{TOKEN_ID}={SECRET}")),
        ("PROXMOX_VE_INSECURE", "false".to_owned()),
        ("PROXMOX_URL", format!("https://{addr}/api2/json")),
        ("PROXMOX_USERNAME", TOKEN_ID.to_owned()),
        ("PROXMOX_TOKEN", SECRET.to_owned()),
        ("NO_PROXY", "127.0.0.1".to_owned()),
    ] {
        assert_eq!(vars.get(name), Some(&value), "{name}");
    }
    assert_eq!(scene.sim.request_count(), 0);
}

#[test]
fn a_pinned_certificate_is_fetched_for_the_bundle_and_only_the_pinned_one() {
    let scene = self_signed(&["127.0.0.1"]);
    scene.set("PVE_FINGERPRINT", scene.sim.fingerprint());
    let (env, paths) = environment(&scene);
    pve::write_bundle(&env, &paths).unwrap();
    assert!(
        scene
            .lab
            .read(".build/ca.pem")
            .contains(scene.sim.ca_pem().trim())
    );

    let scene = self_signed(&["127.0.0.1"]);
    scene.set("PVE_FINGERPRINT", &"AB".repeat(32));
    let (env, paths) = environment(&scene);
    let error = pve::write_bundle(&env, &paths).unwrap_err();
    let pve::Error::Tls { problem, .. } = error else {
        panic!("{error}")
    };
    assert!(matches!(problem, TlsProblem::NotThePinned { .. }));
    assert!(!paths.build().join("ca.pem").exists());
}

#[test]
fn without_verification_the_tools_are_told_so() {
    let scene = self_signed(&["elsewhere.lab"]);
    scene.set("PVE_TLS_INSECURE", "1");
    let (env, paths) = environment(&scene);
    let vars = pve::tool_env(&env, &paths).unwrap();
    assert_eq!(vars["PROXMOX_VE_INSECURE"], "true");
    assert_eq!(vars["PKR_VAR_pve_tls_insecure"], "true");
    assert!(!vars.contains_key("REQUESTS_CA_BUNDLE"));
    Client::new(&env, &paths).unwrap().version().unwrap();
}
