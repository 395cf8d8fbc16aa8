//! L2 on the resolver: layers of machines, nodes from the site, and no secret
//! of it anywhere.

use super::stage::{CANARY, Stage, TOKEN_ID, sealed};
use crate::support::Hl;

const TARGET: [&str; 5] = [
    "PVE_ACCESS_HOST",
    "PM_TOKEN_ID",
    "PM_TOKEN_SECRET",
    "PVE_NODE",
    "PVE_STORAGE_VM",
];

/// Secrets of a site, all looked for in everything that is written.
const TOKEN_OF_WEB: &str = "c0ffee01-of-the-web-machine";
const ROOT: &str = "$6$saltsalt$c0ffee02rootpassword";
const SITE_TOKEN: &str = "c0ffee03-of-the-site";

/// A lab whose target is in the site alone.
fn lab() -> Stage {
    let stage = Stage::new();
    let endpoint = format!("https://{}", stage.sim.addr());
    for (file, text) in [
        ("nodes/home.yaml", format!("node: pve\napi_endpoint: {endpoint}\ndatastore: local-lvm\n")),
        ("secrets.yaml", format!("api_tokens:\n  home: \"{TOKEN_ID}={CANARY}\"\npasswords:\n  vm_root: \"{ROOT}\"\nauth:\n  site_token: {SITE_TOKEN}\n  node_tokens:\n    web: {TOKEN_OF_WEB}\n")),
        ("site.yaml", "defaults:\n  gateway: 192.168.1.1\n".to_owned()),
        ("vms/small-web.yaml", "image: debian-13\npreset: tiny\ntags: [web]\ngroups: [web]\n".to_owned()),
        ("vms/presets/tiny.yaml", "cores: 2\nmemory: 2048\ndisk: 12\n".to_owned()),
        ("v2/postures/prod.yaml", "auth: {method: node_token}\n".to_owned()),
        ("postures/prod.yaml", "ssh_permit_root_login: \"no\"\n".to_owned()),
        ("envs/layered.yaml", "posture: prod\nvms:\n  - {name: web, template: small-web, ip: 192.168.1.71/24}\n  - {name: db, vm_preset: tiny, image: debian-13, memory: 4096, ip: 192.168.1.72/24}\n".to_owned()),
        ("envs/other.yaml", "posture: prod\nvms:\n  - {name: x, template: small-web, ip: 192.168.1.73/24}\n".to_owned()),
    ] {
        stage.lab.write(&format!("site/{file}"), &text);
    }
    let secrets = stage.lab.path("site/secrets.yaml");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(secrets, mode).unwrap();
    stage
}

fn hl(stage: &Stage, words: &str) -> Hl {
    TARGET
        .iter()
        .fold(stage.hl(words), |hl, name| hl.without(name))
}

fn keeps_secrets(stage: &Stage) {
    let own = stage.lab.path("site/secrets.yaml");
    for path in stage.files().into_iter().filter(|path| *path != own) {
        let bytes = std::fs::read(&path).unwrap_or_default();
        for secret in [CANARY, TOKEN_OF_WEB, ROOT, SITE_TOKEN] {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {}", path.display());
        }
    }
}

#[test]
fn machines_come_from_their_layers_and_the_target_from_the_nodes_file() {
    if !sealed(
        "site::machines_come_from_their_layers_and_the_target_from_the_nodes_file",
        "tofu",
    ) {
        return;
    }
    let stage = lab();
    // Cleared, although no variable is set.
    hl(&stage, "l0-runway layered --keep-going --json")
        .run()
        .says(&[
            "`layered` has 2 machines",
            "`pve` is online",
            "the token is accepted",
        ]);
    hl(&stage, "l2-apply layered --yes")
        .exits(0)
        .says(&["2 added"]);
    let world = stage.sim.world();
    let named = |name: &str| {
        let mut vms = world.vms.iter();
        let (id, vm) = vms.find(|(_, vm)| vm.name() == name).unwrap();
        (*id, (*vm.config).clone())
    };
    let (web_id, web) = named("web");
    assert_eq!(
        (web["cores"].as_str(), web["memory"].as_str()),
        ("2", "2048")
    );
    assert!(web["scsi0"].contains("size=12G"), "{web:?}");
    assert_eq!(web["tags"], "hl;layered;web");
    assert!(web["ipconfig0"].contains("gw=192.168.1.1"), "{web:?}");
    let (db_id, db) = named("db");
    assert_eq!((db["cores"].as_str(), db["memory"].as_str()), ("2", "4096"));
    // Nobody gave them ids: the lowest that are free, and they stay.
    assert_eq!((web_id, db_id), (100, 101));
    let tfstate = stage.lab.path(".states/layered-home/terraform.tfstate");
    assert!(tfstate.is_file());
    hl(&stage, "l2-apply layered --node home")
        .exits(0)
        .says(&["no changes"]);
    hl(&stage, "l2-apply other --yes")
        .exits(0)
        .says(&["VM 102"]);
    keeps_secrets(&stage);
    hl(&stage, "l2-destroy layered --yes")
        .exits(0)
        .says(&["2 destroyed"]);
    assert_eq!(stage.vms().len(), 1);
    keeps_secrets(&stage);
}

#[test]
fn what_contradicts_the_nodes_file_stops_every_layer() {
    if !sealed(
        "site::what_contradicts_the_nodes_file_stops_every_layer",
        "tofu",
    ) {
        return;
    }
    let stage = lab();
    stage
        .lab
        .write(".env", "# mine\nPVE_STORAGE_VM=local-zfs\n");
    let both = [
        "`PVE_STORAGE_VM` is `local-zfs` (.env:2)",
        "`datastore` of node `home` says `local-lvm` (site/nodes/home.yaml:3)",
    ];
    for words in [
        "l0-runway layered",
        "l1-template debian-13 --node home",
        "l2-apply layered --yes",
    ] {
        hl(&stage, words).exits(65).says(&both);
    }
    // Secrets are compared, and not shown.
    stage
        .lab
        .write(".env", "PM_TOKEN_SECRET=c0ffee99-another\n");
    let torn = hl(&stage, "l2-apply layered --yes").exits(65);
    torn.says(&[
        "`PM_TOKEN_SECRET` (.env:1) is another one",
        "site/secrets.yaml:2",
    ]);
    assert!(!torn.stderr.contains("c0ffee"), "{}", torn.stderr);
    assert_eq!(stage.sim.write_count(), 0);
    // Where both say the same, all is well.
    stage.lab.write(".env", "PVE_STORAGE_VM=local-lvm\n");
    hl(&stage, "plan l2-apply layered").exits(0);
    hl(&stage, "env")
        .exits(0)
        .says(&["site/nodes/home.yaml:2", "site/secrets.yaml:2"]);
}
