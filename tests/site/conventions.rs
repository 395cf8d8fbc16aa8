//! What machines are usually like, and what is told of others.

use std::fs;

use super::stage::Stage;

#[test]
fn a_time_zone_has_the_form_of_one() {
    let stage = Stage::example();
    let site = fs::read_to_string(stage.path("site.yaml")).unwrap();
    let spec = |zone: &str| {
        let text = format!("schema_version: 1\nconfig: {{timezone: \"{zone}\"}}\n");
        stage.write("v2/specs/zoned.yaml", &text);
    };
    for zone in ["Etc/GMT+1", "America/Port-au-Prince", "UTC", "EST5EDT"] {
        spec(zone);
        stage.site("check").exits(0);
    }
    for zone in [
        "Europe Lisbon",
        "../../etc/shadow",
        "/UTC",
        "Europe/",
        "a;b",
        "",
    ] {
        spec(zone);
        stage.site("check").exits(65).says(&[
            &format!("`{zone}` is not the name of a time zone"),
            "v2/specs/zoned.yaml:2",
        ]);
    }
    spec("UTC");
    stage.write("site.yaml", &site.replace("Europe/Lisbon", "Europe.Lisbon"));
    stage
        .site("check")
        .exits(65)
        .says(&["`Europe.Lisbon` is not the name of a time zone"]);
}

#[test]
fn odd_addresses_and_ids_are_told_and_a_site_may_have_its_own() {
    let stage = Stage::example();
    let env = "vms:\n  - {name: a, template: tiny, mac: \"BC:24:11:00:00:01\", vmid: 20001}\n  - {name: b, template: tiny, mac: \"de:ad:be:00:00:01\", vmid: 900}\n";
    stage.write("envs/odd.yaml", env);
    let check = || stage.site("check").exits(0).stderr;
    let said = check();
    assert!(
        said.contains("MAC address `de:ad:be:00:00:01` does not begin with `BC:24:11`"),
        "{said}"
    );
    assert!(!said.contains("outside of the site's range"), "{said}");
    let site = fs::read_to_string(stage.path("site.yaml")).unwrap();
    stage.write(
        "site.yaml",
        &format!("{site}\n  mac_prefix: DE:AD:BE\n  vmid_range: 10000-99999\n"),
    );
    let said = check();
    assert!(
        said.contains("`BC:24:11:00:00:01` does not begin with `DE:AD:BE`"),
        "{said}"
    );
    assert!(
        said.contains("vmid 900 is outside of the site's range, 10000-99999"),
        "{said}"
    );
    assert!(!said.contains("vmid 20001"), "{said}");
    stage.write(
        "site.yaml",
        &format!("{site}\n  mac_prefix: nothing\n  vmid_range: few\n"),
    );
    stage.site("check").exits(65).says(&[
        "is not the beginning of a MAC address",
        "is not a range of ids",
    ]);
}
