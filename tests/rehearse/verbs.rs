//! `hl rehearse VERB`: what is asked of rehearsals without one, by anybody.

use std::fs;

use hl_sim::{Seed, SeedToken, Server, ServerConfig, World};

use crate::support::TestLab;

/// A node that no rehearsal may ask: nothing listens there.
fn lab() -> TestLab {
    let lab = TestLab::shipped();
    lab.write(
        ".env",
        "PVE_ACCESS_HOST=127.0.0.1:1\nPVE_NODE=pve\nPVE_STORAGE_VM=local-lvm\n\
         PM_TOKEN_ID=live@pve!hl\nPM_TOKEN_SECRET=the-live-secret\n",
    );
    lab
}

#[test]
fn what_was_never_rehearsed_is_said_without_a_world() {
    let lab = lab();
    for (words, said) in [
        ("rehearse status", "`hl rehearse up`"),
        ("status --rehearsal", "`hl rehearse up`"),
        ("rehearse runs", "there is no run yet"),
        (
            "rehearse resume",
            "there is no unfinished run; `hl rehearse up` starts one",
        ),
        ("rehearse replay", "nothing has been rehearsed yet"),
        ("rehearse clean --dry-run", "nothing to remove"),
        ("rehearse clean", "nothing to remove"),
        ("rehearse templates", ""),
        ("rehearse show l2-apply", "l2-apply/apply"),
        ("rehearse graph l2-apply", "apply (tofu.apply)"),
    ] {
        let ran = lab.hl(words).exits(0);
        let said = said.replace('`', "");
        let all = format!("{}{}", ran.stdout, ran.stderr).replace('`', "");
        assert!(all.contains(&said), "{words}: {all}");
        assert!(!all.contains("Sealed"), "{words}: {all}");
    }
    let made = lab.path("state");
    assert!(
        !made.exists(),
        "{:?}",
        fs::read_dir(made).map(Iterator::count)
    );
    let idle = lab.hl("rehearse resume --json").exits(0).json();
    assert_eq!(idle["schema"], "hl.result/1", "{idle}");
}

#[test]
fn what_has_no_rehearsal_says_so() {
    let lab = lab();
    lab.hl("rehearse access")
        .exits(2)
        .says(&["`access` cannot be rehearsed"]);
    lab.hl("rehearse site check")
        .exits(2)
        .says(&["`site` has no rehearsal of its own", "`hl site`"]);
    lab.hl("rehearse statsu").exits(66);
    lab.hl("rehearse runs --nonsense").exits(2);
    lab.hl("rehearse runs show nothing")
        .exits(66)
        .says(&["there is no run yet"]);
    for runs in ["state/rehearsal/state/runs", "state/runs"] {
        lab.write(&format!("{runs}/20260101-000000-abcd.yaml"), "");
    }
    lab.hl("rehearse runs show nothing")
        .exits(66)
        .says(&["there is no run `nothing`", "`hl rehearse runs` lists them"]);
    lab.hl("runs show nothing")
        .exits(66)
        .says(&["`hl runs` lists them"]);
}

/// A kept world, as a rehearsal leaves it.
fn keep_world(lab: &TestLab) {
    let mut seed = Seed::default();
    seed.tokens
        .push(SeedToken::administrator("hl@pve!hl", "simulated"));
    let dir = lab.path("state/rehearsal/world");
    fs::create_dir_all(&dir).unwrap();
    fs::write(lab.path("state/rehearsal/lock"), "").unwrap();
    let world = World::seeded(&seed);
    fs::write(dir.join("world.json"), serde_json::to_vec(&world).unwrap()).unwrap();
    let keys = serde_json::json!({
        "identity": {
            "node": "pve", "storage_vm": "local-lvm", "storage_iso": "local",
            "storage_import": "local", "bridge": "vmbr0", "token_id": "hl@pve!hl",
            "names": ["192.0.2.10"], "others": [],
        },
        "secret": "simulated", "ca_pem": "", "cert_pem": "", "key_pem": "",
    });
    fs::write(dir.join("keys.json"), keys.to_string()).unwrap();
}

#[test]
fn templates_of_the_kept_world_are_listed_without_a_rehearsal() {
    let lab = lab();
    keep_world(&lab);
    let world = lab.path("state/rehearsal/world/world.json");
    let before = fs::read(&world).unwrap();
    let ran = lab.hl("rehearse templates list").exits(0);
    ran.says(&["debian-13"]);
    assert!(!ran.stderr.contains("not asked"), "{}", ran.stderr);
    assert!(fs::read(&world).unwrap() == before, "the world was changed");
}

#[test]
fn a_clean_takes_the_world_and_leaves_the_history() {
    let lab = lab();
    keep_world(&lab);
    let inside = |path: &str| lab.path(&format!("state/rehearsal/{path}"));
    for path in [
        ".states/dev-pve/terraform.tfstate",
        "state/runs/x.yaml",
        "state/logs/x/a.log",
        "reports/r.json",
        "state/runtime.yaml",
    ] {
        lab.write(&format!("state/rehearsal/{path}"), "");
    }
    lab.write("state/runs/live.yaml", "");
    lab.write(".states/dev-pve/terraform.tfstate", "{}");
    lab.hl("rehearse clean --dry-run")
        .exits(0)
        .says(&["would remove", "state/rehearsal/world"]);
    assert!(inside("world/world.json").exists());

    lab.hl("rehearse clean").exits(0).says(&[
        "state/rehearsal/world",
        "runs, logs and reports of rehearsals stay",
    ]);
    for gone in ["world", ".states", "state/runtime.yaml"] {
        assert!(!inside(gone).exists(), "{gone}");
    }
    for kept in ["state/runs/x.yaml", "state/logs/x/a.log", "reports/r.json"] {
        assert!(inside(kept).exists(), "{kept}");
    }
    assert!(lab.path("state/runs/live.yaml").exists());
    assert!(lab.path(".states/dev-pve/terraform.tfstate").exists());

    // Not under a rehearsal that runs.
    keep_world(&lab);
    let lock = fs::File::open(inside("lock")).unwrap();
    lock.lock().unwrap();
    lab.hl("rehearse clean")
        .exits(75)
        .says(&["another rehearsal of this lab is running"]);
    assert!(inside("world/world.json").exists());
}

#[test]
fn in_a_rehearsal_all_advice_names_the_rehearsal() {
    let lab = lab();
    let mut seed = Seed::default();
    seed.tokens
        .push(SeedToken::administrator("hl@pve!hl", "simulated"));
    let server = Server::start(ServerConfig::new(World::seeded(&seed))).unwrap();
    let ca = lab.path("ca.pem");
    fs::write(&ca, server.ca_pem()).unwrap();
    // As the `hl` inside of a rehearsal is started.
    let inner = |words: &str| {
        lab.hl(words)
            .env("HL_REHEARSAL", "1")
            .env("PVE_ACCESS_HOST", format!("https://{}", server.addr()))
            .env("PVE_CA_FILE", ca.to_str().unwrap())
            .env("PM_TOKEN_ID", "hl@pve!hl")
            .env("PM_TOKEN_SECRET", "simulated")
            .env("PVE_NODE", "pve")
            .env("PVE_STORAGE_VM", "local-lvm")
    };
    for (words, code, said) in [
        (
            "templates promote debian-13 20260101-000000",
            66,
            "`hl rehearse l1-template debian-13`",
        ),
        (
            "templates prune debian-13 --keep 1",
            66,
            "`hl rehearse templates` lists",
        ),
        ("resume", 0, "`hl rehearse up` starts one"),
        ("runs logs x", 66, "`hl rehearse runs` lists them"),
    ] {
        let ran = inner(words).exits(code);
        ran.says(&[said]);
        // Live, the same advice names the live command.
        let live = said.replace("hl rehearse ", "hl ");
        assert!(!ran.stderr.contains(&live), "{words}: {}", ran.stderr);
        let ran = inner(words).without("HL_REHEARSAL").exits(code);
        ran.says(&[live.as_str()]);
    }
}
