//! The variables that are printed, and what they lead to.

use super::stage::{Sim, exported};
use crate::support::TestLab;

#[test]
fn the_printed_lines_are_all_that_the_runway_wants_of_a_node() {
    let lab = TestLab::shipped();
    let sim = Sim::start(&lab);
    let mut hl = lab.hl("l0-runway --json").env("DOPPLER", "0");
    for (name, value) in &sim.exports {
        hl = hl.env(name, value);
    }
    let said = hl.run().json();
    let phases = said["phases"].as_array().unwrap();
    for check in [
        "environment",
        "endpoint",
        "tls",
        "token",
        "node",
        "rights",
        "vm-storage",
        "iso-storage",
        "import-storage",
        "bridge",
        "build-address",
    ] {
        let name = format!("l0-runway/{check}");
        let phase = phases.iter().find(|phase| phase["name"] == name).unwrap();
        assert_eq!(phase["status"], "succeeded", "{phase:#}");
    }
}

/// Each client finds the simulator by its own names, printed at the start or later.
#[test]
fn each_client_has_its_variables() {
    let lab = TestLab::empty();
    let sim = Sim::start(&lab);
    let url = &sim.exports["PVE_ACCESS_HOST"];
    let ca = &sim.exports["PVE_CA_FILE"];
    let secret = &sim.exports["PM_TOKEN_SECRET"];
    let exports = |client: &str| -> std::collections::BTreeMap<String, String> {
        let ran = lab
            .hl("sim export --world world --for")
            .arg(client)
            .exits(0);
        ran.stdout.lines().map(exported).collect()
    };
    let bpg = exports("bpg");
    assert_eq!(bpg["PROXMOX_VE_ENDPOINT"], format!("{url}/"));
    assert_eq!(bpg["PROXMOX_VE_API_TOKEN"], format!("hl@pve!hl={secret}"));
    assert_eq!(&bpg["SSL_CERT_FILE"], ca);
    assert_eq!(exports("telmate")["PM_API_URL"], format!("{url}/api2/json"));
    assert_eq!(exports("packer")["PROXMOX_USERNAME"], "hl@pve!hl");
    let ansible = exports("ansible");
    assert_eq!(
        format!(
            "https://{}:{}",
            ansible["PROXMOX_HOST"], ansible["PROXMOX_PORT"]
        ),
        *url
    );
    assert_eq!(&ansible["REQUESTS_CA_BUNDLE"], ca);
    assert_eq!(exports("proxmoxer")["PROXMOX_TOKEN_NAME"], "hl");
    assert!(exports("all").len() > 15);
    let again = lab.hl("sim export --world world").exits(0);
    let again: std::collections::BTreeMap<_, _> = again.stdout.lines().map(exported).collect();
    assert_eq!(again, sim.exports);
    drop(sim);
    lab.hl("sim export --world world")
        .exits(66)
        .says(&["is not being served", "hl sim --world world"]);
    lab.hl("sim export --world world --for sap").exits(2);
}

/// The token may do everything, root may log in, and both are there again at the next
/// start.
#[test]
fn an_administrator_may_do_everything() {
    let lab = TestLab::empty();
    let plain = Sim::start(&lab);
    assert!(!plain.exports.contains_key("PROXMOX_ROOT_PASSWORD"));
    let denied = plain.send(
        reqwest::blocking::Client::delete,
        "/nodes/pve/storage/local/content/local:iso/x.iso",
    );
    assert_eq!(denied.unwrap().status().as_u16(), 403);
    drop(plain);
    let mut known = None;
    for _ in 0..2 {
        let sim = Sim::with(&lab, "--world world --admin");
        assert_eq!(sim.exports["PM_TOKEN_ID"], "root@pam!admin");
        let all = sim.get("/access/permissions");
        assert_eq!(all["/"]["Permissions.Modify"], 1, "{all}");
        let password = sim.exports["PROXMOX_ROOT_PASSWORD"].clone();
        let login = [("username", "root@pam"), ("password", password.as_str())];
        let ticket = sim.post("/access/ticket", &login);
        assert_eq!(ticket["username"], "root@pam");
        let secrets = (sim.exports["PM_TOKEN_SECRET"].clone(), password);
        assert_eq!(known.get_or_insert(secrets.clone()), &secrets);
    }
}
