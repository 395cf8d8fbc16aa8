//! Faults on the command line.

use reqwest::blocking::Client;

use super::stage::Sim;
use crate::support::TestLab;

#[test]
fn rules_come_from_the_command_line_and_from_a_file() {
    let lab = TestLab::empty();
    lab.write(
        "faults.toml",
        r#"
        [[fault]]
        method = "GET"
        path = "/nodes/*/status"
        status = 500
        message = "out of order"

        [[fault]]
        task = "create"
        exit = "no space"
        "#,
    );
    let sim = Sim::with_args(
        &lab,
        "--world world --faults faults.toml",
        &[
            "--fault",
            "GET /version hit=1 lost",
            "--fault",
            "/no/such slow=1ms",
        ],
    );
    let answer = sim.send(Client::get, "/nodes/pve/status").unwrap();
    assert_eq!(answer.status().as_u16(), 500);
    assert!(sim.send(Client::get, "/version").is_err());
    assert_eq!(sim.get("/version")["release"], "9.1");
    let task = sim.post("/nodes/pve/qemu", &[("vmid", "100")]);
    let status = sim.get(&format!(
        "/nodes/pve/tasks/{}/status",
        task.as_str().unwrap()
    ));
    assert_eq!(status["exitstatus"], "no space");
    sim.interrupt();
    let ended = sim.ended();
    for part in [
        "`GET /nodes/*/status status=500 message=\"out of order\"` once",
        "`GET /version hit=1 lost` once",
        "`/no/such slow=1ms` met nothing",
    ] {
        assert!(ended.said.contains(part), "{part}: {}", ended.said);
    }
}

#[test]
fn a_rule_that_cannot_be_is_refused_before_anything_starts() {
    let lab = TestLab::empty();
    let sim = "sim --listen 127.0.0.1:0";
    lab.hl(sim)
        .cmd("--fault")
        .arg("GET /x colour=red")
        .exits(2)
        .says(&["unknown field `colour`", "such as `--fault"]);
    lab.hl(sim)
        .cmd("--fault")
        .arg("world=storage-full storage=tank")
        .exits(65)
        .says(&["there is no storage `tank`"]);
    lab.write("faults.toml", "[[fault]]\npath = \"/x\"\nlst = true\n");
    lab.hl(sim).cmd("--faults faults.toml").exits(65).says(&[
        "faults.toml:3:1",
        "unknown key `lst`",
        "did you mean `lost`?",
    ]);
    TestLab::shipped()
        .hl("rehearse --fault")
        .arg("GET /x")
        .cmd("l0-runway")
        .exits(2)
        .says(&["it does nothing"]);
}

/// A client that trusts what it is told to trust is still refused.
#[test]
fn a_certificate_that_is_wrong_is_under_the_authority_that_is_printed() {
    let lab = TestLab::empty();
    let sim = Sim::with_args(
        &lab,
        "--world world",
        &["--fault", "world=certificate-expired"],
    );
    let error = sim.send(Client::get, "/version").unwrap_err();
    assert!(format!("{error:?}").contains("Expired"), "{error:?}");
    drop(sim);
    let sim = Sim::start(&lab);
    assert_eq!(sim.get("/version")["release"], "9.1");
}
