//! `hl site init`, `node-config` and `host-config`: from nothing to files that
//! name what is really there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;

use super::world::{CANARY, SECRETS, World};
use crate::support::TestLab;

#[test]
fn a_new_site_config_keeps_what_is_there() {
    let lab = TestLab::empty();
    lab.write("site/envs/dev.yaml", "vms: []\n");
    let shown = lab.hl("-n site init").exits(0).stdout;
    assert!(!lab.path("site/site.yaml").exists());
    assert!(shown.contains("site/secrets.yaml") && !shown.contains("envs/dev.yaml"));
    lab.hl("site init")
        .exits(0)
        .says(&["Kept", "site/envs/dev.yaml"]);
    assert_eq!(lab.read("site/envs/dev.yaml"), "vms: []\n");
    let mode = |path: &str| lab.path(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("site/secrets.yaml"), 0o600);
    lab.hl("site secrets check").exits(0);
    lab.write("site/envs/dev.yaml", &lab_of("envs/dev.yaml"));
    let check = lab.hl("site check").exits(0);
    check.says(&["no errors, no warnings"]);
    let vars = lab.hl("site resolve ansible -E dev").exits(0).json();
    assert_eq!(vars["posture_name"], "dev");
    lab.hl("site resolve spec base").exits(0);
    lab.write("site/nodes/pve.yaml", "datastore: local\n");
    lab.write("site/secrets.yaml", "api_tokens: {pve: x@y!z=1}\n");
    let vms = lab.hl("site resolve tofu -E dev -N pve").exits(0).json();
    assert_eq!(vms["vms"][0]["vmid"], 5101);
    lab.write("site/site.yaml", "defaults: {}\n");
    let again = lab.hl("site init --json").exits(0).json();
    assert_eq!(again["written"], serde_json::json!([]));
    assert_eq!(lab.read("site/site.yaml"), "defaults: {}\n");
    // What an editor reads is what `hl schema` prints.
    let text = lab.read("site/vms/debian.yaml");
    let line = text.lines().next().unwrap();
    assert_eq!(
        line,
        "# yaml-language-server: $schema=../.schemas/template.json"
    );
    let schema: serde_json::Value =
        serde_json::from_str(&lab.read("site/.schemas/template.json")).unwrap();
    assert_eq!(lab.hl("schema template").exits(0).json(), schema);
    // Where there is no lab, it says where.
    let world = World::new();
    let ran = world.hl("site init").without("HL_SITE").exits(2);
    ran.says(&["hl site init site-config"]);
    world.hl("site init fresh").exits(0);
    assert!(world.path("site/fresh/.sops.yaml").exists());
}

/// A file of a new site-config.
fn lab_of(path: &str) -> String {
    let lab = TestLab::empty();
    lab.hl("site init").exits(0);
    lab.read(&format!("site/{path}"))
}

#[test]
fn a_node_is_written_from_the_api_that_the_lab_uses() {
    let lab = TestLab::empty();
    let mut sim = lab.hl("sim --listen 127.0.0.1:0 --world world").spawn();
    let exports: BTreeMap<String, String> = BufReader::new(sim.stdout.take().unwrap())
        .lines()
        .map(|line| {
            let line = line.unwrap();
            let (name, value) = line
                .strip_prefix("export ")
                .unwrap()
                .split_once('=')
                .unwrap();
            (name.to_owned(), value.trim_matches('\'').to_owned())
        })
        .take_while(|(name, _)| name != "DOPPLER")
        .collect();
    let hl = |words: &str| {
        exports
            .iter()
            .fold(lab.hl(words), |hl, (name, value)| hl.env(name, value))
    };
    hl("site init").exits(0);
    let token = format!("{}={}", exports["PM_TOKEN_ID"], exports["PM_TOKEN_SECRET"]);
    let ran = hl("site node-config").exits(0);
    ran.says(&["Wrote site/nodes/pve.yaml", "no `api_tokens.pve`"]);
    assert!(!ran.stderr.contains(&exports["PM_TOKEN_SECRET"]));
    lab.write(
        "site/secrets.yaml",
        &format!("api_tokens:\n  pve: {token}\n"),
    );
    let text = lab.read("site/nodes/pve.yaml");
    for line in [
        "node: pve",
        "api_token: pve",
        "datastore: local-lvm",
        &format!("api_endpoint: {}", exports["PVE_ACCESS_HOST"]),
    ] {
        assert!(text.lines().any(|l| l == line), "{line}: {text}");
    }
    assert!(!text.contains("host:") && !text.contains(&exports["PM_TOKEN_SECRET"]));
    let ran = hl("site node-config").exits(0);
    ran.says(&["Unchanged"]);
    assert!(!ran.stderr.contains("api_tokens"));
    // Somebody's own changes are theirs.
    lab.write("site/nodes/pve.yaml", "datastore: mine\n");
    hl("site node-config")
        .exits(73)
        .says(&["is there already", "--force"]);
    hl("-n site node-config")
        .exits(0)
        .says(&["Would write", "datastore: local-lvm"]);
    assert_eq!(lab.read("site/nodes/pve.yaml"), "datastore: mine\n");
    lab.write("site/hosts/pve.yaml", "host: pve\n");
    hl("site node-config pve --force").exits(0);
    assert!(lab.read("site/nodes/pve.yaml").contains("host: pve\n"));
    hl("site node-config pev")
        .exits(66)
        .says(&["did you mean `pve`"]);
    sim.kill().unwrap();
    sim.wait().unwrap();
    hl("site node-config")
        .exits(69)
        .says(&["cannot be reached"]);
}

#[test]
fn a_host_is_written_from_this_machine_or_another() {
    let world = World::new();
    let key = format!("ssh-ed25519 AAAA{CANARY} ana@desk");
    world.write("secrets.yaml", SECRETS);
    fs::create_dir(world.path(".ssh")).unwrap();
    fs::write(world.path(".ssh/authorized_keys"), format!("{key}\n")).unwrap();
    let found = world.hl("site host-config here --json").exits(0).json();
    let content = &found["content"];
    assert_eq!(content["host"], "here");
    assert!(content["hardware"]["cpu_cores"].as_u64().unwrap() > 0);
    assert_eq!(content["access"]["authorized_keys"][0], "ana@desk");
    let text = world.read("hosts/here.yaml");
    assert!(
        text.contains("host: here\n") && !text.contains(CANARY),
        "{text}"
    );
    fs::write(world.path("site/hosts/here.yaml"), "host: mine\n").unwrap();
    world.hl("site host-config here").exits(73);
    // A stand-in for ssh: it proves only how it is called, and runs the script here.
    let bin = world.path("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(
        bin.join("ssh"),
        "#!/bin/sh\necho \"$@\" > \"$HOME/asked\"\n[ \"$6\" = down ] && { echo 'Connection refused' >&2; exit 255; }\nexec sh -s\n",
    )
    .unwrap();
    fs::set_permissions(bin.join("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let ssh = |words: &str| world.hl(words).env("PATH", &path);
    ssh("site host-config far --ssh ana@far.lab").exits(0);
    let asked = fs::read_to_string(world.path("asked")).unwrap();
    assert_eq!(
        asked,
        "-o BatchMode=yes -o ConnectTimeout=10 -- ana@far.lab sh -s\n"
    );
    assert!(world.read("hosts/far.yaml").contains("over ssh"));
    let ran = ssh("site host-config off --ssh down").exits(69);
    ran.says(&[
        "`down` cannot be asked: Connection refused",
        "ssh down true",
    ]);
    assert!(!world.path("site/hosts/off.yaml").exists());
}
